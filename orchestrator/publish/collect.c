#include "orchestrator/publish/collect.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/publish/collect_private.h"
#include "orchestrator/publish/sink.h"
#include "orchestrator/version.h"
#include "triage/vitals.h"

const char *const collect_severities[] = {"info", "low",      "medium",
                                          "high", "critical", NULL};

void
collect_target(struct collect *collect, const char *name)
{
    if (!strv_has(&collect->targets, name)) {
        strv_add(&collect->targets, name);
    }
}

/* --- numbers that are no totals --- */

static const struct {
    enum metric_id id;
    const char *one, *two; /* labels; NULL: none */
} vitals[VITALS] = {
    [VITAL_HEARTBEAT] = {METRIC_HEARTBEAT, NULL, NULL},
    [VITAL_QUEUE_OLDEST] = {METRIC_TRIAGE_OLDEST, "step", NULL},
    [VITAL_BUILD] = {METRIC_BUILD_SUCCESS, "target", "kind"},
    [VITAL_LINES] = {METRIC_COVERAGE_LINES, "target", NULL},
    [VITAL_LINES_KNOWN] = {METRIC_COVERAGE_LINES_KNOWN, "target", NULL},
    [VITAL_GROWTH] = {METRIC_COVERAGE_GROWTH, "target", NULL},
    [VITAL_PUSHED] = {METRIC_PUSH_SUCCESS, "sink", NULL},
    [VITAL_CORPUS] = {METRIC_CORPUS_BYTES, "target", NULL},
    [VITAL_CANARY] = {METRIC_CANARY, "target", NULL},
};

static int
add_vital(void *user, enum vital vital, const char *one, const char *two, int64_t value,
          struct err *err)
{
    struct collect *collect = user;
    bool count =
        vital == VITAL_LINES || vital == VITAL_LINES_KNOWN || vital == VITAL_CORPUS;

    (void)err;
    metric_set(metrics_family(collect->out, vitals[vital].id),
               METRIC_LABELS(vitals[vital].one, one, vitals[vital].two, two),
               count ? (double)value : (double)value / 1000);
    return 0;
}

static int
collect_vitals(struct collect *collect, struct err *err)
{
    for (size_t i = 0; i < VITALS; i++) {
        (void)metrics_family(collect->out, vitals[i].id);
    }
    for (size_t i = 0; sink_at(i) != NULL; i++) {
        metric_add(metrics_family(collect->out, METRIC_PUSH_SUCCESS),
                   METRIC_LABELS("sink", sink_at(i)->name), 0);
    }
    return store_vitals(collect->store, add_vital, collect, err);
}

static int
add_trouble(void *user, const char *target, const char *coverage, const char *disk,
            struct err *err)
{
    struct collect *collect = user;

    (void)disk;
    (void)err;
    metric_set(metrics_family(collect->out, METRIC_COVERAGE_DROPPED),
               METRIC_LABELS("target", target), strcmp(coverage, "dropped") == 0);
    return 0;
}

static int
collect_troubles(struct collect *collect, struct err *err)
{
    for (size_t i = 0; i < collect->targets.n; i++) {
        metric_add(metrics_family(collect->out, METRIC_COVERAGE_DROPPED),
                   METRIC_LABELS("target", collect->targets.v[i]), 0);
    }
    (void)metrics_family(collect->out, METRIC_COVERAGE_DROPPED);
    return store_target_troubles(collect->store, add_trouble, collect, err);
}

/* --- the machine, and the store's own files --- */

static int
collect_host(struct collect *collect, struct err *err)
{
    static const char *const files[] = {"nightjar.db", "nightjar.db-wal"};
    const char *folder = store_folder(collect->store);
    struct metric *size = metrics_family(collect->out, METRIC_DB_SIZE);
    struct metric *left = metrics_family(collect->out, METRIC_DISK_FREE);
    struct statvfs disk;
    struct stat st;

    (void)err;
    for (size_t i = 0; i < COUNT(files); i++) {
        AUTO(mem_free) char *path = fs_join(folder, files[i]);
        metric_add(size, NULL, stat(path, &st) == 0 ? (double)st.st_size : 0);
    }
    if (statvfs(folder, &disk) == 0) {
        metric_set(left, METRIC_LABELS("volume", "state"),
                   (double)disk.f_bavail * (double)disk.f_frsize);
    }
    return 0;
}

static int
collect_waivers(struct collect *collect, struct err *err)
{
    const struct gate_waivers *waivers = collect->policy->waivers;
    struct metric *count = metrics_family(collect->out, METRIC_WAIVERS);
    struct metric *next = metrics_family(collect->out, METRIC_WAIVER_EXPIRY);

    (void)err;
    metric_add(count, METRIC_LABELS("state", "valid"), 0);
    metric_add(count, METRIC_LABELS("state", "expired"), 0);
    metric_set(next, NULL, 0);
    for (size_t i = 0; i < waivers->n; i++) {
        bool holds = waivers->v[i].expires > collect->out->at_ms;
        metric_add(count, METRIC_LABELS("state", holds ? "valid" : "expired"), 1);
        if (holds) {
            metric_lower(next, NULL, (double)waivers->v[i].expires / 1000);
        }
    }
    return 0;
}

static int
collect_self(struct collect *collect, struct err *err)
{
    struct metrics *out = collect->out;

    metric_set(metrics_family(out, METRIC_BUILD_INFO),
               METRIC_LABELS("version", NIGHTJAR_VERSION), 1);
    metric_set(metrics_family(out, METRIC_PUSH_TIMESTAMP), NULL,
               (double)out->at_ms / 1000);
    return store_since(collect->store, &out->since_ms, err);
}

int
collect_metrics(struct store *store, const struct collect_policy *policy,
                struct metrics *out, struct err *err)
{
    /* who knows targets comes before who wants them */
    static collect_step *const steps[] = {
        collect_self,   collect_counts, collect_workers,  collect_bugs,
        collect_totals, collect_vitals, collect_troubles, collect_outbox,
        collect_slo,    collect_host,   collect_waivers};
    AUTO(metrics_clear) struct metrics metrics = {.at_ms = clock_wall_ms()};
    struct collect collect = {.store = store, .policy = policy, .out = &metrics};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < COUNT(steps); i++) {
        rc = steps[i](&collect, err);
    }
    strv_clear(&collect.targets);
    strv_clear(&collect.sinks);
    if (rc == 0) {
        *out = metrics;
        metrics = (struct metrics){0};
    }
    return rc;
}
