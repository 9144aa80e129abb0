/*
 * Trials of candidates: what minimize.h asks of each smaller input, answered by runs on
 * all lanes at once. A lane is a runner, in a sandbox of its own.
 *
 *  1. A verdict that is known (verdicts.h) costs no run.
 *  2. A run is first glanced at (glance.h); only what was not seen before is symbolized
 *     and held against what is to be kept.
 *  3. n of m: a candidate is taken when `need` of at most `of` runs show it, and dropped
 *     as soon as that cannot be any more. trial_acceptance() has the formula.
 *  4. Candidates are tried on the assumption that all fail. The first in their order that
 *     does not is the answer; runs of those behind it are left alone if they end soon,
 *     and cancelled if not. So the answer is the same for any number of lanes.
 *  5. What crashes in another way is kept aside, once for each signature, with its bytes:
 *     it may be a bug that nobody knows.
 */
#ifndef TRIAGE_TRIAL_H
#define TRIAGE_TRIAL_H

#include "base/buf.h"
#include "base/err.h"
#include "triage/keep.h"
#include "triage/replay.h"
#include "triage/verdicts.h"

enum {
    TRIAL_LANES_MAX = 64,
    TRIAL_AHEAD = 8,        /* candidates that are thought of for each lane */
    TRIAL_FOUND_MAX = 16,   /* other crashes that are kept aside */
    TRIAL_RUNS_MAX = 40,    /* of one candidate */
    TRIAL_RELIABLE = 2,     /* runs in a row that must show what always shows */
    TRIAL_PATIENCE_MS = 50, /* with a run whose outcome does not matter any more */
};

/* n of m: `need` of at most `of` runs. */
struct acceptance {
    int need, of;
};

/*
 * From k of n runs of the original. k = n: TRIAL_RELIABLE of as many. Else with the rate
 * p = (k + 1) / (n + 2): the least m for which m runs of a candidate that shows it as
 * often as the original show it at least need = max(2, ceil(m p / 2)) times but for one
 * case in twenty (binomial), TRIAL_RUNS_MAX at most. So at most one good candidate in
 * twenty is lost, and what is half as rare as the original is mostly not taken.
 */
struct acceptance trial_acceptance(int k, int n);

/* Another crash, as a candidate showed it. */
struct trial_found {
    struct buf bytes;
    struct record *record;
};

struct trial_counts {
    int64_t runs;     /* that were made */
    int64_t judged;   /* of them symbolized and judged: the rest was told by a glance */
    int64_t recalled; /* candidates whose verdict was known */
    int64_t cancelled;
};

struct trial;

struct trial_config {
    const struct replay_config *replay; /* borrowed, with lane 0's runner */
    struct runner *const *runners;      /* of all lanes; NULL: none, then lanes is 1 */
    size_t lanes;
    const struct keep *keep; /* borrowed */
    bool loud;               /* the original prints something alarming (glance.h) */
    struct acceptance acceptance;
    struct verdicts *verdicts; /* borrowed */
    bool (*go_on)(void *user); /* asked while runs take their time; false: give way. May
                                  be NULL */
    void *user;
};

void trial_new(const struct trial_config *config, struct trial **out);
void trial_free(struct trial *trial); /* ends what runs; NULL is a no-op */
AUTO_DEFINE(struct trial *, trial_free)

/* shrink_oracle.test; -ECANCELED when go_on said so: verdicts so far are kept. */
int trial_test(void *of, const struct buf *list, size_t n, size_t *shown, int64_t *execs,
               struct err *err);

const struct trial_counts *trial_counts(const struct trial *trial);

/* The other crashes: a new array of that many, NULL for none, with all that they hold. */
size_t trial_take_found(struct trial *trial, struct trial_found **out);
void trial_found_free(struct trial_found *found, size_t n);

/* End what runs for nobody: the lanes' runners are free for others. */
void trial_stop(struct trial *trial);

/* Glances mean nothing any more: the command or what is kept has changed. */
void trial_change(struct trial *trial, const struct replay_config *replay,
                  const struct keep *keep, struct acceptance acceptance);

#endif
