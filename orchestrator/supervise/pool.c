#include "orchestrator/supervise/pool.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "orchestrator/supervise/channel.h"
#include "orchestrator/supervise/pool_policy.h"
#include "triage/build.h"
#include "triage/limit.h"
#include "triage/native.h"
#include "triage/worker.h"

enum {
    TAIL_MAX = 600, /* bytes kept of a worker's standard error */
    ENDING_MS = 300,
    PAUSE_FIRST_MS = 100, /* after a death; doubles with each further one in a row */
    PAUSE_MAX_MS = 30000,
    RUN_SLACK_MS = 1000, /* of each single run: starting and reading it */
};

enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY, SLOT_PAUSED };

struct slot {
    struct pool *pool;
    int number;
    enum slot_state state;
    char *folder;
    struct proc proc;
    struct channel *channel;
    int err_fd;
    struct buf tail;
    sd_event_source *err_source, *timer;
    size_t knows; /* of the pool's known commands */
    json_t *job;
};

struct pool {
    struct pool_config config;
    struct pool_policy policy;
    struct slot *slots;
    int bad_starts; /* in a row */
    int bad_ends;   /* deaths of a job in a row */
    int64_t deaths;
    bool failed;
    char *worker_path; /* PATH of the workers' environment */
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
        } else {
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

/* What it said last, on one line. */
static void
add_tail(const struct slot *slot, struct buf *how)
{
    AUTO(buf_clear) struct buf clean = BUF_INIT;

    str_clean(&clean, buf_str(&slot->tail), slot->tail.len);
    while (clean.len > 0 && strchr("\n ", clean.data[clean.len - 1]) != NULL) {
        buf_cut(&clean, clean.len - 1);
    }
    for (size_t i = 0; i < clean.len; i++) {
        if (clean.data[i] == '\n') {
            clean.data[i] = ' ';
        }
    }
    buf_addf(how, "%s%s", clean.len > 0 ? ": " : "", buf_str(&clean));
}

/* Kill and reap it, and append how it ended and what it said last to `how`. A worker that
 * ends by itself is given a moment to do so: its exit status tells more than our signal.
 */
static void
reap(struct slot *slot, bool by_itself, struct buf *how)
{
    struct err ignored = ERR_INIT;
    int status = 0;
    char text[80];

    set_timer(slot, 0);
    channel_free(STEAL(slot->channel));
    if (slot->proc.pid > 0 && by_itself &&
        proc_wait(&slot->proc, ENDING_MS, &status, &ignored) == 0) {
        proc_status_show(text, sizeof(text), status);
        buf_addf(how, " (%s)", text);
    }
    proc_clear(&slot->proc);
    if (slot->err_fd >= 0) { /* what it said just before its end */
        (void)fd_read_some(slot->err_fd, &slot->tail, TAIL_MAX, &ignored);
    }
    slot->err_source = sd_event_source_disable_unref(slot->err_source);
    fd_close(FD_STEAL(slot->err_fd));
    add_tail(slot, how);
    buf_clear(&slot->tail);
}

/* A worker that was taken over may have left anything there. */
static int
clean_folder(struct slot *slot, struct err *err)
{
    int rc = fs_remove(slot->folder, err);

    return rc < 0 ? rc : sandbox_mkdir(slot->folder, err);
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
    reap(slot, by_itself, &how);
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
    if (clean_folder(slot, &err) < 0) {
        fail(pool, &err);
        return;
    }
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

static int
on_stderr(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct slot *slot = user;
    struct err err = ERR_INIT;

    (void)events;
    int rc = fd_read_some(fd, &slot->tail, SIZE_MAX, &err);
    if (rc <= 0 && rc != -EAGAIN) {
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    }
    if (slot->tail.len > TAIL_MAX) {
        buf_drop(&slot->tail, slot->tail.len - TAIL_MAX);
    }
    return 0;
}

/* --- starting a worker --- */

struct pipes {
    int in[2], out[2], err[2];
};

static void
pipes_clear(struct pipes *pipes)
{
    int *all[] = {pipes->in, pipes->out, pipes->err};

    for (size_t i = 0; i < COUNT(all); i++) {
        fd_close(all[i][0]);
        fd_close(all[i][1]);
    }
}
AUTO_DEFINE_CLEAR(struct pipes, pipes_clear)

static int
spawn(struct slot *slot, struct pipes *pipes, struct err *err)
{
    struct pool *pool = slot->pool;
    AUTO(strv_clear) struct strv argv = {0};
    char *envp[] = {pool->worker_path, (char[]){"LANG=C.UTF-8"}, (char[]){"TZ=UTC"},
                    (char[]){"HOME=/nonexistent"}, NULL};
    int rc = pool_policy_wrap(&pool->policy, slot->folder, &argv, err);

    rc = rc < 0 ? rc : fd_pipe(pipes->in, err);
    rc = rc < 0 ? rc : fd_pipe(pipes->out, err);
    rc = rc < 0 ? rc : fd_pipe(pipes->err, err);
    rc = rc < 0 ? rc : fd_set_nonblock(pipes->err[0], true, err);
    if (rc < 0) {
        return rc;
    }
    const struct proc_spec spec = {.argv = argv.v,
                                   .envp = envp,
                                   .in_fd = pipes->in[0],
                                   .out_fd = pipes->out[1],
                                   .err_fd = pipes->err[1]};
    return proc_spawn(&spec, &slot->proc, err);
}

static int
watch(struct slot *slot, struct pipes *pipes, struct err *err)
{
    struct pool *pool = slot->pool;

    int from = FD_STEAL(pipes->out[0]);
    int to = FD_STEAL(pipes->in[1]);

    slot->err_fd = FD_STEAL(pipes->err[0]);
    int rc = sd_event_add_io(pool->config.event, &slot->err_source, slot->err_fd, EPOLLIN,
                             on_stderr, slot);
    if (rc < 0) {
        fd_close(from);
        fd_close(to);
        return err_set(err, rc, "watch a pipe: %s", strerror(-rc));
    }
    const struct channel_config config = {.event = pool->config.event,
                                          .in_fd = from,
                                          .out_fd = to,
                                          .line_max = WORKER_LINE_MAX,
                                          .queue_max = WORKER_LINE_MAX,
                                          .events = {slot, on_line, on_end}};
    return channel_new(&config, &slot->channel, err);
}

/* The first job: a report's text of our own. Its answer shows that everything stands. */
static int
say_hello(struct slot *slot, struct err *err)
{
    static const char text[] = "nightjar: a worker's first text\n";
    AUTO(mem_free) char *path = fs_join(slot->folder, "hello");
    AUTO(json_decref) json_t *request = json_object();
    int rc = fs_write(path, text, sizeof(text) - 1, 0644, err);

    if (rc < 0) {
        return rc;
    }
    json_put(request, "job", json_integer(0));
    json_put(request, "op", json_string("report"));
    json_put(request, "input", json_name(path));
    json_put(request, "options", json_object());
    return channel_send(slot->channel, request, err);
}

static void
start(struct slot *slot)
{
    AUTO(pipes_clear) struct pipes pipes = {{-1, -1}, {-1, -1}, {-1, -1}};
    AUTO(buf_clear) struct buf ignored = BUF_INIT;
    struct err err = ERR_INIT;

    slot->state = SLOT_STARTING;
    slot->knows = slot->pool->policy.keys.n;
    int rc = spawn(slot, &pipes, &err);
    rc = rc < 0 ? rc : watch(slot, &pipes, &err);
    rc = rc < 0 ? rc : say_hello(slot, &err);
    if (rc < 0) { /* this machine refuses it: the next try would end alike */
        reap(slot, false, &ignored);
        slot->state = SLOT_EMPTY;
        (void)err_wrap(&err, rc, "start a triage worker");
        fail(slot->pool, &err);
        return;
    }
    set_timer(slot, POOL_START_MS);
}

/* Bring the slot's job to a worker that can see what the job needs. */
static void
give(struct slot *slot)
{
    const json_t *request = json_object_get(slot->job, "request");
    AUTO(command_clear) struct command command = {0};
    AUTO(build_list_clear) struct build_list builds = {0};
    AUTO(buf_clear) struct buf ignored = BUF_INIT;
    struct err err = ERR_INIT;
    size_t needs = 0;

    if (command_from_json(json_object_get(request, "command"), &command, &err) == 0) {
        needs = pool_policy_know(&slot->pool->policy, &command);
    }
    (void)build_list_from_json(json_object_get(request, "builds"), &builds, &err);
    for (size_t i = 0; i < builds.n; i++) {
        size_t too = pool_policy_know(&slot->pool->policy, &builds.v[i].command);
        needs = too > needs ? too : needs;
    }
    if (slot->state == SLOT_IDLE && slot->knows < needs) {
        reap(slot, false, &ignored);
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

    assert(at->job == NULL && (at->state == SLOT_EMPTY || at->state == SLOT_IDLE));
    if (pool->failed) {
        json_decref(job);
        return;
    }
    at->job = job;
    give(at);
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
    reap(at, false, &ignored);
    at->state = SLOT_EMPTY;
    if (clean_folder(at, &err) < 0) {
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
    return clean_folder(slot, err);
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

void
pool_free(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (int i = 0; i < pool->config.jobs; i++) {
        struct slot *slot = &pool->slots[i];
        AUTO(buf_clear) struct buf ignored = BUF_INIT;
        struct err err = ERR_INIT;
        reap(slot, false, &ignored);
        json_decref(slot->job);
        (void)fs_remove(slot->folder, &err);
        mem_free(slot->folder);
    }
    mem_free(pool->slots);
    mem_free(pool->worker_path);
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
