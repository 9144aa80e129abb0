/* Between the files of a fuzzing worker; nobody else includes this. */
#ifndef ORCHESTRATOR_SUPERVISE_WORKER_PRIVATE_H
#define ORCHESTRATOR_SUPERVISE_WORKER_PRIVATE_H

#include "orchestrator/supervise/worker.h"

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
    struct buf line;      /* of output that has no newline yet */
    bool skip_line;       /* the rest of a line that was too long */
    bool asked;           /* this run was told to stop, or killed */
    bool was_ready;       /* in any run */
    bool ended_with_find; /* its last run: what follows is no fault of it */
    int64_t last_execs;   /* as the engine counted when we last looked */
    int64_t counted_ms;   /* when that last grew */
    uint64_t last_beats;
    int64_t last_reloaded;
    int stop_signal;
    int64_t started_ms, life_ms, slow_since_ms, poll_ms, scan_ms, tick_ms;
    int64_t news_ms;    /* productive time at the last new coverage */
    int64_t overdue_ms; /* when to act if the process is still there; 0: not */
    int64_t wake_ms;    /* end of the backoff */
    int64_t cpu_ms;     /* processor time at the last sample; -1: not known */
    int64_t sample_ms;  /* when that was */
    int64_t work_ms;    /* when it had last grown */
};

/* --- worker_health.c: what its engine's numbers say --- */

/* Take over what the engine counted since the last look. */
void worker_count(struct worker *worker, int64_t now);

/* Feed the machine what a running process shows: that it lives, how fast, anything new.
 */
void worker_check(struct worker *worker, int64_t now);

#endif
