/*
 * Telling the world while a campaign runs: each receiver of events or numbers has a
 * process of this program of its own (`outbox send --sink X --follow`, `push metrics
 * --sink Y`), which is run again and again. So a receiver that is slow, dead or answers
 * nonsense costs fuzzing and the other receivers nothing, and one that kills its process
 * is only away until the next turn. What could not be told waits in the store.
 */
#ifndef ORCHESTRATOR_SUPERVISE_HERALD_H
#define ORCHESTRATOR_SUPERVISE_HERALD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct herald_job {
    struct strv words; /* behind "nightjar --state STATE --config FILE" */
    int64_t every_ms; /* from one start to the next; one that runs longer is left alone */
    const char *name; /* of the receiver, for messages; borrowed */
};

struct herald_config {
    const char *state, *config;    /* config NULL: the default */
    const struct herald_job *jobs; /* borrowed, like all else here */
    size_t n;
    /* That a receiver takes nothing, or takes it again: once for each change. */
    void (*say)(void *user, const char *text);
    void *user;
};

struct herald;

int herald_new(const struct herald_config *config, struct herald **out, struct err *err);
void herald_free(struct herald *herald); /* kills its processes */

/* Start what is due, reap what has ended. Some times a second; never waits. */
void herald_tick(struct herald *herald);

bool herald_owns(const struct herald *herald, pid_t pid);

#endif
