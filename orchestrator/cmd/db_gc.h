/* `nightjar db gc`: what of the state may go, by `retention:` of nightjar.yaml. */
#ifndef ORCHESTRATOR_CMD_DB_GC_H
#define ORCHESTRATOR_CMD_DB_GC_H

#include "orchestrator/cmd/cmd.h"

/* The exit status. */
int db_gc(const struct cmd_context *context, bool dry_run);

#endif
