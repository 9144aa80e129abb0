/*
 * Which bug a crash belongs to. record_finish() computes the entry key, hash.major; the
 * table `signature` says, target by target, which bug it stands for, and has the last
 * word. The rules, the first that holds decides:
 *
 *   1. the signature is known for this target: its bug;
 *   2. it is known for another target, names at least two functions of the program itself
 *      (not main, not LLVMFuzzerTestOneInput), and the top frames' source files, where
 * both are known, have one name: that bug. Two fuzz targets of one project share its
 *      library's bugs;
 *   3. else a bug of its own. Two programs that both crash in `main` share nothing.
 *
 * Each answer carries its reason as a sentence. Names in it stem from hostile text and
 * are printable (triage/record.h).
 */
#ifndef TRIAGE_CLUSTER_H
#define TRIAGE_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/db.h"
#include "base/err.h"
#include "triage/record.h"

enum { CLUSTER_WHY_MAX = 1024 };

struct cluster_match {
    int64_t bug;     /* 0: none yet */
    bool is_new_key; /* cluster_add() is to be called, with the bug */
    char why[CLUSTER_WHY_MAX];
};

/* Find the bug of a finished record. */
int cluster_find(struct db *db, const struct record *record, int64_t target,
                 struct cluster_match *out, struct err *err);

/* Remember, in the caller's transaction, what match says. */
int cluster_add(struct db *db, const struct record *record, int64_t target,
                const struct cluster_match *match, struct err *err);

#endif
