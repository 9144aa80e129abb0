#include "orchestrator/supervise/verifier.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/supervise/solo.h"
#include "triage/program.h"
#include "triage/worker.h"

enum {
    TELL_MS = 2000, /* what was seen is written so often at least */
    FIX_RUNS = 10,
    TIMEOUT_RUNS = 2, /* the second with twice the limit: triage/repeat.h */
};

struct check { /* one regression on its way */
    const struct regression *of;
    struct command command;
    struct record_settings settings;
    struct verified seen;
    int runs;
    bool original;     /* the second witness is asked */
    bool loaded, done; /* its command; all that is to be known is */
};

struct build_name { /* a program and its build id */
    char *path, *id;
};

struct run {
    const struct verifier_call *call;
    struct check *checks; /* as many as call->list, in the same order */
    size_t next;          /* not handed out yet */
    size_t *again;        /* to be looked at again: at most one for each */
    size_t n_again;
    size_t printed, told; /* the first of those that are not */
    int64_t told_at;
    struct build_name *builds;
    size_t n_builds;
};

static void
run_clear(struct run *run)
{
    for (size_t i = 0; i < run->call->list->n; i++) {
        command_clear(&run->checks[i].command);
        strv_clear(&run->checks[i].settings.ignore_frames);
        verified_clear(&run->checks[i].seen);
    }
    for (size_t i = 0; i < run->n_builds; i++) {
        mem_free(run->builds[i].path);
        mem_free(run->builds[i].id);
    }
    mem_free(run->builds);
    mem_free(run->checks);
    mem_free(run->again);
}
AUTO_DEFINE_CLEAR(struct run, run_clear)

/* --- the present builds --- */

/* "": it has none. */
static const char *
build_id(struct run *run, const char *path)
{
    for (size_t i = 0; i < run->n_builds; i++) {
        if (strcmp(run->builds[i].path, path) == 0) {
            return run->builds[i].id;
        }
    }
    run->builds = mem_resize(run->builds, (run->n_builds + 1) * sizeof(*run->builds));
    char *id = program_build_id(path);
    run->builds[run->n_builds] =
        (struct build_name){mem_strdup(path), id == NULL ? mem_strdup("") : id};
    return run->builds[run->n_builds++].id;
}

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

/* --- a check --- */

static bool
is_given(const struct verifier_call *call)
{
    return call->command != NULL && call->command->n > 0;
}

/* The same kind of build of the other version, where there is one. */
static int
command_elsewhere(const struct run *run, struct check *check, struct err *err)
{
    const struct regression *of = check->of;
    const struct target *target = target_list_find(run->call->targets, of->target);
    AUTO(build_list_clear) struct build_list builds = {0};
    const char *kind = NULL;

    if (target == NULL) {
        return err_set(err, -ENOENT, "there is no target '%s' among the other builds",
                       of->target);
    }
    int rc = regression_build(run->call->store, of, check->command.argv.v[0], &kind, err);
    rc = rc < 0 ? rc : target_builds(target, &builds, err);
    if (rc < 0) {
        return rc;
    }
    const struct build *build = build_list_find(&builds, kind);
    command_copy(&check->command, build != NULL ? &build->command : &builds.v[0].command);
    return 0;
}

/* What a bug needs to show, beside the command of another build. */
static int
add_options(const struct run *run, struct check *check, struct err *err)
{
    AUTO(bug_clear) struct bug bug = {0};
    int rc = store_bug(run->call->store, check->of->bug, &bug, err);

    if (rc == 0 && bug.record != NULL) {
        command_add_options(&check->command, bug.record->replay_options);
    }
    return rc;
}

static int
choose_command(const struct run *run, struct check *check, struct err *err)
{
    const struct verifier_call *call = run->call;
    int rc = store_bug_command(call->store, check->of->bug, &check->command,
                               &check->settings, err);

    if (rc < 0 || (!is_given(call) && !call->elsewhere)) {
        return rc;
    }
    rc = is_given(call) ? command_from_argv(call->command, &check->command, err)
                        : command_elsewhere(run, check, err);
    return rc < 0 ? rc : add_options(run, check, err);
}

static int
load_command(struct run *run, struct check *check, struct err *err)
{
    int rc = choose_command(run, check, err);
    const char *program = rc < 0 ? NULL : check->command.argv.v[0];

    rc = rc < 0 ? rc
                : regression_build(run->call->store, check->of, program,
                                   &check->seen.kind, err);
    if (rc < 0) {
        return rc;
    }
    check->loaded = true;
    check->seen.path = mem_strdup(program);
    check->seen.build_id = mem_strdup(build_id(run, program));
    check->runs = run->call->runs > 0 ? run->call->runs
                                      : regression_runs(check->of->k, check->of->n);
    if (check->runs < TIMEOUT_RUNS && strcmp(check->of->crash_type, "Timeout") == 0) {
        check->runs = TIMEOUT_RUNS;
    }
    return 0;
}

static json_t *
request_of(const struct check *check)
{
    const struct record_settings *settings = &check->settings;
    json_t *request = json_object();
    json_t *record = json_object();

    json_put(record, "fuzz_target", json_text(check->of->target));
    json_put(record, "ooms_and_hangs", json_boolean(settings->ooms_and_hangs));
    json_put(record, "asserts_are_security",
             json_boolean(settings->asserts_are_security));
    json_put(record, "checks_are_security", json_boolean(settings->checks_are_security));
    json_put(record, "ignore_frames", json_strv(&settings->ignore_frames));
    json_put(request, "op", json_string("triage"));
    json_put(request, "command", command_to_json(&check->command));
    json_put(request, "options", record);
    json_put(request, "runs", json_integer(check->runs));
    return request;
}

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
    int rc = run->call->elsewhere
                 ? 0
                 : regression_moves(run->call->store, check->of, &check->seen, err);

    check->done = true;
    return rc < 0 ? rc : publish(run, false, err);
}

/* It cannot even be tried. */
static int
give_up(struct run *run, struct check *check, const char *why, struct err *err)
{
    mem_free(check->seen.reason);
    check->seen.reason = mem_strdup(why);
    check->seen.as = VERIFIED_BROKEN;
    return settle(run, check, err);
}

static int
next_check(void *user, json_t **request, struct buf *input, int64_t *id, struct err *err)
{
    struct run *run = user;

    while (run->n_again > 0 || run->next < run->call->list->n) {
        size_t at = run->n_again > 0 ? run->again[--run->n_again] : run->next++;
        struct check *check = &run->checks[at];
        struct err why = ERR_INIT;
        int rc = check->loaded ? 0 : load_command(run, check, &why);
        rc = rc < 0 ? rc
                    : regression_bytes(run->call->store, check->of,
                                       check->original ? check->of->original
                                                       : check->of->sha256,
                                       input, &why);
        if (rc == 0) {
            *id = (int64_t)at;
            *request = request_of(check);
            return 1;
        }
        rc = give_up(run, check, why.msg, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* One clean run of a minimized input is no proof while the first input was not asked,
 * what came to its limit of time once may have been slow, and three runs that agreed when
 * a bug was filed may have been luck: as many must be clean before it counts as fixed as
 * CIFuzz tries. */
static bool
look_again(const struct run *run, struct check *check)
{
    bool chosen = run->call->runs > 0;

    if (check->seen.timed_out && check->runs == 1) {
        check->runs = TIMEOUT_RUNS;
        return true;
    }
    if (check->seen.as != VERIFIED_CLEAN) {
        return false;
    }
    if (!chosen && check->runs < FIX_RUNS && bug_is_open(check->of->state)) {
        check->runs = FIX_RUNS;
        return true;
    }
    if (!check->original && check->of->original[0] != '\0') {
        check->original = true;
        return true;
    }
    return false;
}

/* Keep what is known of the build. */
static void
forget(struct verified *seen)
{
    struct verified fresh = {
        .kind = seen->kind, .path = seen->path, .build_id = seen->build_id};

    seen->path = NULL;
    seen->build_id = NULL;
    verified_clear(seen);
    *seen = fresh;
}

static int
check_done(void *user, int64_t id, int64_t job, const json_t *answer, const char *why,
           struct err *err)
{
    struct run *run = user;
    struct check *check = &run->checks[id];

    forget(&check->seen);
    check->seen.original = check->original;
    if (answer == NULL) {
        return give_up(run, check, why, err);
    }
    int rc =
        regression_judge(run->call->store, check->of, job, answer, &check->seen, err);
    if (rc < 0) {
        return rc;
    }
    if (look_again(run, check)) {
        run->again[run->n_again++] = (size_t)id;
        return 0;
    }
    return settle(run, check, err);
}

/* --- the whole --- */

static int
cores(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : CPU_COUNT(&set);
}

static int
make_solo(const struct verifier_call *call, struct solo **out, struct err *err)
{
    AUTO(strv_clear) struct strv hide = {0};
    int64_t n = call->jobs > 0 ? call->jobs : cores();
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
                      .again = mem_array(call->list->n, sizeof(*run.again))};
    const struct solo_stream stream = {&run, next_check, check_done};
    AUTO(solo_free) struct solo *solo = NULL;
    int rc = call->elsewhere || is_given(call) ? 0 : register_targets(call, err);

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
