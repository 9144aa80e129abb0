/* What the last two builds of a target that were measured differ in. */
#ifndef ORCHESTRATOR_CMD_COVERAGE_CHANGES_H
#define ORCHESTRATOR_CMD_COVERAGE_CHANGES_H

#include "orchestrator/cmd/cmd.h"

/* Lines and functions that the corpus reaches no more, and newly, file by file; an exit
 * status. */
int coverage_changes_print(const struct cmd_context *context, const char *target);

/* A line that says how many they are, behind a measurement; nothing where there are none,
 * or nothing to compare. */
void coverage_changes_hint(const struct cmd_context *context, const char *target);

#endif
