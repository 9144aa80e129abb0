#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/store/tally.h"

enum {
    EVENT,
    OUTBOX,
    QUIET,
    COUNT_UP,
    COUNTERS,
    BUG_FRESH,
    BUG_TOLD,
    SINCE,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [EVENT] =
        "INSERT INTO event(at, kind, subject, subject_id, from_state, to_state, actor,"
        " detail, quiet) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [OUTBOX] = "INSERT INTO outbox(sink, event, next_try) SELECT id, ?1, ?2 FROM sink"
               " WHERE active",
    [QUIET] = "SELECT backlog FROM bug WHERE id = ?1",
    [COUNT_UP] =
        "INSERT INTO counter(name, labels, value) VALUES(?1, ?2, ?3)"
        " ON CONFLICT(name, labels) DO UPDATE SET value = value + excluded.value",
    [COUNTERS] = "SELECT name, labels, value FROM counter ORDER BY name, labels",
    [BUG_FRESH] = "UPDATE bug SET backlog = 0 WHERE id = ?1 AND backlog",
    [BUG_TOLD] = "SELECT g.crash, t.name, g.crash_type, g.crash_state, g.severity,"
                 " g.signature, c.written, c.first_seen, g.backlog FROM bug g"
                 " JOIN crash c ON c.id = g.crash JOIN target t ON t.id = g.target"
                 " WHERE g.id = ?1",
    [SINCE] = "SELECT coalesce((SELECT at FROM event"
              " WHERE id = (SELECT min(id) FROM event)), ?1)",
};
const struct store_sql store_event_sql = {sql, STATEMENTS};

/* Whether it goes to no sink. */
static int
is_quiet(struct store *store, const struct event *event, int64_t *quiet, struct err *err)
{
    *quiet = strcmp(event->subject, "crash") == 0 ||
             strcmp(event->kind, "bug.introduced") == 0 ||
             (strcmp(event->kind, "bug.deadline") == 0 && strcmp(event->to, "met") == 0);
    return *quiet != 0 || strcmp(event->subject, "bug") != 0
               ? 0
               : db_int(store->db, quiet, err, sql[QUIET], "i", event->subject_id);
}

int
store_event_put(struct store *store, const struct event *event, struct err *err)
{
    AUTO(mem_free) char *detail = event->detail == NULL ? NULL : json_line(event->detail);
    const char *actor = event->actor == NULL ? "nightjar" : event->actor;
    int64_t now = clock_wall_ms();
    int64_t quiet = 0;
    int rc = is_quiet(store, event, &quiet, err);

    rc = rc < 0 ? rc
                : db_run(store->db, err, sql[EVENT], "ittitttti", now, event->kind,
                         event->subject, event->subject_id, event->from, event->to, actor,
                         detail, quiet);
    int64_t id = db_last_id(store->db);
    rc = rc < 0 ? rc : store_tally_event(store, event, now, err);
    return rc < 0 || quiet != 0 ? rc : db_run(store->db, err, sql[OUTBOX], "ii", id, now);
}

int
store_event(struct store *store, const struct event *event, struct err *err)
{
    if (event->kind[0] == '\0' || event->subject[0] == '\0') {
        return err_set(err, -EINVAL, "an event needs a kind and a subject");
    }
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    return store_end(store, store_event_put(store, event, err), err);
}

/* A look without the lock comes first: mostly nothing has changed. */
static int
changes(struct store *store, const struct event *event, const char *otherwise,
        char **state, bool *out, struct err *err)
{
    int rc = store_last_state(store, event, state, err);
    const char *now = *state == NULL ? otherwise : *state;

    *out = now == NULL || strcmp(now, event->to) != 0;
    return rc;
}

int
store_event_change(struct store *store, const struct event *event, const char *otherwise,
                   struct err *err)
{
    struct event moved = *event;
    bool due = false;

    for (int locked = 0; locked < 2; locked++) {
        AUTO(mem_free) char *state = NULL;
        int rc = locked == 0 ? 0 : db_begin(store->db, err);
        if (rc < 0) {
            return rc;
        }
        rc = changes(store, event, otherwise, &state, &due, err);
        moved.from = state == NULL ? otherwise : state;
        rc = rc < 0 || !due || locked == 0 ? rc : store_event_put(store, &moved, err);
        rc = locked == 0 ? rc : store_end(store, rc, err);
        if (rc < 0 || !due) {
            return rc;
        }
    }
    return 0;
}

int
store_event_first(struct store *store, const struct event *event, struct err *err)
{
    AUTO(mem_free) char *state = NULL;
    int rc = store_last_state(store, event, &state, err);

    return rc < 0 || state != NULL ? rc : store_event_change(store, event, NULL, err);
}

int
store_crash_event(struct store *store, int64_t crash, const char *from, const char *to,
                  const char *reason, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    const struct event event = {.kind = "crash.state",
                                .subject = "crash",
                                .subject_id = crash,
                                .from = from,
                                .to = to,
                                .detail = detail};

    json_put(detail, "reason", json_text(reason));
    return store_event_put(store, &event, err);
}

char *
store_labels(const char *const *labels)
{
    AUTO(json_decref) json_t *object = json_object();

    for (size_t i = 0; labels[i] != NULL; i += 2) {
        json_put(object, labels[i], json_text(labels[i + 1]));
    }
    return json_line(object);
}

int
store_count(struct store *store, const char *name, const char *const *labels,
            int64_t delta, struct err *err)
{
    if (delta <= 0) {
        return 0;
    }
    AUTO(mem_free) char *text = store_labels(labels);
    return db_run(store->db, err, sql[COUNT_UP], "tti", name, text, delta);
}

/* --- what is told of a bug --- */

/* Tell what the bug's row says; not to be told, nor counted, while it is backlog. */
static int
event_new(struct store *store, int64_t bug, struct event *event, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    struct stmt *row = NULL;
    char title[256];
    int rc = db_query(store->db, &row, err, sql[BUG_TOLD], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc < 0 ? rc : err_set(err, -EUCLEAN, "NJ-%lld is gone", (long long)bug);
    }
    AUTO(mem_free) char *target = mem_strdup(stmt_text(row, 1));
    const char *severity = severity_name((enum severity)stmt_int(row, 4));
    const char *const labels[] = {"target", target, "severity", severity, NULL};
    store_title(title, sizeof(title), stmt_text(row, 2), stmt_text(row, 3));
    json_put(detail, "crash", json_integer(stmt_int(row, 0)));
    json_put(detail, "target", json_text(target));
    json_put(detail, "title", json_text(title));
    json_put(detail, "severity", json_string(severity));
    json_put(detail, "signature", json_text(stmt_text(row, 5)));
    json_put(detail, "written", json_integer(stmt_int(row, 6)));
    json_put(detail, "filed", json_integer(stmt_int(row, 7)));
    bool counts = stmt_int(row, 8) == 0;
    stmt_reset(row);
    event->subject = "bug";
    event->subject_id = bug;
    event->detail = detail;
    rc = store_event_put(store, event, err);
    rc = rc < 0 || !counts ? rc
                           : store_count(store, "bugs_detected_total", labels, 1, err);
    return rc < 0 || !counts ? rc : store_tally_found(store, bug, clock_wall_ms(), err);
}

int
store_bug_is_new(struct store *store, int64_t bug, const char *actor, struct err *err)
{
    struct event event = {.kind = "bug.new", .to = "new", .actor = actor};

    return event_new(store, bug, &event, err);
}

int
store_bug_is_fresh(struct store *store, int64_t bug, struct err *err)
{
    struct event event = {.kind = "bug.backlog", .from = "backlog", .to = "fresh"};
    int rc = db_run(store->db, err, sql[BUG_FRESH], "i", bug);

    return rc < 0 || db_changes(store->db) == 0 ? rc : event_new(store, bug, &event, err);
}

/* --- totals --- */

/* All rows first: the visitor may use the store, and there are few. */
int
store_counters(struct store *store, counter_visit *visit, void *user, struct err *err)
{
    AUTO(strv_clear) struct strv texts = {0};
    AUTO(buf_clear) struct buf values = BUF_INIT;
    struct stmt *stmt = NULL;
    int rc = db_query(store->db, &stmt, err, sql[COUNTERS], "");

    while (rc == 0 && (rc = stmt_step(stmt, err)) == 1) {
        int64_t value = stmt_int(stmt, 2);
        strv_add(&texts, stmt_text(stmt, 0));
        strv_add(&texts, stmt_text(stmt, 1));
        buf_add(&values, &value, sizeof(value));
        rc = 0;
    }
    for (size_t i = 0; rc == 0 && 2 * i < texts.n; i++) {
        int64_t value = 0;
        memcpy(&value, values.data + i * sizeof(value), sizeof(value));
        rc = visit(user, texts.v[2 * i], texts.v[2 * i + 1], value, err);
    }
    return rc;
}

int
store_since(struct store *store, int64_t *at, struct err *err)
{
    return db_int(store->db, at, err, sql[SINCE], "i", clock_wall_ms());
}
