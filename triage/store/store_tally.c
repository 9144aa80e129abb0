#include "triage/store/tally.h"

#include <string.h>

#include "base/mem.h"
#include "triage/control.h"
#include "triage/store/store_private.h"

enum {
    OBSERVE,
    OPENED,
    FOUND,
    FILED,
    STATEMENTS,
};

/* The campaign that ran when a file was written; 0: none did. */
#define CAMPAIGN_AT(written)                                                \
    "coalesce((SELECT max(started) FROM campaign WHERE started <= " written \
    " AND " written " <= coalesce(ended, " written ")), 0)"

static const char *const sql[STATEMENTS] = {
    /* the bucket and the sum at once: each crash has several */
    [OBSERVE] = "INSERT INTO counter(name, labels, value) VALUES(?1, ?2, 1), (?3, ?4, ?5)"
                " ON CONFLICT(name, labels) DO UPDATE SET value = value + excluded.value",
    /* since it came back, else since it was filed */
    [OPENED] = "SELECT t.name, g.severity, g.backlog, coalesce((SELECT max(e.at) FROM"
               " event e WHERE e.subject = 'bug' AND e.subject_id = g.id"
               " AND e.kind = 'bug.state' AND e.to_state = 'regressed'), g.filed)"
               " FROM bug g JOIN target t ON t.id = g.target WHERE g.id = ?1",
    [FOUND] = "SELECT g.severity, g.target, c.written, " CAMPAIGN_AT(
        "c.written") " FROM bug g JOIN crash c ON c.id = g.crash WHERE g.id = ?1",
    /* (in parentheses, for clang takes two rows of two lines each for a lost comma) */
    [FILED] = ("SELECT t.name, g.filed, b.bytes FROM bug g JOIN target t"
               " ON t.id = g.target JOIN blob b ON b.id = g.original WHERE g.id = ?1"),
};
const struct store_sql store_tally_sql = {sql, STATEMENTS};

int
store_observe(struct store *store, const struct histogram *histogram,
              const char *const *labels, double value, struct err *err)
{
    char le[HISTOGRAM_LE_MAX];
    char bucket[64];
    char sum[64];

    if (!(value >= 0)) {
        return 0;
    }
    AUTO(mem_free) char *of = store_labels(labels);
    histogram_le(histogram, histogram_bucket(histogram, value), le);
    AUTO(mem_free)
    char *with_le = mem_printf("%.*s%s\"le\":\"%s\"}", (int)strlen(of) - 1, of,
                               of[1] == '}' ? "" : ",", le);
    (void)snprintf(bucket, sizeof(bucket), "%s_bucket", histogram->name);
    (void)snprintf(sum, sizeof(sum), "%s_sum", histogram->name);
    return db_run(store->db, err, sql[OBSERVE], "tttti", bucket, with_le, sum, of,
                  (int64_t)(value * histogram->per_unit));
}

static int
observe_ms(struct store *store, const struct histogram *histogram,
           const char *const *labels, int64_t ms, struct err *err)
{
    return store_observe(store, histogram, labels, (double)ms / 1000, err);
}

/* --- events --- */

static int
bug_changed(struct store *store, const struct event *event, int64_t now, struct err *err)
{
    bool fixed = event->to != NULL && strcmp(event->to, "fixed") == 0;
    bool back = event->to != NULL && strcmp(event->to, "regressed") == 0;
    struct stmt *row = NULL;

    if (!fixed && !back) {
        return 0;
    }
    int rc = db_query(store->db, &row, err, sql[OPENED], "i", event->subject_id);
    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    AUTO(mem_free) char *target = mem_strdup(stmt_text(row, 0));
    const char *severity = severity_name((enum severity)stmt_int(row, 1));
    bool backlog = stmt_int(row, 2) != 0;
    int64_t open_ms = now - stmt_int(row, 3);
    stmt_reset(row);
    const char *const labels[] = {"target", target, "severity", severity, NULL};
    rc = store_count(store, fixed ? "bugs_fixed_total" : "bugs_regressed_total", labels,
                     1, err);
    return rc < 0 || !fixed || backlog
               ? rc
               : observe_ms(store, &histogram_fix, &labels[2], open_ms, err);
}

static int
deadline_passed(struct store *store, const struct event *event, int64_t now,
                struct err *err)
{
    const char *const labels[] = {"severity",
                                  json_get_str(event->detail, "severity", "info"),
                                  "result", event->to, NULL};

    (void)now;
    return store_count(store, "bug_patch_deadline_total", labels, 1, err);
}

static int
incident(struct store *store, const struct event *event, int64_t now, struct err *err)
{
    bool outage = strcmp(event->kind, "target.outage") == 0;
    const char *const labels[] = {"severity",
                                  json_get_str(event->detail, "severity", "high"), "kind",
                                  outage ? "control" : "vuln", NULL};

    (void)now;
    return strcmp(event->to, "ok") == 0
               ? 0
               : store_count(store, "incidents_total", labels, 1, err);
}

static int
introduced(struct store *store, const struct event *event, int64_t now, struct err *err)
{
    const char *const labels[] = {"severity",
                                  json_get_str(event->detail, "severity", "info"),
                                  "clock", "introduced", NULL};

    (void)now;
    return observe_ms(store, &histogram_detection, labels,
                      json_get_int(event->detail, "duration_ms", -1), err);
}

static int
verdict(struct store *store, const struct event *event, int64_t now, struct err *err)
{
    const char *const labels[] = {"verdict", event->to, NULL};
    double ms = json_get_real(event->detail, "duration_ms", -1);
    int rc = store_count(store, "gate_runs_total", labels, 1, err);

    (void)now;
    return rc < 0 || ms < 0
               ? rc
               : store_observe(store, &histogram_gate, labels, ms / 1000, err);
}

int
store_tally_event(struct store *store, const struct event *event, int64_t now,
                  struct err *err)
{
    static const struct {
        const char *kind;
        int (*tally)(struct store *store, const struct event *event, int64_t now,
                     struct err *err);
    } rows[] = {{"bug.state", bug_changed},  {"bug.deadline", deadline_passed},
                {"bug.incident", incident},  {"bug.introduced", introduced},
                {"target.outage", incident}, {"gate.verdict", verdict}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (strcmp(rows[i].kind, event->kind) == 0) {
            return rows[i].tally(store, event, now, err);
        }
    }
    return 0;
}

/* --- durations --- */

int
store_tally_found(struct store *store, int64_t bug, int64_t now, struct err *err)
{
    const char *labels[] = {"severity", NULL, "clock", NULL, NULL};
    struct stmt *row = NULL;
    int64_t cpu = 0;
    int rc = db_query(store->db, &row, err, sql[FOUND], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    labels[1] = severity_name((enum severity)stmt_int(row, 0));
    int64_t target = stmt_int(row, 1);
    int64_t written = stmt_int(row, 2);
    int64_t campaign = stmt_int(row, 3);
    stmt_reset(row);
    if (campaign == 0) {
        return 0; /* a person brought it */
    }
    rc = store_control_cpu(store, target, campaign, written, &cpu, err);
    const struct {
        const char *clock;
        int64_t ms;
    } rows[] = {
        {"campaign", written - campaign}, {"cpu", cpu}, {"pipeline", now - written}};
    for (size_t i = 0; rc == 0 && i < COUNT(rows); i++) {
        labels[3] = rows[i].clock;
        rc = observe_ms(store, &histogram_detection, labels, rows[i].ms, err);
    }
    return rc;
}

int
store_tally_triaged(struct store *store, int64_t written, int64_t first_seen, int64_t now,
                    struct err *err)
{
    static const char *const ingest[] = {"step", "ingest", NULL};
    static const char *const triage[] = {"step", "triage", NULL};
    int rc = written < 0 ? 0
                         : observe_ms(store, &histogram_triage, ingest,
                                      first_seen - written, err);

    return rc < 0 ? rc
                  : observe_ms(store, &histogram_triage, triage, now - first_seen, err);
}

int
store_tally_minimized(struct store *store, int64_t bug, int64_t bytes, int64_t now,
                      struct err *err)
{
    static const char *const step[] = {"step", "minimize", NULL};
    const char *labels[] = {"target", NULL, NULL};
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[FILED], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    AUTO(mem_free) char *target = mem_strdup(stmt_text(row, 0));
    int64_t took = now - stmt_int(row, 1);
    int64_t original = stmt_int(row, 2);
    stmt_reset(row);
    labels[1] = target;
    rc = original == 0 ? 0
                       : store_observe(store, &histogram_minimize, labels,
                                       (double)bytes / (double)original, err);
    return rc < 0 ? rc : observe_ms(store, &histogram_triage, step, took, err);
}
