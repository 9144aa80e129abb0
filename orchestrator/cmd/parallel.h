/* A verb for each of several receivers, each in a process of its own: one that does not
 * answer keeps no other waiting. */
#ifndef ORCHESTRATOR_CMD_PARALLEL_H
#define ORCHESTRATOR_CMD_PARALLEL_H

#include "orchestrator/cmd/cmd.h"

enum { PARALLEL_MAX = 48 /* receivers: `notify:` has at most 32 */ };

/* Run this program with the context's --state, --config and --json and each list of
 * words, on our own outputs, or (quiet) on none. Waits for all, at most timeout_ms (-1:
 * for ever), and kills what is left then. They die with this process. The worst exit
 * status: EXIT_UNDECIDED when one could not be run. */
int parallel_run(const struct cmd_context *context, const struct strv *words, size_t n,
                 int64_t timeout_ms, bool quiet);

#endif
