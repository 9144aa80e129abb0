/*
 * What an engine fuzzes with, pruned where it lies while none of its workers runs: of
 * inputs that reach the same edges equally often the fewest and smallest stay (cover.h),
 * which the engine takes up when it is started again. Inputs that crash or hang are left
 * to it.
 *
 * Who supervises workers of a target holds STATE/fuzz/TARGET/lock, whatever their engine,
 * and each folder is locked as afl-fuzz locks its own (flock): nobody prunes what a
 * worker may be changing, and none is started meanwhile.
 *
 * Threat: folders in which a hostile program was at work: folder.h's rules. Inputs are
 * opened by their paths later, which is safe only while no such program runs.
 */
#ifndef ORCHESTRATOR_CORPUS_QUEUES_H
#define ORCHESTRATOR_CORPUS_QUEUES_H

#include <stdint.h>

#include "base/err.h"
#include "orchestrator/corpus/cover.h"
#include "orchestrator/engine/engine.h"

struct queues_sum {
    int64_t inputs, bytes;  /* that there were */
    int64_t removed, freed; /* of them, and their bytes */
};

/* Take the target's lock, to prune alone or to let workers run, of which there may be
 * many; *fd is the caller's to close. -EBUSY: others prune, or work. */
int queues_lock(const char *state, const char *target, bool prune, int *fd,
                struct err *err);

/* Of STATE/fuzz/TARGET/ENGINE. config: command and jobs; the spool is STATE/fuzz/TARGET/
 * ENGINE.traces. -EBUSY while a worker runs. What did not grow by a tenth since it was
 * pruned is left alone. */
int queues_prune(const char *state, const char *target, const struct engine_ops *ops,
                 const struct cover_config *config, struct queues_sum *out,
                 struct err *err);

#endif
