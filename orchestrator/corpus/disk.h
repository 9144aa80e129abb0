/*
 * The disk before it is full: what a target takes (its workers, what waits in its inbox,
 * its corpus), against a budget, and what the state's disk has left, against a floor. How
 * full it is is one number, so that one table decides what is done:
 *
 *   below 80 %   ok      nothing
 *   from 80 %    tight   hangs, crashes and logs that workers left go, whatever their age
 *                        (what is in the ledger only: leftovers.h)
 *   from 90 %    scarce  the target's corpus is pruned (library.h)
 *   from 100 %   full    the target is held: its workers pause until it is below 90 %.
 *                        While they do, what they fuzz with is pruned, too (queues.h)
 *
 * Of the disk: its floor is 100 %, twice as much free is 80 %.
 *
 * A target is held by a file STATE/fuzz/TARGET/held, which holds the reason as a line. No
 * worker can write there. Who supervises looks for it (supervise/supervisor_hold.h), and
 * asks disk_is_low() as often; whoever makes room by hand may remove it, too.
 */
#ifndef ORCHESTRATOR_CORPUS_DISK_H
#define ORCHESTRATOR_CORPUS_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "orchestrator/corpus/leftovers.h"
#include "triage/store.h"

struct disk_limits {      /* `disk:` of nightjar.yaml */
    int64_t budget_bytes; /* of one target; 0: none */
    int64_t budget_files; /* the same in files and folders */
    int64_t free_bytes;   /* floor; 0: a hundredth of the disk */
};

struct disk_usage {
    int64_t bytes, files;            /* of a target */
    int64_t corpus_bytes;            /* of them, of its corpus */
    int64_t free_bytes, total_bytes; /* of the disk, as an ordinary user may use it */
    int64_t free_files, total_files; /* its inodes; total 0: it counts none */
};

enum disk_grade { DISK_OK, DISK_TIGHT, DISK_SCARCE, DISK_FULL };
const char *disk_grade_name(enum disk_grade grade); /* ok tight scarce full */

/* How full, in percent; at most 1000. */
int disk_percent(const struct disk_limits *limits, const struct disk_usage *usage);

/* What follows from that. */
enum disk_grade disk_grade(enum disk_grade before, int percent);

/* Whether the disk of `state` alone, whatever targets take of it, is full. Looks at no
 * file, so that a supervisor may ask every second. `was`: what it said before. */
bool disk_is_low(const char *state, const struct disk_limits *limits, bool was);

/* Look: walks all that lies in STATE/fuzz/TARGET, STATE/inbox/TARGET and
 * STATE/corpus/TARGET. */
int disk_measure(const struct store *store, const char *target, struct disk_usage *out,
                 struct err *err);

/* What the last disk_relieve() said of the target; DISK_OK when there was none. */
int disk_last(struct store *store, const char *target, enum disk_grade *out,
              struct err *err);

struct disk_report {
    struct disk_usage usage; /* after what was done */
    int percent;
    enum disk_grade before, now;
    struct leftovers dropped;
};

/* Look, remember what the corpus takes, do what the grade asks for, look again, hold the
 * target or let it go. A change of the grade is an event "target.disk" of the target. */
int disk_relieve(struct store *store, const char *target,
                 const struct disk_limits *limits, struct disk_report *out,
                 struct err *err);

/* The file that holds a target; new path. */
char *disk_hold_path(const char *state, const char *target);

#endif
