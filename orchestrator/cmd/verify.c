#include "orchestrator/cmd/verify.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/build.h"
#include "orchestrator/cmd/rung.h"
#include "orchestrator/cmd/slo.h"
#include "orchestrator/config.h"
#include "orchestrator/supervise/verifier.h"
#include "triage/revision.h"
#include "triage/worker.h"

enum { RUNS_BY_DEFAULT = 0 /* by how often the bug showed */ };

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
    size_t tried;
    struct revision build; /* id 0: the present ones */
    struct verify_view view;
};

static void
run_clear(struct run *run)
{
    revision_clear(&run->build);
    regression_list_clear(&run->list);
    config_free(run->config);
    store_close(run->store);
}
AUTO_DEFINE_CLEAR(struct run, run_clear)

static void
show_row(void *user, const struct regression *of, const struct verified *seen)
{
    verify_view_row(user, of, seen);
}

static int
choose_sandbox(const struct run *run, enum sandbox_rung *out, struct err *err)
{
    if (runs < 0 || runs > WORKER_RUNS_MAX) {
        return err_set(err, -EINVAL, "--runs %lld is no number from 1 to %d",
                       (long long)runs, WORKER_RUNS_MAX);
    }
    return rung_choose(run->context, run->config, rung_name, out, err);
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
    return rc < 0 ? rc : regressions_load(run->store, target, &run->list, err);
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
    struct verifier_call call = {.store = run->store,
                                 .config = run->config,
                                 .list = &run->list,
                                 .targets = &run->config->targets,
                                 .command = run->command,
                                 .build = build_name == NULL ? NULL : &run->build,
                                 .jobs = jobs,
                                 .runs = (int)runs,
                                 .row = show_row,
                                 .user = &run->view};
    int rc = run->list.n == 0 ? 0 : choose_sandbox(run, &call.rung, err);
    int64_t began = clock_mono_ms();

    rc = rc < 0 ? rc : verifier_run(&call, &run->tried, err);
    run->view.ms = clock_mono_ms() - began;
    return rc;
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
                       run.list.n - run.tried, run.list.n);
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
        "           flaky as make that 99 % sure; its first input is asked as well,\n"
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
