#include "orchestrator/supervise/pipeline.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/supervise/pipeline_intake.h"
#include "orchestrator/supervise/pipeline_tally.h"
#include "orchestrator/supervise/pool.h"
#include "orchestrator/supervise/scribe_link.h"
#include "orchestrator/supervise/scribe_message.h"
#include "triage/trial.h"

enum { HURRY_MS = 5000 };

/* A slot of the pool, as the pipeline sees it. */
enum desk_state {
    DESK_AWAY,    /* the pool starts its worker anew after a death */
    DESK_FREE,    /* it could take a job */
    DESK_ASKED,   /* the scribe was asked for one */
    DESK_DRY,     /* the scribe had none */
    DESK_WORKING, /* it has one */
};

struct desk {
    struct pipeline *pipeline;
    int slot;
    enum desk_state state;
    bool hurried; /* its minimization was asked to end */
};

struct pipeline {
    struct pipeline_config config;
    struct strv hide;
    struct scribe_link *link;
    struct pool *pool; /* NULL when there are no jobs */
    struct desk *desks;
    struct intake *intake;
    struct pipeline_stats stats;
    sd_event_source *settle, *poll, *hurried;
    int64_t campaign;
    bool stirred; /* there may be a job for those who found none */
    bool counted; /* nothing has changed since the store was asked for its counts */
    bool busy;    /* `idle` is due once all is done */
    bool hurry, stopping, failed;
};

/* --- telling the caller --- */

/* Something happened: look at everything once the loop has time. */
static void
touch(struct pipeline *pipeline)
{
    (void)sd_event_source_set_enabled(pipeline->settle, SD_EVENT_ONESHOT);
}

static void trouble(struct pipeline *pipeline, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void
trouble(struct pipeline *pipeline, const char *fmt, ...)
{
    char text[ERR_MSG_MAX + 256];
    va_list args;

    if (pipeline->config.events.trouble == NULL) {
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    pipeline->config.events.trouble(pipeline->config.events.user, text);
}

static void
fail(void *user, const struct err *why)
{
    struct pipeline *pipeline = user;

    if (pipeline->failed) {
        return;
    }
    pipeline->failed = true;
    if (pipeline->config.events.failed != NULL) {
        pipeline->config.events.failed(pipeline->config.events.user, why);
    }
}

/* --- the ledger --- */

static void
on_filed(void *user, int code, bool is_new, const char *reason)
{
    struct pipeline *pipeline = user;

    if (code == 0) {
        pipeline->stats.filed++;
        pipeline->stats.fresh += is_new;
        pipeline->stats.queued += is_new;
        pipeline->stirred = true;
        pipeline->counted = false;
    } else {
        pipeline->stats.refused++;
        trouble(pipeline, "%s", reason);
    }
    touch(pipeline);
}

void
pipeline_submit(struct pipeline *pipeline, const struct pipeline_file *file,
                pipeline_done *done, void *user)
{
    AUTO(mem_free) char *absolute = fs_absolute(file->path);
    AUTO(mem_free) char *name = mem_strdup(file->target);
    const struct submission submission = {.target = name,
                                          .path = absolute,
                                          .source = file->source,
                                          .is_report = file->is_report,
                                          .backlog = file->backlog,
                                          .written = file->written,
                                          .from = file->from,
                                          .bytes = file->bytes,
                                          .done = done,
                                          .user = user};

    intake_add(pipeline->intake, &submission);
    pipeline->stats.submitted++;
    pipeline->busy = true;
    touch(pipeline);
}

/* --- jobs --- */

/* A minimization has as many runs at a time as there are workers with nothing to do. */
static void
spread(const struct pipeline *pipeline, json_t *request)
{
    json_int_t lanes = 1;

    for (int i = 0; i < pool_jobs(pipeline->pool); i++) {
        lanes += pipeline->desks[i].state == DESK_DRY ? 1 : 0;
    }
    json_put(request, "lanes",
             json_integer(lanes < TRIAL_LANES_MAX ? lanes : TRIAL_LANES_MAX));
}

static void
on_job(void *user, const json_t *answer)
{
    struct desk *desk = user;
    struct pipeline *pipeline = desk->pipeline;
    json_t *job = json_object_get(answer, "job");

    touch(pipeline);
    if (!json_is_object(job)) {
        desk->state = DESK_DRY;
        return;
    }
    bool small = strcmp(json_get_str(job, "kind", ""), "minimize") == 0;
    if (pipeline->stopping || (small && pipeline->hurry)) {
        desk->state = DESK_DRY; /* asked before; it stays as it was in the store */
        return;
    }
    if (small) {
        spread(pipeline, json_object_get(job, "request"));
    }
    desk->state = DESK_WORKING;
    desk->hurried = false;
    pipeline->busy = true;
    pipeline->stirred = true;
    pipeline->stats.running++;
    pipeline->stats.minimizing += small;
    pool_give(pipeline->pool, desk->slot, json_incref(job));
}

static void
ask(struct desk *desk)
{
    struct pipeline *pipeline = desk->pipeline;
    json_t *request = json_object();

    json_put(request, "op", json_string("next"));
    json_put(request, "folder", json_name(pool_folder(pipeline->pool, desk->slot)));
    json_put(request, "runs", json_integer(pipeline->config.runs));
    json_put(request, "minimize_ms",
             json_integer(pipeline->hurry ? 0 : pipeline->config.minimize_ms));
    desk->state = DESK_ASKED;
    scribe_link_send(pipeline->link, request, on_job, desk);
}

/* The job has left the pool. */
static void
count_ended(struct pipeline *pipeline, const json_t *job)
{
    pipeline->stats.running--;
    if (strcmp(json_get_str(job, "kind", ""), "minimize") == 0) {
        pipeline->stats.minimizing--;
    }
}

static void
tell_end(struct pipeline *pipeline, const struct job_end *end)
{
    const struct pipeline_events *events = &pipeline->config.events;

    if (end->died) {
        AUTO(mem_free) char *text = tally_death(end);
        trouble(pipeline, "%s", text);
    }
    bool fresh = end->outcome.bug_is_new && end->kind != JOB_RELEASE;
    if (fresh && events->new_bug != NULL) {
        events->new_bug(events->user, &end->outcome);
    }
    bool settles = end->kind == JOB_TRIAGE || end->kind == JOB_REPORT; /* a crash */
    if (settles && events->finished != NULL) {
        events->finished(events->user, &end->outcome, end->reason);
    }
}

/* An answer of a worker or its death has been filed. */
static void
on_outcome(void *user, const json_t *answer)
{
    struct pipeline *pipeline = user;
    struct job_end end;
    struct err err = ERR_INIT;

    pipeline->stirred = true;
    pipeline->counted = false;
    touch(pipeline);
    if (job_end_from_json(json_object_get(answer, "outcome"), &end, &err) < 0) {
        fail(pipeline, &err);
        return;
    }
    tally_end(&pipeline->stats, &end);
    tell_end(pipeline, &end);
}

/* What the worker was asked for is told again only where it names a file. */
static json_t *
about_job(const char *op, json_t *job)
{
    json_t *request = json_object();
    json_t *told = json_copy(job);

    if (strcmp(json_get_str(job, "kind", ""), "minimize") != 0) {
        (void)json_object_del(told, "request");
    }
    json_put(request, "op", json_string(op));
    json_put(request, "job", told);
    return request;
}

static void
on_answer(void *user, int slot, json_t *job, const char *line, size_t len)
{
    struct pipeline *pipeline = user;

    count_ended(pipeline, job);
    pipeline->desks[slot].state = DESK_AWAY;
    if (pipeline->desks[slot].hurried) {
        json_put(job, "interrupted", json_true());
    }
    scribe_link_send_body(pipeline->link, about_job("finish", job), line, len, on_outcome,
                          pipeline);
    touch(pipeline);
}

static void
on_died(void *user, int slot, json_t *job, const char *reason)
{
    struct pipeline *pipeline = user;
    json_t *request = about_job("fail", job);

    count_ended(pipeline, job);
    pipeline->stats.worker_deaths++;
    pipeline->desks[slot].state = DESK_AWAY;
    json_put(request, "reason", json_text(reason));
    scribe_link_send(pipeline->link, request, on_outcome, pipeline);
    touch(pipeline);
}

/* The next request is sent at once: it stands right behind the answer that was filed. */
static void
on_ready(void *user, int slot)
{
    struct pipeline *pipeline = user;
    struct desk *desk = &pipeline->desks[slot];

    desk->state = DESK_FREE;
    if (!pipeline->stopping && !pipeline->failed) {
        ask(desk);
    }
    touch(pipeline);
}

/* Take a running job back: it is still queued in the store. */
static void
take_back(struct desk *desk)
{
    struct pipeline *pipeline = desk->pipeline;

    if (desk->state == DESK_WORKING) {
        count_ended(pipeline, pool_job(pipeline->pool, desk->slot));
        pool_cancel(pipeline->pool, desk->slot);
        desk->state = DESK_FREE;
        touch(pipeline);
    }
}

/* A new scribe knows nothing of the jobs that its forerunner handed out. */
static void
on_scribe_restarted(void *user, const char *why)
{
    struct pipeline *pipeline = user;

    pipeline->stats.scribe_restarts++;
    trouble(
        pipeline,
        "the process that writes the database ended (%s); started again, nothing is lost",
        why);
    for (int i = 0; pipeline->pool != NULL && i < pool_jobs(pipeline->pool); i++) {
        take_back(&pipeline->desks[i]);
    }
}

/* --- the loop --- */

static void
on_counts(void *user, const json_t *answer)
{
    struct pipeline *pipeline = user;
    const json_t *counts = json_object_get(answer, "counts");

    pipeline->stats.queued = json_get_int(counts, "queued", 0);
    pipeline->stats.bugs = json_get_int(counts, "bugs", 0);
    pipeline->stats.minimize_waiting = json_get_int(counts, "minimize_waiting", 0);
    touch(pipeline);
}

static void
ask_counts(struct pipeline *pipeline)
{
    json_t *request = json_object();

    json_put(request, "op", json_string("counts"));
    pipeline->counted = true;
    scribe_link_send(pipeline->link, request, on_counts, pipeline);
}

static void
pump_jobs(struct pipeline *pipeline)
{
    bool stirred = pipeline->stirred;

    pipeline->stirred = false;
    for (int i = 0; pipeline->pool != NULL && i < pool_jobs(pipeline->pool); i++) {
        struct desk *desk = &pipeline->desks[i];
        if (desk->state == DESK_FREE || (stirred && desk->state == DESK_DRY)) {
            ask(desk);
        }
    }
}

static bool
minimizes(const struct pipeline *pipeline, const struct desk *desk)
{
    return desk->state == DESK_WORKING &&
           strcmp(json_get_str(pool_job(pipeline->pool, desk->slot), "kind", ""),
                  "minimize") == 0;
}

static void
hurry(struct pipeline *pipeline, struct desk *desk)
{
    if (!desk->hurried && minimizes(pipeline, desk)) {
        desk->hurried = true;
        pool_hurry(pipeline->pool, desk->slot);
    }
}

/* A crash does not wait for a minimization, which can go on later. */
static void
make_room(struct pipeline *pipeline)
{
    int64_t waiting = pipeline->stats.queued;

    for (int i = 0; pipeline->pool != NULL && i < pool_jobs(pipeline->pool); i++) {
        bool minimizing = minimizes(pipeline, &pipeline->desks[i]);
        waiting -= !minimizing || pipeline->desks[i].hurried;
    }
    for (int i = 0;
         pipeline->pool != NULL && waiting > 0 && i < pool_jobs(pipeline->pool); i++) {
        struct desk *desk = &pipeline->desks[i];
        if (!desk->hurried && minimizes(pipeline, desk)) {
            hurry(pipeline, desk);
            waiting--;
        }
    }
}

static bool
is_quiet(const struct pipeline *pipeline)
{
    bool quiet =
        intake_waiting(pipeline->intake) == 0 && scribe_link_waiting(pipeline->link) == 0;

    for (int i = 0; pipeline->pool != NULL && i < pool_jobs(pipeline->pool); i++) {
        enum desk_state state = pipeline->desks[i].state;
        quiet =
            quiet && (state == DESK_DRY || (pipeline->stopping && state != DESK_WORKING));
    }
    return quiet;
}

static int
on_settle(sd_event_source *source, void *user)
{
    struct pipeline *pipeline = user;
    const struct pipeline_events *events = &pipeline->config.events;

    (void)source;
    if (pipeline->failed) {
        return 0;
    }
    intake_pump(pipeline->intake, pipeline->link);
    if (!pipeline->stopping) {
        pump_jobs(pipeline);
        make_room(pipeline);
    }
    if (events->changed != NULL) {
        events->changed(events->user, &pipeline->stats);
    }
    if (!pipeline->busy || !is_quiet(pipeline)) {
        return 0;
    }
    if (!pipeline->counted) { /* the last numbers before the end are the store's */
        ask_counts(pipeline);
        return 0;
    }
    pipeline->busy = false;
    if (events->idle != NULL) {
        events->idle(events->user);
    }
    return 0;
}

/* Others may have queued something, and their numbers are not ours. */
static int
on_poll(sd_event_source *source, uint64_t usec, void *user)
{
    struct pipeline *pipeline = user;

    (void)usec;
    (void)sd_event_source_set_time_relative(source, (uint64_t)PIPELINE_POLL_MS * 1000);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    if (pipeline->failed || pipeline->stopping) {
        return 0;
    }
    if (!pipeline->counted) {
        ask_counts(pipeline);
    }
    if (pipeline->pool != NULL && pipeline->desks[0].state == DESK_DRY) {
        ask(&pipeline->desks[0]);
    }
    return 0;
}

/* --- the caller's side --- */

static void
on_told(void *user, const json_t *answer)
{
    (void)answer;
    touch(user);
}

int
pipeline_target(struct pipeline *pipeline, const char *name,
                const struct build_list *builds, const struct record_settings *settings,
                struct err *err)
{
    json_t *request;
    json_t *object;

    if (*name == '\0') {
        return err_set(err, -EINVAL, "a target needs a name: --target NAME");
    }
    request = json_object();
    object = json_object();
    json_put(object, "ooms_and_hangs", json_boolean(settings->ooms_and_hangs));
    json_put(object, "asserts_are_security",
             json_boolean(settings->asserts_are_security));
    json_put(object, "checks_are_security", json_boolean(settings->checks_are_security));
    json_put(object, "ignore_frames", json_strv(&settings->ignore_frames));
    json_put(object, "keep", json_string(keep_level_name(settings->keep)));
    json_put(request, "op", json_string("target"));
    json_put(request, "name", json_text(name));
    json_put(request, "builds", build_list_to_json(builds));
    json_put(request, "settings", object);
    scribe_link_send(pipeline->link, request, on_told, pipeline);
    pipeline->busy = true;
    touch(pipeline);
    return 0;
}

void
pipeline_expect(struct pipeline *pipeline, const struct build_list *builds, size_t files)
{
    if (pipeline->pool != NULL) {
        pool_expect(pipeline->pool, builds, files);
    }
}

static void
on_campaign(void *user, const json_t *answer)
{
    struct pipeline *pipeline = user;

    pipeline->campaign = json_get_int(answer, "campaign", pipeline->campaign);
    touch(pipeline);
}

void
pipeline_tell(struct pipeline *pipeline, json_t *message)
{
    bool begins = json_object_get(message, "begin") != NULL;

    if (!begins && pipeline->campaign != 0 &&
        json_object_get(message, "campaign") == NULL) {
        json_put(message, "campaign", json_integer(pipeline->campaign));
    }
    scribe_link_send(pipeline->link, message, begins ? on_campaign : on_told, pipeline);
    pipeline->busy = true;
}

const struct pipeline_stats *
pipeline_stats(const struct pipeline *pipeline)
{
    return &pipeline->stats;
}

/* Minimizations that were asked to end and did not: what they had is lost, no more. */
static int
on_hurried(sd_event_source *source, uint64_t usec, void *user)
{
    struct pipeline *pipeline = user;

    (void)source;
    (void)usec;
    for (int i = 0; i < pool_jobs(pipeline->pool); i++) {
        if (minimizes(pipeline, &pipeline->desks[i])) {
            take_back(&pipeline->desks[i]);
        }
    }
    return 0;
}

void
pipeline_hurry(struct pipeline *pipeline)
{
    if (pipeline->hurry || pipeline->pool == NULL) {
        return;
    }
    pipeline->hurry = true;
    for (int i = 0; i < pool_jobs(pipeline->pool); i++) {
        hurry(pipeline, &pipeline->desks[i]);
    }
    if (sd_event_add_time_relative(pipeline->config.event, &pipeline->hurried,
                                   CLOCK_MONOTONIC, (uint64_t)HURRY_MS * 1000, 0,
                                   on_hurried, pipeline) < 0) {
        abort(); /* out of memory */
    }
}

void
pipeline_stop(struct pipeline *pipeline)
{
    pipeline->stopping = true;
    pipeline->busy = true;
    pipeline_hurry(pipeline);
    pipeline->stats.submitted -= (int64_t)intake_cancel(pipeline->intake);
    touch(pipeline);
}

bool
pipeline_owns(const struct pipeline *pipeline, pid_t pid)
{
    return pid == scribe_link_pid(pipeline->link) ||
           (pipeline->pool != NULL && pool_owns(pipeline->pool, pid));
}

/* --- making it --- */

static int
attach(struct pipeline *pipeline, struct err *err)
{
    sd_event *event = pipeline->config.event;
    int rc = sd_event_add_defer(event, &pipeline->settle, on_settle, pipeline);

    if (rc >= 0) { /* behind all that is ready: once for a burst, not for each of it */
        rc = sd_event_source_set_priority(pipeline->settle, SD_EVENT_PRIORITY_IDLE);
    }
    if (rc >= 0) {
        rc = sd_event_add_time_relative(event, &pipeline->poll, CLOCK_MONOTONIC,
                                        (uint64_t)PIPELINE_POLL_MS * 1000, 0, on_poll,
                                        pipeline);
    }
    return rc < 0 ? err_set(err, rc, "event loop: %s", strerror(-rc)) : 0;
}

static int
start_children(struct pipeline *pipeline, struct err *err)
{
    const struct pipeline_config *config = &pipeline->config;
    const struct scribe_link_config link = {.event = config->event,
                                            .program = config->program,
                                            .state = config->state,
                                            .user = pipeline,
                                            .restarted = on_scribe_restarted,
                                            .failed = fail};
    const struct pool_config pool = {.event = config->event,
                                     .program = config->program,
                                     .state = config->state,
                                     .rung = config->rung,
                                     .jobs = config->jobs,
                                     .hide = &pipeline->hide,
                                     .user = pipeline,
                                     .ready = on_ready,
                                     .answer = on_answer,
                                     .died = on_died,
                                     .failed = fail};
    int rc = config->jobs == 0 ? 0 : pool_new(&pool, &pipeline->pool, err);

    return rc < 0 ? rc : scribe_link_new(&link, &pipeline->link, err);
}

int
pipeline_new(const struct pipeline_config *config, struct pipeline **out, struct err *err)
{
    AUTO(pipeline_free) struct pipeline *pipeline = mem_alloc(sizeof(*pipeline));

    assert(config->jobs >= 0);
    pipeline->config = *config;
    pipeline->intake = intake_new(on_filed, pipeline);
    if (config->jobs > POOL_JOBS_MAX) {
        return err_set(err, -EINVAL,
                       "%d triage workers at a time are too many: at most %d",
                       config->jobs, POOL_JOBS_MAX);
    }
    if (config->hide != NULL) {
        strv_add_all(&pipeline->hide, config->hide);
    }
    pipeline->desks = mem_array((size_t)config->jobs, sizeof(*pipeline->desks));
    for (int i = 0; i < config->jobs; i++) {
        pipeline->desks[i] = (struct desk){pipeline, i, DESK_FREE, false};
    }
    int rc = attach(pipeline, err);
    rc = rc < 0 ? rc : start_children(pipeline, err);
    if (rc < 0) {
        return rc;
    }
    pipeline->busy = true;
    ask_counts(pipeline);
    touch(pipeline);
    *out = STEAL(pipeline);
    return 0;
}

void
pipeline_free(struct pipeline *pipeline)
{
    if (pipeline == NULL) {
        return;
    }
    pool_free(pipeline->pool);
    scribe_link_free(pipeline->link);
    (void)sd_event_source_disable_unref(pipeline->settle);
    (void)sd_event_source_disable_unref(pipeline->poll);
    (void)sd_event_source_disable_unref(pipeline->hurried);
    intake_free(pipeline->intake);
    strv_clear(&pipeline->hide);
    mem_free(pipeline->desks);
    mem_free(pipeline);
}
