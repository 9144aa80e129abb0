/* Who is told of what a verb finds: one process each, from `notify:` and `metrics:`. */
#ifndef ORCHESTRATOR_CMD_TELLS_H
#define ORCHESTRATOR_CMD_TELLS_H

#include "orchestrator/cmd/parallel.h"
#include "orchestrator/config.h"
#include "orchestrator/supervise/herald.h"

struct tells {
    struct herald_job v[PARALLEL_MAX];
    size_t n;
};
void tells_clear(struct tells *tells);
AUTO_DEFINE_CLEAR(struct tells, tells_clear)

/* For as long as a campaign runs. Names are borrowed from config. */
void tells_during(const struct config *config, struct tells *out);

/* At its end, for a few seconds: what time has brought about is noted, what is left to be
 * told, and (with `numbers`) the last
 * numbers. What could not be told waits; `outbox` lists it. Prints nothing. */
void tells_finish(const struct cmd_context *context, const struct config *config,
                  bool numbers);

#endif
