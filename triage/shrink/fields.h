/*
 * Places in an input that could be length fields: numbers, in the usual forms, that are
 * no larger than what follows them. Most are not; the strategies that use them let the
 * target say which are.
 */
#ifndef TRIAGE_SHRINK_FIELDS_H
#define TRIAGE_SHRINK_FIELDS_H

#include "triage/shrink/strategy.h"

enum { FIELDS_MAX = 8192, FIELDS_SLACK = 8 /* bytes: of headers and trailers around */ };

struct fields {
    size_t n;
    struct field field[FIELDS_MAX]; /* the last of the input first */
    bool likely[FIELDS_MAX];
};

/*
 * Fill *out. One form of each number: the widest whose further bytes are 0. Numbers of
 * one and two bytes are plausible everywhere, in noise above all, so a sketch that is not
 * desperate yields only those whose span ends about where the input ends, or where others
 * of the same form follow one another (as elements of a structure do); single bytes only
 * of inputs of up to 4 KiB, two bytes of up to 64 KiB, more than which they cannot cover.
 * `known`: those of the layout as well.
 */
void fields_find(const struct sketch *sketch, bool known, struct fields *out);

/* Of one of the list: whether it was there without despair. */
static inline bool
fields_are_likely(const struct fields *fields, const struct field *field)
{
    return fields->likely[field - fields->field];
}

/* Guess that all likely numbers, but single bytes, whose spans hold what the edit touches
 * are lengths. */
void fields_around(const struct fields *fields, struct edit *edit);

/* How a pass goes through them, from the back: the field number `nth` of those that begin
 * at *place, or else the first of those before it; *place is where it begins, and *again
 * 0 when that is another place. NULL: there is none any more. */
const struct field *fields_at(const struct fields *fields, size_t *place, size_t nth,
                              size_t *again);

#endif
