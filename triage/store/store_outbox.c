#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "triage/outbox.h"

enum {
    INACTIVE,
    PUT_SINK,
    SINK,
    DUE,
    NEXT_TRY,
    TRIED,
    LIST,
    COUNTS,
    AGAIN,
    DROP,
    ALERTS,
    STATEMENTS,
};

/* A subject's messages go one by one: what is later waits for what is earlier. */
#define FIRST_OF_ITS_SUBJECT                                                 \
    " AND NOT EXISTS (SELECT 1 FROM outbox p JOIN event q ON q.id = p.event" \
    " WHERE p.sink = o.sink AND p.state = 'pending' AND p.id < o.id"         \
    " AND q.subject = e.subject AND q.subject_id = e.subject_id)"

#define ROW                                                                            \
    "SELECT o.id, o.event, o.state, o.tries, o.next_try, o.error, s.name, s.config,"   \
    " e.at, e.kind, e.subject, e.subject_id, e.from_state, e.to_state, e.actor,"       \
    " e.detail, CASE e.subject WHEN 'target' THEN (SELECT name FROM target WHERE id =" \
    " e.subject_id) WHEN 'worker' THEN (SELECT name FROM worker WHERE id ="            \
    " e.subject_id) WHEN 'budget' THEN json_extract(e.detail, '$.service') END FROM "  \
    "sink s CROSS JOIN outbox o ON o.sink = s.id"                                      \
    " JOIN event e ON e.id = o.event"

static const char *const sql[STATEMENTS] = {
    [INACTIVE] = "UPDATE sink SET active = 0"
                 " WHERE name NOT IN (SELECT value FROM json_each(?1))",
    [PUT_SINK] = "INSERT INTO sink(name, kind, config, since, created)"
                 " VALUES(?1, ?2, json_object('key', lower(hex(randomblob(8)))),"
                 " coalesce((SELECT max(id) FROM event), 0), ?3)"
                 " ON CONFLICT(name) DO UPDATE SET kind = excluded.kind, active = 1,"
                 " since = iif(active, since, excluded.since)",
    [SINK] = "SELECT id FROM sink WHERE name = ?1",
    [DUE] = ROW " WHERE s.name = ?1 AND o.state = 'pending'"
                " AND o.next_try NOT BETWEEN ?2 + 1 AND ?2 + ?3" FIRST_OF_ITS_SUBJECT
                " ORDER BY o.id LIMIT 1",
    [NEXT_TRY] = "SELECT coalesce(min(iif(next_try > ?2 + ?3, ?2, next_try)), -1)"
                 " FROM outbox"
                 " WHERE sink = (SELECT id FROM sink WHERE name = ?1)"
                 " AND state = 'pending'",
    [TRIED] =
        "UPDATE outbox SET state = ?2, tries = tries + 1, next_try = ?3,"
        " error = ?4, sent = iif(?5 > 0, ?5, NULL) WHERE id = ?1 AND state = 'pending'",
    [LIST] = ROW " WHERE o.state <> 'sent' AND (?1 IS NULL OR s.name = ?1)"
                 " ORDER BY s.name, o.id LIMIT ?2",
    [COUNTS] = "SELECT s.name, s.kind, s.active,"
               " (SELECT count(*) FROM outbox o WHERE o.sink = s.id AND"
               "  o.state = 'pending'),"
               " (SELECT count(*) FROM outbox o WHERE o.sink = s.id AND"
               "  o.state <> 'sent' AND o.state = 'dead'),"
               " (SELECT min(e.at) FROM outbox o JOIN event e ON e.id = o.event"
               " WHERE o.sink = s.id AND o.state = 'pending')"
               " FROM sink s ORDER BY s.name",
    [AGAIN] = "UPDATE outbox SET state = 'pending', tries = 0, next_try = ?3"
              " WHERE state <> 'sent' AND (?1 = 0 OR id = ?1)"
              " AND sink IN (SELECT id FROM sink WHERE ?2 IS NULL OR name = ?2)",
    [DROP] = "UPDATE outbox SET state = 'sent', error = 'dropped by hand'"
             " WHERE state <> 'sent' AND (?1 = 0 OR id = ?1)"
             " AND sink IN (SELECT id FROM sink WHERE ?2 IS NULL OR name = ?2)",
    [ALERTS] = "SELECT e.at, min(o.sent) FROM outbox o JOIN event e ON e.id = o.event"
               " WHERE o.sent > ?1 GROUP BY +o.event ORDER BY 2",
};
const struct store_sql store_outbox_sql = {sql, STATEMENTS};

static int
put_sinks(struct store *store, const struct sink_row *rows, size_t n, struct err *err)
{
    AUTO(json_decref) json_t *names = json_array();

    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(names, json_text(rows[i].name));
    }
    AUTO(mem_free) char *text = json_line(names);
    int rc = db_run(store->db, err, sql[INACTIVE], "t", text);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = db_run(store->db, err, sql[PUT_SINK], "tti", rows[i].name, rows[i].kind,
                    clock_wall_ms());
    }
    return rc;
}

int
store_put_sinks(struct store *store, const struct sink_row *rows, size_t n,
                struct err *err)
{
    int rc = db_begin(store->db, err);

    return rc < 0 ? rc : store_end(store, put_sinks(store, rows, n, err), err);
}

/* Copies, so that visit may use the store. */
static int
visit_row(struct stmt *row, outbox_visit *visit, void *user, bool last, struct err *err)
{
    AUTO(strv_clear) struct strv texts = {0};
    AUTO(json_decref) json_t *config = NULL;
    AUTO(json_decref) json_t *detail = NULL;
    static const int columns[] = {2, 5, 6, 9, 10, 12, 13, 14, 16};

    for (size_t i = 0; i < COUNT(columns); i++) {
        strv_add(&texts, stmt_text(row, columns[i]));
    }
    const char *text = stmt_text(row, 7);
    int rc = json_parse(text, strlen(text), &config, err);
    if (rc == 0 && !stmt_null(row, 15)) {
        text = stmt_text(row, 15);
        rc = json_parse(text, strlen(text), &detail, err);
    }
    if (rc < 0) {
        return rc;
    }
    const struct outbox_row out = {.id = stmt_int(row, 0),
                                   .event = stmt_int(row, 1),
                                   .tries = stmt_int(row, 3),
                                   .next_try = stmt_int(row, 4),
                                   .at = stmt_int(row, 8),
                                   .subject_id = stmt_int(row, 11),
                                   .state = texts.v[0],
                                   .error = texts.v[1],
                                   .sink = texts.v[2],
                                   .kind = texts.v[3],
                                   .subject = texts.v[4],
                                   .from = texts.v[5],
                                   .to = texts.v[6],
                                   .actor = texts.v[7],
                                   .name = texts.v[8],
                                   .key = json_get_str(config, "key", ""),
                                   .detail = detail};
    if (last) {
        stmt_reset(row);
    }
    return visit(user, &out, err);
}

int
store_outbox_due(struct store *store, const char *sink, int64_t now, outbox_visit *visit,
                 void *user, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[DUE], "tii", sink, now,
                      (int64_t)OUTBOX_WAIT_MAX_MS);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    rc = visit_row(row, visit, user, true, err);
    return rc < 0 ? rc : 1;
}

int
store_outbox_next_try(struct store *store, const char *sink, int64_t *out,
                      struct err *err)
{
    return db_int(store->db, out, err, sql[NEXT_TRY], "tii", sink, clock_wall_ms(),
                  (int64_t)OUTBOX_WAIT_MAX_MS);
}

int
store_outbox_tried(struct store *store, int64_t id, const struct outbox_tried *what,
                   struct err *err)
{
    int rc = db_begin(store->db, err);

    rc = rc < 0 ? rc
                : db_run(store->db, err, sql[TRIED], "ititi", id, what->state,
                         what->next_try, what->error,
                         what->told ? clock_wall_ms() : (int64_t)0);
    return rc < 0 ? rc : store_end(store, rc, err);
}

int
store_outbox(struct store *store, const char *sink, int limit, outbox_visit *visit,
             void *user, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[LIST], "ti", sink, (int64_t)limit);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        rc = visit_row(row, visit, user, false, err);
    }
    return rc;
}

int
store_sinks(struct store *store, sink_visit *visit, void *user, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[COUNTS], "");

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        const struct sink_counts counts = {.name = stmt_text(row, 0),
                                           .kind = stmt_text(row, 1),
                                           .active = stmt_int(row, 2) != 0,
                                           .pending = stmt_int(row, 3),
                                           .dead = stmt_int(row, 4),
                                           .oldest = stmt_int(row, 5)};
        rc = visit(user, &counts, err);
    }
    return rc;
}

int
store_alerts(struct store *store, int64_t since, alert_visit *visit, void *user,
             struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[ALERTS], "i", since);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        rc = visit(user, stmt_int(row, 0), stmt_int(row, 1), err);
    }
    stmt_reset(row);
    return rc;
}

/* -ENODATA when a sink or a message is named that is not there. */
static int
change(struct store *store, const char *statement, int64_t id, const char *sink,
       int64_t *changed, struct err *err)
{
    int64_t known = 0;
    int rc = sink == NULL ? 0 : db_int(store->db, &known, err, sql[SINK], "t", sink);

    if (rc == -ENODATA) {
        return err_set(err, -ENODATA, "there is no sink '%s': nightjar outbox lists them",
                       sink);
    }
    rc = rc < 0 ? rc : db_begin(store->db, err);
    if (rc < 0) {
        return rc;
    }
    rc = statement == sql[AGAIN]
             ? db_run(store->db, err, statement, "iti", id, sink, clock_wall_ms())
             : db_run(store->db, err, statement, "it", id, sink);
    *changed = rc < 0 ? 0 : db_changes(store->db);
    rc = store_end(store, rc, err);
    return rc == 0 && id != 0 && *changed == 0
               ? err_set(err, -ENODATA,
                         "no message %lld waits: nightjar outbox lists them",
                         (long long)id)
               : rc;
}

int
store_outbox_again(struct store *store, int64_t id, const char *sink, int64_t *changed,
                   struct err *err)
{
    return change(store, sql[AGAIN], id, sink, changed, err);
}

int
store_outbox_drop(struct store *store, int64_t id, const char *sink, int64_t *changed,
                  struct err *err)
{
    return change(store, sql[DROP], id, sink, changed, err);
}
