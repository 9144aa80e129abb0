/* A campaign as nightjar.yaml describes it: what `fuzz` and `ci` have in common. */
#ifndef ORCHESTRATOR_CMD_CAMPAIGN_H
#define ORCHESTRATOR_CMD_CAMPAIGN_H

#include "orchestrator/config.h"
#include "orchestrator/supervise/supervisor.h"

/* Fill in *out but for state, rung and herald. targets is borrowed; jobs and for_ms 0:
 * nightjar.yaml's, and until interrupted. */
void campaign_configure(const struct config *config, const struct target_list *targets,
                        int64_t for_ms, int64_t jobs, struct supervisor_config *out);

#endif
