/*
 * What a smaller input must still show to be the same bug: the one rule, for whoever
 * tries candidates.
 *
 *   exact  hash.minor: all frames of the stack with their lines
 *   major  hash.major, at the place where the original shows it (place.h), if it has one,
 *          for a signature may cover two bugs of one function. The default
 *   loose  the kind of crash, at the same place; without places, in the same top function
 *
 * But for loose, what faults at an address far from null goes on doing so: zeroes in
 * place of a wild pointer show the same bug as a mere null dereference, and prove less.
 *
 * The stack of a sampled hang is chance to a degree, so its place is not looked at, and
 * its lines are not either: exact is major there.
 */
#ifndef TRIAGE_KEEP_H
#define TRIAGE_KEEP_H

#include <stdbool.h>

#include "base/json.h"
#include "triage/record.h"

enum keep_level { KEEP_MAJOR, KEEP_EXACT, KEEP_LOOSE }; /* the first is the default */

struct keep {
    enum keep_level level;
    char major[RECORD_HASH_MAX], minor[RECORD_HASH_MAX];
    char *kind;     /* signature_kind() */
    char *function; /* record_top_frame() */
    char *place;    /* NULL: none, any will do */
    bool far;       /* the address is not near null */
};

/* What the record shows, to be kept; all of *out is set. */
void keep_of(const struct record *record, enum keep_level level, struct keep *out);
void keep_clear(struct keep *keep);
AUTO_DEFINE_CLEAR(struct keep, keep_clear)

/* Whether a run shows it; `record` may be NULL: false. */
bool keep_holds(const struct keep *keep, const struct record *record);

const char *keep_level_name(enum keep_level level); /* exact major loose */
/* -EINVAL: no such word; the message says which there are. */
int keep_level_parse(const char *word, enum keep_level *out, struct err *err);

#endif
