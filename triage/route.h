/*
 * Which build an input is replayed on. A sanitizer build tells most, so it is the first;
 * where it runs clean, what another build showed may be real all the same, and the next
 * one is tried. Then, whatever showed it, the build that is shipped runs on it too: a
 * crash there is no matter of the sanitizer's opinion.
 */
#ifndef TRIAGE_ROUTE_H
#define TRIAGE_ROUTE_H

#include "triage/build.h"
#include "triage/repeat.h"

/* What the input did on one build. */
struct route_replay {
    const char *kind; /* NULL: of a command whose kind nobody told */
    enum replay_outcome outcome;
    char major[RECORD_HASH_MAX]; /* "": none, or it was only asked whether it crashes */
    int k, n;                    /* n runs, k of them as the outcome says */
};

struct route_result {
    struct repeat_result shown; /* on the build that showed it, else on the first */
    struct route_replay replays[BUILDS_MAX + 2];
    size_t n_replays;
};

void route_result_clear(struct route_result *result);
AUTO_DEFINE_CLEAR(struct route_result, route_result_clear)

struct route_plan {
    const char *kind; /* of config->command's build; NULL: unknown */
    const struct build_list *others;
    const struct buf *input;
    int runs; /* at most, on each build */
};

/*
 * Replay on config->command, and as long as it runs clean on one of the others after the
 * other. What showed it stands in shown.best.record->build, what the release build did in
 * its shipped_k and shipped_n; a further duplicate, which one run settled, is not run
 * there. Fails as repeat() does.
 */
int route(const struct replay_config *config, const struct route_plan *plan,
          struct route_result *out, struct err *err);

/* Replay on config->command, which is the release build, alone: `replays` has what it
 * did, nothing else is set. */
int route_release(const struct replay_config *config, const struct route_plan *plan,
                  struct route_result *out, struct err *err);

#endif
