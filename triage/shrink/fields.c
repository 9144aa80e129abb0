#include "triage/shrink/fields.h"

#include <ctype.h>

enum {
    BYTES_INPUT_MAX = 4096,     /* larger inputs are not searched for single bytes ... */
    SHORTS_INPUT_MAX = 1 << 16, /* ... and for two */
    DECIMAL_MAX = 9,
    CHAIN_LEAST = 3,  /* elements that follow one another by their lengths ... */
    CHAIN_BYTES = 64, /* ... or up to the end, where the lengths are single bytes */
    HEADER_MAX = 8,   /* bytes of an element before its number, and behind its span */
};

static unsigned char
at(const struct buf *bytes, size_t i)
{
    return i < bytes->len ? (unsigned char)bytes->data[i] : 1;
}

static bool
are_zero(const struct buf *bytes, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (at(bytes, from + i) != 0) {
            return false;
        }
    }
    return true;
}

/* Whether a wider number says the same. */
static bool
is_part(const struct buf *bytes, const struct field *field)
{
    size_t end = field->at + field->width;

    if (field->width == 4) {
        return false;
    }
    if (field->form == FIELD_LITTLE) {
        return are_zero(bytes, end, field->width);
    }
    return field->at >= field->width &&
           are_zero(bytes, field->at - field->width, field->width);
}

/* Whether elements of the same shape follow from there: `gap` bytes, a number like this,
 * its span; up to the end of the input, or enough of them. */
static bool
chain(const struct buf *bytes, struct field field, size_t end, size_t gap)
{
    int most = field.width == 1 ? CHAIN_BYTES : CHAIN_LEAST;
    uint64_t value = 0;

    for (int i = 0; i < most && end < bytes->len; i++) {
        field.at = end + gap;
        if (field.at + field.width > bytes->len || !field_read(bytes, &field, &value) ||
            value > bytes->len - field.at - field.width) {
            return false;
        }
        end = field.at + field.width + value;
    }
    return end == bytes->len || field.width > 1;
}

static bool
is_likely(const struct buf *bytes, const struct field *field, uint64_t value)
{
    size_t end = field->at + field->width + value;

    if (field->width == 4 || field->form == FIELD_DECIMAL) {
        return true;
    }
    if (field->width == 2 && end + FIELDS_SLACK >= bytes->len) {
        return true;
    }
    for (size_t gap = 0; gap <= HEADER_MAX && end <= bytes->len; gap++) {
        if (chain(bytes, *field, end, gap)) {
            return true;
        }
    }
    return false;
}

/* What ends a decimal number is mostly not counted by it: "5:hello", "5 hello". */
static size_t
separator(const struct buf *bytes, const struct field *field)
{
    return field->form == FIELD_DECIMAL && !isalnum(at(bytes, field->at + field->width));
}

static void
consider(struct fields *fields, const struct sketch *sketch, struct field field,
         bool known)
{
    uint64_t value = 0;
    size_t end = field.at + field.width;

    if (end > sketch->bytes.len || fields->n == FIELDS_MAX ||
        (field.form != FIELD_DECIMAL && is_part(&sketch->bytes, &field)) ||
        !field_read(&sketch->bytes, &field, &value) || value == 0 ||
        value > sketch->bytes.len - end + FIELDS_SLACK ||
        (!known && layout_has(&sketch->layout, field.at, field.width))) {
        return;
    }
    bool likely = is_likely(&sketch->bytes, &field, value);
    if (!likely && !sketch->desperate) {
        return;
    }
    fields->likely[fields->n] = likely;
    field.from = end + separator(&sketch->bytes, &field);
    field.to =
        field.from + value < sketch->bytes.len ? field.from + value : sketch->bytes.len;
    fields->field[fields->n++] = field;
}

static void
consider_decimal(struct fields *fields, const struct sketch *sketch, size_t begin,
                 bool known)
{
    const struct buf *bytes = &sketch->bytes;
    size_t width = 0;

    if (!isdigit(at(bytes, begin)) || (begin > 0 && isdigit(at(bytes, begin - 1)))) {
        return;
    }
    while (width <= DECIMAL_MAX && begin + width < bytes->len &&
           isdigit(at(bytes, begin + width))) {
        width++;
    }
    if (width <= DECIMAL_MAX) {
        consider(fields, sketch,
                 (struct field){.form = FIELD_DECIMAL, .at = begin, .width = width},
                 known);
    }
}

void
fields_find(const struct sketch *sketch, bool known, struct fields *out)
{
    size_t least = sketch->bytes.len <= SHORTS_INPUT_MAX ? 2 : 4;

    out->n = 0;
    for (size_t begin = sketch->bytes.len; begin-- > 0 && out->n < FIELDS_MAX;) {
        for (size_t width = 4; width >= least; width /= 2) {
            for (int form = FIELD_LITTLE; form <= FIELD_BIG; form++) {
                consider(out, sketch,
                         (struct field){
                             .form = (enum field_form)form, .at = begin, .width = width},
                         known);
            }
        }
        /* a byte that is part of a wider number, whichever way round, is no field */
        if (sketch->bytes.len <= BYTES_INPUT_MAX &&
            (begin == 0 || at(&sketch->bytes, begin - 1) != 0)) {
            consider(out, sketch,
                     (struct field){.form = FIELD_LITTLE, .at = begin, .width = 1},
                     known);
        }
        consider_decimal(out, sketch, begin, known);
    }
}

const struct field *
fields_at(const struct fields *fields, size_t *place, size_t nth, size_t *again)
{
    size_t low = 0;
    size_t high = fields->n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (fields->field[middle].at > *place) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low + nth < fields->n && fields->field[low + nth].at == *place) {
        return &fields->field[low + nth];
    }
    while (low < fields->n && fields->field[low].at == *place) {
        low++;
    }
    if (low == fields->n) {
        return NULL;
    }
    *place = fields->field[low].at;
    *again = 0;
    return &fields->field[low];
}

void
fields_around(const struct fields *fields, struct edit *edit)
{
    /* the outermost matter most, and they come last */
    for (size_t i = fields->n; i-- > 0 && edit->n_guess < EDIT_GUESS_MAX;) {
        const struct field *field = &fields->field[i];
        bool wide = field->width > 1 || field->form == FIELD_DECIMAL;
        if (fields->likely[i] && wide && field->from <= edit->from &&
            field->to + FIELDS_SLACK >= edit->to) {
            edit->guess[edit->n_guess] = *field;
            edit->guess[edit->n_guess++].to = field->to > edit->to ? field->to : edit->to;
        }
    }
}
