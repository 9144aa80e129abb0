/*
 * Minimize an input while its signature stays the same at every step (shrink.h says how).
 * A candidate is taken only when two runs in a row show the wanted hash.major, at the
 * place (place.h) where the original shows it, if it has one. The original is never
 * touched.
 */
#ifndef TRIAGE_MINIMIZE_H
#define TRIAGE_MINIMIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "triage/replay.h"
#include "triage/shrink.h"

enum {
    MINIMIZE_INPUT_MAX = 8 << 20,
    MINIMIZE_TRIES = 3,   /* runs of the original until it shows the signature */
    MINIMIZE_CONFIRM = 2, /* runs in a row that must show it */
};

struct minimize_result {
    struct buf
        bytes; /* the smallest input that shows the signature: at worst the original */
    struct replay_run run; /* the run that shows it */
    struct shrink_progress progress;
    bool finished; /* false: a limit, or a failure of this machine, came first */
};

void minimize_result_clear(struct minimize_result *result);
AUTO_DEFINE_CLEAR(struct minimize_result, minimize_result_clear)

/*
 * `major`: the signature to keep, or NULL for what the input shows first. *out is cleared
 * first and set only on success. -ENODATA: the input does not crash, or not with that
 * signature, and the message says what it did instead (exit status 3). -EFBIG: larger
 * than MINIMIZE_INPUT_MAX. Candidates get less time than the command's limit, see
 * minimize_timeout(), unless a timeout is to be kept.
 */
int minimize(const struct replay_config *config, const struct buf *input,
             const char *major, const struct shrink_limits *limits,
             struct minimize_result *out, struct err *err);

/* Whether a run shows what is to be kept: the signature, and the place, NULL for any (a
 * signature may cover two bugs of one function). The place of a sampled hang is chance to
 * a degree and not looked at. `record` may be NULL: false. */
bool minimize_keeps(const struct record *record, const char *major, const char *place);

/* A candidate's time: one that runs far longer than the original took does something
 * else. */
int64_t minimize_timeout(int64_t timeout_ms, int64_t took_ms);

#endif
