/*
 * What an engine fuzzes with, pruned where it lies while none of its workers runs: of
 * inputs that reach the same edges equally often the fewest and smallest stay (cover.h),
 * which the engine takes up when it is started again. Inputs that crash or hang are left
 * to it.
 *
 * Each folder is locked as afl-fuzz locks its own (flock), so that neither prunes what
 * the other works with.
 *
 * Threat: folders in which a hostile program was at work, and does not run any more:
 * folder.h's rules.
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

/* Of STATE/fuzz/TARGET/ENGINE. config: command and jobs; the spool is STATE/fuzz/TARGET/
 * ENGINE.traces. -EBUSY while a worker runs. What did not grow by a tenth since it was
 * pruned is left alone. */
int queues_prune(const char *state, const char *target, const struct engine_ops *ops,
                 const struct cover_config *config, struct queues_sum *out,
                 struct err *err);

#endif
