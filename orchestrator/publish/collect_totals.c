#include <string.h>

#include "orchestrator/publish/collect_private.h"
#include "orchestrator/publish/sink.h"

enum { DIMENSIONS_MAX = 3 };

#define MS 1e-3

static const char *const kinds[] = {"crash", "hang", "oom", "leak", "unknown", NULL};
static const char *const triaged[] = {"new",          "duplicate", "unreproducible",
                                      "untriageable", "broken",    NULL};
static const char *const filed[] = {"new", "duplicate", NULL};
static const char *const replayed[] = {"crash", "clean", "different", NULL};
static const char *const engines[] = {"aflpp", "libfuzzer", NULL};
static const char *const directions[] = {"aflpp_to_libfuzzer", "libfuzzer_to_aflpp",
                                         "cross_to_aflpp", "cross_to_libfuzzer", NULL};
static const char *const exchanged[] = {"offered", "useful", NULL};
static const char *const slices[] = {"good", "bad", NULL};
static const char *const causes[] = {
    "no_worker", "stalled", "zero_coverage", "slow", "disk", "build", NULL};
static const char *const deadlines[] = {"met", "missed", NULL};
static const char *const serious[] = {"high", "critical", NULL};
static const char *const incidents[] = {"vuln", "control", NULL};
static const char *const verdicts[] = {"pass", "fail", "inconclusive", "budget_exhausted",
                                       NULL};
static const char *const pushes[] = {"ok", "failed", NULL};
static const char *const clocks[] = {"campaign", "cpu", "pipeline", "introduced", NULL};
static const char *const steps[] = {"ingest", "triage", "minimize", NULL};

/* One of the dimensions has the names of targets, or of sinks, for values. */
static const char *const targets[] = {NULL};
static const char *const sinks[] = {NULL};

/* The store's counter, and what it is published as: by these labels; what else it is
 * counted by is summed up. */
static const struct total {
    const char *counter;
    enum metric_id id;
    double unit; /* what one of the store's is here */
    struct dimension {
        const char *label;
        const char *const *values;
    } by[DIMENSIONS_MAX];
} totals[] = {
    {"crashes_total",
     METRIC_CRASHES_TOTAL,
     1,
     {{"target", targets}, {"kind", kinds}, {"result", triaged}}},
    {"crash_files_total",
     METRIC_CRASH_FILES,
     1,
     {{"target", targets}, {"result", filed}}},
    {"reproducer_runs_total",
     METRIC_REPRODUCER_RUNS,
     1,
     {{"target", targets}, {"result", replayed}}},
    {"bugs_detected_total",
     METRIC_BUGS_DETECTED,
     1,
     {{"target", targets}, {"severity", collect_severities}}},
    {"bugs_fixed_total",
     METRIC_BUGS_FIXED,
     1,
     {{"target", targets}, {"severity", collect_severities}}},
    {"bugs_regressed_total",
     METRIC_BUGS_REGRESSED,
     1,
     {{"target", targets}, {"severity", collect_severities}}},
    {"worker_restarts_total",
     METRIC_WORKER_RESTARTS,
     1,
     {{"target", targets}, {"engine", engines}}},
    {"worker_executions_total",
     METRIC_WORKER_EXECUTIONS,
     1,
     {{"target", targets}, {"engine", engines}}},
    {"fuzz_milliseconds_total", METRIC_FUZZ, MS, {{"target", targets}}},
    {"fuzz_scheduled_milliseconds_total",
     METRIC_FUZZ_SCHEDULED,
     MS,
     {{"target", targets}}},
    {"control_slices_total",
     METRIC_CONTROL_SLICES,
     1,
     {{"target", targets}, {"result", slices}}},
    {"control_fault_milliseconds_total",
     METRIC_CONTROL_FAULTS,
     MS,
     {{"target", targets}, {"cause", causes}}},
    {"exchange_inputs_total",
     METRIC_EXCHANGE,
     1,
     {{"target", targets}, {"direction", directions}, {"result", exchanged}}},
    {"bug_patch_deadline_total",
     METRIC_DEADLINE_TOTAL,
     1,
     {{"severity", collect_severities}, {"result", deadlines}}},
    {"incidents_total",
     METRIC_INCIDENTS,
     1,
     {{"severity", serious}, {"kind", incidents}}},
    {"gate_runs_total", METRIC_GATE_RUNS, 1, {{"verdict", verdicts}}},
    {"push_total", METRIC_PUSH_TOTAL, 1, {{"sink", sinks}, {"result", pushes}}},
    {"db_busy_total", METRIC_DB_BUSY, 1, {{NULL, NULL}}},
};

/* The same of histograms; the counter's name is the shape's. */
static const struct total distributions[] = {
    {NULL, METRIC_DETECTION, 1, {{"severity", collect_severities}, {"clock", clocks}}},
    {NULL, METRIC_FIX, 1, {{"severity", collect_severities}}},
    {NULL, METRIC_TRIAGE_DURATION, 1, {{"step", steps}}},
    {NULL, METRIC_MINIMIZE_RATIO, 1, {{"target", targets}}},
    {NULL, METRIC_GATE_DURATION, 1, {{"verdict", verdicts}}},
};

/* --- every combination at 0 --- */

static const struct strv *
names_of(const struct collect *collect, const char *const *values)
{
    return values == targets ? &collect->targets
           : values == sinks ? &collect->sinks
                             : NULL;
}

/* The i-th value of a dimension; NULL behind the last. */
static const char *
value_at(const struct collect *collect, const struct dimension *by, size_t i)
{
    const struct strv *names = names_of(collect, by->values);

    return names == NULL ? by->values[i] : i < names->n ? names->v[i] : NULL;
}

static void
add_zero(struct metric *metric, const char *const *labels)
{
    if (metric->kind->shape != NULL) {
        metric_add_bucket(metric, labels, 0, 0);
    } else {
        metric_add(metric, labels, 0);
    }
}

/* The next combination: counts up, the last dimension first; false behind the last. */
static bool
next_combination(const struct collect *collect, const struct total *total, size_t n,
                 size_t at[DIMENSIONS_MAX])
{
    for (size_t k = n; k > 0; k--) {
        at[k - 1]++;
        if (value_at(collect, &total->by[k - 1], at[k - 1]) != NULL) {
            return true;
        }
        at[k - 1] = 0;
    }
    return false;
}

static void
begin(struct collect *collect, const struct total *total)
{
    struct metric *metric = metrics_family(collect->out, total->id);
    const char *labels[2 * DIMENSIONS_MAX + 1] = {NULL};
    size_t at[DIMENSIONS_MAX] = {0};
    size_t n = 0;

    while (n < DIMENSIONS_MAX && total->by[n].label != NULL) {
        if (value_at(collect, &total->by[n], 0) == NULL) {
            return; /* no target yet */
        }
        n++;
    }
    do {
        for (size_t k = 0; k < n; k++) {
            labels[2 * k] = total->by[k].label;
            labels[2 * k + 1] = value_at(collect, &total->by[k], at[k]);
        }
        add_zero(metric, labels);
    } while (next_combination(collect, total, n, at));
}

/* --- what was counted --- */

static void
labels_of(const struct total *total, const json_t *from,
          const char *labels[2 * DIMENSIONS_MAX + 1])
{
    size_t n = 0;

    for (; n < COUNT(total->by) && total->by[n].label != NULL; n++) {
        labels[2 * n] = total->by[n].label;
        labels[2 * n + 1] = json_get_str(from, total->by[n].label, "");
    }
    labels[2 * n] = NULL;
}

/* `rest` is what follows the shape's name: "_bucket" or "_sum". */
static void
add_distribution(struct metric *metric, const char *rest, const json_t *from,
                 const char *const *labels, int64_t value)
{
    const struct histogram *shape = metric->kind->shape;
    const char *wanted = json_get_str(from, "le", "");

    if (strcmp(rest, "_sum") == 0) {
        metric_add(metric, labels, (double)value / shape->per_unit);
        return;
    }
    for (size_t i = 0; i <= shape->n; i++) {
        char le[HISTOGRAM_LE_MAX];
        histogram_le(shape, i, le);
        if (strcmp(le, wanted) == 0) {
            metric_add_bucket(metric, labels, i, (double)value);
        }
    }
}

static int
add_counter(void *user, const char *name, const char *labels, int64_t value,
            struct err *err)
{
    struct collect *collect = user;
    const char *of[2 * DIMENSIONS_MAX + 1];
    AUTO(json_decref) json_t *parsed = NULL;
    int rc = json_parse(labels, strlen(labels), &parsed, err);

    for (size_t i = 0; rc == 0 && i < COUNT(totals); i++) {
        if (strcmp(totals[i].counter, name) == 0) {
            labels_of(&totals[i], parsed, of);
            metric_add(metrics_family(collect->out, totals[i].id), of,
                       (double)value * totals[i].unit);
        }
    }
    for (size_t i = 0; rc == 0 && i < COUNT(distributions); i++) {
        struct metric *metric = metrics_family(collect->out, distributions[i].id);
        size_t len = strlen(metric->kind->shape->name);
        if (strncmp(metric->kind->shape->name, name, len) == 0 && name[len] == '_') {
            labels_of(&distributions[i], parsed, of);
            add_distribution(metric, name + len, parsed, of, value);
        }
    }
    return rc;
}

int
collect_totals(struct collect *collect, struct err *err)
{
    for (size_t i = 0; sink_at(i) != NULL; i++) {
        strv_add(&collect->sinks, sink_at(i)->name);
    }
    for (size_t i = 0; i < COUNT(totals); i++) {
        begin(collect, &totals[i]);
    }
    for (size_t i = 0; i < COUNT(distributions); i++) {
        begin(collect, &distributions[i]);
    }
    return store_counters(collect->store, add_counter, collect, err);
}
