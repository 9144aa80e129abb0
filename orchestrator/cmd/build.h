/* Builds, beside other work: triage, fuzz and verify tend them when they begin and end.
 */
#ifndef ORCHESTRATOR_CMD_BUILD_H
#define ORCHESTRATOR_CMD_BUILD_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"

/* builds_tend(); what is wrong is said on standard error (unless --json) and keeps nobody
 * from his work. */
void build_tend(const struct cmd_context *context, const struct config *config,
                struct store *store);

/* The same where no store is open. */
void build_tend_state(const struct cmd_context *context, const struct config *config);

#endif
