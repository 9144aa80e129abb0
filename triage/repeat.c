#include "triage/repeat.h"

#include <string.h>

enum {
    SIGNATURES_MAX = 16, /* different crashes of one input that are told apart */
    SAME_DECIDES = 3,
    SAME_TIMEOUT_DECIDES = 2,
};

void
repeat_result_clear(struct repeat_result *result)
{
    replay_run_clear(&result->best);
    *result = (struct repeat_result){0};
}

struct tally {
    struct replay_run
        first[SIGNATURES_MAX]; /* of each signature, in order of appearance */
    int count[SIGNATURES_MAX];
    int n;
    int runs, crashed;
};

static void
tally_clear(struct tally *tally)
{
    for (int i = 0; i < tally->n; i++) {
        replay_run_clear(&tally->first[i]);
    }
}
AUTO_DEFINE_CLEAR(struct tally, tally_clear)

static bool
same_signature(const struct replay_run *a, const struct replay_run *b)
{
    if (a->record == NULL || b->record == NULL) {
        return a->record == b->record && a->outcome == b->outcome;
    }
    return strcmp(a->record->hash_major, b->record->hash_major) == 0;
}

static bool
is_crash(const struct replay_run *run)
{
    return run->record != NULL || run->outcome == REPLAY_UNPARSED;
}

/* Takes over what run holds. */
static void
tally_add(struct tally *tally, struct replay_run *run)
{
    int i = 0;

    tally->runs++;
    tally->crashed += is_crash(run) ? 1 : 0;
    while (i < tally->n && !same_signature(&tally->first[i], run)) {
        i++;
    }
    if (i == SIGNATURES_MAX) {
        return;
    }
    tally->count[i]++;
    if (i == tally->n) {
        tally->first[tally->n++] = *run;
        *run = (struct replay_run){0};
    }
}

static bool
tally_decided(const struct tally *tally, const struct replay_run *last)
{
    if (last->outcome == REPLAY_BROKEN) {
        return true;
    }
    if (!is_crash(last) || tally->n != 1) {
        return false;
    }
    return tally->runs >=
           (last->outcome == REPLAY_TIMEOUT ? SAME_TIMEOUT_DECIDES : SAME_DECIDES);
}

static bool
is_duplicate(const struct replay_config *config, const struct tally *tally, size_t len)
{
    const struct record *record = tally->first[0].record;

    return config->known != NULL && tally->runs == 1 && record != NULL &&
           known_covers(config->known, config->command, record, (int64_t)len);
}

int
repeat(const struct replay_config *config, const void *input, size_t len, int runs,
       struct repeat_result *out, struct err *err)
{
    AUTO(tally_clear) struct tally tally = {0};
    struct replay_config own = *config;
    bool decided = false;
    int best = 0;

    for (int i = 0; i == 0 || (i < runs && !decided); i++) {
        AUTO(replay_run_clear) struct replay_run run = {0};
        own.fresh = config->fresh || i > 0; /* another layout of the address space */
        int rc = replay_once(&own, input, len, &run, err);
        if (rc < 0) {
            return rc;
        }
        tally_add(&tally, &run);
        decided = tally_decided(&tally, &tally.first[tally.n - 1]) ||
                  is_duplicate(config, &tally, len);
    }
    if (config->known != NULL && tally.n == 1 && tally.runs > 1 &&
        tally.first[0].record != NULL) {
        known_add(config->known, config->command, tally.first[0].record, (int64_t)len);
    }
    for (int i = 1; i < tally.n;
         i++) { /* the most frequent crash, before any that is none */
        bool more = is_crash(&tally.first[i]) == is_crash(&tally.first[best])
                        ? tally.count[i] > tally.count[best]
                        : is_crash(&tally.first[i]);
        best = more ? i : best;
    }
    repeat_result_clear(out);
    out->best = tally.first[best];
    tally.first[best] = (struct replay_run){0};
    out->runs = tally.runs;
    out->crashed = is_crash(&out->best) ? tally.count[best] : 0;
    out->other = tally.crashed - out->crashed;
    return 0;
}
