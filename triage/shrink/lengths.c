/*
 * Bytes that can only go together with the length fields that cover them. First those
 * whose spans all end where the input ends, at once, as nested structures do; then one
 * field after the other. What was taken for a length and let bytes go enters the layout,
 * so from then on every strategy's candidates keep it right.
 */
#include "triage/shrink/fields.h"

#include "base/mem.h"

/* stages of a pass */
enum {
    FAMILY_WIDE,  /* numbers of 2 and 4 bytes, and decimals, that end about the end */
    FAMILY_BYTES, /* single bytes that end exactly there */
    SINGLE,
};

enum {
    PARTS = 7,
    SINGLE_TRIES = 2 * PARTS, /* alone, and with those around it */
    BYTE_SPAN_MAX = 255,
};

struct plan {
    struct fields fields;
    struct field family[2][EDIT_GUESS_MAX];
    size_t n_family[2];
};

static bool
belongs(const struct sketch *sketch, const struct field *field, size_t stage)
{
    uint64_t value = 0;
    size_t len = sketch->bytes.len;

    (void)field_read(&sketch->bytes, field, &value);
    uint64_t end = field->at + field->width + value;
    if (stage == FAMILY_BYTES) {
        return field->width == 1 && field->form != FIELD_DECIMAL && end == len;
    }
    return (field->width > 1 || field->form == FIELD_DECIMAL) &&
           end + FIELDS_SLACK >= len && end <= len + FIELDS_SLACK;
}

static struct plan *
plan_of(const struct sketch *sketch)
{
    struct plan *plan = mem_alloc(sizeof(*plan));

    fields_find(sketch, false, &plan->fields);
    for (size_t stage = FAMILY_WIDE; stage <= FAMILY_BYTES; stage++) {
        /* the outermost matter most, and they stand last in the list */
        for (size_t i = plan->fields.n; i-- > 0;) {
            const struct field *field = &plan->fields.field[i];
            if (plan->n_family[stage] < EDIT_GUESS_MAX && belongs(sketch, field, stage)) {
                plan->family[stage][plan->n_family[stage]++] = *field;
            }
        }
    }
    return plan;
}

/* A block, and all of the family that stand before it. */
static bool
family_next(const struct sketch *sketch, const struct plan *plan, size_t grain,
            struct cursor *cursor, struct step *step)
{
    const struct field *family = plan->family[cursor->stage];
    size_t n = plan->n_family[cursor->stage];
    size_t first = n == 0 ? sketch->bytes.len : family[0].at + family[0].width;

    if (cursor->at < first + grain) {
        return false;
    }
    step->edit.to = cursor->at;
    step->edit.from = cursor->at - grain;
    for (size_t i = 0; i < n; i++) {
        if (family[i].at + family[i].width <= step->edit.from) {
            step->edit.guess[step->edit.n_guess++] = family[i];
            step->edit.guess[step->edit.n_guess - 1].to = sketch->bytes.len;
        }
    }
    cursor->at = step->edit.from;
    return true;
}

/* Parts of one field's span that are worth a try at this grain. */
static bool
part_of(const struct sketch *sketch, const struct field *field, size_t grain, size_t n,
        struct edit *edit)
{
    static const size_t gaps[] = {1, 2, 4}; /* ... a colon, a line's end, a type */
    size_t size = field->to - field->from;
    bool own_scale = size < 4 * grain;

    if (size < 2 * grain || (field->width == 1 && !own_scale)) {
        return false;
    }
    switch (n) {
    case 0: /* the middle: whatever the number counts besides, this is in it */
        edit->from = field->from + size / 4;
        edit->to = edit->from + (own_scale ? size / 2 : grain);
        return true;
    case 1:
        edit->from = field->to - grain;
        edit->to = field->to;
        return true;
    case 2:
        edit->from = field->from;
        edit->to = field->from + grain;
        return true;
    case 3: /* the end, with uncounted bytes between the number and what it counts: ... */
    case 4:
    case 5:
        edit->to = field->to + gaps[n - 3];
        edit->from = edit->to - grain;
        return grain <= gaps[n - 3] && edit->to <= sketch->bytes.len;
    default: /* all but a little */
        edit->from = field->from + (size > (size_t)2 * FIELDS_SLACK ? FIELDS_SLACK : 1);
        edit->to = field->to - (size > (size_t)2 * FIELDS_SLACK ? FIELDS_SLACK : 0);
        return own_scale && edit->to > edit->from;
    }
}

static bool
single_next(const struct sketch *sketch, const struct plan *plan, size_t grain,
            struct cursor *cursor, struct step *step)
{
    struct edit *edit = &step->edit;
    const struct field *field;

    while ((field = fields_at(&plan->fields, &cursor->at, cursor->again / SINGLE_TRIES,
                              &cursor->again)) != NULL) {
        size_t n = cursor->again++ % SINGLE_TRIES;
        /* of what is hardly a length the middle alone, and nearly all */
        bool likely = fields_are_likely(&plan->fields, field);
        if (!likely && n != 0 && n != SINGLE_TRIES - 2) {
            continue;
        }
        if (part_of(sketch, field, grain, n / 2, edit)) {
            edit->guess[edit->n_guess] = *field;
            if (edit->to > field->to) {
                edit->guess[edit->n_guess].to = edit->to;
            }
            edit->n_guess++;
            if (n % 2 == 1) {
                fields_around(&plan->fields, edit);
            }
            step->taken = *cursor; /* the next part of what the field is then */
            step->taken_set = true;
            return true;
        }
    }
    return false;
}

static bool
lengths_next(const struct sketch *sketch, size_t grain, struct cursor *cursor,
             void **plan, struct step *step)
{
    if (sketch->bytes.len < 2 * grain) {
        return false;
    }
    if (*plan == NULL) {
        *plan = plan_of(sketch);
    }
    for (; cursor->stage < SINGLE; cursor->stage++) {
        bool worth = cursor->stage == FAMILY_WIDE || grain <= BYTE_SPAN_MAX;
        if (worth && family_next(sketch, *plan, grain, cursor, step)) {
            return true;
        }
        cursor->at = sketch->bytes.len;
    }
    return single_next(sketch, *plan, grain, cursor, step);
}

const struct strategy strategy_lengths = {.next = lengths_next};
