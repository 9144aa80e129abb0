#include "triage/trial.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "triage/glance.h"

enum { LOOK_MS = 100, SHARE_LOST = 20 /* one good candidate in so many */ };

enum fate { FATE_OPEN, FATE_RUNS, FATE_FAILS, FATE_SHOWS };

struct lane {
    struct replay_config config;
    bool busy, stale; /* it runs; and nobody waits for it any more */
    size_t candidate;
    struct buf bytes; /* of a stale run: its candidate has gone */
    int runs, shows;  /* of the candidate so far */
    int64_t since_ms;
};

struct trial {
    struct trial_config config;
    struct lane lanes[TRIAL_LANES_MAX];
    struct glances *glances;
    struct trial_counts counts;
    struct trial_found found[TRIAL_FOUND_MAX];
    size_t n_found;
    /* of the call at work */
    const struct buf *list;
    enum fate *fate;
    size_t n, limit; /* the first that shows it, as far as is known; n: none */
};

/* --- n of m --- */

/* The chance of fewer than `need` of m. */
static double
too_few(double p, int m, int need)
{
    double term = pow(1 - p, m);
    double sum = 0;

    for (int i = 0; i < need; i++) {
        sum += term;
        term *= (double)(m - i) / (i + 1) * p / (1 - p);
    }
    return sum;
}

struct acceptance
trial_acceptance(int k, int n)
{
    double p = (double)(k + 1) / (n + 2);

    if (k >= n) {
        return (struct acceptance){TRIAL_RELIABLE, TRIAL_RELIABLE};
    }
    for (int m = TRIAL_RELIABLE; m < TRIAL_RUNS_MAX; m++) {
        int need = (int)ceil(m * p / 2);
        need = need < TRIAL_RELIABLE ? TRIAL_RELIABLE : need;
        if (too_few(p, m, need) * SHARE_LOST <= 1) {
            return (struct acceptance){need, m};
        }
    }
    return (struct acceptance){TRIAL_RELIABLE, TRIAL_RUNS_MAX};
}

/* --- construction --- */

void
trial_stop(struct trial *trial)
{
    for (size_t i = 0; i < trial->config.lanes; i++) {
        struct lane *lane = &trial->lanes[i];
        if (lane->busy && lane->config.runner != NULL) {
            runner_cancel(lane->config.runner);
        }
        lane->busy = false;
        lane->stale = false;
    }
}

void
trial_change(struct trial *trial, const struct replay_config *replay,
             const struct keep *keep, struct acceptance acceptance)
{
    trial_stop(trial);
    trial->config.acceptance = acceptance;
    trial->config.replay = replay;
    trial->config.keep = keep;
    trial->glances->n = 0;
    for (size_t i = 0; i < trial->config.lanes; i++) {
        struct lane *lane = &trial->lanes[i];
        lane->config = *replay;
        if (trial->config.runners != NULL) {
            lane->config.runner = trial->config.runners[i];
        }
    }
}

void
trial_new(const struct trial_config *config, struct trial **out)
{
    struct trial *trial = mem_alloc(sizeof(*trial));

    trial->config = *config;
    trial->glances = mem_alloc(sizeof(*trial->glances));
    trial_change(trial, config->replay, config->keep, config->acceptance);
    *out = trial;
}

void
trial_free(struct trial *trial)
{
    if (trial == NULL) {
        return;
    }
    trial_stop(trial);
    for (size_t i = 0; i < trial->config.lanes; i++) {
        buf_clear(&trial->lanes[i].bytes);
    }
    struct trial_found *found = NULL;
    size_t n = trial_take_found(trial, &found);
    trial_found_free(found, n);
    mem_free(trial->glances);
    mem_free(trial);
}

const struct trial_counts *
trial_counts(const struct trial *trial)
{
    return &trial->counts;
}

size_t
trial_take_found(struct trial *trial, struct trial_found **out)
{
    size_t n = trial->n_found;

    *out = n == 0 ? NULL : mem_dup(trial->found, n * sizeof(**out));
    trial->n_found = 0;
    return n;
}

void
trial_found_free(struct trial_found *found, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_clear(&found[i].bytes);
        record_free(found[i].record);
    }
    mem_free(found);
}

/* --- one run --- */

static bool
is_known(const struct trial *trial, const struct record *record)
{
    bool known = strcmp(record->hash_major, trial->config.keep->major) == 0;

    for (size_t i = 0; i < trial->n_found && !known; i++) {
        known = strcmp(trial->found[i].record->hash_major, record->hash_major) == 0;
    }
    return known;
}

/* Limits are lowered for candidates (minimize.c): what comes to one is no find. */
static void
keep_aside(struct trial *trial, const struct buf *bytes, struct replay_run *run)
{
    if (run->outcome == REPLAY_CRASH && trial->n_found < TRIAL_FOUND_MAX &&
        strcmp(run->record->crash_type, "Out-of-memory") != 0 &&
        !is_known(trial, run->record)) {
        struct trial_found *found = &trial->found[trial->n_found++];
        buf_add(&found->bytes, bytes->data, bytes->len);
        found->record = STEAL(run->record);
    }
}

static int
judge(struct trial *trial, const struct lane *lane, const struct buf *bytes,
      struct limit_run *run, bool *shows, struct err *err)
{
    AUTO(replay_run_clear) struct replay_run judged = {0};
    struct glance key;

    *shows = false;
    if (lane->config.hasty && run->hit != LIMIT_NONE) {
        return 0;
    }
    bool has_key = glance_of(run, trial->config.loud, &key);
    int known = has_key ? glances_find(trial->glances, &key) : -1;

    if (known >= 0) {
        *shows = known == 1;
        return 0;
    }
    trial->counts.judged++;
    int rc = replay_judge(&lane->config, buf_str(bytes), bytes->len, run, &judged, err);
    if (rc < 0) {
        return rc;
    }
    *shows = keep_holds(trial->config.keep, judged.record);
    if (has_key) {
        glances_add(trial->glances, &key, *shows);
    }
    if (!*shows) {
        keep_aside(trial, bytes, &judged);
    }
    return 0;
}

static void
settle(struct trial *trial, struct lane *lane, bool shows)
{
    const struct acceptance *accept = &trial->config.acceptance;
    size_t i = lane->candidate;

    lane->runs++;
    lane->shows += shows ? 1 : 0;
    if (lane->shows >= accept->need) {
        trial->fate[i] = FATE_SHOWS;
        trial->limit = i < trial->limit ? i : trial->limit;
    } else if (lane->runs - lane->shows > accept->of - accept->need) {
        trial->fate[i] = FATE_FAILS;
    }
    if (trial->fate[i] != FATE_RUNS) {
        verdicts_add(trial->config.verdicts, buf_str(&trial->list[i]), trial->list[i].len,
                     trial->fate[i] == FATE_SHOWS);
    }
}

static int
start(struct trial *trial, struct lane *lane, struct err *err)
{
    const struct buf *bytes = &trial->list[lane->candidate];
    AUTO(mem_free) char *broken = NULL;
    int rc = replay_start(&lane->config, buf_str(bytes), bytes->len, &broken, err);

    if (rc < 0) {
        return rc;
    }
    trial->counts.runs++;
    lane->busy = broken == NULL;
    lane->since_ms = clock_mono_ms();
    if (broken != NULL) {
        settle(trial, lane, false);
    }
    return 0;
}

/* A run of a candidate that matters has ended. */
static int
finish(struct trial *trial, struct lane *lane, struct err *err)
{
    AUTO(limit_run_clear) struct limit_run run = {0};
    AUTO(mem_free) char *broken = NULL;
    const struct buf *bytes = &trial->list[lane->candidate];
    bool shows = false;
    int rc = replay_finish(&lane->config, buf_str(bytes), bytes->len, &run, &broken, err);

    lane->busy = false;
    if (rc == 0 && broken == NULL) {
        rc = judge(trial, lane, bytes, &run, &shows, err);
    }
    if (rc < 0) {
        return rc;
    }
    settle(trial, lane, shows);
    return 0;
}

/* --- lanes --- */

static void
leave(struct trial *trial, struct lane *lane)
{
    if (lane->busy && !lane->stale) {
        const struct buf *bytes = &trial->list[lane->candidate];
        buf_clear(&lane->bytes);
        buf_add(&lane->bytes, bytes->data, bytes->len);
        lane->stale = true;
    }
}

static void
cancel(struct trial *trial, struct lane *lane)
{
    runner_cancel(lane->config.runner);
    trial->counts.cancelled++;
    lane->busy = false;
    lane->stale = false;
}

/* A run that nobody waits for has ended: its lane is free again. */
static void
drain(struct trial *trial, struct lane *lane)
{
    AUTO(limit_run_clear) struct limit_run run = {0};
    AUTO(mem_free) char *broken = NULL;
    struct err ignored = ERR_INIT;

    (void)trial;
    (void)replay_finish(&lane->config, buf_str(&lane->bytes), lane->bytes.len, &run,
                        &broken, &ignored);
    lane->busy = false;
    lane->stale = false;
}

/* The next candidate that is worth a run, trial->limit when there is none. */
static size_t
next_open(const struct trial *trial)
{
    size_t i = 0;

    while (i < trial->limit && trial->fate[i] != FATE_OPEN) {
        i++;
    }
    return i;
}

/* Give every lane that is free something to do. */
static int
start_all(struct trial *trial, struct err *err)
{
    for (size_t i = 0; i < trial->config.lanes; i++) {
        struct lane *lane = &trial->lanes[i];
        while (!lane->busy) {
            bool goes_on = lane->runs > 0 && lane->candidate < trial->limit &&
                           trial->fate[lane->candidate] == FATE_RUNS;
            size_t next = goes_on ? lane->candidate : next_open(trial);
            if (next >= trial->limit) {
                break;
            }
            if (!goes_on) {
                lane->candidate = next;
                lane->runs = 0;
                lane->shows = 0;
                trial->fate[next] = FATE_RUNS;
            }
            int rc = start(trial, lane, err);
            if (rc < 0) {
                return rc;
            }
        }
    }
    return 0;
}

/* Candidates behind one that shows it do not matter any more. */
static void
leave_what_does_not_matter(struct trial *trial)
{
    int64_t now = clock_mono_ms();

    for (size_t i = 0; i < trial->config.lanes; i++) {
        struct lane *lane = &trial->lanes[i];
        if (lane->busy && !lane->stale && lane->candidate > trial->limit) {
            leave(trial, lane);
        }
        if (lane->stale && now - lane->since_ms > TRIAL_PATIENCE_MS) {
            cancel(trial, lane);
        }
    }
}

static bool
all_decided(const struct trial *trial)
{
    for (size_t i = 0; i < trial->limit; i++) {
        if (trial->fate[i] != FATE_FAILS) {
            return false;
        }
    }
    return true;
}

/* Wait until a run ends, or a while. */
static int
collect(struct trial *trial, struct err *err)
{
    struct pollfd fds[TRIAL_LANES_MAX];
    size_t n = trial->config.lanes;
    bool blocking = false;

    for (size_t i = 0; i < n; i++) {
        struct lane *lane = &trial->lanes[i];
        int fd = lane->busy && lane->config.runner != NULL
                     ? runner_fd(lane->config.runner)
                     : -1;
        fds[i] = (struct pollfd){fd, POLLIN, 0};
        blocking = blocking || (lane->busy && fd < 0);
    }
    if (!blocking && poll(fds, (nfds_t)n, LOOK_MS) < 0 && errno != EINTR) {
        return err_sys(err, "poll");
    }
    for (size_t i = 0; i < n; i++) {
        struct lane *lane = &trial->lanes[i];
        if (!lane->busy || (fds[i].fd >= 0 && fds[i].revents == 0)) {
            continue;
        }
        int rc = 0;
        if (lane->stale) {
            drain(trial, lane);
        } else {
            rc = finish(trial, lane, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int
run_all(struct trial *trial, struct err *err)
{
    int rc = 0;

    while (rc == 0 && !all_decided(trial)) {
        rc = start_all(trial, err);
        if (rc == 0 && trial->config.go_on != NULL &&
            !trial->config.go_on(trial->config.user)) {
            rc = err_set(err, -ECANCELED, "it was asked to give way");
        }
        if (rc == 0 && !all_decided(trial)) {
            rc = collect(trial, err);
            leave_what_does_not_matter(trial);
        }
    }
    return rc;
}

int
trial_test(void *of, const struct buf *list, size_t n, size_t *shown, int64_t *execs,
           struct err *err)
{
    struct trial *trial = of;
    AUTO(mem_free) enum fate *fate = mem_array(n, sizeof(*fate));
    int64_t before = trial->counts.runs;

    trial->list = list;
    trial->fate = fate;
    trial->n = n;
    trial->limit = n;
    for (size_t i = 0; i < n && trial->limit == n; i++) {
        int known = verdicts_find(trial->config.verdicts, buf_str(&list[i]), list[i].len);
        fate[i] = known < 0 ? FATE_OPEN : known == 1 ? FATE_SHOWS : FATE_FAILS;
        trial->limit = known == 1 ? i : n;
        trial->counts.recalled += known >= 0 ? 1 : 0;
    }
    int rc = run_all(trial, err);
    for (size_t i = 0; i < trial->config.lanes; i++) {
        leave(trial, &trial->lanes[i]); /* the list is the caller's */
        trial->lanes[i].runs = 0;
    }
    *execs += trial->counts.runs - before;
    *shown = trial->limit;
    trial->list = NULL;
    trial->fate = NULL;
    return rc;
}
