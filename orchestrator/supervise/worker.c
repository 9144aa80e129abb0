#include "orchestrator/supervise/worker.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    RESCAN_MS = 3000,
    KILL_AGAIN_MS = 2000,
    CPU_SAMPLE_MS = 5000,
    EXECS_PER_MS_MAX = 20000, /* twenty million a second */
    EXECS_SLACK_MS = 2000,
    CPU_ALIVE_MS = 50, /* processor time within a sample that is a sign of life */
};

struct worker {
    struct worker_config config;
    struct engine_job job;
    char *name;
    struct machine machine;
    struct inbox_source *source;
    struct execution *execution; /* NULL: no process */
    struct engine_view view;
    struct worker_numbers numbers;
    char reason[ENGINE_REASON_MAX];
    struct buf line;    /* of output that has no newline yet */
    bool skip_line;     /* the rest of a line that was too long */
    bool asked;         /* this run was told to stop, or killed */
    bool was_ready;     /* in any run */
    int64_t last_execs; /* as the engine counted when we last looked */
    int64_t counted_ms; /* when that last grew */
    uint64_t last_beats;
    int stop_signal;
    int64_t started_ms, life_ms, slow_since_ms, poll_ms, scan_ms, tick_ms;
    int64_t news_ms;    /* productive time at the last new coverage */
    int64_t overdue_ms; /* when to act if the process is still there; 0: not */
    int64_t wake_ms;    /* end of the backoff */
    int64_t cpu_ms;     /* processor time at the last sample; -1: not known */
    int64_t sample_ms;  /* when that was */
    int64_t work_ms;    /* when it had last grown */
};

static void feed(struct worker *worker, enum worker_event event,
                 const struct worker_end *end);

/* --- life of the object --- */

struct worker *
worker_new(const struct worker_config *config)
{
    struct worker *worker = mem_alloc(sizeof(*worker));

    worker->config = *config;
    worker->name =
        mem_printf("%s-%s-%d", config->target->name, config->ops->name, config->number);
    worker->job = (struct engine_job){.target = config->target,
                                      .caps = config->caps,
                                      .folder = config->folder,
                                      .seeds = config->seeds,
                                      .state = config->state,
                                      .number = config->number,
                                      .count = config->count,
                                      .cpu = -1,
                                      .for_ms = config->for_ms,
                                      .sliced = config->sliced};
    uint64_t seed = (uint64_t)clock_wall_ms() * 2654435761U + (uint64_t)(uintptr_t)worker;
    machine_init(&worker->machine, &config->ops->policy, seed);
    engine_view_begin(&worker->view);
    worker->source = inbox_add(config->inbox, config->ops, &worker->job);
    return worker;
}

void
worker_free(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    worker->config.executor->free(worker->execution);
    engine_view_clear(&worker->view);
    buf_clear(&worker->line);
    mem_free(worker->name);
    mem_free(worker);
}

const char *
worker_name(const struct worker *worker)
{
    return worker->name;
}

const struct target *
worker_target(const struct worker *worker)
{
    return worker->config.target;
}

const struct engine_ops *
worker_engine(const struct worker *worker)
{
    return worker->config.ops;
}

enum worker_state
worker_state(const struct worker *worker)
{
    return worker->machine.state;
}

const char *
worker_reason(const struct worker *worker)
{
    return worker->reason;
}

const struct worker_numbers *
worker_numbers(const struct worker *worker)
{
    return &worker->numbers;
}

bool
worker_alive(const struct worker *worker)
{
    return worker->execution != NULL;
}

pid_t
worker_pid(const struct worker *worker)
{
    return worker->execution == NULL ? 0
                                     : worker->config.executor->pid(worker->execution);
}

bool
worker_was_ready(const struct worker *worker)
{
    return worker->was_ready;
}

int64_t
worker_rest_ms(const struct worker *worker)
{
    int64_t left = worker->wake_ms - clock_mono_ms();

    return worker->machine.state == WORKER_BACKOFF && left > 0 ? left : 0;
}

void
worker_carry_on(struct worker *worker, int64_t execs, int64_t restarts,
                int64_t productive_ms)
{
    worker->numbers.execs = execs;
    worker->numbers.restarts = restarts;
    worker->numbers.productive_ms = productive_ms;
    worker->news_ms = productive_ms;
}

/* --- what it prints --- */

static void
end_line(struct worker *worker)
{
    struct buf *text = &worker->line;

    for (size_t i = 0; i < text->len; i++) {
        if (text->data[i] == '\0') {
            text->data[i] = '?';
        }
    }
    worker->config.ops->line(&worker->job, &worker->view, buf_str(text), text->len);
    buf_cut(text, 0);
}

static void
on_output(void *user, const char *data, size_t len)
{
    struct worker *worker = user;

    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            end_line(worker);
            worker->skip_line = false;
        } else if (!worker->skip_line) {
            buf_addc(&worker->line, data[i]);
            worker->skip_line = worker->line.len >= ENGINE_LINE_MAX;
        }
    }
}

/* --- numbers --- */

/* Counts go on over restarts: what the engine counted since we last looked is added. What
 * no processor can do was not counted by an engine: a target may print lines like its
 * engine's. */
static bool
count_execs(struct worker *worker, int64_t now)
{
    int64_t delta = worker->view.execs - worker->last_execs;
    int64_t most = (now - worker->counted_ms + EXECS_SLACK_MS) * EXECS_PER_MS_MAX;

    if (worker->view.execs < 0 || delta <= 0 || delta > most) {
        return false;
    }
    worker->numbers.execs += delta;
    worker->last_execs = worker->view.execs;
    worker->counted_ms = now;
    return true;
}

static bool
raise_to(int64_t *value, int64_t seen)
{
    if (seen <= *value) {
        return false;
    }
    *value = seen;
    return true;
}

static void
update_numbers(struct worker *worker, int64_t now)
{
    struct engine_view *view = &worker->view;
    bool moved = count_execs(worker, now);

    if (moved || view->beats != worker->last_beats) {
        worker->last_beats = view->beats;
        worker->life_ms = now;
    }
    bool news = raise_to(&worker->numbers.edges, view->edges);
    news = raise_to(&worker->numbers.corpus, view->corpus) || news;
    if (news) {
        worker->news_ms = worker->numbers.productive_ms;
    }
    worker->numbers.execs_per_sec = worker->execution == NULL ? 0 : view->execs_per_sec;
    worker->was_ready = worker->was_ready || view->ready;
}

/* --- its end --- */

/* What a failed run printed last, for a person; beside the worker's folder, which is not
 * ours. */
static void
write_log(const struct worker *worker)
{
    AUTO(mem_free)
    char *path = mem_printf("%s-%d.log", worker->config.folder, worker->job.number);
    AUTO(buf_clear) struct buf plain = {.max = WORKER_LOG_MAX};

    engine_plain(&plain, buf_str(&worker->view.tail), worker->view.tail.len);
    (void)fs_write(path, buf_str(&plain), plain.len, 0600, NULL);
}

static enum worker_event
judge_end(struct worker *worker, int status)
{
    static const enum worker_event events[] = {[ENGINE_END_DONE] = WORKER_ENDED,
                                               [ENGINE_END_BROKEN] = WORKER_FAILED,
                                               [ENGINE_END_HOPELESS] = WORKER_HOPELESS};
    const struct engine_ops *ops = worker->config.ops;
    char reason[ENGINE_REASON_MAX] = "";
    enum engine_end end = ops->classify(&worker->view, status, reason);
    bool frozen = worker->machine.state == WORKER_FROZEN;

    if (ops->repair(&worker->job, &worker->view, NULL) == 1) {
        worker->job.repaired = true;
        return WORKER_REPAIRED;
    }
    if (worker->asked && !frozen) {
        return WORKER_ENDED; /* whatever it answered to that */
    }
    if (end == ENGINE_END_FOUND && worker->view.ready) {
        return WORKER_FOUND;
    }
    if (end == ENGINE_END_FOUND) {
        end = ENGINE_END_BROKEN; /* a find that stands in the way of all others */
    }
    if (end == ENGINE_END_DONE) {
        (void)snprintf(reason, sizeof(reason), "it ended by itself");
    }
    if (!frozen) { /* then the reason is that it was */
        (void)snprintf(worker->reason, sizeof(worker->reason), "%s", reason);
    }
    return events[end];
}

static void
on_gone(void *user, int status)
{
    struct worker *worker = user;
    int64_t now = clock_mono_ms();

    if (worker->line.len > 0) {
        end_line(worker);
    }
    worker->config.executor->free(worker->execution);
    worker->execution = NULL;
    worker->overdue_ms = 0;
    worker->config.ops->poll(&worker->job, &worker->view);
    update_numbers(worker, now);
    worker_look(worker, INBOX_SETTLED);
    enum worker_event event = judge_end(worker, status);
    worker_look(worker, INBOX_SETTLED | INBOX_TIDY);
    log_line(LOG_DEBUG, "worker", "name=%s status=%d event=%d ran_ms=%lld", worker->name,
             status, (int)event, (long long)(now - worker->started_ms));
    if (event == WORKER_FAILED || event == WORKER_HOPELESS) {
        write_log(worker);
    }
    if (worker->view.ready && worker->machine.state == WORKER_STARTING) {
        feed(worker, WORKER_ALIVE, NULL); /* it was too short for a tick */
    }
    const struct worker_end end = {now - worker->started_ms, worker->view.ready,
                                   worker->view.find_key};
    feed(worker, event, &end);
}

/* --- its start --- */

static int
start(struct worker *worker, struct err *err)
{
    AUTO(engine_command_clear) struct engine_command command = {0};
    const struct engine_ops *ops = worker->config.ops;

    engine_view_begin(&worker->view);
    int rc = ops->prepare(&worker->job, &worker->view, err);
    rc = rc < 0 ? rc : ops->command(&worker->job, &command, err);
    if (rc < 0) {
        return rc;
    }
    worker->stop_signal = command.stop_signal;
    const struct executor_spec spec = {.event = worker->config.event,
                                       .argv = &command.argv,
                                       .env = &command.env,
                                       .policy = &command.policy,
                                       .rung = worker->config.rung,
                                       .nice = WORKER_NICE,
                                       .user = worker,
                                       .output = on_output,
                                       .gone = on_gone};
    return worker->config.executor->start(&spec, &worker->execution, err);
}

static bool
begin(struct worker *worker)
{
    struct err err = ERR_INIT;
    int64_t now = clock_mono_ms();

    worker->asked = false;
    worker->skip_line = false;
    buf_cut(&worker->line, 0);
    worker->started_ms = now;
    worker->counted_ms = now;
    worker->life_ms = now;
    worker->poll_ms = now;
    worker->work_ms = now;
    worker->sample_ms = now;
    worker->cpu_ms = -1;
    worker->slow_since_ms = 0;
    if (start(worker, &err) < 0) {
        (void)snprintf(worker->reason, sizeof(worker->reason), "%.*s",
                       ENGINE_REASON_MAX - 1, err.msg);
        return false;
    }
    worker->reason[0] = '\0';
    worker->last_execs = worker->config.ops->counts_on ? worker->view.base_execs : 0;
    worker->last_beats = 0;
    return true;
}

/* --- events and actions --- */

static void
kill_it(struct worker *worker, int64_t now)
{
    if (worker->execution != NULL) {
        worker->asked = true;
        worker->config.executor->kill(worker->execution);
        worker->overdue_ms = now + KILL_AGAIN_MS;
    }
}

static void
ask_it(struct worker *worker, int64_t now)
{
    if (worker->execution != NULL && !worker->asked) {
        worker->asked = true;
        worker->config.executor->ask(worker->execution, worker->stop_signal);
        worker->overdue_ms = now + worker->config.ops->policy.grace_ms;
    }
}

/* One line for a person: "NAME: quarantined: REASON". */
static void
say(struct worker *worker)
{
    const struct machine *machine = &worker->machine;
    AUTO(buf_clear) struct buf text = BUF_INIT;
    char wait[32] = "";

    buf_adds(&text, worker_state_name(machine->state));
    if (worker->reason[0] != '\0') {
        buf_addf(&text, ": %s", worker->reason);
    }
    if (machine->state == WORKER_BACKOFF) {
        str_duration_show(wait, sizeof(wait), machine->wait_ms);
        buf_addf(&text, "; starts again in %s", wait);
    }
    if (machine->state == WORKER_QUARANTINED) {
        buf_addf(&text, " (last output: %s-%d.log)", worker->config.folder,
                 worker->job.number);
    }
    worker->config.events.say(worker->config.events.user, worker, buf_str(&text));
}

/* One event; whether a start is due. */
static bool
apply(struct worker *worker, enum worker_event event, const struct worker_end *end)
{
    enum worker_state before = worker->machine.state;
    int64_t now = clock_mono_ms();
    unsigned actions = machine_feed(&worker->machine, event, end);

    if ((actions & WORKER_DO_WAIT) != 0) {
        worker->wake_ms = now + worker->machine.wait_ms;
        worker->numbers.restarts++;
    }
    if ((actions & WORKER_DO_KILL) != 0) {
        kill_it(worker, now);
    }
    if ((actions & WORKER_DO_ASK) != 0) {
        ask_it(worker, now);
    }
    if ((actions & WORKER_DO_SAY) != 0) {
        say(worker);
    }
    if (worker->machine.state != before) {
        log_line(LOG_DEBUG, "worker", "name=%s from=%s to=%s execs=%lld reason=\"%s\"",
                 worker->name, worker_state_name(before),
                 worker_state_name(worker->machine.state),
                 (long long)worker->numbers.execs, worker->reason);
        worker->config.events.changed(worker->config.events.user, worker);
    }
    return (actions & WORKER_DO_START) != 0;
}

static void
feed(struct worker *worker, enum worker_event event, const struct worker_end *end)
{
    if (apply(worker, event, end) && !begin(worker)) {
        (void)apply(worker, WORKER_UNSTARTABLE, NULL);
    }
}

void
worker_go(struct worker *worker, int cpu)
{
    worker->job.cpu = cpu;
    feed(worker, WORKER_GO, NULL);
}

void
worker_feed(struct worker *worker, enum worker_event event)
{
    feed(worker, event, NULL);
}

/* --- clocks --- */

/* A process that uses no processor at all is stopped or blocked, however long its engine
 * may be silent. */
static bool
is_idle(struct worker *worker, int64_t now, int64_t limit)
{
    if (now - worker->sample_ms >= CPU_SAMPLE_MS &&
        now - worker->life_ms >= CPU_SAMPLE_MS) {
        int64_t cpu = worker->config.executor->cpu_ms(worker->execution);
        if (cpu < 0 || worker->cpu_ms < 0 || cpu - worker->cpu_ms >= CPU_ALIVE_MS) {
            worker->work_ms = now;
        }
        worker->cpu_ms = cpu;
        worker->sample_ms = now;
    }
    return now - worker->life_ms >= limit && now - worker->work_ms >= limit;
}

/* One run may take as long as the target's limit says, and nothing is heard of it
 * meanwhile. */
static int64_t
frozen_limit(const struct worker *worker)
{
    const struct engine_policy *policy = &worker->config.ops->policy;
    int64_t limit = worker->view.ready ? policy->frozen_ms : policy->start_ms;
    int64_t run = 2 * worker->config.target->timeout_ms + 10000;

    return run > limit ? run : limit;
}

static void
check_life(struct worker *worker, int64_t now)
{
    int64_t limit = frozen_limit(worker);
    int64_t patience =
        worker->view.patience_ms > limit ? worker->view.patience_ms : limit;
    char silence[32];

    if (now - worker->life_ms < patience && !is_idle(worker, now, limit)) {
        return;
    }
    str_duration_show(silence, sizeof(silence), now - worker->life_ms);
    (void)snprintf(worker->reason, sizeof(worker->reason), "no sign of life for %s",
                   silence);
    feed(worker, WORKER_SILENT, NULL);
}

static void
check_speed(struct worker *worker, int64_t now)
{
    const struct engine_policy *policy = &worker->config.ops->policy;

    if (worker->view.execs_per_sec >= policy->slow_per_s || worker->view.execs < 0) {
        worker->slow_since_ms = 0;
        feed(worker, WORKER_AT_SPEED, NULL);
        return;
    }
    worker->slow_since_ms = worker->slow_since_ms == 0 ? now : worker->slow_since_ms;
    if (now - worker->slow_since_ms >= policy->slow_after_ms) {
        feed(worker, WORKER_BELOW_SPEED, NULL);
    }
}

static void
check_run(struct worker *worker, int64_t now)
{
    if (worker->view.ready && worker->machine.state == WORKER_STARTING) {
        feed(worker, WORKER_ALIVE, NULL);
    }
    check_speed(worker, now);
    bool flat = worker->numbers.productive_ms - worker->news_ms >=
                worker->config.ops->policy.plateau_ms;
    feed(worker, flat ? WORKER_NO_NEWS : WORKER_NEWS, NULL);
    check_life(worker, now);
}

static void
count_time(struct worker *worker, int64_t now)
{
    enum worker_state state = worker->machine.state;

    if (worker->tick_ms != 0 && (state == WORKER_RUNNING || state == WORKER_PLATEAUED)) {
        worker->numbers.productive_ms += now - worker->tick_ms;
    }
    worker->tick_ms = now;
}

void
worker_tick(struct worker *worker)
{
    int64_t now = clock_mono_ms();

    count_time(worker, now);
    if (worker->execution != NULL && now - worker->poll_ms >= WORKER_POLL_MS) {
        worker->poll_ms = now;
        worker->config.ops->poll(&worker->job, &worker->view);
    }
    if (worker->execution != NULL) {
        update_numbers(worker, now);
    }
    if (now - worker->scan_ms >= RESCAN_MS) {
        worker->scan_ms = now;
        worker_look(worker, worker->execution == NULL ? INBOX_SETTLED | INBOX_TIDY : 0);
    }
    if (worker->execution != NULL && worker->overdue_ms != 0 &&
        now >= worker->overdue_ms) {
        worker->overdue_ms = now + KILL_AGAIN_MS;
        feed(worker, WORKER_OVERDUE, NULL);
    }
    if (worker->machine.state == WORKER_BACKOFF && now >= worker->wake_ms) {
        feed(worker, WORKER_WAITED, NULL);
    }
    if (worker->execution != NULL && !worker->asked &&
        worker_state_busy(worker->machine.state)) {
        check_run(worker, now);
    }
}

void
worker_look(struct worker *worker, unsigned flags)
{
    worker->numbers.finds += inbox_look(worker->source, flags);
    for (size_t i = 0; i < worker->view.bad_seeds.n; i++) {
        inbox_take(worker->source, worker->view.bad_seeds.v[i]);
    }
    strv_clear(&worker->view.bad_seeds);
}

json_t *
worker_message(const struct worker *worker)
{
    const struct worker_numbers *numbers = &worker->numbers;
    json_t *message = json_object();

    json_put(message, "op", json_string("worker"));
    json_put(message, "name", json_text(worker->name));
    json_put(message, "target", json_text(worker->config.target->name));
    json_put(message, "engine", json_string(worker->config.ops->name));
    json_put(message, "state", json_string(worker_state_name(worker->machine.state)));
    json_put(message, "pid", json_integer(worker_pid(worker)));
    json_put(message, "restarts", json_integer(numbers->restarts));
    json_put(message, "execs", json_integer(numbers->execs));
    json_put(message, "execs_per_sec", json_real(numbers->execs_per_sec));
    json_put(message, "edges", json_integer(numbers->edges));
    json_put(message, "corpus", json_integer(numbers->corpus));
    json_put(message, "productive_ms", json_integer(numbers->productive_ms));
    json_put(message, "reason", json_text(worker->reason));
    return message;
}
