/* `nightjar bugs`: the list is bugs.c, what people decide about bugs bugs_hand.c. */
#ifndef ORCHESTRATOR_CMD_BUGS_H
#define ORCHESTRATOR_CMD_BUGS_H

#include "orchestrator/cmd/cmd.h"

enum { BUGS_REASON_MAX = 1000 };

struct bugs_options { /* of the sub-verbs */
    const char *reason;
    bool dry_run, undo, clear, bytes_only;
    const char *until;     /* a time, or how long from now */
    int64_t until_crashes; /* 0: not given */
    bool until_worse;
};
extern struct bugs_options bugs_options;

/* The sub-verbs; args begin behind the sub-verb's name. */
int bugs_merge(const struct cmd_context *context, const struct strv *args);
int bugs_split(const struct cmd_context *context, const struct strv *args);
int bugs_pin(const struct cmd_context *context, const struct strv *args);
int bugs_severity(const struct cmd_context *context, const struct strv *args);
int bugs_state(const struct cmd_context *context, const struct strv *args);
int bugs_ack(const struct cmd_context *context, const struct strv *args);
int bugs_owner(const struct cmd_context *context, const struct strv *args);
int bugs_similar(const struct cmd_context *context, const struct strv *args);

#endif
