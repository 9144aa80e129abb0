/* What a campaign begins with. */
#ifndef ORCHESTRATOR_CORPUS_GATHER_H
#define ORCHESTRATOR_CORPUS_GATHER_H

#include "base/err.h"
#include "orchestrator/target.h"

/* Unpack the target's seeds and its corpus (library.h) into folder, as
 * target_unpack_seeds() does. What lies there and neither has any more goes: a corpus may
 * have been pruned. Adds the corpus to target->seeds, and links
 * target->first into ENGINE_SEEDS_FIRST (engine/engine.h). */
int gather_seeds(const char *state, struct target *target, const char *folder,
                 struct err *err);

#endif
