/*
 * What in an input follows from the rest of it: length fields and checksums. A parser
 * believes them, so a byte can go only when they are made right again. A field enters a
 * layout as a guess of a strategy whose candidate was taken (a length), or because it
 * holds (a checksum), and moves along with the bytes from there on.
 *
 * A length is lowered by what its span lost, not set to what its span holds: so a length
 * that lies, as those of crashing inputs do, goes on lying by as much, and one that
 * counts its own header as well needs no rule of its own.
 */
#ifndef TRIAGE_SHRINK_LAYOUT_H
#define TRIAGE_SHRINK_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { LAYOUT_MAX = 96, EDIT_GUESS_MAX = 16 };

enum field_form { FIELD_LITTLE, FIELD_BIG, FIELD_DECIMAL };

enum field_kind { FIELD_LENGTH, FIELD_CRC32, FIELD_ADLER32, FIELD_SUM, FIELD_KINDS };

struct field {
    enum field_kind kind;
    enum field_form form;
    size_t at, width; /* its own bytes: 1, 2, 4; digits of a decimal number */
    size_t from, to;  /* what it is about */
    uint64_t lost;    /* bytes that went from there in the edit at work */
};

struct layout {
    struct field field[LAYOUT_MAX];
    size_t n;
};

/* [from, to) of an input gives way to `with` (often nothing). */
struct edit {
    size_t from, to;
    struct buf with;
    struct field guess[EDIT_GUESS_MAX]; /* taken for true in this candidate */
    size_t n_guess;
};

void edit_clear(struct edit *edit);
AUTO_DEFINE_CLEAR(struct edit, edit_clear)

/*
 * Make the candidate: new bytes in *out (empty before), with the fields of `layout` and
 * the guesses made right again, which are what *after holds. `plain` leaves the values as
 * they are. False when the candidate would be the same as the input, or is none.
 */
bool layout_edit(const struct layout *layout, const struct buf *input,
                 const struct edit *edit, bool plain, struct buf *out,
                 struct layout *after);

/* Whether a field of the same bytes is there. */
bool layout_has(const struct layout *layout, size_t at, size_t width);

/* The number that bytes[at..at + width) stand for; false for a decimal that is none. */
bool field_read(const struct buf *bytes, const struct field *field, uint64_t *value);

/* What a checksum of [from, to) would have to be. */
uint32_t field_checksum(enum field_kind kind, const struct buf *bytes, size_t from,
                        size_t to);

/* Add the checksums that hold in the input and are not there yet: CRC-32 of any span
 * right before it or to the end of the input behind it, Adler-32 and byte sums where they
 * are usual. In about 100 ns a byte. */
void layout_find_checksums(struct layout *layout, const struct buf *input);

/* For a person: "2 big-endian lengths, CRC-32"; new string, NULL for no field. */
char *layout_words(const struct layout *layout);

#endif
