/*
 * An executor: where a worker's process tree runs. `local` is this machine; another one
 * (a batch system) is one more file in this folder.
 *
 * Lifecycle: start() -> output() calls as it prints -> gone() exactly once, with
 * everything that it printed delivered before -> free(). ask() and kill() may be called
 * at any time in between and more than once. free() of one that still runs kills its
 * whole tree and waits for that.
 *
 * Threat: what comes through output() is hostile; how much of it is limited: a worker
 * that prints without end is slowed down, not read for ever.
 */
#ifndef ORCHESTRATOR_EXECUTOR_EXECUTOR_H
#define ORCHESTRATOR_EXECUTOR_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "triage/sandbox.h"

enum {
    EXECUTOR_OUTPUT_PER_S =
        4 << 20, /* bytes of output that are read of one worker in a second */
    EXECUTOR_FILE_MAX = 1 << 30, /* bytes of the largest file that it may write */
};

struct executor_spec {
    sd_event *event; /* borrowed */
    const struct strv *argv, *env;
    const struct sandbox_policy *policy;
    enum sandbox_rung rung;
    int nice;
    void *user;
    void (*output)(void *user, const char *data, size_t len);
    void (*gone)(void *user,
                 int status); /* waitpid's; the execution may be freed from here */
};

struct execution; /* the executor's own */

struct executor_ops {
    const char *name;
    int (*start)(const struct executor_spec *spec, struct execution **out,
                 struct err *err);
    /* ask it to stop: a signal for the command itself */
    void (*ask)(struct execution *execution, int signal_number);
    void (*kill)(struct execution *execution);       /* the whole tree */
    void (*free)(struct execution *execution);       /* NULL is a no-op */
    pid_t (*pid)(const struct execution *execution); /* 0: none on this machine */
    /* processor time that the tree has used so far; -1: not known */
    int64_t (*cpu_ms)(const struct execution *execution);
};

extern const struct executor_ops executor_local;

#endif
