#include "orchestrator/publish/collect.h"

#include <string.h>

#include "base/clock.h"
#include "triage/outbox.h"

/* --- totals that the store counts --- */

enum { DIMENSIONS_MAX = 2 };

static const char *const kinds[] = {"crash", "hang", "oom", "leak", "unknown", NULL};
static const char *const triaged[] = {"new",          "duplicate", "unreproducible",
                                      "untriageable", "broken",    NULL};
static const char *const filed[] = {"new", "duplicate", NULL};
static const char *const replayed[] = {"crash", "clean", "different", NULL};
static const char *const severities[] = {"info", "low",      "medium",
                                         "high", "critical", NULL};
static const char *const engines[] = {"aflpp", "libfuzzer", NULL};
static const char *const directions[] = {"aflpp_to_libfuzzer", "libfuzzer_to_aflpp",
                                         "cross_to_aflpp", "cross_to_libfuzzer", NULL};
static const char *const exchanged[] = {"offered", "useful", NULL};

/* The store's counter, and what it is published as: by target and these labels; what else
 * it is counted by is summed up. */
static const struct total {
    const char *counter, *name, *help;
    double unit; /* what one of the store's is here */
    struct dimension {
        const char *label;
        const char *const *values;
    } by[DIMENSIONS_MAX];
} totals[] = {
    {"crashes_total",
     "nightjar_crashes_total",
     "Crashing inputs by what triage found.",
     1,
     {{"kind", kinds}, {"result", triaged}}},
    {"crash_files_total",
     "nightjar_crash_files_total",
     "Files of crashing inputs that came in.",
     1,
     {{"result", filed}}},
    {"reproducer_runs_total",
     "nightjar_reproducer_runs_total",
     "Runs of crashing inputs in triage.",
     1,
     {{"result", replayed}}},
    {"bugs_detected_total",
     "nightjar_bugs_detected_total",
     "Bugs that were new.",
     1,
     {{"severity", severities}}},
    {"worker_restarts_total",
     "nightjar_worker_restarts_total",
     "Worker processes started again.",
     1,
     {{"engine", engines}}},
    {"worker_executions_total",
     "nightjar_worker_executions_total",
     "Executions, over restarts.",
     1,
     {{"engine", engines}}},
    {"fuzz_milliseconds_total",
     "nightjar_fuzz_seconds_total",
     "Worker-seconds with progress.",
     1e-3,
     {{NULL, NULL}}},
    {"exchange_inputs_total",
     "nightjar_exchange_inputs_total",
     "Inputs from one engine, or another target, to an engine; useful: it kept them.",
     1,
     {{"direction", directions}, {"result", exchanged}}},
};

/* Every combination of the labels that follow target's, at 0. */
static void
add_combinations(struct metric *metric, const struct total *total, const char *target)
{
    const struct dimension *one = &total->by[0], *two = &total->by[1];

    for (size_t i = 0; i == 0 || (one->label != NULL && one->values[i] != NULL); i++) {
        for (size_t k = 0; k == 0 || (two->label != NULL && two->values[k] != NULL);
             k++) {
            metric_add(metric,
                       METRIC_LABELS("target", target, one->label,
                                     one->label == NULL ? NULL : one->values[i],
                                     two->label,
                                     two->label == NULL ? NULL : two->values[k]),
                       0);
        }
    }
}

struct total_families {
    struct metric *v[COUNT(totals)];
};

static int
add_total(void *user, const char *name, const char *labels, int64_t value,
          struct err *err)
{
    struct total_families *to = user;
    AUTO(json_decref) json_t *parsed = NULL;
    int rc = json_parse(labels, strlen(labels), &parsed, err);

    for (size_t i = 0; rc == 0 && i < COUNT(totals); i++) {
        const struct total *total = &totals[i];
        const char *of[2 * METRIC_LABELS_MAX + 1] = {"target",
                                                     json_get_str(parsed, "target", "")};
        if (strcmp(total->counter, name) != 0) {
            continue;
        }
        for (size_t k = 0; k < DIMENSIONS_MAX && total->by[k].label != NULL; k++) {
            of[2 * k + 2] = total->by[k].label;
            of[2 * k + 3] = json_get_str(parsed, total->by[k].label, "");
        }
        metric_add(to->v[i], of, (double)value * total->unit);
    }
    return rc;
}

static int
collect_totals(struct store *store, const struct strv *targets, struct metrics *out,
               struct err *err)
{
    struct total_families to;

    for (size_t i = 0; i < COUNT(totals); i++) {
        to.v[i] = metrics_family(out, METRIC_COUNTER, totals[i].name, totals[i].help);
        for (size_t k = 0; k < targets->n; k++) {
            add_combinations(to.v[i], &totals[i], targets->v[k]);
        }
    }
    return store_counters(store, add_total, &to, err);
}

/* --- workers --- */

static const char *const worker_states[] = {
    "starting",    "running",   "frozen", "slow",     "backoff",
    "quarantined", "plateaued", "paused", "finished", "dead"};

struct worker_families {
    struct metric *workers, *rate, *edges, *corpus;
    struct strv *targets;
};

static void
add_target(struct strv *targets, const char *name)
{
    if (!strv_has(targets, name)) {
        strv_add(targets, name);
    }
}

static int
add_worker(void *user, const struct worker_row *row, const char *target, int64_t updated,
           struct err *err)
{
    struct worker_families *to = user;
    bool runs = strcmp(row->state, "running") == 0;

    (void)updated;
    (void)err;
    add_target(to->targets, target);
    for (size_t i = 0; i < COUNT(worker_states); i++) {
        metric_add(to->workers,
                   METRIC_LABELS("target", target, "engine", row->engine, "state",
                                 worker_states[i]),
                   strcmp(worker_states[i], row->state) == 0 ? 1 : 0);
    }
    metric_add(to->rate, METRIC_LABELS("target", target, "engine", row->engine),
               runs ? row->execs_per_sec : 0);
    metric_raise(to->edges, METRIC_LABELS("target", target), (double)row->edges);
    metric_raise(to->corpus, METRIC_LABELS("target", target), (double)row->corpus);
    return 0;
}

static int
collect_workers(struct store *store, struct strv *targets, struct metrics *out,
                struct err *err)
{
    struct worker_families to = {
        .workers = metrics_family(out, METRIC_GAUGE, "nightjar_workers",
                                  "Fuzzing workers by state."),
        .rate = metrics_family(out, METRIC_GAUGE, "nightjar_worker_executions_per_second",
                               "Executions per second now."),
        .edges = metrics_family(out, METRIC_GAUGE, "nightjar_coverage_edges",
                                "Edges that the best worker of a target found."),
        .corpus = metrics_family(out, METRIC_GAUGE, "nightjar_corpus_inputs",
                                 "Inputs in the largest corpus of a target."),
        .targets = targets,
    };

    return store_workers(store, add_worker, &to, err);
}

/* --- bugs --- */

struct bug_families {
    struct metric *bugs;
    struct strv known; /* targets that have all their rows */
    struct strv *targets;
};

static void
add_zeroes(struct bug_families *to, const char *target)
{
    static const char *const states[] = {"new",       "open",    "fixing",  "fixed",
                                         "regressed", "ignored", "wontfix", "duplicate"};

    if (strv_has(&to->known, target)) {
        return;
    }
    strv_add(&to->known, target);
    for (size_t s = 0; severities[s] != NULL; s++) {
        for (size_t i = 0; i < COUNT(states); i++) {
            metric_add(to->bugs,
                       METRIC_LABELS("target", target, "severity", severities[s], "state",
                                     states[i]),
                       0);
        }
    }
}

static int
add_bug(void *user, const struct bug *bug, struct err *err)
{
    struct bug_families *to = user;

    (void)err;
    add_target(to->targets, bug->target);
    add_zeroes(to, bug->target);
    metric_add(to->bugs,
               METRIC_LABELS("target", bug->target, "severity",
                             severity_name(bug->severity), "state", bug->state),
               1);
    return 0;
}

/* Those of the targets with workers are there at 0 before the first bug. */
static int
collect_bugs(struct store *store, struct strv *targets, struct metrics *out,
             struct err *err)
{
    const struct bug_filter all = {.at_least = SEVERITY_INFO, .light = true};
    struct bug_families to = {
        .bugs = metrics_family(out, METRIC_GAUGE, "nightjar_bugs",
                               "Bugs by severity and state."),
        .targets = targets,
    };

    for (size_t i = 0; i < targets->n; i++) {
        add_zeroes(&to, targets->v[i]);
    }
    int rc = store_bugs(store, &all, add_bug, &to, err);
    strv_clear(&to.known);
    return rc;
}

/* --- the store itself --- */

static int
collect_counts(struct store *store, struct metrics *out, struct err *err)
{
    struct store_counts counts;
    int rc = store_counts(store, &counts, err);

    if (rc < 0) {
        return rc;
    }
    const struct {
        const char *state;
        int64_t value;
    } rows[] = {{"queued", counts.queued},
                {"triaged", counts.triaged},
                {"unparsed", counts.unparsed},
                {"untriageable", counts.untriageable},
                {"broken", counts.broken}};
    struct metric *crashes = metrics_family(out, METRIC_GAUGE, "nightjar_crashes",
                                            "Distinct crashing inputs by state.");
    for (size_t i = 0; i < COUNT(rows); i++) {
        metric_add(crashes, METRIC_LABELS("state", rows[i].state), (double)rows[i].value);
    }
    struct metric *queue = metrics_family(
        out, METRIC_GAUGE, "nightjar_triage_queue_length", "Jobs that wait, by step.");
    metric_add(queue, METRIC_LABELS("step", "ingest"), (double)counts.queued);
    metric_add(queue, METRIC_LABELS("step", "minimize"), (double)counts.minimize_waiting);
    return 0;
}

/* --- what sinks have yet to be told --- */

struct outbox_families {
    struct metric *events, *oldest;
};

static int
add_sink(void *user, const struct sink_counts *counts, struct err *err)
{
    struct outbox_families *to = user;

    (void)err;
    metric_add(to->events, METRIC_LABELS("sink", counts->name, "state", "pending"),
               (double)counts->pending);
    metric_add(to->events, METRIC_LABELS("sink", counts->name, "state", "dead"),
               (double)counts->dead);
    metric_add(to->oldest, METRIC_LABELS("sink", counts->name),
               (double)counts->oldest / 1000);
    return 0;
}

static int
collect_outbox(struct store *store, struct metrics *out, struct err *err)
{
    struct outbox_families to = {
        .events = metrics_family(out, METRIC_GAUGE, "nightjar_outbox_events",
                                 "Messages that a sink has yet to get, or refused."),
        .oldest =
            metrics_family(out, METRIC_GAUGE, "nightjar_outbox_oldest_timestamp_seconds",
                           "When what waits longest happened; 0: nothing waits."),
    };

    return store_sinks(store, add_sink, &to, err);
}

/* --- the breach budget --- */

static int
collect_budget(struct store *store, const struct slo_policy *policy, struct metrics *out,
               struct err *err)
{
    struct slo slo;
    int rc = slo_collect(store, policy, out->at_ms, &slo, err);

    if (rc < 0) {
        return rc;
    }
    const struct {
        const char *name, *help;
        double value;
    } rows[] = {
        {"nightjar_breach_exposure_points_per_day", "Points that open bugs cost a day.",
         slo.per_day},
        {"nightjar_breach_budget_points", "Points that may be spent in 28 days.",
         slo.budget},
        {"nightjar_breach_spent_points", "Points spent in the last 28 days.", slo.spent},
        {"nightjar_breach_budget_remaining_ratio", "Share of the budget that is left.",
         slo.budget > 0 ? 1 - slo.spent / slo.budget : 0},
        {"nightjar_breach_burn_rate", "Exposure over what the budget allows a day.",
         slo.burn},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        metric_add(metrics_family(out, METRIC_GAUGE, rows[i].name, rows[i].help), NULL,
                   rows[i].value);
    }
    struct metric *patches =
        metrics_family(out, METRIC_GAUGE, "nightjar_bug_patch_deadlines",
                       "Deadlines of the last 28 days by whether they were met.");
    for (size_t s = 0; severities[s] != NULL; s++) {
        metric_add(patches, METRIC_LABELS("severity", severities[s], "result", "met"),
                   (double)slo.met[s]);
        metric_add(patches, METRIC_LABELS("severity", severities[s], "result", "missed"),
                   (double)(slo.due[s] - slo.met[s]));
    }
    return 0;
}

int
collect_metrics(struct store *store, const struct slo_policy *policy, struct metrics *out,
                struct err *err)
{
    AUTO(metrics_clear) struct metrics metrics = {.at_ms = clock_wall_ms()};

    metric_add(metrics_family(&metrics, METRIC_GAUGE, "nightjar_build_info",
                              "Always 1; the labels tell what runs."),
               METRIC_LABELS("version", NIGHTJAR_VERSION), 1);
    metric_add(metrics_family(&metrics, METRIC_GAUGE, "nightjar_push_timestamp_seconds",
                              "When these numbers were read."),
               NULL, (double)metrics.at_ms / 1000);
    AUTO(strv_clear) struct strv targets = {0};
    int rc = collect_counts(store, &metrics, err);
    if (rc == 0) {
        rc = collect_workers(store, &targets, &metrics, err);
    }
    if (rc == 0) {
        rc = collect_bugs(store, &targets, &metrics, err);
    }
    if (rc == 0) {
        rc = collect_totals(store, &targets, &metrics, err);
    }
    if (rc == 0) {
        rc = collect_outbox(store, &metrics, err);
    }
    if (rc == 0) {
        rc = collect_budget(store, policy, &metrics, err);
    }
    if (rc == 0) {
        rc = store_since(store, &metrics.since_ms, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out = metrics;
    metrics = (struct metrics){0};
    return 0;
}
