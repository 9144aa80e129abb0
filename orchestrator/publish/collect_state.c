#include <string.h>

#include "orchestrator/publish/collect_private.h"
#include "triage/outbox.h"

/* --- workers --- */

static const char *const worker_states[] = {
    "starting",    "running",   "frozen", "slow",     "backoff",
    "quarantined", "plateaued", "paused", "finished", "dead"};

struct worker_families {
    struct collect *collect;
    struct metric *workers, *rate, *edges, *known, *corpus, *stability;
};

static int
add_worker(void *user, const struct worker_row *row, const char *target, int64_t updated,
           struct err *err)
{
    struct worker_families *to = user;
    bool runs = strcmp(row->state, "running") == 0;

    (void)updated;
    (void)err;
    collect_target(to->collect, target);
    for (size_t i = 0; i < COUNT(worker_states); i++) {
        metric_add(to->workers,
                   METRIC_LABELS("target", target, "engine", row->engine, "state",
                                 worker_states[i]),
                   strcmp(worker_states[i], row->state) == 0 ? 1 : 0);
    }
    metric_add(to->rate, METRIC_LABELS("target", target, "engine", row->engine),
               runs ? row->execs_per_sec : 0);
    metric_raise(to->edges, METRIC_LABELS("target", target), (double)row->edges);
    metric_raise(to->known, METRIC_LABELS("target", target), (double)row->edges_known);
    metric_raise(to->corpus, METRIC_LABELS("target", target), (double)row->corpus);
    if (row->stability > 0) {
        metric_lower(to->stability, METRIC_LABELS("target", target), row->stability);
    }
    return 0;
}

int
collect_workers(struct collect *collect, struct err *err)
{
    struct worker_families to = {
        .collect = collect,
        .workers = metrics_family(collect->out, METRIC_WORKERS),
        .rate = metrics_family(collect->out, METRIC_WORKER_RATE),
        .edges = metrics_family(collect->out, METRIC_COVERAGE_EDGES),
        .known = metrics_family(collect->out, METRIC_COVERAGE_EDGES_KNOWN),
        .corpus = metrics_family(collect->out, METRIC_CORPUS_INPUTS),
        .stability = metrics_family(collect->out, METRIC_STABILITY),
    };

    return store_workers(collect->store, add_worker, &to, err);
}

/* --- bugs --- */

struct bug_families {
    struct collect *collect;
    struct metric *bugs, *oldest;
    struct strv known; /* targets that have all their rows */
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
    for (size_t s = 0; collect_severities[s] != NULL; s++) {
        const char *severity = collect_severities[s];
        metric_add(to->oldest, METRIC_LABELS("target", target, "severity", severity), 0);
        for (size_t i = 0; i < COUNT(states); i++) {
            metric_add(
                to->bugs,
                METRIC_LABELS("target", target, "severity", severity, "state", states[i]),
                0);
        }
    }
}

static int
add_bug(void *user, const struct bug *bug, struct err *err)
{
    struct bug_families *to = user;
    const char *severity = severity_name(bug->severity);
    const char *const labels[] = {"target", bug->target, "severity", severity, NULL};

    (void)err;
    collect_target(to->collect, bug->target);
    add_zeroes(to, bug->target);
    metric_add(
        to->bugs,
        METRIC_LABELS("target", bug->target, "severity", severity, "state", bug->state),
        1);
    if (bug_is_open(bug->state)) {
        metric_lower(to->oldest, labels, (double)bug->filed / 1000);
    }
    return 0;
}

/* Those of the targets with workers are there at 0 before the first bug. */
int
collect_bugs(struct collect *collect, struct err *err)
{
    const struct bug_filter all = {.at_least = SEVERITY_INFO, .light = true};
    struct bug_families to = {
        .collect = collect,
        .bugs = metrics_family(collect->out, METRIC_BUGS),
        .oldest = metrics_family(collect->out, METRIC_BUG_OLDEST),
    };

    for (size_t i = 0; i < collect->targets.n; i++) {
        add_zeroes(&to, collect->targets.v[i]);
    }
    int rc = store_bugs(collect->store, &all, add_bug, &to, err);
    strv_clear(&to.known);
    return rc;
}

/* --- the store itself --- */

int
collect_counts(struct collect *collect, struct err *err)
{
    struct store_counts counts;
    int rc = store_counts(collect->store, &counts, err);

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
    struct metric *crashes = metrics_family(collect->out, METRIC_CRASHES);
    for (size_t i = 0; i < COUNT(rows); i++) {
        metric_add(crashes, METRIC_LABELS("state", rows[i].state), (double)rows[i].value);
    }
    struct metric *queue = metrics_family(collect->out, METRIC_TRIAGE_QUEUE);
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

int
collect_outbox(struct collect *collect, struct err *err)
{
    struct outbox_families to = {
        .events = metrics_family(collect->out, METRIC_OUTBOX_EVENTS),
        .oldest = metrics_family(collect->out, METRIC_OUTBOX_OLDEST),
    };

    return store_sinks(collect->store, add_sink, &to, err);
}
