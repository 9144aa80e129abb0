/*
 * The metric table: one row a family, with all that is said of it anywhere: exposition,
 * sinks, `slo export`. Names follow Prometheus' conventions (base units, `_total` for
 * counters); labels are bounded: targets, engines, severities, states, sinks. Names,
 * types and labels are an interface: people's dashboards stand on them. Each row has a
 * writer (tests/unit/test_collect_all.c): what nothing measures yet is no row, rather
 * than a 0 that never changes.
 */
#ifndef ORCHESTRATOR_PUBLISH_CATALOG_H
#define ORCHESTRATOR_PUBLISH_CATALOG_H

#include "triage/histogram.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };

enum metric_id { /* in the order in which they are printed */
                 METRIC_BUILD_INFO,
                 METRIC_PUSH_TIMESTAMP,
                 METRIC_HEARTBEAT,
                 METRIC_WORKERS,
                 METRIC_WORKER_RESTARTS,
                 METRIC_WORKER_EXECUTIONS,
                 METRIC_WORKER_RATE,
                 METRIC_FUZZ_SCHEDULED,
                 METRIC_FUZZ,
                 METRIC_CONTROL_SLICES,
                 METRIC_CONTROL_FAULTS,
                 METRIC_CANARY,
                 METRIC_CORPUS_INPUTS,
                 METRIC_CORPUS_BYTES,
                 METRIC_STABILITY,
                 METRIC_COVERAGE_EDGES,
                 METRIC_COVERAGE_EDGES_KNOWN,
                 METRIC_COVERAGE_LINES,
                 METRIC_COVERAGE_LINES_KNOWN,
                 METRIC_COVERAGE_GROWTH,
                 METRIC_COVERAGE_DROPPED,
                 METRIC_EXCHANGE,
                 METRIC_CRASH_FILES,
                 METRIC_CRASHES_TOTAL,
                 METRIC_CRASHES,
                 METRIC_BUGS,
                 METRIC_BUGS_DETECTED,
                 METRIC_BUGS_FIXED,
                 METRIC_BUGS_REGRESSED,
                 METRIC_BUG_OLDEST,
                 METRIC_DETECTION,
                 METRIC_FIX,
                 METRIC_DEADLINE_TOTAL,
                 METRIC_DEADLINES,
                 METRIC_TRIAGE_DURATION,
                 METRIC_TRIAGE_QUEUE,
                 METRIC_TRIAGE_OLDEST,
                 METRIC_REPRODUCER_RUNS,
                 METRIC_MINIMIZE_RATIO,
                 METRIC_BUILD_SUCCESS,
                 METRIC_BREACH_EXPOSURE,
                 METRIC_BREACH_BUDGET,
                 METRIC_BREACH_SPENT,
                 METRIC_BREACH_REMAINING,
                 METRIC_BREACH_BURN,
                 METRIC_INCIDENTS,
                 METRIC_INCIDENTS_RECENT,
                 METRIC_GATE_RUNS,
                 METRIC_GATE_DURATION,
                 METRIC_WAIVERS,
                 METRIC_WAIVER_EXPIRY,
                 METRIC_ALERTS,
                 METRIC_ALERT_LATENCY,
                 METRIC_OUTBOX_EVENTS,
                 METRIC_OUTBOX_OLDEST,
                 METRIC_PUSH_TOTAL,
                 METRIC_PUSH_SUCCESS,
                 METRIC_DISK_FREE,
                 METRIC_DB_SIZE,
                 METRIC_DB_BUSY,
                 METRICS,
};

/* Where it stands on the dashboard. */
enum metric_group {
    GROUP_SLO,
    GROUP_CONTROL,
    GROUP_FUZZING,
    GROUP_FINDINGS,
    GROUP_TRIAGE,
    GROUP_GATE,
    GROUP_DELIVERY,
    GROUP_HOST,
    METRIC_GROUPS,
};

struct metric_kind {
    const char *name;
    const char *help; /* a sentence on one line */
    enum metric_type type;
    enum metric_group group;
    const struct histogram *shape; /* of a histogram */
};

const struct metric_kind *catalog_row(enum metric_id id);

#endif
