/*
 * Minimize an input while its signature stays the same at every step. A simple correct one: block
 * deletion with sizes falling by halves, then zeroing/normalising bytes; candidates are cached by content
 * hash; only what shows the wanted hash.major is taken. The original is never touched.
 */
#ifndef TRIAGE_MINIMIZE_H
#define TRIAGE_MINIMIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "triage/replay.h"

enum { MINIMIZE_INPUT_MAX = 8 << 20 };

struct minimize_progress {
    size_t bytes;   /* of the best so far */
    int64_t execs;
    int64_t wall_ms;
};

struct minimize_limits {
    int64_t wall_ms;  /* 0: none */
    int64_t execs;    /* 0: none */
    /* called after each run; false stops with what there is. May be NULL */
    bool (*report)(void *user, const struct minimize_progress *progress);
    void *user;
};

struct minimize_result {
    struct buf bytes;       /* the smallest input that shows the signature: at worst the original */
    struct replay_run run;  /* the run that shows it */
    struct minimize_progress progress;
    bool finished;          /* false: a limit came first */
};

void minimize_result_clear(struct minimize_result *result);
AUTO_DEFINE_CLEAR(struct minimize_result, minimize_result_clear)

/* `major`: the signature to keep, or NULL for what the input shows in a first run.
 * -ENODATA: the input does not crash (exit status 3); -EFBIG: larger than MINIMIZE_INPUT_MAX. */
int minimize(const struct replay_config *config, const void *input, size_t len,
             const char *major, const struct minimize_limits *limits,
             struct minimize_result *out, struct err *err);

#endif
