#include "orchestrator/supervise/worker_private.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

enum { RESCAN_MS = 3000, KILL_AGAIN_MS = 2000 };

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
    worker->numbers.stability = -1;
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

    worker->ended_with_find = end == ENGINE_END_FOUND;
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
    worker_count(worker, now);
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
    worker->last_reloaded = 0;
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

static void
count_time(struct worker *worker, int64_t now)
{
    enum worker_state state = worker->machine.state;
    int64_t passed = worker->tick_ms == 0 ? 0 : now - worker->tick_ms;

    if (state == WORKER_RUNNING || state == WORKER_PLATEAUED) {
        worker->numbers.productive_ms += passed;
    } else if (state == WORKER_FROZEN || state == WORKER_QUARANTINED ||
               state == WORKER_DEAD ||
               (state == WORKER_BACKOFF && worker->machine.bad_ends > 0 &&
                !worker->ended_with_find)) {
        worker->numbers.lost_ms += passed;
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
        worker_count(worker, now);
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
        worker_check(worker, now);
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
    json_put(message, "edges_known", json_integer(numbers->edges_known));
    json_put(message, "stability", json_real(numbers->stability));
    json_put(message, "productive_ms", json_integer(numbers->productive_ms));
    json_put(message, "reason", json_text(worker->reason));
    return message;
}
