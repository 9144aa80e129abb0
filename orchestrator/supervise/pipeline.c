#include "orchestrator/supervise/pipeline_private.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"

enum { HURRY_MS = 5000 };

/* --- telling the caller --- */

void
pipeline_touch(struct pipeline *pipeline)
{
    (void)sd_event_source_set_enabled(pipeline->settle, SD_EVENT_ONESHOT);
}

void
pipeline_trouble(struct pipeline *pipeline, const char *fmt, ...)
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

void
pipeline_fail(void *user, const struct err *why)
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
        pipeline_trouble(pipeline, "%s", reason);
    }
    pipeline_touch(pipeline);
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
    pipeline_touch(pipeline);
}

/* A new scribe knows nothing of the jobs that its forerunner handed out. */
static void
on_scribe_restarted(void *user, const char *why)
{
    struct pipeline *pipeline = user;

    pipeline->stats.scribe_restarts++;
    pipeline_trouble(
        pipeline,
        "the process that writes the database ended (%s); started again, nothing is lost",
        why);
    for (int i = 0; pipeline->pool != NULL && i < pool_jobs(pipeline->pool); i++) {
        desk_take_back(&pipeline->desks[i]);
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
    pipeline_touch(pipeline);
}

static void
ask_counts(struct pipeline *pipeline)
{
    json_t *request = json_object();

    json_put(request, "op", json_string("counts"));
    pipeline->counted = true;
    scribe_link_send(pipeline->link, request, on_counts, pipeline);
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
        desks_ask(pipeline);
        desks_make_room(pipeline);
    }
    if (events->changed != NULL) {
        events->changed(events->user, &pipeline->stats);
    }
    if (!pipeline->busy || !desks_are_quiet(pipeline) ||
        intake_waiting(pipeline->intake) > 0 || scribe_link_waiting(pipeline->link) > 0) {
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
    desks_return(pipeline, true);
    if (pipeline->pool != NULL && pipeline->desks[0].state == DESK_DRY) {
        desk_ask(&pipeline->desks[0]);
    }
    return 0;
}

/* --- the caller's side --- */

void
pipeline_told(void *user, const json_t *answer)
{
    (void)answer;
    pipeline_touch(user);
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
    scribe_link_send(pipeline->link, request, pipeline_told, pipeline);
    pipeline->busy = true;
    pipeline_touch(pipeline);
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
    pipeline_touch(pipeline);
}

void
pipeline_tell(struct pipeline *pipeline, json_t *message)
{
    bool begins = json_object_get(message, "begin") != NULL;

    if (!begins && pipeline->campaign != 0 &&
        json_object_get(message, "campaign") == NULL) {
        json_put(message, "campaign", json_integer(pipeline->campaign));
    }
    scribe_link_send(pipeline->link, message, begins ? on_campaign : pipeline_told,
                     pipeline);
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
        if (desk_minimizes(&pipeline->desks[i])) {
            desk_take_back(&pipeline->desks[i]);
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
        desk_hurry(&pipeline->desks[i]);
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
    desks_return(pipeline, false);
    pipeline->stats.submitted -= (int64_t)intake_cancel(pipeline->intake);
    pipeline_touch(pipeline);
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
make_children(struct pipeline *pipeline, struct err *err)
{
    const struct pipeline_config *config = &pipeline->config;
    const struct scribe_link_config link = {.event = config->event,
                                            .program = config->program,
                                            .state = config->state,
                                            .user = pipeline,
                                            .restarted = on_scribe_restarted,
                                            .failed = pipeline_fail};
    const struct pool_config pool = {.event = config->event,
                                     .program = config->program,
                                     .state = config->state,
                                     .rung = config->rung,
                                     .jobs = config->jobs,
                                     .hide = &pipeline->hide,
                                     .user = pipeline,
                                     .ready = desk_on_ready,
                                     .answer = desk_on_answer,
                                     .died = desk_on_died,
                                     .failed = pipeline_fail};
    int rc = config->jobs == 0 ? 0 : pool_new(&pool, &pipeline->pool, err);

    return rc < 0 ? rc : scribe_link_new(&link, &pipeline->link, err);
}

int
pipeline_open(struct pipeline *pipeline, struct err *err)
{
    return scribe_link_start(pipeline->link, err);
}

void
pipeline_close(struct pipeline *pipeline)
{
    if (pipeline->pool != NULL) {
        pool_close(pipeline->pool);
    }
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
        pipeline->desks[i] =
            (struct desk){.pipeline = pipeline, .slot = i, .state = DESK_FREE};
    }
    int rc = attach(pipeline, err);
    rc = rc < 0 ? rc : make_children(pipeline, err);
    if (rc < 0) {
        return rc;
    }
    pipeline->busy = true;
    ask_counts(pipeline);
    pipeline_touch(pipeline);
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
    for (int i = 0; pipeline->desks != NULL && i < pipeline->config.jobs; i++) {
        json_decref(pipeline->desks[i].next);
    }
    mem_free(pipeline->desks);
    mem_free(pipeline);
}
