/*
 * How well a campaign's workers run, minute by minute and target by target: what the
 * service level of fuzzing itself is measured by. Every tick tells what each worker is
 * doing; at the end of a minute that becomes a slice (triage/control.h) for each target
 * that was meant to be fuzzed in it:
 *
 *   meant       a worker that has a job, or would have one if it were not given up, or if
 *               its target were not held: of those without a job the share of workers
 * that have one at a time productive  it runs (calibration and trimming are part of
 * that), its executions grew within the minute (where the engine says so steadily; else
 * the worker's own watch over signs of life stands for that), and it has seen an edge
 *   good        at least half of the meant time was productive (the quorum)
 *
 * A target whose turn it was not has no slice. Pure: no process, no clock, no output.
 */
#ifndef ORCHESTRATOR_SUPERVISE_MINUTE_H
#define ORCHESTRATOR_SUPERVISE_MINUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "orchestrator/supervise/state.h"
#include "triage/control.h"

enum {
    MINUTE_REST_MS = 10 * 1000
}; /* what is left at the end counts as a slice from here */

/* One worker, now. */
struct minute_look {
    size_t worker, target; /* indices, the same all the time */
    enum worker_state state;
    bool has_job;
    bool held;     /* its target is */
    bool steady;   /* its engine tells several times a minute how many executions */
    int64_t execs; /* over all runs */
    int64_t edges;
};

struct minute;

struct minute *minute_new(size_t workers, size_t targets, int jobs)
    __attribute__((returns_nonnull));
void minute_free(struct minute *minute);
AUTO_DEFINE(struct minute *, minute_free)

/* What a worker has been doing for `ms` until now. */
void minute_look(struct minute *minute, const struct minute_look *look, int64_t ms);

/* End the minute: the slice of a target, which began at wall_ms and lasted so long; false
 * when it was not meant to be fuzzed. Causes are constants. */
bool minute_slice(const struct minute *minute, size_t target, int64_t wall_ms,
                  int64_t lasted_ms, struct control_slice *out);

/* Begin the next minute. */
void minute_next(struct minute *minute);

#endif
