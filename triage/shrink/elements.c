/*
 * A whole element of a structure: its length field, what the field covers, and what
 * formats put around that (a tag before, a checksum or padding behind). Or only that
 * frame, so that what it held moves out.
 */
#include "triage/shrink/fields.h"

#include "base/mem.h"

/* Bytes before the length field and behind its span: PNG, RIFF and IFF, TLV, protobuf. A
 * header that is counted by the length itself has a span that begins before the field. */
static const struct frame {
    size_t before, behind;
    bool counted; /* the number counts the header as well */
} frames[] = {
    {0, 8, false}, {4, 0, false}, {1, 0, false}, {2, 0, false}, {0, 0, false},
    {0, 0, true},  {4, 1, false}, {0, 4, false}, {0, 1, false}, {8, 0, false},
    {4, 4, false}, {3, 0, false}, {1, 0, true},  {2, 0, true},  {4, 0, true},
};

enum {
    TRIES = 2 * COUNT(frames),
    UNLIKELY_FRAMES = 6, /* the first of them are tried about what is hardly a length */
};

static bool
whole(const struct sketch *sketch, const struct field *field, const struct frame *frame,
      struct edit *edit)
{
    uint64_t value = 0;

    if (field->at < frame->before || !field_read(&sketch->bytes, field, &value)) {
        return false;
    }
    edit->from = field->at - frame->before;
    edit->to = frame->counted ? edit->from + value : field->from + value + frame->behind;
    return edit->to <= sketch->bytes.len && edit->to >= field->at + field->width;
}

/* Only the frame goes: what the field covers takes the place of the element. */
static bool
unwrap(const struct sketch *sketch, const struct field *field, const struct frame *frame,
       struct edit *edit)
{
    size_t begin = field->from;
    size_t end = edit->to - (frame->counted ? 0 : frame->behind);

    if (end <= begin) {
        return false;
    }
    if (end == edit->to) { /* a cut at the front: what is known of the inside stays */
        edit->to = begin;
        return true;
    }
    buf_add(&edit->with, sketch->bytes.data + begin, end - begin);
    return true;
}

static bool
try_frame(const struct sketch *sketch, const struct field *field, size_t grain, size_t n,
          struct edit *edit)
{
    const struct frame *frame = &frames[n / 2];

    if (!whole(sketch, field, frame, edit) || edit->to - edit->from > grain ||
        edit->to - edit->from <= grain / 2) {
        return false;
    }
    return n % 2 == 0 || unwrap(sketch, field, frame, edit);
}

static bool
elements_next(const struct sketch *sketch, size_t grain, struct cursor *cursor,
              void **plan, struct step *step)
{
    const struct field *field;

    if (*plan == NULL) {
        *plan = mem_alloc(sizeof(struct fields));
        fields_find(sketch, true, *plan);
    }
    while ((field = fields_at(*plan, &cursor->at, cursor->again / TRIES,
                              &cursor->again)) != NULL) {
        size_t n = cursor->again++ % TRIES;
        buf_clear(&step->edit.with);
        bool likely = fields_are_likely(*plan, field);
        if (!likely && (n % 2 == 1 || n / 2 >= UNLIKELY_FRAMES)) {
            continue;
        }
        if (try_frame(sketch, field, grain, n, &step->edit)) {
            fields_around(*plan, &step->edit);
            step->taken = (struct cursor){.at = step->edit.from};
            step->taken_set = true;
            return true;
        }
    }
    return false;
}

const struct strategy strategy_elements = {.next = elements_next};
