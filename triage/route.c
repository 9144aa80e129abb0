#include "triage/route.h"

#include <stdio.h>
#include <string.h>

static const char release[] = "release";

void
route_result_clear(struct route_result *result)
{
    repeat_result_clear(&result->shown);
    *result = (struct route_result){0};
}

struct journey {
    const struct replay_config *config;
    const struct route_plan *plan;
    struct route_result *out;
    struct err *err;
};

static void
note(struct journey *j, const char *kind, const struct repeat_result *result)
{
    const struct record *record = result->best.record;
    bool clean = result->best.outcome == REPLAY_CLEAN;
    struct route_replay *replay = &j->out->replays[j->out->n_replays++];

    *replay = (struct route_replay){.kind = kind,
                                    .outcome = result->best.outcome,
                                    .k = clean ? result->runs : result->crashed,
                                    .n = result->runs};
    if (record != NULL) {
        (void)snprintf(replay->major, sizeof(replay->major), "%s", record->hash_major);
    }
}

static int
run_build(const struct journey *j, const struct replay_config *config,
          struct repeat_result *result)
{
    const struct buf *input = j->plan->input;

    return repeat(config, buf_str(input), input->len, j->plan->runs, result, j->err);
}

/* On one build; what it shows is kept unless an earlier one showed more. */
static int
try_build(struct journey *j, const char *kind, const struct command *command)
{
    AUTO(repeat_result_clear) struct repeat_result result = {0};
    struct replay_config config = *j->config;

    config.command = command;
    int rc = run_build(j, &config, &result);
    if (rc < 0) {
        return rc;
    }
    note(j, kind, &result);
    bool first = j->out->n_replays == 1;
    if (first || result.best.outcome == REPLAY_CRASH ||
        result.best.outcome == REPLAY_TIMEOUT || result.best.outcome == REPLAY_UNPARSED) {
        repeat_result_clear(&j->out->shown);
        j->out->shown = result;
        result = (struct repeat_result){0};
        if (j->out->shown.best.record != NULL) {
            j->out->shown.best.record->build = kind;
        }
    }
    return 0;
}

/* Runs of what is shipped: how many crash, however; where does not matter here. */
static int
ship(struct journey *j, const struct command *command)
{
    AUTO(repeat_result_clear) struct repeat_result result = {0};
    struct replay_config config = *j->config;

    config.command = command;
    config.debugger = NULL;
    config.known = NULL; /* of signals without a stack nothing is to be learned */
    int rc = run_build(j, &config, &result);
    if (rc < 0) {
        return rc;
    }
    note(j, release, &result);
    struct route_replay *replay = &j->out->replays[j->out->n_replays - 1];
    replay->major[0] = '\0'; /* of a signal without a stack */
    if (result.best.outcome == REPLAY_CRASH) {
        replay->k += result.other;
    }
    return 0;
}

static const struct route_replay *
find_replay(const struct route_result *result, const char *kind)
{
    for (size_t i = 0; i < result->n_replays; i++) {
        if (result->replays[i].kind != NULL &&
            strcmp(result->replays[i].kind, kind) == 0) {
            return &result->replays[i];
        }
    }
    return NULL;
}

/* What is known of the release build into the record, which is decided again. */
static int
tell_shipped(struct journey *j)
{
    struct record *record = j->out->shown.best.record;
    const struct route_replay *replay = find_replay(j->out, release);

    if (replay == NULL || replay->outcome == REPLAY_BROKEN) {
        return 0;
    }
    record->shipped_k = replay->outcome == REPLAY_CRASH ? replay->k : 0;
    record->shipped_n = replay->n;
    return record_finish(record, j->config->options, j->err);
}

int
route_release(const struct replay_config *config, const struct route_plan *plan,
              struct route_result *out, struct err *err)
{
    AUTO(route_result_clear) struct route_result result = {0};
    struct journey journey = {config, plan, &result, err};
    int rc = ship(&journey, config->command);

    if (rc < 0) {
        return rc;
    }
    *out = result;
    memset(&result, 0, sizeof(result)); /* out owns it now */
    return 0;
}

int
route(const struct replay_config *config, const struct route_plan *plan,
      struct route_result *out, struct err *err)
{
    AUTO(route_result_clear) struct route_result result = {0};
    struct journey journey = {config, plan, &result, err};
    const struct build_list *others = plan->others;
    const struct build *shipped = build_list_find(others, release);
    int rc = try_build(&journey, plan->kind, config->command);

    for (size_t i = 0;
         rc == 0 && i < others->n && result.shown.best.outcome == REPLAY_CLEAN; i++) {
        rc = try_build(&journey, others->v[i].kind, &others->v[i].command);
    }
    bool crashes = result.shown.best.outcome == REPLAY_CRASH;
    if (rc == 0 && crashes && shipped != NULL && !result.shown.is_duplicate &&
        find_replay(&result, release) == NULL) {
        rc = ship(&journey, &shipped->command);
    }
    rc = rc < 0 || !crashes ? rc : tell_shipped(&journey);
    if (rc < 0) {
        return rc;
    }
    *out = result;
    memset(&result, 0, sizeof(result)); /* out owns it now */
    return 0;
}
