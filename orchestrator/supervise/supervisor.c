#include "orchestrator/supervise/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/supervise/inbox.h"
#include "orchestrator/supervise/minute_watch.h"
#include "orchestrator/supervise/pipeline.h"
#include "orchestrator/supervise/progress.h"
#include "orchestrator/supervise/supervisor_crew.h"
#include "orchestrator/supervise/worker.h"

enum {
    TICK_US = 200 * 1000,
    TELL_MS = 5000,            /* between two reports of all workers to the store */
    TRIAGE_MIN_MS = 30 * 1000, /* bounds of the time for what is left */
    TRIAGE_FREE_MS = 10 * 60 * 1000,
    HALT_MS = 30 * 1000,  /* for jobs that run when that time is over */
    CLOSE_MS = 10 * 1000, /* for the store to take the last words */
    TROUBLES_MAX = 20,    /* lines about single crashes; the rest is counted */
};

enum phase { FUZZING, STOPPING, TRIAGING, HALTING, CLOSING, OVER };

struct supervisor {
    const struct supervisor_config *config;
    sd_event *event;
    struct pipeline *pipeline;
    struct inbox *inbox;
    struct crew crew;
    struct herald *herald;
    struct exchange *exchange;
    struct minute_watch *watch;
    struct progress_printer printer;
    enum phase phase;
    int64_t phase_ms, deadline_ms, tell_ms;
    int64_t phase_limit_ms; /* 0: none */
    bool idle;              /* the pipeline has nothing to do */
    bool interrupted;
    int64_t troubles;
    struct supervisor_result *result;
};

/* --- telling a person --- */

static void say(struct supervisor *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void
say(struct supervisor *s, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    progress_say(&s->printer, text);
}

/* Crashes that are not triaged yet; minimization is something that can be done without.
 */
static int64_t
crashes_left(const struct supervisor *s)
{
    const struct pipeline_stats *stats = pipeline_stats(s->pipeline);

    return stats->queued + stats->running - stats->minimizing + inbox_in_flight(s->inbox);
}

static void
show(struct supervisor *s, bool force)
{
    static const char *const names[] = {
        [FUZZING] = "fuzzing",  [STOPPING] = "stopping", [TRIAGING] = "triaging",
        [HALTING] = "triaging", [CLOSING] = "closing",   [OVER] = "done in"};
    const struct pipeline_stats *stats = pipeline_stats(s->pipeline);
    AUTO(mem_free) struct progress_row *rows = NULL;
    bool only_small = s->phase == TRIAGING && crashes_left(s) == 0;
    struct progress progress = {.phase = only_small ? "minimizing" : names[s->phase],
                                .elapsed_ms = clock_mono_ms() - s->phase_ms,
                                .limit_ms = s->phase_limit_ms,
                                .crashes = stats->filed,
                                .fresh = stats->fresh,
                                .new_bugs = stats->new_bugs,
                                .bugs = stats->bugs,
                                .queued = stats->queued,
                                .triaging = stats->running - stats->minimizing,
                                .minimizing = stats->minimizing};

    crew_progress(&s->crew, &progress, &rows);
    progress_show(&s->printer, &progress, force);
}

/* --- the store --- */

static void
tell_all(struct supervisor *s)
{
    for (size_t i = 0; i < s->crew.n; i++) {
        pipeline_tell(s->pipeline, worker_message(s->crew.members[i].worker));
    }
    s->tell_ms = clock_mono_ms();
}

static void
tell_begin(struct supervisor *s)
{
    const struct supervisor_config *config = s->config;
    json_t *message = json_object();
    json_t *begin = json_object();
    json_t *targets = json_array();

    for (size_t i = 0; i < config->targets->n; i++) {
        (void)json_array_append_new(targets, json_text(config->targets->v[i]->name));
    }
    json_put(begin, "targets", targets);
    json_put(begin, "engine",
             json_text(config->engine == NULL ? NULL : config->engine->name));
    json_put(begin, "sandbox", json_string(sandbox_rung_name(config->rung)));
    json_put(begin, "for_ms", json_integer(config->for_ms));
    json_put(begin, "jobs", json_integer(config->jobs));
    json_put(message, "op", json_string("campaign"));
    json_put(message, "begin", begin);
    pipeline_tell(s->pipeline, message);
}

static void
tell_end(struct supervisor *s)
{
    static const char *const words[] = {[SUPERVISOR_DONE] = "finished",
                                        [SUPERVISOR_INTERRUPTED] = "interrupted",
                                        [SUPERVISOR_FAILED] = "failed"};
    json_t *message = json_object();

    json_put(message, "op", json_string("campaign"));
    json_put(message, "end", json_string(words[s->result->how]));
    pipeline_tell(s->pipeline, message);
}

/* --- phases --- */

static void
enter(struct supervisor *s, enum phase phase, int64_t limit_ms)
{
    s->phase = phase;
    s->phase_ms = clock_mono_ms();
    s->phase_limit_ms = limit_ms;
    if (phase == OVER) {
        (void)sd_event_exit(s->event, 0);
    }
}

static void
begin_stopping(struct supervisor *s)
{
    minute_watch_end(s->watch);
    enter(s, STOPPING, 0);
    crew_stop(&s->crew);
}

static void
begin_triaging(struct supervisor *s)
{
    int64_t limit = s->config->for_ms > 0 ? s->config->for_ms : TRIAGE_FREE_MS;
    const struct pipeline_stats *stats = pipeline_stats(s->pipeline);
    char text[32];

    for (size_t i = 0; i < s->crew.n; i++) {
        worker_look(s->crew.members[i].worker, INBOX_SETTLED);
    }
    exchange_settle(s->exchange);
    limit = limit < TRIAGE_MIN_MS ? TRIAGE_MIN_MS : limit;
    str_duration_show(text, sizeof(text), limit);
    if (s->interrupted) {
        pipeline_hurry(s->pipeline);
    }
    int64_t left = crashes_left(s);
    if (left + stats->minimize_waiting > 0) {
        say(s,
            "fuzzing is over; triaging what is left (%lld crashes, %lld to minimize), "
            "for at most %s",
            (long long)left, (long long)(s->interrupted ? 0 : stats->minimize_waiting),
            text);
    }
    s->idle = false;
    tell_all(s);
    enter(s, TRIAGING, limit);
}

static void
begin_closing(struct supervisor *s)
{
    s->idle = false;
    tell_all(s);
    tell_end(s);
    enter(s, CLOSING, CLOSE_MS);
}

static bool
is_drained(const struct supervisor *s)
{
    return s->idle && inbox_in_flight(s->inbox) == 0;
}

static bool
phase_over(const struct supervisor *s)
{
    return s->phase_limit_ms > 0 && clock_mono_ms() - s->phase_ms >= s->phase_limit_ms;
}

static void
step_phase(struct supervisor *s)
{
    switch (s->phase) {
    case FUZZING:
        if (crew_all_over(&s->crew)) {
            say(s, "no worker can go on");
            begin_stopping(s);
        } else if (s->deadline_ms != 0 && clock_mono_ms() >= s->deadline_ms) {
            begin_stopping(s);
        }
        return;
    case STOPPING:
        if (!crew_any_alive(&s->crew)) {
            begin_triaging(s);
        }
        return;
    case TRIAGING:
        if (is_drained(s)) {
            begin_closing(s);
        } else if (phase_over(s)) {
            s->result->bounded = crashes_left(s) > 0;
            s->idle = false;
            pipeline_stop(s->pipeline);
            enter(s, HALTING, HALT_MS);
        }
        return;
    case HALTING:
        if (s->idle || phase_over(s)) {
            begin_closing(s);
        }
        return;
    case CLOSING:
        if (s->idle || phase_over(s)) {
            enter(s, OVER, 0);
        }
        return;
    case OVER:
        return;
    }
}

/* --- events of the loop --- */

static int
on_tick(sd_event_source *source, uint64_t usec, void *user)
{
    struct supervisor *s = user;

    (void)usec;
    for (size_t i = 0; i < s->crew.n; i++) {
        worker_tick(s->crew.members[i].worker);
    }
    if (s->phase == FUZZING) {
        crew_turns(&s->crew);
        minute_watch_tick(s->watch);
    }
    herald_tick(s->herald);
    crew_credit(&s->crew, s->exchange);
    if (s->phase == FUZZING) {
        exchange_tick(s->exchange);
    }
    step_phase(s);
    if (s->phase <= HALTING && clock_mono_ms() - s->tell_ms >= TELL_MS) {
        tell_all(s);
    }
    if (s->phase != OVER) {
        show(s, false);
    }
    (void)sd_event_source_set_time_relative(source, TICK_US);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

static int
on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
    struct supervisor *s = user;

    (void)source;
    (void)info;
    if (s->interrupted) {
        say(s, "interrupted again: ending now; what was found and not triaged stays for "
               "the next run");
        s->result->bounded = true;
        enter(s, OVER, 0);
        return 0;
    }
    s->interrupted = true;
    s->result->how = SUPERVISOR_INTERRUPTED;
    if (s->phase == FUZZING) {
        say(s, "interrupted: stopping the workers and triaging what is left; once more "
               "to end now");
        begin_stopping(s);
    } else if (s->phase == TRIAGING) {
        say(s, "interrupted: finishing what is being triaged; once more to end now");
        s->result->bounded = crashes_left(s) > 0;
        s->idle = false;
        pipeline_stop(s->pipeline);
        enter(s, HALTING, HALT_MS);
    }
    return 0;
}

static bool
is_mine(void *user, pid_t pid)
{
    const struct supervisor *s = user;

    return pipeline_owns(s->pipeline, pid) || crew_owns(&s->crew, pid) ||
           herald_owns(s->herald, pid);
}

static int
on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
    (void)source;
    (void)info;
    (void)sandbox_reap_orphans(is_mine, user);
    return 0;
}

static void
on_new_bug(void *user, const struct job_outcome *outcome)
{
    struct supervisor *s = user;

    say(s, "new bug: %s  %s  %s", outcome->bug_name, severity_name(outcome->severity),
        s->config->discreet ? "" : outcome->title);
}

static void
on_trouble(void *user, const char *text)
{
    struct supervisor *s = user;

    if (++s->troubles <= TROUBLES_MAX) {
        say(s, "%s", text);
    }
}

static void
on_idle(void *user)
{
    struct supervisor *s = user;

    s->idle = true;
}

static void
on_store_failed(void *user, const struct err *err)
{
    struct supervisor *s = user;

    s->result->how = SUPERVISOR_FAILED;
    s->result->failure = *err;
    enter(s, OVER, 0);
}

static void
on_worker_changed(void *user, struct worker *worker)
{
    struct supervisor *s = user;

    pipeline_tell(s->pipeline, worker_message(worker));
}

static void
on_worker_says(void *user, struct worker *worker, const char *text)
{
    say(user, "%s: %s", worker_name(worker), text);
}

static void
on_submit(void *user, const char *target, const char *source, const char *path,
          pipeline_done *done, void *done_user)
{
    struct supervisor *s = user;
    const struct pipeline_file file = {.target = target, .source = source, .path = path};

    s->idle = false;
    pipeline_submit(s->pipeline, &file, done, done_user);
}

/* --- a campaign --- */

static int
open_loop(struct supervisor *s, struct err *err)
{
    static const struct {
        int number;
        sd_event_signal_handler_t handler;
    } signals[] = {{SIGINT, on_signal},
                   {SIGTERM, on_signal},
                   {SIGHUP, on_signal},
                   {SIGCHLD, on_child}};
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < COUNT(signals); i++) {
        (void)sigaddset(&set, signals[i].number);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        return err_sys(err, "signals");
    }
    int rc = sd_event_new(&s->event);
    for (size_t i = 0; rc >= 0 && i < COUNT(signals); i++) {
        rc =
            sd_event_add_signal(s->event, NULL, signals[i].number, signals[i].handler, s);
    }
    if (rc >= 0) {
        rc = sd_event_add_time_relative(s->event, NULL, CLOCK_MONOTONIC, TICK_US, 0,
                                        on_tick, s);
    }
    return rc < 0 ? err_set(err, rc, "event loop: %s", strerror(-rc)) : 0;
}

static int
open_pipeline(struct supervisor *s, struct err *err)
{
    const struct supervisor_config *config = s->config;
    const struct pipeline_config pipeline = {.event = s->event,
                                             .state = config->state,
                                             .rung = config->rung,
                                             .jobs = config->triage_jobs,
                                             .runs = config->runs,
                                             .minimize_ms = config->minimize_ms,
                                             .events = {.user = s,
                                                        .new_bug = on_new_bug,
                                                        .trouble = on_trouble,
                                                        .idle = on_idle,
                                                        .failed = on_store_failed}};
    int rc = pipeline_new(&pipeline, &s->pipeline, err);

    for (size_t i = 0; rc == 0 && i < config->targets->n; i++) {
        const struct target *target = config->targets->v[i];
        AUTO(build_list_clear) struct build_list builds = {0};
        struct record_settings settings = {
            .ooms_and_hangs = config->ooms_and_hangs,
            .asserts_are_security = config->asserts_are_security,
            .checks_are_security = config->checks_are_security,
            .keep = config->keep,
            .ignore_frames = target->ignore_frames};
        rc = target_builds(target, &builds, err);
        rc = rc < 0 ? rc
                    : pipeline_target(s->pipeline, target->name, &builds, &settings, err);
    }
    return rc < 0 ? rc : pipeline_open(s->pipeline, err);
}

static int
open_inbox(struct supervisor *s, struct err *err)
{
    AUTO(mem_free) char *folder = fs_join(s->config->state, "inbox");
    const struct inbox_config inbox = {
        .event = s->event, .folder = folder, .user = s, .submit = on_submit};

    return inbox_new(&inbox, &s->inbox, err);
}

/* What earlier runs left: first what was on its way, then what lies in the workers'
 * folders. */
static void
take_up(struct supervisor *s)
{
    int64_t n = 0;

    for (size_t i = 0; i < s->config->targets->n; i++) {
        for (size_t e = 0; engine_table[e] != NULL; e++) {
            n += inbox_recover(s->inbox, s->config->targets->v[i]->name,
                               engine_table[e]->name);
        }
    }
    for (size_t i = 0; i < s->crew.n; i++) {
        struct worker *worker = s->crew.members[i].worker;
        worker_look(worker, INBOX_SETTLED);
        n += worker_numbers(worker)->finds;
    }
    if (n > 0) {
        say(s, "taking up %lld crash files that lie in the folders of earlier runs",
            (long long)n);
    }
}

static void
on_told(void *user, json_t *message)
{
    struct supervisor *s = user;

    pipeline_tell(s->pipeline, message);
}

static int
form_crew(struct supervisor *s, struct err *err)
{
    const struct exchange_config exchange = {.state = s->config->state,
                                             .targets = s->config->targets,
                                             .cross = s->config->cross,
                                             .tell = on_told,
                                             .user = s};
    int rc = crew_form(&s->crew, s->event, s->inbox, err);

    s->exchange = exchange_new(&exchange);
    crew_join(&s->crew, s->exchange);
    s->watch = minute_watch_new(&s->crew, on_told, s);
    return rc;
}

static int
open_all(struct supervisor *s, struct err *err)
{
    const struct supervisor_config *config = s->config;
    const struct crew_config crew = {
        .state = config->state,
        .targets = config->targets,
        .engine = config->engine,
        .rung = config->rung,
        .jobs = config->jobs,
        .for_ms = config->for_ms,
        .disk = config->disk,
        .events = {.user = s, .changed = on_worker_changed, .say = on_worker_says}};
    AUTO(strv_clear) struct strv notes = {0};
    int rc = open_loop(s, err);

    rc = rc < 0 ? rc : crew_plan(&s->crew, &crew, &notes, err);
    for (size_t i = 0; i < notes.n; i++) {
        say(s, "%s", notes.v[i]);
    }
    rc = rc < 0 ? rc : open_pipeline(s, err);
    rc = rc < 0 ? rc : open_inbox(s, err);
    struct herald_config herald = config->herald;
    herald.state = config->state;
    herald.say = on_trouble;
    herald.user = s;
    rc = rc < 0 ? rc : herald_new(&herald, &s->herald, err);
    return rc < 0 ? rc : form_crew(s, err);
}

static void
close_all(struct supervisor *s)
{
    progress_end(&s->printer);
    herald_free(s->herald);
    exchange_free(s->exchange);
    minute_watch_free(s->watch);
    /* workers first: they hand over to the inbox, which hands over to the pipeline */
    crew_clear(&s->crew);
    inbox_free(s->inbox);
    pipeline_free(s->pipeline);
    s->pipeline = NULL;
    (void)sd_event_unref(s->event);
}

AUTO_DEFINE_CLEAR(struct supervisor, close_all)

static void
collect(struct supervisor *s)
{
    const struct pipeline_stats *stats = pipeline_stats(s->pipeline);
    struct supervisor_result *result = s->result;

    result->crashes = stats->filed;
    result->new_bugs = stats->new_bugs;
    crew_collect(&s->crew, result);
    if (s->troubles > TROUBLES_MAX) {
        say(s, "%lld more messages about single crashes were not shown",
            (long long)(s->troubles - TROUBLES_MAX));
    }
}

static void
begin_fuzzing(struct supervisor *s)
{
    AUTO(buf_clear) struct buf warning = BUF_INIT;

    s->deadline_ms = s->config->for_ms == 0 ? 0 : clock_mono_ms() + s->config->for_ms;
    crew_begin(&s->crew, s->deadline_ms, &warning);
    if (warning.len > 0) {
        say(s, "%s", buf_str(&warning));
    }
}

void
supervisor_result_clear(struct supervisor_result *result)
{
    strv_clear(&result->casualties);
    mem_free(result->targets);
}

int
supervisor_run(const struct supervisor_config *config, struct supervisor_result *out,
               struct err *err)
{
    AUTO(close_all)
    struct supervisor s = {.config = config,
                           .result = out,
                           .printer = {.out = stderr, .live = config->live}};
    int rc = open_all(&s, err);

    if (rc < 0) {
        return rc;
    }
    int64_t begun_ms = clock_mono_ms();
    tell_begin(&s);
    take_up(&s);
    enter(&s, FUZZING, config->for_ms);
    begin_fuzzing(&s);
    rc = sd_event_loop(s.event);
    if (rc < 0) {
        return err_set(err, rc, "event loop: %s", strerror(-rc));
    }
    if (!config->live) { /* the last line of a log sums up */
        s.phase_ms = begun_ms;
        s.phase_limit_ms = 0;
        show(&s, true);
    }
    collect(&s);
    return 0;
}
