/*
 * Minimize an input while its signature stays the same at every step. A simple correct one: block
 * deletion with sizes falling by halves, then bytes made dull ('0' for what can be printed, NUL for
 * the rest), again until neither helps. A candidate is taken only when two runs in a row show the
 * wanted hash.major; one that failed is not tried again (cache by SHA-256). The original is never touched.
 */
#ifndef TRIAGE_MINIMIZE_H
#define TRIAGE_MINIMIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "triage/replay.h"

enum {
    MINIMIZE_INPUT_MAX = 8 << 20,
    MINIMIZE_TRIES = 3, /* runs of the original until it shows the signature */
};

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
    bool finished;          /* false: a limit, or a failure of this machine, came first */
};

void minimize_result_clear(struct minimize_result *result);
AUTO_DEFINE_CLEAR(struct minimize_result, minimize_result_clear)

/*
 * `major`: the signature to keep, or NULL for what the input shows first. *out is cleared first and
 * set only on success. -ENODATA: the input does not crash, or not with that signature, and the message
 * says what it did instead (exit status 3). -EFBIG: larger than MINIMIZE_INPUT_MAX. Candidates get
 * less time than the command's limit, by how long the original took, unless a timeout is to be kept.
 */
int minimize(const struct replay_config *config, const void *input, size_t len,
             const char *major, const struct minimize_limits *limits,
             struct minimize_result *out, struct err *err);

#endif
