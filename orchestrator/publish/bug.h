/* A bug as every report format shows it: its JSON object. */
#ifndef ORCHESTRATOR_PUBLISH_BUG_H
#define ORCHESTRATOR_PUBLISH_BUG_H

#include "triage/store.h"

/* The object of `nightjar bugs --json`; new reference. */
json_t *bug_to_json(const struct bug *bug);

#endif
