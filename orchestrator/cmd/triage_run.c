#include "orchestrator/cmd/triage_run.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/build.h"
#include "orchestrator/cmd/report_log.h"
#include "orchestrator/cmd/rung.h"
#include "orchestrator/cmd/tells.h"
#include "orchestrator/cmd/triage_plan.h"
#include "orchestrator/cmd/triage_view.h"
#include "orchestrator/config.h"
#include "orchestrator/corpus/afl_tree.h"
#include "orchestrator/supervise/pipeline.h"
#include "triage/store.h"
#include "triage/worker.h"

enum {
    FEED_MAX = 4096,    /* files given to the pipeline and not filed yet */
    BROKEN_MAX = 3,     /* broken replays in a row from the start that end the run */
    MINIMIZE_MS = 5000, /* per bug, by default: somebody waits */
    PROGRESS_MS = 200,
    SPARE_WORKER_FROM = 1000, /* files */
};

struct run {
    const struct cmd_context *context;
    const struct triage_call *call;
    struct config *config;
    struct triage_plan plan;
    struct triage_cursor cursor;
    struct triage_view view;
    sd_event *event;
    struct pipeline *pipeline;
    int lock_fd;
    struct store *store;       /* while the pipeline has not got it yet */
    bool busy_there;           /* another nightjar triages here */
    struct err busy;           /* says who */
    bool ledger_only;          /* nothing is triaged by this one */
    struct report_log log;     /* of which parts are given; fd -1: none */
    struct pipeline_file part; /* all of them are like this */
    size_t unfed;              /* files not given to the pipeline yet */
    int feeding;               /* given and not filed */
    int64_t ran, broken;       /* replays that ran, and that did not */
    char *why_broken;          /* the last reason */
    bool interrupted, halted;  /* by the person; by a command that never runs */
    struct err failure;        /* code 0: none */
};

static void
run_clear(struct run *run)
{
    pipeline_free(run->pipeline);
    store_close(run->store);
    (void)sd_event_unref(run->event);
    report_log_clear(&run->log);
    fd_close(run->lock_fd);
    triage_plan_clear(&run->plan);
    config_free(run->config);
    mem_free(run->why_broken);
}
AUTO_DEFINE_CLEAR(struct run, run_clear)

/* --- what the pipeline tells --- */

static void
on_new_bug(void *user, const struct job_outcome *outcome)
{
    struct run *run = user;

    triage_view_new_bug(&run->view, outcome);
}

static void
on_trouble(void *user, const char *text)
{
    struct run *run = user;

    triage_view_trouble(&run->view, text);
}

/* A command that never truly runs would turn ten thousand inputs into broken ones. */
static void
on_finished(void *user, const struct job_outcome *outcome, const char *reason)
{
    struct run *run = user;

    if (strcmp(outcome->state, "broken") != 0) {
        run->ran += strcmp(outcome->state, "queued") != 0;
        return;
    }
    run->broken++;
    mem_free(run->why_broken);
    run->why_broken = mem_strdup(reason == NULL ? "the target never truly ran" : reason);
    if (run->ran == 0 && run->broken == BROKEN_MAX) {
        run->halted = true;
        pipeline_stop(run->pipeline);
    }
}

static void
on_idle(void *user)
{
    struct run *run = user;

    (void)sd_event_exit(run->event, 0);
}

static void
on_failed(void *user, const struct err *err)
{
    struct run *run = user;

    run->failure = *err;
    (void)sd_event_exit(run->event, 0);
}

static int
on_progress(sd_event_source *source, uint64_t usec, void *user)
{
    struct run *run = user;
    const struct pipeline_stats *stats = pipeline_stats(run->pipeline);

    (void)usec;
    store_close(STEAL(run->store)); /* the scribe has it by now */
    (void)sd_event_source_set_time_relative(source, (uint64_t)PROGRESS_MS * 1000);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    triage_view_progress(&run->view, stats,
                         (int64_t)run->unfed + stats->submitted - stats->filed -
                             stats->refused);
    return 0;
}

/* Once: finish what runs. Twice: at once; what is queued stays queued either way. */
static int
on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
    struct run *run = user;

    (void)source;
    (void)info;
    triage_view_clear(&run->view);
    if (run->interrupted) {
        return sd_event_exit(run->event, 0);
    }
    run->interrupted = true;
    (void)fputs("nightjar: finishing what runs; press Ctrl-C again to end at once\n",
                stderr);
    pipeline_stop(run->pipeline);
    return 0;
}

/* --- files into the pipeline --- */

static void feed(struct run *run);

static void
on_filed(void *user, const char *path, int code, bool is_new)
{
    struct run *run = user;

    (void)path;
    (void)is_new;
    run->feeding--;
    if (code == -ECANCELED) {
        run->unfed++;
    } else if (!run->interrupted && !run->halted) {
        feed(run);
    }
}

static void
submit(struct run *run, const struct pipeline_file *file)
{
    run->feeding++;
    pipeline_submit(run->pipeline, file, on_filed, run);
}

/* A log with several reports is as many crashes. One that cannot be read is for the
 * ledger to refuse, which says why. */
static void
begin_log(struct run *run, const struct pipeline_file *file)
{
    run->part = *file;
    if (report_log_open(&run->log, file->path, NULL) < 0) {
        report_log_clear(&run->log);
        submit(run, file);
    }
}

static void
submit_part(struct run *run)
{
    struct err err = ERR_INIT;
    struct split_part part = {0};
    int rc = report_log_next(&run->log, &part, &err);

    if (rc <= 0) {
        if (rc < 0) {
            triage_view_trouble(&run->view, err.msg);
        }
        report_log_clear(&run->log);
        return;
    }
    struct pipeline_file file = run->part;
    file.from = part.from;
    file.bytes = part.len;
    submit(run, &file);
}

static void
feed(struct run *run)
{
    while (run->feeding < FEED_MAX && (run->unfed > 0 || run->log.fd >= 0)) {
        if (run->log.fd >= 0) {
            submit_part(run);
            continue;
        }
        const struct triage_target *of = NULL;
        const char *path = triage_plan_next(&run->plan, &run->cursor, &of);
        const struct pipeline_file file = {.target = of->name,
                                           .source = run->call->source,
                                           .path = path,
                                           .is_report = run->plan.reports,
                                           .backlog = run->call->backlog,
                                           .written = afl_found_at(path)};
        run->unfed--;
        if (file.is_report) {
            begin_log(run, &file);
        } else {
            submit(run, &file);
        }
    }
}

static int
register_targets(struct run *run, struct err *err)
{
    for (size_t i = 0; i < run->plan.n_targets; i++) {
        const struct triage_target *of = &run->plan.targets[i];
        const struct record_settings settings = {
            .ooms_and_hangs = run->config->triage.ooms_and_hangs,
            .asserts_are_security = run->config->triage.asserts_are_security,
            .checks_are_security = run->config->triage.checks_are_security,
            .keep = run->config->triage.keep,
            .ignore_frames = of->ignore_frames};
        int rc = pipeline_target(run->pipeline, of->name, &of->builds, &settings, err);
        if (rc < 0) {
            return rc;
        }
    }
    for (size_t i = 0; i < run->plan.n_targets && !run->plan.reports; i++) {
        bool last = i + 1 == run->plan.n_targets;
        pipeline_expect(run->pipeline, &run->plan.targets[i].builds,
                        last ? run->unfed : 0);
    }
    return 0;
}

/* --- making it run --- */

static int
minimize_time(const struct run *run, int64_t *out, struct err *err)
{
    const char *minimize = run->call->minimize;

    if (run->ledger_only || run->call->reports ||
        (minimize != NULL && strcmp(minimize, "no") == 0)) {
        *out = 0;
        return 0;
    }
    *out = MINIMIZE_MS;
    int rc = minimize == NULL ? 0 : str_duration(minimize, out, err);
    return rc < 0 ? err_wrap(err, -EINVAL, "--minimize") : 0;
}

/* The lock decides whether this process triages or only takes files into the ledger. */
static int
lock_state(struct run *run, bool must_exist, struct err *err)
{
    const char *state = run->context->state;
    AUTO(store_close) struct store *store = NULL;
    int rc = must_exist ? store_open(state, DB_READ, &store, err) : 0;

    store_close(STEAL(store));
    /* whatever else is wrong with it, an older release's schema too, is told or cured
     * below */
    rc = rc == -ENOENT ? rc : store_lock(state, "triage", &run->lock_fd, &run->busy);
    run->busy_there = rc == -EBUSY && run->busy.code == -EBUSY;
    run->ledger_only = run->busy_there || run->call->ledger_only;
    if (rc < 0 && !run->busy_there) {
        *err = run->busy.code == 0 ? *err : run->busy;
        return rc;
    }
    return 0;
}

/* What makes the database waits for the disk: the workers start meanwhile. It stays open
 * until the scribe has it, since whoever closes it last writes all of it back. */
static int
open_store(struct run *run, struct err *err)
{
    int rc = store_open(run->context->state, run->busy_there ? DB_WRITE : DB_CREATE,
                        &run->store, err);

    rc = rc < 0 ? rc : config_put_store(run->config, run->store, err);
    if (rc == 0) {
        build_tend(run->context, run->config, run->store);
    }
    return rc < 0 ? rc : pipeline_open(run->pipeline, err);
}

/* Each worker waits now and then for the one writer of the database: where so many files
 * are given that its start does not count, one more than there are processors keeps them
 * busy (tests/bench/triage: 1.42 x the bare start in place of 1.32). */
static int
usual_jobs(const struct run *run)
{
    return proc_cpus() + (run->unfed >= SPARE_WORKER_FROM ? 1 : 0);
}

static int
make_pipeline(struct run *run, struct err *err)
{
    struct pipeline_config config = {
        .event = run->event,
        .state = run->context->state,
        .rung = SANDBOX_NONE,
        .events = {run, on_new_bug, on_trouble, on_finished, NULL, on_idle, on_failed}};
    int rc = minimize_time(run, &config.minimize_ms, err);

    if (rc == 0 && !run->ledger_only) {
        int64_t wanted = run->call->jobs > 0 ? run->call->jobs : run->config->triage.jobs;
        config.jobs = wanted > 0 ? (int)wanted : usual_jobs(run);
        rc = rung_choose(run->context, run->config, run->call->rung, &config.rung, err);
    }
    config.runs = (int)(run->call->runs > 0 ? run->call->runs : run->config->triage.runs);
    if (rc == 0 && config.runs > WORKER_RUNS_MAX) {
        rc = err_set(err, -EINVAL, "--runs %d is too many: at most %d", config.runs,
                     WORKER_RUNS_MAX);
    }
    return rc < 0 ? rc : pipeline_new(&config, &run->pipeline, err);
}

static int
make_loop(struct run *run, struct err *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t set;
    int rc = sd_event_new(&run->event);

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < COUNT(signals); i++) {
        (void)sigaddset(&set, signals[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    for (size_t i = 0; i < COUNT(signals) && rc >= 0; i++) {
        rc = sd_event_add_signal(run->event, NULL, signals[i], on_signal, run);
    }
    if (rc >= 0) {
        rc =
            sd_event_add_time_relative(run->event, NULL, CLOCK_MONOTONIC,
                                       (uint64_t)PROGRESS_MS * 1000, 0, on_progress, run);
    }
    return rc < 0 ? err_set(err, rc, "event loop: %s", strerror(-rc)) : 0;
}

static void
say_plan(struct run *run)
{
    if (run->context->json) {
        return;
    }
    for (size_t i = 0; i < run->plan.files.notes.n; i++) {
        (void)cmd_fail(0, "%s", run->plan.files.notes.v[i]);
    }
    for (size_t i = 0; i < run->plan.n_targets; i++) {
        const struct triage_target *of = &run->plan.targets[i];
        if (of->source != NULL) {
            AUTO(buf_clear) struct buf line = BUF_INIT;
            const struct strv *argv = &of->builds.v[0].command.argv;
            for (size_t k = 0; k < argv->n; k++) {
                buf_adds(&line, k == 0 ? "" : " ");
                str_shell(&line, argv->v[k]);
            }
            (void)cmd_fail(0, "replaying with: %s (from %s)", buf_str(&line), of->source);
        }
    }
    if (run->busy.code != 0) {
        (void)cmd_fail(0, "%s: the files go into the ledger, it will triage them",
                       run->busy.msg);
    }
}

static int
make_plan(struct run *run, struct err *err)
{
    const struct triage_call *call = run->call;
    const char *config = run->context->config;
    int rc = call->target != NULL && call->command->n == 0
                 ? config_load(config, &run->config, err)
                 : config_load_settings(config, &run->config, err);

    if (rc < 0) {
        return rc;
    }
    const struct triage_request request = {.paths = call->paths,
                                           .command = call->command,
                                           .target = call->target,
                                           .verb = call->verb,
                                           .kind = call->kind,
                                           .reports = call->reports,
                                           .timeout_ms = call->timeout_ms,
                                           .config = run->config};
    return triage_plan_make(&request, &run->plan, err);
}

static int
prepare(struct run *run, struct err *err)
{
    int rc = make_plan(run, err);

    rc = rc < 0 ? rc : lock_state(run, run->call->paths->n == 0, err);
    if (rc < 0) {
        return rc;
    }
    say_plan(run);
    for (size_t i = 0; i < run->plan.files.problems.n; i++) {
        triage_view_trouble(&run->view, run->plan.files.problems.v[i]);
    }
    run->unfed = crash_files_count(&run->plan.files);
    if (run->unfed == 0 && run->call->paths->n > 0) {
        triage_view_trouble(&run->view, "no file lies there: nothing to triage");
    }
    rc = make_loop(run, err);
    rc = rc < 0 ? rc : make_pipeline(run, err);
    rc = rc < 0 ? rc : register_targets(run, err);
    return rc < 0 ? rc : open_store(run, err);
}

/* --- the end --- */

/* The bugs that this call was about: those of its target, or all of them. */
static int
print_bugs(const struct run *run, int64_t *worst, struct err *err)
{
    const struct bug_filter filter = {
        .target = run->plan.n_targets == 1 ? run->plan.targets[0].name : NULL,
        .at_least = SEVERITY_INFO,
        .light = true};
    AUTO(store_close) struct store *store = NULL;
    int rc = store_open(run->context->state, DB_READ, &store, err);

    return rc < 0 ? rc : bug_table_print(run->context, store, &filter, NULL, worst, err);
}

static bool
nothing_ran(const struct run *run)
{
    return run->broken > 0 && run->ran == 0;
}

/* Of a log that was begun the rest is missing, too. */
static size_t
count_unfed(const struct run *run)
{
    return run->unfed + (run->log.fd >= 0 ? 1 : 0);
}

static void
say_next(const struct run *run, const struct pipeline_stats *stats, int64_t worst)
{
    if (count_unfed(run) > 0) {
        (void)cmd_fail(
            0, "%zu files were not filed: the same command again goes on with them",
            count_unfed(run));
    }
    if (nothing_ran(run)) {
        cmd_next(run->context,
                 "nightjar triage PATH -- COMMAND @@, with a command that runs");
    } else if (run->busy.code != 0) {
        cmd_next(run->context, "nightjar bugs");
    } else if (stats->queued > 0) {
        cmd_next(run->context, "nightjar triage");
    } else if (worst > 0) {
        cmd_next(run->context, "nightjar show NJ-%lld", (long long)worst);
    } else {
        cmd_next(run->context, "nightjar bugs --crashes");
    }
}

static int
status_of(const struct run *run, const struct pipeline_stats *stats)
{
    bool unread = stats->refused > 0 || run->plan.files.problems.n > 0;
    bool unfinished = count_unfed(run) > 0 || (run->interrupted && stats->queued > 0);

    return nothing_ran(run) || unread || unfinished ? EXIT_UNDECIDED : EXIT_DONE;
}

static int
conclude(struct run *run)
{
    const struct pipeline_stats *stats = pipeline_stats(run->pipeline);
    struct err err = ERR_INIT;
    int64_t worst = 0;

    triage_view_clear(&run->view);
    if (run->failure.code != 0) {
        (void)cmd_fail(0, "%s", run->failure.msg);
        return cmd_fail(EXIT_UNDECIDED, "nothing that was filed is lost: once this is "
                                        "cured `nightjar triage` goes on");
    }
    triage_view_summary(&run->view, stats, run->why_broken, run->plan.reports);
    if (run->call->backlog && !run->context->json) {
        (void)puts(
            "  Taken over as backlog: no alert is sent and no deadline runs, until "
            "a crash of\n  the same bug is found here.");
    }
    if (nothing_ran(run)) {
        (void)cmd_fail(0, "no replay truly ran, the last one: %s", run->why_broken);
    }
    if (print_bugs(run, &worst, &err) < 0) {
        return cmd_fail_err(&err);
    }
    say_next(run, stats, worst);
    return status_of(run, stats);
}

int
triage_run(const struct cmd_context *context, const struct triage_call *call)
{
    AUTO(run_clear)
    struct run run = {
        .context = context, .call = call, .log = REPORT_LOG_INIT, .lock_fd = -1};
    struct err err = ERR_INIT;

    triage_view_begin(&run.view, context);
    int rc = prepare(&run, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    feed(&run);
    rc = sd_event_loop(run.event);
    if (rc < 0) {
        return cmd_fail(EXIT_UNDECIDED, "event loop: %s", strerror(-rc));
    }
    pipeline_close(run.pipeline);
    build_tend_state(context, run.config);
    tells_finish(context, run.config, false);
    return conclude(&run);
}
