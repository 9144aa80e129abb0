/*
 * How well the fuzzers were running: a target's minutes in which it was to be fuzzed,
 * good or bad, and the time of workers that was meant and used. Fuzzing is a security
 * control; one that silently does not run is an outage.
 */
#ifndef TRIAGE_CONTROL_H
#define TRIAGE_CONTROL_H

#include "triage/store.h"

enum {
    CONTROL_SLICE_MS = 60000,
    CONTROL_RUN_MAX = 60, /* slices of a stored run */
    CONTROL_CAUSES_MAX = 8,
};

/* Why a slice is bad: no_worker stalled zero_coverage slow disk build. NULL behind the
 * last. */
const char *control_cause_name(size_t i);

struct control_fault {
    const char *cause;
    int64_t ms; /* of workers */
};

struct control_slice {
    int64_t minute;    /* since 1970 */
    bool counts;       /* as a slice; else a rest that is too short: only its times do */
    const char *cause; /* ""; good */
    int64_t scheduled_ms, productive_ms; /* of workers */
    struct control_fault faults[CONTROL_CAUSES_MAX];
    size_t n_faults;
};

/* Told twice a slice is counted once. -EINVAL: no such cause, times that cannot be. */
int store_put_control(struct store *store, int64_t target,
                      const struct control_slice *slice, struct err *err);

struct control_run { /* slices one after the other with the same result */
    int64_t target_id;
    const char *target, *cause; /* borrowed; cause "": good */
    int64_t began, slices;      /* minutes */
    int64_t scheduled_ms, productive_ms;
};

/* Visit the runs that touch a window (minutes since 1970), by target and time. visit may
 * not use the store. */
typedef int control_visit(void *user, const struct control_run *run, struct err *err);
int store_control(struct store *store, int64_t from, int64_t to, control_visit *visit,
                  void *user, struct err *err);

/* Time of workers that fuzzed a target between two times (wall ms), in whole minutes. */
int store_control_cpu(struct store *store, int64_t target, int64_t from, int64_t to,
                      int64_t *out_ms, struct err *err);

#endif
