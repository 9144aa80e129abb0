/*
 * Minimize an input while the bug that it shows stays the same at every step: shrink.h
 * says how candidates are thought of, trial.h how they are tried, keep.h what must stay.
 * The original is never touched.
 *
 *  1. The original runs until it is known what it shows and how often: what shows in
 *     two runs in a row is reliable, else k of MINIMIZE_RATE_RUNS make the rate. Where it
 *     shows nothing, other layouts of memory are tried (options.h).
 *  2. Limits are lowered. A candidate of a crash gets minimize_timeout(), and what comes
 *     to it is ended without a look at where it hangs; a hang has its
 *     time limit, and memory that runs out its memory limit, at the lowest of a few
 * levels at which the original still shows it. What was found so must show at the full
 * limit in the end, or the next level has its turn.
 *  3. The search; verdicts go into the journal.
 *  4. The result runs again, and must show it. Of a crash that always shows a candidate
 *     is run once; so its result must show it MINIMIZE_SURE times, or the original was
 *     not as reliable as its first runs said: it is counted as in 1., and the search made
 *     again with candidates that are run as trial.h says.
 *  5. On request, options of the command without which the result shows the same are
 *     taken away: a sanitizer's, variables, arguments.
 *
 * Nothing is left to chance: the same input, program and rule give the same result, for
 * any number of lanes, and after any interruption as long as the journal is there.
 */
#ifndef TRIAGE_MINIMIZE_H
#define TRIAGE_MINIMIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "triage/keep.h"
#include "triage/replay.h"
#include "triage/shrink.h"
#include "triage/trial.h"

enum {
    MINIMIZE_INPUT_MAX = 8 << 20,
    MINIMIZE_TRIES = 10,      /* runs of the original until it shows something ... */
    MINIMIZE_TRIES_MS = 5000, /* ... or, after the third, until that time is over */
    MINIMIZE_RATE_RUNS = 20,  /* of an original that is flaky */
    MINIMIZE_SURE = 5,        /* runs of a result whose candidates were run once each */
    MINIMIZE_STEPS_MAX = 512, /* that are told */
    MINIMIZE_LOW_MS = 1000, /* the first level of a hang; each next is four times that */
};

/* A success on the way, from the beginning. */
struct minimize_step {
    int64_t bytes, execs, wall_ms;
};

struct minimize_config {
    const struct replay_config *replay; /* borrowed */
    struct runner *const *runners;      /* of the lanes, the first is replay's; or NULL */
    size_t lanes;                       /* 1 to TRIAL_LANES_MAX */
    enum keep_level level;
    const char *major;   /* the signature that the original must show; NULL: any */
    const char *journal; /* verdicts.h; NULL: none */
    bool trim;           /* step 5 */
    struct shrink_limits limits;
    /* The best so far is another one. May be NULL */
    void (*better)(void *user, const struct buf *bytes);
    void *user; /* of better() */
};

struct minimize_result {
    struct buf bytes;      /* the smallest that shows it: at worst the original */
    struct replay_run run; /* a run that shows it */
    struct shrink_progress progress;
    bool finished;    /* false: a limit, or a failure of this machine, came first */
    char *kept_right; /* shrink.h; or NULL */
    int k, n;         /* runs of the original that showed it */
    struct acceptance acceptance;
    struct trial_counts counts;
    struct minimize_step *steps;
    size_t n_steps;
    struct trial_found *found; /* other crashes on the way */
    size_t n_found;
    struct strv dropped;    /* "ASAN_OPTIONS: quarantine_size_mb=1", "argument -x" */
    struct command command; /* without them; all empty when nothing was dropped */
};

void minimize_result_clear(struct minimize_result *result);
AUTO_DEFINE_CLEAR(struct minimize_result, minimize_result_clear)

/*
 * *out is cleared first and set only on success. -ENODATA: the input does not crash, or
 * not with that signature, and the message says what it did instead (exit status 3).
 * -EFBIG: larger than MINIMIZE_INPUT_MAX.
 */
int minimize(const struct minimize_config *config, const struct buf *input,
             struct minimize_result *out, struct err *err);

/* A candidate's time: one that runs far longer than the original took does something
 * else. */
int64_t minimize_timeout(int64_t timeout_ms, int64_t took_ms);

#endif
