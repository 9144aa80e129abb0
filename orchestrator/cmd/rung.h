/* Which sandbox targets run in, for every verb that runs some. */
#ifndef ORCHESTRATOR_CMD_RUNG_H
#define ORCHESTRATOR_CMD_RUNG_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"
#include "triage/sandbox.h"

/* What --sandbox says (`name`; NULL: nothing), else nightjar.yaml (config; NULL: there is
 * none), tried by sandbox_choose(), whose errors these are. Why it is a lower rung than
 * the best goes to standard error, unless the output is JSON. */
int rung_choose(const struct cmd_context *context, const struct config *config,
                const char *name, enum sandbox_rung *out, struct err *err);

#endif
