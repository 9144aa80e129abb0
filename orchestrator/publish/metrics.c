#include "orchestrator/publish/metrics.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

void
metrics_clear(struct metrics *metrics)
{
    for (size_t i = 0; i < metrics->n; i++) {
        for (size_t k = 0; k < metrics->v[i].n; k++) {
            mem_free(metrics->v[i].samples[k].labels);
        }
        mem_free(metrics->v[i].samples);
    }
    mem_free(metrics->v);
    *metrics = (struct metrics){0};
}

static struct metric *
family(struct metrics *metrics, enum metric_type type, const char *name, const char *help)
{
    metrics->v = mem_resize(metrics->v, (metrics->n + 1) * sizeof(*metrics->v));
    metrics->v[metrics->n] = (struct metric){name, help, type, NULL, 0};
    return &metrics->v[metrics->n++];
}

/* Text format 0.0.4: backslash, quote and newline are escaped in label values. */
static void
label(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "%s%s=\"", out->len > 0 ? "," : "", name);
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            buf_adds(out, "\\n");
        } else {
            if (*value == '\\' || *value == '"') {
                buf_addc(out, '\\');
            }
            buf_addc(out, *value);
        }
    }
    buf_addc(out, '"');
}

/* Set, or add to, the sample with these labels. */
static void
add(struct metric *metric, struct buf *labels, double value)
{
    AUTO(mem_free) char *key = buf_steal(labels);

    for (size_t i = 0; i < metric->n; i++) {
        if (strcmp(metric->samples[i].labels, key) == 0) {
            metric->samples[i].value += value;
            return;
        }
    }
    metric->samples =
        mem_resize(metric->samples, (metric->n + 1) * sizeof(*metric->samples));
    metric->samples[metric->n++] = (struct sample){STEAL(key), value};
}

static void
add_plain(struct metric *metric, double value)
{
    AUTO(buf_clear) struct buf none = BUF_INIT;

    add(metric, &none, value);
}

static void
add_one(struct metric *metric, const char *name, const char *text, double value)
{
    AUTO(buf_clear) struct buf labels = BUF_INIT;

    label(&labels, name, text);
    add(metric, &labels, value);
}

static void
add_two(struct metric *metric, const char *const names[2], const char *const texts[2],
        double value)
{
    AUTO(buf_clear) struct buf labels = BUF_INIT;

    label(&labels, names[0], texts[0]);
    label(&labels, names[1], texts[1]);
    add(metric, &labels, value);
}

/* --- workers --- */

static const char *const worker_labels[2] = {"target", "engine"};
static const char *const worker_states[] = {
    "starting",    "running",   "frozen", "slow",     "backoff",
    "quarantined", "plateaued", "paused", "finished", "dead"};

struct worker_families {
    struct metric *workers, *execs, *rate, *restarts, *edges, *corpus, *productive;
};

static void
max_into(struct metric *metric, const char *target, double value)
{
    AUTO(buf_clear) struct buf labels = BUF_INIT;

    label(&labels, "target", target);
    for (size_t i = 0; i < metric->n; i++) {
        if (strcmp(metric->samples[i].labels, buf_str(&labels)) == 0) {
            metric->samples[i].value = fmax(metric->samples[i].value, value);
            return;
        }
    }
    add(metric, &labels, value);
}

static int
add_worker(void *user, const struct worker_row *row, const char *target, int64_t updated,
           struct err *err)
{
    struct worker_families *to = user;
    const char *const texts[2] = {target, row->engine};

    (void)updated;
    (void)err;
    for (size_t i = 0; i < COUNT(worker_states); i++) {
        AUTO(buf_clear) struct buf labels = BUF_INIT;
        label(&labels, "target", target);
        label(&labels, "engine", row->engine);
        label(&labels, "state", worker_states[i]);
        add(to->workers, &labels, strcmp(worker_states[i], row->state) == 0 ? 1 : 0);
    }
    add_two(to->execs, worker_labels, texts, (double)row->execs);
    add_two(to->rate, worker_labels, texts,
            strcmp(row->state, "running") == 0 ? row->execs_per_sec : 0);
    add_two(to->restarts, worker_labels, texts, (double)row->restarts);
    max_into(to->edges, target, (double)row->edges);
    max_into(to->corpus, target, (double)row->corpus);
    add_one(to->productive, "target", target, (double)row->productive_ms / 1000);
    return 0;
}

static int
collect_workers(struct store *store, struct metrics *out, struct err *err)
{
    /* the families are gathered one by one first: growing the list moves them */
    struct metrics own = {0};
    own.v = mem_array(8, sizeof(*own.v));
    static const struct {
        enum metric_type type;
        const char *name, *help;
    } rows[] = {
        {METRIC_GAUGE, "nightjar_workers", "Fuzzing workers by state."},
        {METRIC_COUNTER, "nightjar_worker_executions_total",
         "Executions, over restarts."},
        {METRIC_GAUGE, "nightjar_worker_executions_per_second",
         "Executions per second now."},
        {METRIC_COUNTER, "nightjar_worker_restarts_total",
         "Worker processes started again."},
        {METRIC_GAUGE, "nightjar_coverage_edges",
         "Edges that the best worker of a target found."},
        {METRIC_GAUGE, "nightjar_corpus_inputs",
         "Inputs in the largest corpus of a target."},
        {METRIC_COUNTER, "nightjar_fuzz_seconds_total", "Worker-seconds with progress."}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        own.v[own.n++] =
            (struct metric){rows[i].name, rows[i].help, rows[i].type, NULL, 0};
    }
    struct worker_families to = {&own.v[0], &own.v[1], &own.v[2], &own.v[3],
                                 &own.v[4], &own.v[5], &own.v[6]};
    int rc = store_workers(store, add_worker, &to, err);
    for (size_t i = 0; i < own.n; i++) {
        *family(out, own.v[i].type, own.v[i].name, own.v[i].help) = own.v[i];
    }
    mem_free(own.v);
    return rc;
}

/* --- bugs --- */

static int
add_bug(void *user, const struct bug *bug, struct err *err)
{
    static const char *const states[] = {"new",       "open",    "fixing",  "fixed",
                                         "regressed", "ignored", "wontfix", "duplicate"};
    struct metric *bugs = user;

    (void)err;
    for (int s = SEVERITY_INFO; s <= SEVERITY_CRITICAL; s++) {
        for (size_t i = 0; i < COUNT(states); i++) {
            AUTO(buf_clear) struct buf labels = BUF_INIT;
            label(&labels, "target", bug->target);
            label(&labels, "severity", severity_name((enum severity)s));
            label(&labels, "state", states[i]);
            bool here =
                (enum severity)s == bug->severity && strcmp(states[i], bug->state) == 0;
            add(bugs, &labels, here ? 1 : 0);
        }
    }
    return 0;
}

static int
collect_bugs(struct store *store, struct metrics *out, struct err *err)
{
    const struct bug_filter all = {.at_least = SEVERITY_INFO, .light = true};

    return store_bugs(
        store, &all, add_bug,
        family(out, METRIC_GAUGE, "nightjar_bugs", "Bugs by severity and state."), err);
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
    struct metric *crashes = family(out, METRIC_GAUGE, "nightjar_crashes",
                                    "Distinct crashing inputs by state.");
    for (size_t i = 0; i < COUNT(rows); i++) {
        add_one(crashes, "state", rows[i].state, (double)rows[i].value);
    }
    struct metric *queue = family(out, METRIC_GAUGE, "nightjar_triage_queue_length",
                                  "Jobs that wait, by step.");
    add_one(queue, "step", "ingest", (double)counts.queued);
    add_one(queue, "step", "minimize", (double)counts.minimize_waiting);
    return 0;
}

int
metrics_collect(struct store *store, struct metrics *out, struct err *err)
{
    AUTO(metrics_clear) struct metrics metrics = {0};

    struct metric *build = family(&metrics, METRIC_GAUGE, "nightjar_build_info",
                                  "Always 1; the labels tell what runs.");
    add_one(build, "version", NIGHTJAR_VERSION, 1);
    add_plain(family(&metrics, METRIC_GAUGE, "nightjar_push_timestamp_seconds",
                     "When these numbers were read."),
              (double)clock_wall_ms() / 1000);
    int rc = collect_counts(store, &metrics, err);
    if (rc == 0) {
        rc = collect_bugs(store, &metrics, err);
    }
    if (rc == 0) {
        rc = collect_workers(store, &metrics, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out = metrics;
    metrics = (struct metrics){0};
    return 0;
}

void
metrics_text(const struct metrics *metrics, struct buf *out)
{
    for (size_t i = 0; i < metrics->n; i++) {
        const struct metric *m = &metrics->v[i];
        buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
                 m->type == METRIC_COUNTER ? "counter" : "gauge");
        for (size_t k = 0; k < m->n; k++) {
            const struct sample *s = &m->samples[k];
            bool bare = s->labels[0] == '\0';
            buf_addf(out, "%s%s%s%s %.17g\n", m->name, bare ? "" : "{", s->labels,
                     bare ? "" : "}", s->value);
        }
    }
}
