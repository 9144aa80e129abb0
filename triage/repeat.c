#include "triage/repeat.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/known.h"
#include "triage/options.h"

enum {
    KINDS_MAX = 16, /* different crashes of one input that are told apart */
    SAME_DECIDES = 3,
    SAME_WILD_DECIDES = 5,
    LEAST_SHARE = 4, /* one of so many crashing runs makes a signature count */
    MISHAPS_MAX = 3, /* broken runs among others, which do not count */
    LONGER = 2,      /* times the limit: what a timeout is confirmed with */
};

void
repeat_result_clear(struct repeat_result *result)
{
    replay_run_clear(&result->best);
    *result = (struct repeat_result){0};
}

/* --- what the runs showed --- */

/* A signature, or an outcome without one. */
struct kind {
    char major[RECORD_HASH_MAX]; /* "": none */
    enum replay_outcome outcome;
    struct replay_run worst; /* of its runs */
    int count;
    bool varies;     /* in what the severity rests on */
    bool moves;      /* its address is another in each run */
    bool was_untold; /* in some run: whether it read or wrote */
};

struct tally {
    struct kind kinds[KINDS_MAX];
    int n_kinds;
    int runs, crashed;
    int64_t wall_ms;
};

static void
tally_clear(struct tally *tally)
{
    for (int i = 0; i < tally->n_kinds; i++) {
        replay_run_clear(&tally->kinds[i].worst);
    }
}
AUTO_DEFINE_CLEAR(struct tally, tally_clear)

static bool
is_crash(enum replay_outcome outcome)
{
    return outcome != REPLAY_CLEAN && outcome != REPLAY_BROKEN;
}

/* A fault at an address that belongs to nothing: the sanitizer has no name for it. */
static bool
is_wild(const struct record *record)
{
    return record != NULL && (str_starts(record->crash_type, "UNKNOWN") ||
                              str_starts(record->crash_type, "Bus"));
}

static bool
is_untold(const struct record *record)
{
    return record != NULL && is_wild(record) && (record->facts & FACT_IN_CHECK) != 0;
}

static double
score_of(const struct replay_run *run)
{
    return run->record == NULL ? 0.0 : run->record->severity_score;
}

static bool
same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
compare_runs(struct kind *kind, const struct replay_run *run)
{
    const struct record *a = kind->worst.record;
    const struct record *b = run->record;

    if (a == NULL || b == NULL) {
        return;
    }
    kind->varies = kind->varies || a->access != b->access ||
                   a->severity_score < b->severity_score ||
                   a->severity_score > b->severity_score ||
                   strcmp(a->class_name, b->class_name) != 0;
    kind->moves =
        kind->moves || (is_wild(b) && !same_text(a->crash_address, b->crash_address));
}

static struct kind *
find_kind(struct tally *tally, const char *major, enum replay_outcome outcome)
{
    for (int i = 0; i < tally->n_kinds; i++) {
        struct kind *kind = &tally->kinds[i];
        if (major[0] == '\0' ? kind->major[0] == '\0' && kind->outcome == outcome
                             : strcmp(kind->major, major) == 0) {
            return kind;
        }
    }
    if (tally->n_kinds == KINDS_MAX) {
        return NULL;
    }
    struct kind *kind = &tally->kinds[tally->n_kinds++];
    *kind = (struct kind){.outcome = outcome};
    (void)snprintf(kind->major, sizeof(kind->major), "%s", major);
    return kind;
}

/* Takes over what run holds, if it is to stand for its kind. */
static void
tally_add(struct tally *tally, struct replay_run *run)
{
    const char *major = run->record == NULL ? "" : run->record->hash_major;
    struct kind *kind = find_kind(tally, major, run->outcome);

    tally->runs++;
    tally->crashed += is_crash(run->outcome) ? 1 : 0;
    tally->wall_ms += run->wall_ms;
    if (kind == NULL) {
        return;
    }
    kind->count++;
    kind->was_untold = kind->was_untold || is_untold(run->record);
    compare_runs(kind, run);
    if (kind->count == 1 || score_of(run) > score_of(&kind->worst)) {
        replay_run_clear(&kind->worst);
        kind->worst = *run;
        *run = (struct replay_run){0};
    }
}

/* --- when it is decided --- */

static bool
crash_decided(const struct tally *tally)
{
    const struct kind *only = &tally->kinds[0];

    if (tally->n_kinds != 1 || only->varies || only->was_untold) {
        return false;
    }
    return tally->runs >= (only->moves ? SAME_WILD_DECIDES : SAME_DECIDES);
}

static bool
decided(const struct tally *tally, const struct replay_config *config,
        enum replay_outcome last)
{
    switch (last) {
    case REPLAY_BROKEN:
        return true;
    case REPLAY_CLEAN:
        return tally->crashed == 0 && tally->runs >= SAME_DECIDES &&
               tally->wall_ms > config->command->timeout_ms;
    case REPLAY_CRASH:
    case REPLAY_UNPARSED:
        return crash_decided(tally);
    case REPLAY_TIMEOUT:
        break;
    }
    return false;
}

static bool
is_duplicate(const struct tally *tally, const struct replay_config *config, size_t len)
{
    const struct record *record = tally->kinds[0].worst.record;

    return config->known != NULL && tally->runs == 1 && record != NULL &&
           known_covers(config->known, config->command, record, (int64_t)len);
}

/* --- which run stands for the input --- */

static int
rank(const struct kind *kind, const struct tally *tally)
{
    if (!is_crash(kind->outcome)) {
        return 0;
    }
    return kind->count * LEAST_SHARE < tally->crashed ? 1
           : is_wild(kind->worst.record)              ? 2
                                                      : 3;
}

static bool
is_better(const struct kind *a, const struct kind *b, const struct tally *tally)
{
    int by_rank = rank(a, tally) - rank(b, tally);

    if (by_rank != 0) {
        return by_rank > 0;
    }
    if (score_of(&a->worst) > score_of(&b->worst) ||
        score_of(&a->worst) < score_of(&b->worst)) {
        return score_of(&a->worst) > score_of(&b->worst);
    }
    return a->count != b->count ? a->count > b->count : strcmp(a->major, b->major) < 0;
}

/* What other runs showed that bears on the severity. */
static void
say_varies(const struct kind *kind)
{
    if (kind->varies && kind->worst.record != NULL) {
        strv_addf(&kind->worst.record->reasons,
                  "its %d runs differ in what the access was: the worst that one of them "
                  "has shown counts",
                  kind->count);
    }
}

static void
conclude(struct tally *tally, struct repeat_result *out)
{
    struct kind *best = &tally->kinds[0];

    for (int i = 1; i < tally->n_kinds; i++) {
        best = is_better(&tally->kinds[i], best, tally) ? &tally->kinds[i] : best;
    }
    say_varies(best);
    repeat_result_clear(out);
    out->best = best->worst;
    best->worst = (struct replay_run){0};
    out->runs = tally->runs;
    out->crashed = is_crash(best->outcome) ? best->count : 0;
    out->other = tally->crashed - out->crashed;
}

/* --- timeouts --- */

/* Slow, not hanging: it came to an end that it could not come to before. */
static void
call_slow(struct tally *tally, const struct replay_config *config, struct replay_run *run,
          struct repeat_result *out)
{
    char took[64];
    char limit[64];

    str_duration_show(took, sizeof(took), run->wall_ms);
    str_duration_show(limit, sizeof(limit), config->command->timeout_ms);
    repeat_result_clear(out);
    out->runs = tally->runs;
    out->best = *run;
    *run = (struct replay_run){0};
    mem_free(out->best.reason);
    out->best.reason =
        mem_printf("slow, no hang: it was stopped after %s, its limit, and "
                   "ends by itself after %s",
                   limit, took);
}

static void
call_hang(struct tally *tally, const struct replay_config *config,
          struct repeat_result *out)
{
    char limit[64];

    conclude(tally, out);
    str_duration_show(limit, sizeof(limit), config->command->timeout_ms);
    mem_free(out->best.reason);
    out->best.reason =
        mem_printf("still running after %d times its limit of %s", LONGER, limit);
}

/* One run more with a longer limit. Returns 1 when that decides. */
static int
confirm_timeout(const struct replay_config *config, const void *input, size_t len,
                struct tally *tally, struct repeat_result *out, struct err *err)
{
    AUTO(command_clear) struct command patient = {0};
    AUTO(replay_run_clear) struct replay_run run = {0};
    struct replay_config longer = *config;

    command_copy(&patient, config->command);
    patient.timeout_ms *= LONGER;
    longer.command = &patient;
    int rc = replay_once(&longer, input, len, &run, err);
    if (rc < 0) {
        return rc;
    }
    enum replay_outcome outcome = run.outcome;
    if (outcome == REPLAY_CLEAN) {
        tally->runs++;
        call_slow(tally, config, &run, out);
        return 1;
    }
    tally_add(tally, &run);
    if (outcome == REPLAY_TIMEOUT) {
        call_hang(tally, config, out);
        return 1;
    }
    return 0;
}

/* --- one layout --- */

static int
run_all(const struct replay_config *config, const void *input, size_t len, int runs,
        struct repeat_result *out, struct err *err)
{
    AUTO(tally_clear) struct tally own = {0};
    struct tally *tally = &own;
    struct replay_config now = *config;
    bool timed_out = false;
    bool done = false;
    bool duplicate = false;
    int mishaps = 0;

    while (!done && tally->runs < runs) {
        AUTO(replay_run_clear) struct replay_run run = {0};
        now.fresh =
            config->fresh || tally->runs > 0; /* another layout of its addresses */
        if (timed_out) {
            int rc = confirm_timeout(&now, input, len, tally, out, err);
            if (rc != 0) {
                return rc;
            }
            timed_out = false;
            continue;
        }
        int rc = replay_once(&now, input, len, &run, err);
        if (rc < 0) {
            return rc;
        }
        enum replay_outcome outcome = run.outcome;
        if (outcome == REPLAY_BROKEN && tally->runs > 0 && ++mishaps < MISHAPS_MAX) {
            continue;
        }
        tally_add(tally, &run);
        timed_out = outcome == REPLAY_TIMEOUT;
        duplicate = is_duplicate(tally, config, len);
        done = decided(tally, config, outcome) || duplicate;
    }
    conclude(tally, out);
    out->is_duplicate = duplicate;
    return 0;
}

/* --- other layouts --- */

static bool
has_redzone(const struct strv *env)
{
    for (size_t i = 0; i < env->n; i++) {
        if (str_starts(env->v[i], "ASAN_OPTIONS=") &&
            strstr(env->v[i], "redzone=") != NULL) {
            return true;
        }
    }
    return false;
}

/* Worth it where chance may have hidden the error, or its name. */
static bool
wants_layouts(const struct replay_config *config, const struct repeat_result *got)
{
    bool chosen = has_redzone(&config->command->env);
    bool nothing =
        got->best.outcome == REPLAY_CLEAN && got->other == 0 && got->best.reason == NULL;
    bool nameless = got->other > 0 && is_wild(got->best.record);

    return config->command->asan && got->runs > 1 && (nothing || nameless) && !chosen;
}

/* A crash that a sanitizer names; larger red zones make "out of memory" of their own. */
static bool
is_named(const struct repeat_result *result)
{
    const struct record *record = result->best.record;

    return result->best.outcome == REPLAY_CRASH && record != NULL && !is_wild(record) &&
           result->crashed == result->runs &&
           strcmp(record->crash_type, "Out-of-memory") != 0;
}

static int
try_layout(const struct replay_config *config, const void *input, size_t len,
           const char *options, struct repeat_result *out, struct err *err)
{
    static const int runs[] = {1, SAME_DECIDES}; /* most show nothing: one run to see */
    AUTO(command_clear) struct command command = {0};
    struct replay_config other = *config;

    command_copy(&command, config->command);
    strv_add(&command.env, options);
    other.command = &command;
    other.known = NULL;
    for (size_t i = 0; i < COUNT(runs); i++) {
        int rc = run_all(&other, input, len, runs[i], out, err);
        if (rc < 0) {
            return rc;
        }
        if (!is_named(out)) {
            return 0;
        }
    }
    out->best.record->replay_options = options;
    strv_addf(&out->best.record->reasons, "shows only with another layout of memory: %s",
              options);
    return 1;
}

int
repeat(const struct replay_config *config, const void *input, size_t len, int runs,
       struct repeat_result *out, struct err *err)
{
    int rc = run_all(config, input, len, runs, out, err);

    if (rc < 0) {
        return rc;
    }
    if (config->known != NULL && out->runs > 1 && out->crashed == out->runs &&
        out->best.record != NULL) {
        known_add(config->known, config->command, out->best.record, (int64_t)len);
    }
    if (!wants_layouts(config, out)) {
        return 0;
    }
    for (size_t i = 0; options_layout(i) != NULL; i++) {
        AUTO(repeat_result_clear) struct repeat_result found = {0};
        rc = try_layout(config, input, len, options_layout(i), &found, err);
        if (rc < 0) {
            return rc;
        }
        if (rc == 1) {
            repeat_result_clear(out);
            *out = found;
            found = (struct repeat_result){0};
            return 0;
        }
    }
    return 0;
}
