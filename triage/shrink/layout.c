#include "triage/shrink/layout.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { DIGITS_MAX = 18 };

void
edit_clear(struct edit *edit)
{
    buf_clear(&edit->with);
}

bool
layout_has(const struct layout *layout, size_t at, size_t width)
{
    for (size_t i = 0; i < layout->n; i++) {
        const struct field *field = &layout->field[i];
        if (at < field->at + field->width && field->at < at + width) {
            return true;
        }
    }
    return false;
}

static void
drop(struct layout *layout, size_t i)
{
    layout->field[i] = layout->field[--layout->n];
}

/* --- numbers --- */

bool
field_read(const struct buf *bytes, const struct field *field, uint64_t *value)
{
    uint64_t number = 0;

    for (size_t i = 0; i < field->width; i++) {
        bool little = field->form == FIELD_LITTLE;
        size_t at = field->at + (little ? field->width - 1 - i : i);
        unsigned char c = (unsigned char)bytes->data[at];
        if (field->form == FIELD_DECIMAL) {
            if (!isdigit(c) || i >= DIGITS_MAX) {
                return false;
            }
            number = number * 10 + (c - '0');
        } else {
            number = number << 8 | c;
        }
    }
    *value = number;
    return true;
}

static void
write_binary(struct buf *bytes, const struct field *field, uint64_t value)
{
    for (size_t i = 0; i < field->width; i++) {
        size_t at = field->form == FIELD_LITTLE ? i : field->width - 1 - i;
        bytes->data[field->at + at] = (char)(value >> (8 * i) & 0xff);
    }
}

/* --- a splice, and what it does to the fields --- */

static size_t
moved(size_t at, size_t from, size_t to, size_t added)
{
    return at >= to ? at - to + from + added : at > from ? from + added : at;
}

/* The fields after [from, to) gave way to `added` bytes. Those whose own bytes went with
 * it are gone; what was only overwritten stays a field. */
static void
follow(struct layout *layout, size_t from, size_t to, size_t added)
{
    for (size_t i = layout->n; i-- > 0 && to - from != added;) {
        struct field *field = &layout->field[i];
        size_t size = field->to - field->from;
        bool inside = field->from <= from && field->to >= to;
        if (from < field->at + field->width && to > field->at) {
            drop(layout, i);
            continue;
        }
        field->at = moved(field->at, from, to, added);
        field->from = moved(field->from, from, to, added);
        /* bytes that are put in at the very end belong to it only when others went */
        field->to =
            inside ? field->to - to + from + added : moved(field->to, from, to, 0);
        field->to = field->to < field->from ? field->from : field->to;
        field->lost += size - (field->to - field->from);
    }
}

static void
splice(struct buf *bytes, size_t from, size_t to, const void *with, size_t len)
{
    struct buf rest = BUF_INIT;

    buf_add(&rest, bytes->data + to, bytes->len - to);
    buf_cut(bytes, from);
    buf_add(bytes, with, len);
    buf_add(bytes, buf_str(&rest), rest.len);
    buf_clear(&rest);
}

/* --- making it right again, the innermost first --- */

static size_t
size_of(const struct field *field)
{
    return field->to - field->from;
}

static void
sort(struct layout *layout)
{
    for (size_t i = 1; i < layout->n; i++) {
        struct field field = layout->field[i];
        size_t at = i;
        for (; at > 0 && size_of(&layout->field[at - 1]) > size_of(&field); at--) {
            layout->field[at] = layout->field[at - 1];
        }
        layout->field[at] = field;
    }
}

static void
lower_decimal(struct layout *layout, size_t i, struct buf *bytes, uint64_t value)
{
    struct field *field = &layout->field[i];
    size_t width = field->width;
    size_t at = field->at;
    char text[32];
    size_t len = (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);

    splice(bytes, at, at + width, text, len);
    field->width = len; /* so that follow() does not take it for gone */
    if (len == width) {
        return;
    }
    /* the digits that went, to the others; the field itself stands before them */
    follow(layout, at + len, at + width, 0);
}

/* False when a number would fall below 0: the guess, or the cut, makes no sense. */
static bool
lower(struct layout *layout, struct buf *bytes)
{
    for (size_t i = 0; i < layout->n; i++) {
        struct field *field = &layout->field[i];
        uint64_t value = 0;
        if (field->kind != FIELD_LENGTH || field->lost == 0) {
            continue;
        }
        if (!field_read(bytes, field, &value) || value < field->lost) {
            return false;
        }
        value -= field->lost;
        if (field->form == FIELD_DECIMAL) {
            lower_decimal(layout, i, bytes, value);
        } else {
            write_binary(bytes, field, value);
        }
    }
    return true;
}

static void
sum_up(const struct layout *layout, struct buf *bytes)
{
    for (size_t i = 0; i < layout->n; i++) {
        const struct field *field = &layout->field[i];
        if (field->kind != FIELD_LENGTH) {
            write_binary(bytes, field,
                         field_checksum(field->kind, bytes, field->from, field->to));
        }
    }
}

static void
add_guesses(struct layout *layout, const struct edit *edit)
{
    for (size_t i = 0; i < edit->n_guess && layout->n < LAYOUT_MAX; i++) {
        if (!layout_has(layout, edit->guess[i].at, edit->guess[i].width)) {
            layout->field[layout->n++] = edit->guess[i];
        }
    }
}

bool
layout_edit(const struct layout *layout, const struct buf *input, const struct edit *edit,
            bool plain, struct buf *out, struct layout *after)
{
    *after = *layout;
    add_guesses(after, edit);
    for (size_t i = 0; i < after->n; i++) {
        after->field[i].lost = 0;
    }
    buf_add(out, input->data, edit->from);
    buf_add(out, buf_str(&edit->with), edit->with.len);
    buf_add(out, input->data + edit->to, input->len - edit->to);
    follow(after, edit->from, edit->to, edit->with.len);
    if (!plain) {
        sort(after);
        if (!lower(after, out)) {
            return false;
        }
        sum_up(after, out);
    }
    return out->len != input->len || memcmp(out->data, input->data, out->len) != 0;
}

char *
layout_words(const struct layout *layout)
{
    static const struct {
        enum field_kind kind;
        int form; /* -1: any */
        const char *one, *many;
    } words[] = {
        {FIELD_LENGTH, FIELD_LITTLE, "little-endian length", "little-endian lengths"},
        {FIELD_LENGTH, FIELD_BIG, "big-endian length", "big-endian lengths"},
        {FIELD_LENGTH, FIELD_DECIMAL, "decimal length", "decimal lengths"},
        {FIELD_CRC32, -1, "CRC-32", "CRC-32s"},
        {FIELD_ADLER32, -1, "Adler-32", "Adler-32s"},
        {FIELD_SUM, -1, "byte sum", "byte sums"},
    };
    struct buf out = BUF_INIT;

    for (size_t i = 0; i < COUNT(words); i++) {
        size_t n = 0;
        for (size_t k = 0; k < layout->n; k++) {
            const struct field *field = &layout->field[k];
            n += field->kind == words[i].kind &&
                 (words[i].form < 0 || (int)field->form == words[i].form);
        }
        if (n > 0) {
            buf_adds(&out, out.len > 0 ? ", " : "");
            if (n > 1) {
                buf_addf(&out, "%zu ", n);
            }
            buf_adds(&out, n > 1 ? words[i].many : words[i].one);
        }
    }
    return out.len == 0 ? NULL : buf_steal(&out);
}
