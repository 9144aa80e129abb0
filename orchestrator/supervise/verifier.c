#include "orchestrator/supervise/verifier.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "orchestrator/supervise/solo.h"
#include "orchestrator/supervise/verifier_check.h"

enum {
    TELL_MS = 2000, /* what was seen is written so often at least */
};

struct run {
    const struct verifier_call *call;
    struct check *checks; /* as many as call->list, in the same order */
    size_t next;          /* not handed out yet */
    size_t *again;        /* to be looked at again: at most one for each */
    size_t n_again;
    size_t printed, told; /* the first of those that are not */
    int64_t told_at;
    struct checking checking;
};

static void
run_clear(struct run *run)
{
    for (size_t i = 0; i < run->call->list->n; i++) {
        check_clear(&run->checks[i]);
    }
    checking_clear(&run->checking);
    mem_free(run->checks);
    mem_free(run->again);
}
AUTO_DEFINE_CLEAR(struct run, run_clear)

/* --- the present builds --- */

int
verifier_register(struct store *store, const struct config *config,
                  const struct target *target, struct err *err)
{
    AUTO(build_list_clear) struct build_list builds = {0};
    int64_t id = 0;
    const struct record_settings settings = {
        .ooms_and_hangs = config->triage.ooms_and_hangs,
        .asserts_are_security = config->triage.asserts_are_security,
        .checks_are_security = config->triage.checks_are_security,
        .ignore_frames = target->ignore_frames};
    int rc = target_builds(target, &builds, err);

    rc = rc < 0 ? rc
                : store_put_target(store, target->name, &builds.v[0].command, &settings,
                                   &id, err);
    return rc < 0 ? rc : store_put_builds(store, id, &builds, err);
}

/* A target that has no builds now stays as it was. */
static int
register_targets(const struct verifier_call *call, struct err *err)
{
    const char *last = "";
    int rc = 0;

    for (size_t i = 0; i < call->list->n && rc == 0; i++) {
        const char *name = call->list->v[i].target;
        const struct target *target = target_list_find(call->targets, name);
        if (strcmp(name, last) != 0 && target != NULL) {
            rc = verifier_register(call->store, call->config, target, err);
        }
        last = name;
    }
    return rc;
}

/* --- checks --- */

/* What is settled is told in the order of the bugs, and written now and then. */
static int
publish(struct run *run, bool now, struct err *err)
{
    const struct verifier_call *call = run->call;

    while (run->printed < call->list->n && run->checks[run->printed].done) {
        const struct check *check = &run->checks[run->printed++];
        call->row(call->user, check->of, &check->seen);
    }
    size_t n = run->printed - run->told;
    if (n == 0 || call->elsewhere || (!now && clock_mono_ms() - run->told_at < TELL_MS)) {
        return 0;
    }
    AUTO(mem_free) struct verification *list = mem_array(n, sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        const struct check *check = &run->checks[run->told + i];
        list[i] = (struct verification){check->of, &check->seen};
    }
    run->told += n;
    run->told_at = clock_mono_ms();
    return regressions_verified(call->store, list, n, NULL, err);
}

static int
settle(struct run *run, struct check *check, struct err *err)
{
    check->done = true;
    return publish(run, false, err);
}

static int
next_check(void *user, json_t **request, struct buf *input, int64_t *id, struct err *err)
{
    struct run *run = user;

    while (run->n_again > 0 || run->next < run->call->list->n) {
        size_t at = run->n_again > 0 ? run->again[--run->n_again] : run->next++;
        struct check *check = &run->checks[at];
        struct err why = ERR_INIT;
        if (check_request(&run->checking, check, request, input, &why) == 0) {
            *id = (int64_t)at;
            return 1;
        }
        int rc = check_answer(&run->checking, check, 0, NULL, why.msg, err);
        rc = rc < 0 ? rc : settle(run, check, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int
check_done(void *user, int64_t id, int64_t job, const json_t *answer, const char *why,
           struct err *err)
{
    struct run *run = user;
    struct check *check = &run->checks[id];
    int rc = check_answer(&run->checking, check, job, answer, why, err);

    if (rc == 1) {
        run->again[run->n_again++] = (size_t)id;
        return 0;
    }
    return rc < 0 ? rc : settle(run, check, err);
}

/* --- the whole --- */

static int
make_solo(const struct verifier_call *call, struct solo **out, struct err *err)
{
    AUTO(strv_clear) struct strv hide = {0};
    int64_t n = call->jobs > 0 ? call->jobs : proc_cpus();
    const struct solo_config config = {.hide = &hide,
                                       .rung = call->rung,
                                       .jobs =
                                           n > SOLO_JOBS_MAX ? SOLO_JOBS_MAX : (int)n};

    strv_add(&hide, store_folder(call->store));
    return solo_new(&config, out, err);
}

int
verifier_run(const struct verifier_call *call, size_t *tried, struct err *err)
{
    AUTO(run_clear)
    struct run run = {.call = call,
                      .checks = mem_array(call->list->n, sizeof(*run.checks)),
                      .again = mem_array(call->list->n, sizeof(*run.again)),
                      .checking = {.store = call->store,
                                   .command = call->command,
                                   .build = call->build,
                                   .elsewhere = call->elsewhere ? call->targets : NULL,
                                   .runs = call->runs,
                                   .fix_runs = call->fix_runs}};
    const struct solo_stream stream = {&run, next_check, check_done};
    AUTO(solo_free) struct solo *solo = NULL;
    bool given = call->command != NULL && call->command->n > 0;
    int rc = call->elsewhere || given ? 0 : register_targets(call, err);

    for (size_t i = 0; i < call->list->n; i++) {
        run.checks[i].of = &call->list->v[i];
    }
    rc = rc < 0 || call->list->n == 0 ? rc : make_solo(call, &solo, err);
    if (rc < 0 || call->list->n == 0) {
        return rc;
    }
    run.told_at = clock_mono_ms();
    rc = solo_stream(solo, &stream, err);
    struct err late = ERR_INIT;
    int wrote = publish(&run, true, rc < 0 ? &late : err);
    if (tried != NULL) {
        *tried = run.printed;
    }
    return rc < 0 ? rc : wrote;
}
