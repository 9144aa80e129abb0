/*
 * What a triage worker's sandbox shows: nightjar itself, the worker's own folder to write
 * in, and what the commands of the targets need. One list for the whole pool; a worker
 * knows the part that existed when it was started.
 */
#ifndef ORCHESTRATOR_SUPERVISE_POOL_POLICY_H
#define ORCHESTRATOR_SUPERVISE_POOL_POLICY_H

#include <stddef.h>

#include "base/auto.h"
#include "base/err.h"
#include "triage/command.h"
#include "triage/sandbox.h"

struct pool_policy {
    char *program;          /* nightjar: absolute */
    enum sandbox_rung rung; /* of the worker, which finds out what works within it */
    struct strv hide;
    struct strv keys;            /* one for each known command, what it shows as text */
    struct sandbox_policy shown; /* .read only */
};

void pool_policy_clear(struct pool_policy *policy);
AUTO_DEFINE_CLEAR(struct pool_policy, pool_policy_clear)

/* How many of the known commands a worker must know to run this one: its place in the
 * list, at which it is put if it is new. A program that does not exist shows nothing: its
 * replay will say so. */
size_t pool_policy_know(struct pool_policy *policy, const struct command *command);

/* Appends to argv how a worker with this folder is started now. */
int pool_policy_wrap(const struct pool_policy *policy, const char *folder,
                     struct strv *argv, struct err *err);

#endif
