#include "orchestrator/supervise/worker_private.h"

#include <stdio.h>

#include "base/str.h"

enum {
    CPU_SAMPLE_MS = 5000,
    EXECS_PER_MS_MAX = 20000, /* twenty million a second */
    EXECS_SLACK_MS = 2000,
    CPU_ALIVE_MS = 50, /* processor time within a sample that is a sign of life */
};

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

void
worker_count(struct worker *worker, int64_t now)
{
    struct engine_view *view = &worker->view;
    bool moved = count_execs(worker, now);

    if (moved || view->beats != worker->last_beats) {
        worker->last_beats = view->beats;
        worker->life_ms = now;
    }
    worker->numbers.reloaded += view->reloaded - worker->last_reloaded;
    worker->last_reloaded = view->reloaded;
    bool news = raise_to(&worker->numbers.edges, view->edges);
    news = raise_to(&worker->numbers.corpus, view->corpus) || news;
    (void)raise_to(&worker->numbers.edges_known, view->edges_known);
    if (view->stability >= 0) {
        worker->numbers.stability = view->stability;
    }
    if (news) {
        worker->news_ms = worker->numbers.productive_ms;
    }
    worker->numbers.execs_per_sec = worker->execution == NULL ? 0 : view->execs_per_sec;
    worker->was_ready = worker->was_ready || view->ready;
}

/* --- its health --- */

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
    worker_feed(worker, WORKER_SILENT);
}

static void
check_speed(struct worker *worker, int64_t now)
{
    const struct engine_policy *policy = &worker->config.ops->policy;

    if (worker->view.execs_per_sec >= policy->slow_per_s || worker->view.execs < 0) {
        worker->slow_since_ms = 0;
        worker_feed(worker, WORKER_AT_SPEED);
        return;
    }
    worker->slow_since_ms = worker->slow_since_ms == 0 ? now : worker->slow_since_ms;
    if (now - worker->slow_since_ms >= policy->slow_after_ms) {
        worker_feed(worker, WORKER_BELOW_SPEED);
    }
}

void
worker_check(struct worker *worker, int64_t now)
{
    if (worker->view.ready && worker->machine.state == WORKER_STARTING) {
        worker_feed(worker, WORKER_ALIVE);
    }
    check_speed(worker, now);
    bool flat = worker->numbers.productive_ms - worker->news_ms >=
                worker->config.ops->policy.plateau_ms;
    worker_feed(worker, flat ? WORKER_NO_NEWS : WORKER_NEWS);
    check_life(worker, now);
}
