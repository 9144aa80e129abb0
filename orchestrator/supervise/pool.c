#include "orchestrator/supervise/pool_private.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/build.h"
#include "triage/limit.h"
#include "triage/native.h"
#include "triage/worker.h"

enum {
    PAUSE_FIRST_MS = 100, /* after a death; doubles with each further one in a row */
    PAUSE_MAX_MS = 30000,
    RUN_SLACK_MS = 1000, /* of each single run: starting and reading it */
};

static void give(struct slot *slot);
static void lose(struct slot *slot, const char *why, bool by_itself);

/* --- timers --- */

static int
on_timer(sd_event_source *source, uint64_t usec, void *user)
{
    struct slot *slot = user;

    (void)usec;
    (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    switch (slot->state) {
    case SLOT_PAUSED:
        slot->state = SLOT_EMPTY;
        if (slot->job != NULL) {
            give(slot);
        } else if (slot->owes_ready) {
            slot->owes_ready = false;
            slot->pool->config.ready(slot->pool->config.user, slot->number);
        }
        break;
    case SLOT_STARTING:
        lose(slot, "it did not answer its first request in time", false);
        break;
    case SLOT_BUSY:
        lose(slot, "it was killed at the job's deadline", false);
        break;
    case SLOT_EMPTY:
    case SLOT_IDLE:
        break;
    }
    return 0;
}

static void
set_timer(struct slot *slot, int64_t ms)
{
    slot->timer = sd_event_source_disable_unref(slot->timer);
    if (ms > 0 && sd_event_add_time_relative(slot->pool->config.event, &slot->timer,
                                             CLOCK_MONOTONIC, (uint64_t)ms * 1000, 0,
                                             on_timer, slot) < 0) {
        abort(); /* out of memory */
    }
}

/* One run on a busy machine. One that leaves no report is followed by two under gdb. */
static int64_t
run_ms(const json_t *command, bool reports)
{
    int64_t limit = json_get_int(command, "timeout_ms", COMMAND_TIMEOUT_MS);

    limit *= LIMIT_STRETCH;
    return limit + RUN_SLACK_MS + (reports ? 0 : 2 * (limit + NATIVE_GDB_MS));
}

/* How long a job may take at most, from what it asks for: a timeout is confirmed by a run
 * of twice the time, and each build has its turn. */
static int64_t
deadline_ms(const struct pool *pool, const json_t *request)
{
    const json_t *command = json_object_get(request, "command");
    const json_t *builds = json_object_get(request, "builds");
    int64_t turns = 1 + (int64_t)json_array_size(builds);
    int64_t run = run_ms(command, turns == 1 && json_get_bool(command, "asan", false));
    int64_t slack = pool->config.slack_ms > 0 ? pool->config.slack_ms : POOL_SLACK_MS;
    const char *op = json_get_str(request, "op", "");

    if (strcmp(op, "report") == 0) {
        return slack;
    }
    if (strcmp(op, "minimize") == 0) {
        return json_get_int(request, "wall_ms", 0) + 2 * run + slack;
    }
    return turns * (json_get_int(request, "runs", 1) + 1) * run + slack;
}

/* --- the end of a worker --- */

static void
fail(struct pool *pool, const struct err *why)
{
    if (!pool->failed) {
        pool->failed = true;
        pool->config.failed(pool->config.user, why);
    }
}

static void
pause_slot(struct slot *slot, int in_a_row)
{
    int64_t ms = (int64_t)PAUSE_FIRST_MS << (in_a_row > 10 ? 10 : in_a_row - 1);

    slot->state = SLOT_PAUSED;
    set_timer(slot, ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : ms);
}

/* It could not even start: not the fault of the job that waits for it. */
static void
start_failed(struct slot *slot, const char *why)
{
    struct pool *pool = slot->pool;
    struct err err = ERR_INIT;

    pool->bad_starts++;
    log_line(LOG_INFO, "pool", "worker=%d start=%d msg=\"%s\"", slot->number,
             pool->bad_starts, why);
    if (pool->bad_starts < POOL_STARTS_MAX) {
        pause_slot(slot, pool->bad_starts);
        return;
    }
    slot->state = SLOT_EMPTY;
    (void)err_set(
        &err, -ENOTSUP,
        "no triage worker can be started in the sandbox (%s): %.700s; `nightjar doctor` "
        "checks the sandbox",
        sandbox_rung_name(pool->policy.rung), why);
    fail(pool, &err);
}

/* The worker has gone, or has to go. */
static void
lose(struct slot *slot, const char *why, bool by_itself)
{
    struct pool *pool = slot->pool;
    enum slot_state was = slot->state;
    AUTO(buf_clear) struct buf how = BUF_INIT;
    struct err err = ERR_INIT;

    buf_adds(&how, why);
    slot_reap(slot, by_itself, &how);
    slot->state = SLOT_EMPTY;
    if (pool->failed) {
        return;
    }
    if (was == SLOT_STARTING) {
        start_failed(slot, buf_str(&how));
        return;
    }
    if (was != SLOT_BUSY) {
        return; /* somebody killed an idle worker: the next job starts another */
    }
    AUTO(json_decref) json_t *job = STEAL(slot->job);
    pool->deaths++;
    pool->bad_ends++;
    if (slot_clean_folder(slot, &err) < 0) {
        fail(pool, &err);
        return;
    }
    slot->owes_ready = true;
    pool->config.died(pool->config.user, slot->number, job, buf_str(&how));
    pause_slot(slot, pool->bad_ends);
}

/* --- what comes from a worker --- */

static void
started(struct slot *slot, const char *line, size_t len)
{
    AUTO(json_decref) json_t *answer = NULL;
    struct err err = ERR_INIT;

    /* it has read nothing but our own text so far */
    if (json_parse(line, len, &answer, &err) < 0) {
        lose(slot, err.msg, false);
        return;
    }
    const char *error = json_get_str(answer, "error", NULL);
    if (error != NULL || json_get_int(answer, "job", -1) != 0) {
        lose(slot, error == NULL ? "it answered something else" : error, false);
        return;
    }
    slot->pool->bad_starts = 0;
    slot->state = SLOT_IDLE;
    set_timer(slot, 0);
    if (slot->job != NULL) {
        give(slot);
    }
}

static void
on_line(void *user, const char *line, size_t len)
{
    struct slot *slot = user;
    struct pool *pool = slot->pool;

    if (slot->state == SLOT_STARTING) {
        started(slot, line, len);
        return;
    }
    if (slot->state != SLOT_BUSY) {
        lose(slot, "it said something that nobody had asked for", false);
        return;
    }
    AUTO(json_decref) json_t *job = STEAL(slot->job);
    set_timer(slot, 0);
    slot->state = SLOT_IDLE;
    pool->bad_ends = 0;
    pool->config.answer(pool->config.user, slot->number, job, line, len);
    pool->config.ready(pool->config.user, slot->number);
}

static void
on_end(void *user, const struct err *why)
{
    bool ended = why->code == 0 || why->code == -EBADMSG;

    lose(user, ended ? "it ended" : why->msg, ended);
}

/* --- starting and giving --- */

static void
start(struct slot *slot)
{
    const struct channel_events events = {slot, on_line, on_end};
    AUTO(buf_clear) struct buf ignored = BUF_INIT;
    struct err err = ERR_INIT;

    slot->state = SLOT_STARTING;
    int rc = slot_spawn(slot, &events, &err);
    if (rc < 0) { /* this machine refuses it: the next try would end alike */
        slot_reap(slot, false, &ignored);
        slot->state = SLOT_EMPTY;
        (void)err_wrap(&err, rc, "start a triage worker");
        fail(slot->pool, &err);
        return;
    }
    set_timer(slot, POOL_START_MS);
}

static bool
same_json(const json_t *a, const json_t *b)
{
    return a == NULL || b == NULL ? a == b : json_equal(a, b) == 1;
}

/* How many of the known commands a worker must see for a request. Mostly those of the
 * request before. */
static size_t
needs_of(struct pool *pool, const json_t *request)
{
    json_t *wanted = json_object_get(request, "command");
    json_t *others = json_object_get(request, "builds");
    AUTO(command_clear) struct command command = {0};
    AUTO(build_list_clear) struct build_list builds = {0};
    struct err err = ERR_INIT;
    size_t needs = 0;

    if (same_json(wanted, pool->usual) && same_json(others, pool->usual_builds)) {
        return pool->usual_needs;
    }
    if (command_from_json(wanted, &command, &err) == 0) {
        needs = pool_policy_know(&pool->policy, &command);
    }
    (void)build_list_from_json(others, &builds, &err);
    for (size_t i = 0; i < builds.n; i++) {
        size_t too = pool_policy_know(&pool->policy, &builds.v[i].command);
        needs = too > needs ? too : needs;
    }
    json_decref(pool->usual);
    json_decref(pool->usual_builds);
    pool->usual = json_incref(wanted);
    pool->usual_builds = json_incref(others);
    pool->usual_needs = needs;
    return needs;
}

/* Bring the slot's job to a worker that can see what the job needs. */
static void
give(struct slot *slot)
{
    const json_t *request = json_object_get(slot->job, "request");
    size_t needs = needs_of(slot->pool, request);
    AUTO(buf_clear) struct buf ignored = BUF_INIT;
    struct err err = ERR_INIT;

    if (slot->state == SLOT_IDLE && slot->knows < needs) {
        slot_reap(slot, false, &ignored);
        slot->state = SLOT_EMPTY;
    }
    if (slot->state == SLOT_EMPTY) {
        start(slot);
        return;
    }
    slot->state = SLOT_BUSY;
    set_timer(slot, deadline_ms(slot->pool, request));
    if (channel_send(slot->channel, request, &err) < 0) {
        lose(slot, err.msg, false);
    }
}

void
pool_give(struct pool *pool, int slot, json_t *job)
{
    struct slot *at = &pool->slots[slot];

    assert(at->job == NULL && at->state != SLOT_BUSY && !at->owes_ready);
    if (pool->failed) {
        json_decref(job);
        return;
    }
    at->job = job;
    if (at->state == SLOT_EMPTY || at->state == SLOT_IDLE) {
        give(at); /* else when the start that was expected of it is through */
    }
}

void
pool_expect(struct pool *pool, const struct build_list *builds, size_t jobs)
{
    for (size_t i = 0; i < builds->n; i++) {
        (void)pool_policy_know(&pool->policy, &builds->v[i].command);
    }
    if (builds->n > 0 && pool->usual == NULL) {
        pool->usual = command_to_json(&builds->v[0].command);
    }
    for (int i = 0; i < pool->config.jobs && (size_t)i < jobs && !pool->failed; i++) {
        if (pool->slots[i].state == SLOT_EMPTY) {
            start(&pool->slots[i]);
        }
    }
}

void
pool_cancel(struct pool *pool, int slot)
{
    struct slot *at = &pool->slots[slot];
    AUTO(buf_clear) struct buf ignored = BUF_INIT;
    struct err err = ERR_INIT;

    if (at->job == NULL) {
        return;
    }
    json_decref(STEAL(at->job));
    slot_reap(at, false, &ignored);
    at->state = SLOT_EMPTY;
    if (slot_clean_folder(at, &err) < 0) {
        fail(pool, &err);
    }
}

void
pool_hurry(struct pool *pool, int slot)
{
    const struct slot *at = &pool->slots[slot];

    if (at->state == SLOT_BUSY) {
        (void)kill(at->proc.pid, SIGUSR1); /* the sandbox hands it on */
    }
}

/* --- the pool --- */

static int
make_slot(struct pool *pool, int number, struct err *err)
{
    struct slot *slot = &pool->slots[number];
    AUTO(mem_free) char *state = fs_absolute(pool->config.state);

    *slot = (struct slot){.pool = pool,
                          .number = number,
                          .proc = PROC_INIT,
                          .err_fd = -1,
                          .tail = BUF_INIT};
    slot->folder = mem_printf("%s/work/triage-%d", state, number + 1);
    return slot_clean_folder(slot, err);
}

static int
set_policy(struct pool *pool, struct err *err)
{
    const struct pool_config *config = &pool->config;
    struct pool_policy *policy = &pool->policy;
    AUTO(mem_free) char *state = fs_absolute(config->state);

    policy->rung = config->rung;
    strv_add(&policy->hide, state);
    if (config->hide != NULL) {
        strv_add_all(&policy->hide, config->hide);
    }
    int rc = config->program == NULL ? proc_self(&policy->program, err) : 0;
    if (config->program != NULL) {
        policy->program = fs_absolute(config->program);
    }
    return rc;
}

int
pool_new(const struct pool_config *config, struct pool **out, struct err *err)
{
    AUTO(pool_free) struct pool *pool = mem_alloc(sizeof(*pool));

    assert(config->jobs >= 1 && config->jobs <= POOL_JOBS_MAX);
    pool->config = *config;
    pool->slots = mem_array((size_t)config->jobs, sizeof(*pool->slots));
    pool->worker_path = mem_strdup("PATH=/usr/local/bin:/usr/bin:/bin");
    int rc = set_policy(pool, err);
    for (int i = 0; i < config->jobs; i++) { /* all of them, so that all can be freed */
        int made = make_slot(pool, i, err);
        rc = rc < 0 ? rc : made;
    }
    if (rc < 0) {
        return rc;
    }
    *out = STEAL(pool);
    return 0;
}

/* A sandbox takes some 15 ms to end: all of them do it at a time. */
void
pool_close(struct pool *pool)
{
    pool->failed = true; /* what they say from now on is nobody's business */
    for (int i = 0; i < pool->config.jobs; i++) {
        proc_end(&pool->slots[i].proc);
    }
}

void
pool_free(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pool_close(pool);
    for (int i = 0; i < pool->config.jobs; i++) {
        struct slot *slot = &pool->slots[i];
        AUTO(buf_clear) struct buf ignored = BUF_INIT;
        struct err err = ERR_INIT;
        slot_reap(slot, false, &ignored);
        json_decref(slot->job);
        (void)fs_remove(slot->folder, &err);
        mem_free(slot->folder);
    }
    mem_free(pool->slots);
    mem_free(pool->worker_path);
    json_decref(pool->usual);
    json_decref(pool->usual_builds);
    pool_policy_clear(&pool->policy);
    mem_free(pool);
}

const char *
pool_folder(const struct pool *pool, int slot)
{
    return pool->slots[slot].folder;
}

json_t *
pool_job(const struct pool *pool, int slot)
{
    return pool->slots[slot].job;
}

int
pool_jobs(const struct pool *pool)
{
    return pool->config.jobs;
}

int
pool_running(const struct pool *pool)
{
    int n = 0;

    for (int i = 0; i < pool->config.jobs; i++) {
        n += pool->slots[i].job != NULL;
    }
    return n;
}

int64_t
pool_deaths(const struct pool *pool)
{
    return pool->deaths;
}

bool
pool_owns(const struct pool *pool, pid_t pid)
{
    for (int i = 0; i < pool->config.jobs; i++) {
        if (pool->slots[i].proc.pid == pid) {
            return true;
        }
    }
    return false;
}
