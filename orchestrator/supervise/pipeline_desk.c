#include "orchestrator/supervise/pipeline_private.h"

#include <string.h>

#include "base/mem.h"
#include "orchestrator/supervise/pipeline_tally.h"
#include "orchestrator/supervise/scribe_message.h"
#include "triage/trial.h"

static bool
is_minimization(const json_t *job)
{
    return strcmp(json_get_str(job, "kind", ""), "minimize") == 0;
}

static int
jobs_of(const struct pipeline *pipeline)
{
    return pipeline->pool == NULL ? 0 : pool_jobs(pipeline->pool);
}

/* What the worker was asked for is told again only where it names a file. */
static json_t *
about_job(const char *op, json_t *job)
{
    json_t *request = json_object();
    json_t *told = json_copy(job);

    if (!is_minimization(job)) {
        (void)json_object_del(told, "request");
    }
    json_put(request, "op", json_string(op));
    json_put(request, "job", told);
    return request;
}

/* --- asking --- */

static void on_job(void *user, const json_t *answer);

/* A job that may have to wait is a crash: nothing else is fetched before it is wanted. */
static void
ask(struct desk *desk, bool ahead)
{
    static const char *const names[] = {"input", "input-2"};
    struct pipeline *pipeline = desk->pipeline;
    json_t *request = json_object();

    desk->next_file = desk->state == DESK_WORKING ? !desk->file : desk->file;
    json_put(request, "op", json_string("next"));
    json_put(request, "folder", json_name(pool_folder(pipeline->pool, desk->slot)));
    json_put(request, "input", json_string(names[desk->next_file]));
    json_put(request, "runs", json_integer(pipeline->config.runs));
    json_put(request, "minimize_ms",
             json_integer(pipeline->hurry ? 0 : pipeline->config.minimize_ms));
    json_put(request, "ahead", json_boolean(ahead));
    if (ahead) {
        desk->ahead = AHEAD_ASKED;
    } else {
        desk->state = DESK_ASKED;
    }
    scribe_link_send(pipeline->link, request, on_job, desk);
}

void
desk_ask(struct desk *desk)
{
    ask(desk, false);
}

void
desks_ask(struct pipeline *pipeline)
{
    bool stirred = pipeline->stirred;

    pipeline->stirred = false;
    for (int i = 0; i < jobs_of(pipeline); i++) {
        struct desk *desk = &pipeline->desks[i];
        if (desk->state == DESK_FREE || (stirred && desk->state == DESK_DRY)) {
            ask(desk, false);
        }
    }
    for (int i = 0; i < jobs_of(pipeline); i++) { /* who has nothing comes first */
        struct desk *desk = &pipeline->desks[i];
        if (desk->state == DESK_WORKING &&
            (desk->ahead == AHEAD_NONE || (stirred && desk->ahead == AHEAD_DRY))) {
            ask(desk, true);
        }
    }
}

/* --- what is not begun --- */

static void
give_back(struct pipeline *pipeline, json_t *job)
{
    scribe_link_send(pipeline->link, about_job("return", job), pipeline_told, pipeline);
    pipeline->stirred = true;
    pipeline_touch(pipeline);
}

static void
return_next(struct desk *desk)
{
    AUTO(json_decref) json_t *job = STEAL(desk->next);

    desk->ahead = AHEAD_OFF;
    give_back(desk->pipeline, job);
}

void
desks_return(struct pipeline *pipeline, bool waited_only)
{
    for (int i = 0; i < jobs_of(pipeline); i++) {
        struct desk *desk = &pipeline->desks[i];
        if (desk->ahead == AHEAD_HELD && (desk->next_waited || !waited_only)) {
            return_next(desk);
        }
        desk->next_waited = desk->ahead == AHEAD_HELD;
    }
}

/* A desk has nothing to do: one that waits elsewhere is the next that it is told of. */
static void
return_one(struct pipeline *pipeline)
{
    for (int i = 0; i < jobs_of(pipeline); i++) {
        if (pipeline->desks[i].ahead == AHEAD_HELD) {
            return_next(&pipeline->desks[i]);
            return;
        }
    }
}

/* --- jobs --- */

/* A minimization has as many runs at a time as there are workers with nothing to do. */
static void
spread(const struct pipeline *pipeline, json_t *request)
{
    json_int_t lanes = 1;

    for (int i = 0; i < jobs_of(pipeline); i++) {
        lanes += pipeline->desks[i].state == DESK_DRY ? 1 : 0;
    }
    json_put(request, "lanes",
             json_integer(lanes < TRIAL_LANES_MAX ? lanes : TRIAL_LANES_MAX));
}

/* Steals job. */
static void
begin(struct desk *desk, json_t *job)
{
    struct pipeline *pipeline = desk->pipeline;
    bool small = is_minimization(job);

    if (small) {
        spread(pipeline, json_object_get(job, "request"));
    }
    desk->state = DESK_WORKING;
    desk->hurried = false;
    desk->file = desk->next_file;
    desk->ahead = small ? AHEAD_OFF : AHEAD_NONE;
    pipeline->busy = true;
    pipeline->stirred = true;
    pipeline->stats.running++;
    pipeline->stats.minimizing += small;
    pool_give(pipeline->pool, desk->slot, job);
}

static void
hold(struct desk *desk, json_t *job)
{
    desk->ahead = AHEAD_HELD;
    desk->next = job;
    desk->next_waited = false;
    desk->pipeline->stirred = true;
}

/* What was asked for comes too late to be begun. */
static bool
is_unwanted(const struct desk *desk, const json_t *job)
{
    const struct pipeline *pipeline = desk->pipeline;

    return desk->lost || pipeline->stopping || (is_minimization(job) && pipeline->hurry);
}

static void
on_job(void *user, const json_t *answer)
{
    struct desk *desk = user;
    struct pipeline *pipeline = desk->pipeline;
    json_t *job = json_object_get(answer, "job");
    bool ahead = desk->state != DESK_ASKED;
    bool unwanted = json_is_object(job) && is_unwanted(desk, job);

    pipeline_touch(pipeline);
    if (unwanted && !is_minimization(job)) {
        give_back(pipeline, job); /* a minimization stays as it was in the store */
    }
    if (json_is_object(job) && !unwanted) {
        if (ahead) {
            hold(desk, json_incref(job));
        } else {
            begin(desk, json_incref(job));
        }
    } else if (ahead) {
        desk->ahead = AHEAD_DRY;
    } else {
        desk->state = desk->lost ? DESK_FREE : DESK_DRY;
    }
    desk->lost = false;
    if (desk->state == DESK_DRY) {
        return_one(pipeline);
    }
}

/* The job has left the pool. */
static void
count_ended(struct pipeline *pipeline, const json_t *job)
{
    pipeline->stats.running--;
    pipeline->stats.minimizing -= is_minimization(job);
}

static void
tell_end(struct pipeline *pipeline, const struct job_end *end)
{
    const struct pipeline_events *events = &pipeline->config.events;

    if (end->died) {
        AUTO(mem_free) char *text = tally_death(end);
        pipeline_trouble(pipeline, "%s", text);
    }
    bool settles = end->kind == JOB_TRIAGE || end->kind == JOB_REPORT; /* a crash */
    bool fresh = end->outcome.bug_is_new && (settles || end->kind == JOB_MINIMIZE);
    if (fresh && events->new_bug != NULL) {
        events->new_bug(events->user, &end->outcome);
    }
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
    pipeline_touch(pipeline);
    if (job_end_from_json(json_object_get(answer, "outcome"), &end, &err) < 0) {
        pipeline_fail(pipeline, &err);
        return;
    }
    tally_end(&pipeline->stats, &end);
    tell_end(pipeline, &end);
}

void
desk_on_answer(void *user, int slot, json_t *job, const char *line, size_t len)
{
    struct pipeline *pipeline = user;

    count_ended(pipeline, job);
    pipeline->desks[slot].state = DESK_AWAY;
    if (pipeline->desks[slot].hurried) {
        json_put(job, "interrupted", json_true());
    }
    scribe_link_send_body(pipeline->link, about_job("finish", job), line, len, on_outcome,
                          pipeline);
    pipeline_touch(pipeline);
}

/* What was fetched, or is just being, lay in the folder of the worker. */
void
desk_on_died(void *user, int slot, json_t *job, const char *reason)
{
    struct pipeline *pipeline = user;
    struct desk *desk = &pipeline->desks[slot];
    json_t *request = about_job("fail", job);

    count_ended(pipeline, job);
    pipeline->stats.worker_deaths++;
    desk->state = DESK_AWAY;
    desk->lost = desk->ahead == AHEAD_ASKED;
    json_put(request, "reason", json_text(reason));
    scribe_link_send(pipeline->link, request, on_outcome, pipeline);
    if (desk->ahead == AHEAD_HELD) {
        return_next(desk);
    }
    pipeline_touch(pipeline);
}

/* The next request is sent at once: it stands right behind the answer that was filed. */
void
desk_on_ready(void *user, int slot)
{
    struct pipeline *pipeline = user;
    struct desk *desk = &pipeline->desks[slot];

    pipeline_touch(pipeline);
    desk->state = DESK_FREE;
    if (desk->ahead == AHEAD_ASKED) { /* its answer is the next job by now */
        desk->ahead = AHEAD_NONE;
        desk->state = DESK_ASKED;
    } else if (pipeline->stopping || pipeline->failed) {
        return;
    } else if (desk->ahead == AHEAD_HELD) {
        begin(desk, STEAL(desk->next));
        ask(desk, true);
    } else {
        ask(desk, false);
    }
}

void
desk_take_back(struct desk *desk)
{
    struct pipeline *pipeline = desk->pipeline;

    if (desk->ahead == AHEAD_HELD) {
        return_next(desk);
    }
    if (desk->state == DESK_WORKING) {
        count_ended(pipeline, pool_job(pipeline->pool, desk->slot));
        pool_cancel(pipeline->pool, desk->slot);
        desk->state = desk->ahead == AHEAD_ASKED ? DESK_ASKED : DESK_FREE;
        desk->ahead = AHEAD_NONE;
        pipeline_touch(pipeline);
    }
}

/* --- minimizations --- */

bool
desk_minimizes(const struct desk *desk)
{
    return desk->state == DESK_WORKING &&
           is_minimization(pool_job(desk->pipeline->pool, desk->slot));
}

void
desk_hurry(struct desk *desk)
{
    if (!desk->hurried && desk_minimizes(desk)) {
        desk->hurried = true;
        pool_hurry(desk->pipeline->pool, desk->slot);
    }
}

void
desks_make_room(struct pipeline *pipeline)
{
    int64_t waiting = pipeline->stats.queued;

    for (int i = 0; i < jobs_of(pipeline); i++) {
        const struct desk *desk = &pipeline->desks[i];
        waiting -= !desk_minimizes(desk) || desk->hurried;
    }
    for (int i = 0; waiting > 0 && i < jobs_of(pipeline); i++) {
        struct desk *desk = &pipeline->desks[i];
        if (!desk->hurried && desk_minimizes(desk)) {
            desk_hurry(desk);
            waiting--;
        }
    }
}

bool
desks_are_quiet(const struct pipeline *pipeline)
{
    for (int i = 0; i < jobs_of(pipeline); i++) {
        enum desk_state state = pipeline->desks[i].state;
        if (state != DESK_DRY && (!pipeline->stopping || state == DESK_WORKING)) {
            return false;
        }
    }
    return true;
}
