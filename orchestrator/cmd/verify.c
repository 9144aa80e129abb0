#include "orchestrator/cmd/verify.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/build.h"
#include "orchestrator/cmd/slo.h"
#include "orchestrator/cmd/verify_check.h"
#include "orchestrator/config.h"
#include "orchestrator/supervise/solo.h"
#include "triage/program.h"
#include "triage/worker.h"

enum {
    TELL_MS = 2000,     /* what was seen is written so often at least */
    RUNS_BY_DEFAULT = 0 /* by how often the bug showed */
};

static bool all;
static int64_t jobs, runs = RUNS_BY_DEFAULT;
static const char *rung_name, *build_name;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "all", 'a', &all, NULL, "the regressions of all targets"},
        {CMD_NUMBER, "jobs", 'j', &jobs, "N", "replays at a time (default: cores)"},
        {CMD_NUMBER, "runs", 'n', &runs, "N",
         "replays of each until it counts as clean (default: by how often it showed)"},
        {CMD_TEXT, "build", 0, &build_name, "ID|COMMIT",
         "on the programs of a build that is known, not the present ones"},
        {CMD_TEXT, "sandbox", 0, &rung_name, "RUNG", "auto, bwrap, landlock or none"},
        {.kind = CMD_END}};

    return table;
}

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
    struct revision build; /* id 0: the present ones */
    struct checking checking;
};

static void
run_clear(struct run *run)
{
    for (size_t i = 0; i < run->list.n && run->checks != NULL; i++) {
        check_clear(&run->checks[i]);
    }
    checking_clear(&run->checking);
    revision_clear(&run->build);
    mem_free(run->checks);
    mem_free(run->again);
    regression_list_clear(&run->list);
    config_free(run->config);
    store_close(run->store);
}
AUTO_DEFINE_CLEAR(struct run, run_clear)

/* --- the present builds --- */

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

/* --- checks --- */

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
    check->done = true;
    return publish(run, false, err);
}

static int
next_check(void *user, json_t **request, struct buf *input, int64_t *id, struct err *err)
{
    struct run *run = user;

    while (run->n_again > 0 || run->next < run->list.n) {
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
    if (rc == 0 && build_name != NULL) {
        rc = revision_find(run->store, build_name, &run->build, err);
    }
    rc = rc < 0 ? rc : regressions_load(run->store, target, &run->list, err);
    rc = rc < 0 || run->command->n > 0 ? rc : register_targets(run, err);
    run->checking = (struct checking){.store = run->store,
                                      .command = run->command,
                                      .build = build_name == NULL ? NULL : &run->build,
                                      .runs = runs};
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
    if (command->n > 0 && build_name != NULL) {
        return cmd_fail(EXIT_USAGE, "a command behind -- is a build of its own: leave "
                                    "--build out");
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
    slo_note_now(context, &run.config->slo);
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
        "well,\n"
        "           and all that are kept of it before it is called fixed\n"
        "  same     it still crashes as this bug\n"
        "  changed  it crashes, but otherwise: the bug that this is; one that nobody "
        "knew "
        "is filed\n"
        "  broken   the replay never truly ran, so nothing is known\n\n"
        "What was seen, on which build, is in the bug's history (nightjar show), and "
        "moves it:\n"
        "one that is open and clean on a build later than all that showed it is fixed, "
        "a fixed\n"
        "one that is the same there is regressed. Later is what was committed later, on "
        "a branch\n"
        "that showed it, where that is known (nightjar build). A command behind -- moves "
        "nothing,\n"
        "nor does a program without a build id. --build replays on the copies of a build "
        "that is\n"
        "known: an older one tells since when a bug is there. Exit status: 0 all are "
        "clean, 1 something crashes, "
        "3 nothing crashes, "
        "but one\n"
        "could not be tried.\n\n"
        "  nightjar verify stb_vorbis\n"
        "  nightjar verify --all --json\n"
        "  nightjar verify --all --build 0123abc\n"
        "  nightjar verify exiftags -- ./build-with-fix/exiftags @@",
    .options = options,
    .run = run,
};
