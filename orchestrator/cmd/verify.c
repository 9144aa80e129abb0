#include "orchestrator/cmd/verify.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/build.h"
#include "orchestrator/config.h"
#include "orchestrator/supervise/solo.h"
#include "triage/program.h"
#include "triage/worker.h"

enum {
    TELL_MS = 2000,     /* what was seen is written so often at least */
    TIMEOUT_RUNS = 2,   /* the second with twice the limit: triage/repeat.h */
    RUNS_BY_DEFAULT = 0 /* by how often the bug showed */
};

static bool all;
static int64_t jobs, runs = RUNS_BY_DEFAULT;
static const char *rung_name;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "all", 'a', &all, NULL, "the regressions of all targets"},
        {CMD_NUMBER, "jobs", 'j', &jobs, "N", "replays at a time (default: cores)"},
        {CMD_NUMBER, "runs", 'n', &runs, "N",
         "replays of each until it counts as clean (default: by how often it showed)"},
        {CMD_TEXT, "sandbox", 0, &rung_name, "RUNG", "auto, bwrap, landlock or none"},
        {.kind = CMD_END}};

    return table;
}

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
    const struct cmd_context *context;
    const struct strv *command; /* behind "--" */
    struct store *store;
    struct config *config;
    struct regression_list list;
    struct check *checks; /* as many, in the same order */
    size_t next;          /* not handed out yet */
    size_t *again;        /* to be looked at again: at most one for each */
    size_t n_again;
    size_t printed, told; /* the first of those that are not */
    int64_t told_at, began;
    struct verify_view view;
    struct build_name *builds;
    size_t n_builds;
};

static void
run_clear(struct run *run)
{
    for (size_t i = 0; i < run->list.n && run->checks != NULL; i++) {
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
    regression_list_clear(&run->list);
    config_free(run->config);
    store_close(run->store);
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

/* What nightjar.yaml says of the target now; what it does not name stays as it was. */
static int
register_target(struct run *run, const char *name, struct err *err)
{
    const struct target *target = target_list_find(&run->config->targets, name);
    AUTO(build_list_clear) struct build_list builds = {0};
    int64_t id = 0;

    if (target == NULL) {
        return 0;
    }
    const struct record_settings settings = {
        .ooms_and_hangs = run->config->triage.ooms_and_hangs,
        .asserts_are_security = run->config->triage.asserts_are_security,
        .checks_are_security = run->config->triage.checks_are_security,
        .ignore_frames = target->ignore_frames};
    int rc = target_builds(target, &builds, err);
    rc = rc < 0 ? rc
                : store_put_target(run->store, name, &builds.v[0].command, &settings, &id,
                                   err);
    return rc < 0 ? rc : store_put_builds(run->store, id, &builds, err);
}

static int
register_targets(struct run *run, struct err *err)
{
    const char *last = "";
    int rc = 0;

    for (size_t i = 0; i < run->list.n && rc == 0; i++) {
        if (strcmp(run->list.v[i].target, last) != 0) {
            last = run->list.v[i].target;
            rc = register_target(run, last, err);
        }
    }
    return rc;
}

/* --- a check --- */

static int
load_command(struct run *run, struct check *check, struct err *err)
{
    AUTO(bug_clear) struct bug bug = {0};
    struct command *command = &check->command;
    int rc =
        store_bug_command(run->store, check->of->bug, command, &check->settings, err);

    if (rc == 0 && run->command->n > 0) {
        rc = command_from_argv(run->command, command, err);
        rc = rc < 0 ? rc : store_bug(run->store, check->of->bug, &bug, err);
        if (rc == 0 && bug.record != NULL) {
            command_add_options(command, bug.record->replay_options);
        }
    }
    rc = rc < 0 ? rc
                : regression_build(run->store, check->of, command->argv.v[0],
                                   &check->seen.kind, err);
    if (rc < 0) {
        return rc;
    }
    check->loaded = true;
    check->seen.path = mem_strdup(command->argv.v[0]);
    check->seen.build_id = mem_strdup(build_id(run, command->argv.v[0]));
    check->runs = runs > 0 ? (int)runs : regression_runs(check->of->k, check->of->n);
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

/* What is settled is printed in the order of the bugs, and written now and then. */
static int
publish(struct run *run, bool now, struct err *err)
{
    while (run->printed < run->list.n && run->checks[run->printed].done) {
        const struct check *check = &run->checks[run->printed++];
        verify_view_row(&run->view, check->of, &check->seen);
    }
    size_t n = run->printed - run->told;
    if (n == 0 || (!now && clock_mono_ms() - run->told_at < TELL_MS)) {
        return 0;
    }
    AUTO(mem_free) struct verification *list = mem_array(n, sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        const struct check *check = &run->checks[run->told + i];
        list[i] = (struct verification){check->of, &check->seen};
    }
    run->told += n;
    run->told_at = clock_mono_ms();
    return regressions_verified(run->store, list, n, NULL, err);
}

static int
settle(struct run *run, struct check *check, struct err *err)
{
    int rc = regression_moves(run->store, check->of, &check->seen, err);

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

    while (run->n_again > 0 || run->next < run->list.n) {
        size_t at = run->n_again > 0 ? run->again[--run->n_again] : run->next++;
        struct check *check = &run->checks[at];
        struct err why = ERR_INIT;
        int rc = check->loaded ? 0 : load_command(run, check, &why);
        rc = rc < 0 ? rc
                    : regression_bytes(run->store, check->of,
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

/* One clean run of a minimized input is no proof while the first input was not asked, and
 * what came to its limit of time once may have been slow. */
static bool
look_again(struct check *check)
{
    if (check->seen.timed_out && check->runs == 1) {
        check->runs = TIMEOUT_RUNS;
        return true;
    }
    if (check->seen.as == VERIFIED_CLEAN && !check->original &&
        check->of->original[0] != '\0') {
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
    int rc = regression_judge(run->store, check->of, job, answer, &check->seen, err);
    if (rc < 0) {
        return rc;
    }
    if (look_again(check)) {
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
make_solo(const struct run *run, struct solo **out, struct err *err)
{
    enum sandbox_rung wanted = run->config->sandbox;
    AUTO(buf_clear) struct buf why = BUF_INIT;
    AUTO(strv_clear) struct strv hide = {0};
    int64_t n = jobs > 0 ? jobs : cores();
    struct solo_config config = {.hide = &hide};
    int rc = rung_name == NULL ? 0 : sandbox_rung_parse(rung_name, &wanted, err);

    if (runs < 0 || runs > WORKER_RUNS_MAX) {
        rc = err_set(err, -EINVAL, "--runs %lld is no number from 1 to %d",
                     (long long)runs, WORKER_RUNS_MAX);
    }
    config.jobs = n > SOLO_JOBS_MAX ? SOLO_JOBS_MAX : (int)n;
    strv_add(&hide, store_folder(run->store));
    rc = rc < 0 ? rc : sandbox_choose(wanted, &config.rung, &why, err);
    if (rc == 0 && why.len > 0 && !run->context->json) {
        (void)cmd_fail(0, "targets are confined by %s: %s",
                       sandbox_rung_name(config.rung), buf_str(&why));
    }
    return rc < 0 ? rc : solo_new(&config, out, err);
}

static int
open_all(struct run *run, const char *target, struct err *err)
{
    int rc = config_load(run->context->config, &run->config, err);

    rc = rc < 0 ? rc : store_open(run->context->state, DB_WRITE, &run->store, err);
    if (rc == 0) {
        build_tend(run->context, run->config, run->store);
    }
    /* a full disk keeps nobody from verifying */
    struct err late = ERR_INIT;
    if (rc == 0 && regressions_keep(run->store, 0, NULL, &late) < 0) {
        (void)cmd_fail(0, "%s", late.msg);
    }
    rc = rc < 0 ? rc : regressions_load(run->store, target, &run->list, err);
    rc = rc < 0 || run->command->n > 0 ? rc : register_targets(run, err);
    run->checks = mem_array(run->list.n, sizeof(*run->checks));
    run->again = mem_array(run->list.n, sizeof(*run->again));
    for (size_t i = 0; i < run->list.n && rc == 0; i++) {
        run->checks[i].of = &run->list.v[i];
    }
    return rc;
}

/* A target that has no bugs yet is fine; one that nobody knows is a typing error. */
static int
check_target(struct run *run, const char *target, struct err *err)
{
    if (run->list.n > 0 || target_list_find(&run->config->targets, target) != NULL) {
        return 0;
    }
    AUTO(regression_list_clear) struct regression_list others = {0};
    AUTO(mem_free) char *shown = str_name_dup(target);
    int rc = regressions_load(run->store, NULL, &others, err);
    if (rc < 0) {
        return rc;
    }
    AUTO(mem_free) const char **names = mem_array(others.n + 1, sizeof(*names));
    for (size_t i = 0; i < others.n; i++) {
        names[i] = others.v[i].target;
    }
    const char *near = str_suggest(target, names);
    return near != NULL
               ? err_set(err, -EINVAL,
                         "there is no target '%.100s' here (did you mean '%s'?)", shown,
                         near)
               : err_set(err, -EINVAL,
                         "there is no target '%.100s' here, or none of its bugs has an "
                         "input",
                         shown);
}

static int
verify(struct run *run, struct err *err)
{
    const struct solo_stream stream = {run, next_check, check_done};
    AUTO(solo_free) struct solo *solo = NULL;
    int rc = run->list.n == 0 ? 0 : make_solo(run, &solo, err);

    if (rc < 0 || run->list.n == 0) {
        return rc;
    }
    run->began = run->told_at = clock_mono_ms();
    rc = solo_stream(solo, &stream, err);
    run->view.ms = clock_mono_ms() - run->began;
    struct err late = ERR_INIT;
    int wrote = publish(run, true, rc < 0 ? &late : err);
    return rc < 0 ? rc : wrote;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(run_clear) struct run run = {.context = context, .command = command};
    struct err err = ERR_INIT;

    if ((args->n != 1) == !all || (all && args->n > 0)) {
        return cmd_fail(EXIT_USAGE,
                        "which target? nightjar verify TARGET, or nightjar verify --all");
    }
    if (command->n > 0 && all) {
        return cmd_fail(EXIT_USAGE, "a command behind -- is one target's: name it");
    }
    const char *target = all ? NULL : args->v[0];
    verify_view_begin(&run.view, context);
    int rc = open_all(&run, target, &err);
    rc = rc < 0 || target == NULL ? rc : check_target(&run, target, &err);
    rc = rc < 0 ? rc : verify(&run, &err);
    if (rc < 0 && rc != -ECANCELED) {
        return cmd_fail_err(&err);
    }
    verify_view_summary(&run.view, run.list.n);
    if (rc == -ECANCELED) {
        (void)cmd_fail(0, "interrupted: %zu of %zu were not tried",
                       run.list.n - run.printed, run.list.n);
    }
    bool crashes = run.view.n[VERIFIED_SAME] + run.view.n[VERIFIED_CHANGED] > 0;
    bool unknown = rc < 0 || run.view.n[VERIFIED_BROKEN] > 0;
    return crashes ? EXIT_FOUND : unknown ? EXIT_UNDECIDED : EXIT_DONE;
}

const struct cmd cmd_verify = {
    .name = "verify",
    .summary = "replay every bug's reproducer on the present build",
    .usage = "TARGET | --all [-- COMMAND @@]",
    .about =
        "Each bug that stems from an input is a regression of its target for good: its "
        "smallest\n"
        "input lies in regressions/TARGET/NJ-ID-HASH of the state folder. Run them all "
        "on the\n"
        "target as it is built now, in the sandbox, and say of each\n\n"
        "  clean    no crash: in one run of what always crashed, in as many runs of what "
        "is\n"
        "           flaky as make that 99 % sure; the bug's first input is asked as "
        "well\n"
        "  same     it still crashes as this bug\n"
        "  changed  it crashes, but otherwise; the bug that this is, where it is known\n"
        "  broken   the replay never truly ran, so nothing is known\n\n"
        "What was seen, on which build, is in the bug's history (nightjar show), and "
        "moves it:\n"
        "one that is open and clean on a build later than all that showed it is fixed, "
        "a fixed\n"
        "one that is the same there is regressed. A command behind -- moves nothing, nor "
        "does a\n"
        "program without a build id. Exit status: 0 all are clean, 1 something crashes, "
        "3 nothing crashes, "
        "but one\n"
        "could not be tried.\n\n"
        "  nightjar verify stb_vorbis\n"
        "  nightjar verify --all --json\n"
        "  nightjar verify exiftags -- ./build-with-fix/exiftags @@",
    .options = options,
    .run = run,
};
