/* The first part of minimize.h: what the original shows, how often, and at which limits.
 */
#ifndef TRIAGE_MINIMIZE_ORIGINAL_H
#define TRIAGE_MINIMIZE_ORIGINAL_H

#include "triage/minimize.h"

enum { LEVELS_MAX = 6 };

struct level { /* limits of candidates */
    int64_t timeout_ms, memory_bytes;
};

struct original {
    struct replay_config replay; /* with the full limits */
    struct command command;      /* its command: with the layout's options if need be */
    struct keep keep;
    struct replay_run run; /* shows it */
    int k, n;
    struct acceptance acceptance;
    struct level levels[LEVELS_MAX]; /* from low to full */
    size_t n_levels, first_level;    /* the first one at which the original shows it */
    int64_t execs;
};

void original_clear(struct original *original);

/* The errors are minimize()'s. *out holds what was there also when it fails. */
int original_run(const struct minimize_config *config, const struct buf *input,
                 struct original *out, struct err *err);

/* It passed for reliable, but what was made of it is not: MINIMIZE_RATE_RUNS of it in all
 * say how often it shows, and set k, n and acceptance. Errors of this machine only. */
int original_doubt(const struct minimize_config *config, const struct buf *input,
                   struct original *out, struct err *err);

#endif
