#include "orchestrator/supervise/minute.h"

#include "base/mem.h"

/* Indices of control_cause_name(). */
enum cause {
    NO_WORKER,
    STALLED,
    ZERO_COVERAGE,
    SLOW,
    DISK,
    BUILD,
    CAUSES,
    NONE = CAUSES
};

struct watched { /* a worker, in this minute */
    size_t target;
    double meant_ms, running_ms;
    double fault_ms[CAUSES];
    int64_t execs_before, execs, edges;
    bool seen, steady, started;
};

struct minute {
    struct watched *workers;
    size_t n, targets;
    int jobs;
};

struct minute *
minute_new(size_t workers, size_t targets, int jobs)
{
    struct minute *minute = mem_alloc(sizeof(*minute));

    *minute = (struct minute){.workers = mem_array(workers, sizeof(struct watched)),
                              .n = workers,
                              .targets = targets,
                              .jobs = jobs};
    return minute;
}

void
minute_free(struct minute *minute)
{
    if (minute != NULL) {
        mem_free(minute->workers);
        mem_free(minute);
    }
}

/* NONE: it runs. */
static enum cause
cause_of(const struct minute_look *look)
{
    static const enum cause causes[WORKER_STATES] = {
        [WORKER_STARTING] = NONE,      [WORKER_RUNNING] = NONE,
        [WORKER_PLATEAUED] = NONE,     [WORKER_FROZEN] = STALLED,
        [WORKER_SLOW] = SLOW,          [WORKER_BACKOFF] = NO_WORKER,
        [WORKER_QUARANTINED] = BUILD,  [WORKER_PAUSED] = NO_WORKER,
        [WORKER_FINISHED] = NO_WORKER, [WORKER_DEAD] = BUILD};

    return look->held ? DISK : causes[look->state];
}

/* The share of the time in which it should have fuzzed: that of others is theirs. */
static double
meant(const struct minute *minute, const struct minute_look *look)
{
    double share =
        (size_t)minute->jobs >= minute->n ? 1 : (double)minute->jobs / (double)minute->n;
    bool absent = look->held || look->state == WORKER_BACKOFF ||
                  look->state == WORKER_QUARANTINED || look->state == WORKER_DEAD;

    return look->has_job ? 1 : absent ? share : 0;
}

void
minute_look(struct minute *minute, const struct minute_look *look, int64_t ms)
{
    struct watched *worker = &minute->workers[look->worker];
    double time = meant(minute, look) * (double)ms;
    enum cause cause = cause_of(look);

    if (!worker->seen) {
        worker->seen = true;
        worker->target = look->target;
        worker->execs_before = look->execs;
    }
    worker->steady = look->steady;
    worker->execs = look->execs;
    worker->edges = look->edges;
    worker->started = worker->started || look->state == WORKER_STARTING;
    worker->meant_ms += time;
    if (cause == NONE) {
        worker->running_ms += time;
    } else {
        worker->fault_ms[cause] += time;
    }
}

/* Why what ran was of no use; NONE: it was. While it starts it may not count yet. */
static enum cause
doubt(const struct watched *worker)
{
    if (worker->started) {
        return NONE;
    }
    return worker->steady && worker->execs <= worker->execs_before ? STALLED
           : worker->edges == 0                                    ? ZERO_COVERAGE
                                                                   : NONE;
}

static enum cause
worst_of(const double fault_ms[CAUSES])
{
    enum cause worst = NO_WORKER;

    for (enum cause c = NO_WORKER; c < CAUSES; c++) {
        worst = fault_ms[c] > fault_ms[worst] ? c : worst;
    }
    return worst;
}

bool
minute_slice(const struct minute *minute, size_t target, int64_t wall_ms,
             int64_t lasted_ms, struct control_slice *out)
{
    double fault_ms[CAUSES] = {0};
    double meant_ms = 0;
    double productive_ms = 0;

    for (size_t i = 0; i < minute->n; i++) {
        const struct watched *worker = &minute->workers[i];
        if (!worker->seen || worker->target != target) {
            continue;
        }
        enum cause why = doubt(worker);
        meant_ms += worker->meant_ms;
        productive_ms += why == NONE ? worker->running_ms : 0;
        for (enum cause c = NO_WORKER; c < CAUSES; c++) {
            fault_ms[c] += worker->fault_ms[c] + (c == why ? worker->running_ms : 0);
        }
    }
    *out = (struct control_slice){.minute = wall_ms / CONTROL_SLICE_MS,
                                  .counts = lasted_ms >= MINUTE_REST_MS,
                                  .scheduled_ms = (int64_t)meant_ms,
                                  .productive_ms = (int64_t)productive_ms};
    bool good = 2 * productive_ms >= meant_ms;
    out->cause = good ? "" : control_cause_name(worst_of(fault_ms));
    for (enum cause c = NO_WORKER; c < CAUSES; c++) {
        if (fault_ms[c] >= 1) {
            out->faults[out->n_faults++] =
                (struct control_fault){control_cause_name(c), (int64_t)fault_ms[c]};
        }
    }
    return out->scheduled_ms > 0;
}

void
minute_next(struct minute *minute)
{
    for (size_t i = 0; i < minute->n; i++) {
        struct watched *worker = &minute->workers[i];
        *worker = (struct watched){.target = worker->target,
                                   .seen = worker->seen,
                                   .execs_before = worker->execs,
                                   .execs = worker->execs,
                                   .edges = worker->edges};
    }
}
