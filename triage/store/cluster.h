/*
 * Which bug a crash belongs to. record_finish() computes the entry key, hash.major, and
 * the place (triage/place.h), which divides what one key covers (two bugs in one
 * function) and joins what several keys cover (one bug by several paths, as several kinds
 * of crash). The first rule that holds decides; each is one indexed lookup:
 *
 *   1. the place is known for this target: its bug. A further duplicate costs this, and
 *      a look at what its input showed elsewhere (cluster_find_join());
 *   2. the same input is known on another target, where it shows a crash at this place,
 *      or one of the same kind (all wrong accesses are one, be the pointer missing, stale
 *      or wrong) in this place's functions, or in a bug whose stack has the
 *      top function of this one, or this one has the top function of that, or one of them
 *      has no function of its own: its bug. An input may hold two bugs, hence the
 *      conditions. What a compiler makes of a line, or of a call, is bridged by this rule
 *      alone;
 *   3. the place is known on another target, and the top frames' source files, where both
 *      are known, have one name: that bug. Builds and fuzz targets of one project share
 *      its bugs;
 *   4. the signature is known for this target and no place of its bug is, as in reports
 *      that somebody else symbolized: its bug;
 *   5. the place is an instruction without a line, the signature is known for this
 *      target, and all places of its bug here are instructions of other builds: its bug;
 *   6. else a bug of its own.
 *
 * A crash without a place (no debug information, no line of the instruction, a text) is
 * looked up by its input (rule 2), then by hash.major as by a place: in its target, then
 * in others, if it names two functions of the program itself: two programs that both
 * crash in `main` share nothing.
 *
 * What comes later may show that two bugs are one: cluster_find_join(). Each answer
 * carries its reason as a sentence. Names in it stem from hostile text and are printable
 * (triage/record.h).
 */
#ifndef TRIAGE_CLUSTER_H
#define TRIAGE_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/db.h"
#include "base/err.h"
#include "triage/record.h"

enum { CLUSTER_WHY_MAX = 1024 };

/* What is known of a crash; all borrowed. */
struct cluster_clue {
    const struct record *record; /* finished */
    int64_t target;
    int64_t blob; /* its input; 0: it stems from a report */
};

struct cluster_match {
    int64_t bug;     /* 0: none yet */
    int64_t place;   /* row of `place`, for crash.place; 0: none yet, or no place */
    bool is_new_key; /* cluster_add() is to be called, with the bug */
    char why[CLUSTER_WHY_MAX];
};

/* Find the bug of a crash, before duplicates are followed. */
int cluster_find(struct db *db, const struct cluster_clue *clue,
                 struct cluster_match *out, struct err *err);

/*
 * Find another bug that this crash, which has a place and belongs to `bug` (no
 * duplicate), shows to be the same one: out->bug, 0: none, and out->why. It is one whose
 * crash the same input showed on another target, as in rule 2, and of which a second
 * input says the same, since one input may hold two bugs; unless
 *   - a build tells the two apart: each has a place with a line of its own there. So it
 * is one of instructions without a line, or of what no build has seen both, or two hangs:
 * what their samples share is chance. When this crash is one of freed memory, only places
 * of freed memory tell it from others: who uses that is chance;
 *   - a person decided about one of them (a pin, a split, a merge that was undone), or
 * one is no longer open.
 */
int cluster_find_join(struct db *db, const struct cluster_clue *clue, int64_t bug,
                      struct cluster_match *out, struct err *err);

/* Remember, in the caller's transaction, that the crash's key stands for `bug`, and why;
 * sets match->place. */
int cluster_add(struct db *db, const struct cluster_clue *clue, int64_t bug,
                struct cluster_match *match, struct err *err);

#endif
