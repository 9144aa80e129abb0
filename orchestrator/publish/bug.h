/* A bug as every report format shows it: its JSON object. */
#ifndef ORCHESTRATOR_PUBLISH_BUG_H
#define ORCHESTRATOR_PUBLISH_BUG_H

#include "triage/store.h"

/* The object of `nightjar bugs --json`; new reference. k of n runs of the crash that
 * stands for the bug showed it; rate_low and rate_high are the ends of rate_of(). */
json_t *bug_to_json(const struct bug *bug);

#endif
