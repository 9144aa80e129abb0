#include "triage/store/store_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "triage/issue.h"

enum {
    ISSUE,
    CREATED_SINCE,
    DIGEST_SINCE,
    DUE,
    SINK_KEY,
    STATEMENTS,
};

#define OF_SINK " AND json_extract(e.detail, '$.sink') = ?1"

static const char *const sql[STATEMENTS] = {
    [ISSUE] = "SELECT json_extract(e.detail, '$.key'), e.to_state,"
              " json_extract(e.detail, '$.until'), e.at FROM event e"
              " WHERE e.subject = 'bug' AND e.subject_id = ?2"
              " AND e.kind = 'bug.issue'" OF_SINK " ORDER BY e.id DESC LIMIT 1",
    [CREATED_SINCE] = "SELECT count(*) FROM event e WHERE e.kind = 'bug.issue'"
                      " AND e.at >= ?2 AND json_extract(e.detail, '$.created')" OF_SINK,
    [DIGEST_SINCE] = "SELECT e.subject_id, json_extract(e.detail, '$.key') FROM event e"
                     " WHERE e.kind = 'bug.issue' AND e.to_state = 'digest'"
                     " AND e.at >= ?2" OF_SINK " GROUP BY e.subject_id ORDER BY e.id",
    [DUE] = "SELECT e.subject_id, json_extract(e.detail, '$.key') FROM event e"
            " WHERE e.kind = 'bug.issue' AND e.to_state <> 'gone'"
            " AND json_extract(e.detail, '$.until') BETWEEN 1 AND ?2" OF_SINK
            " AND NOT EXISTS (SELECT 1 FROM event n WHERE n.subject = 'bug'"
            " AND n.subject_id = e.subject_id AND n.id > e.id AND n.kind = 'bug.issue'"
            " AND json_extract(n.detail, '$.sink') = ?1) ORDER BY e.id",
    [SINK_KEY] = "SELECT json_extract(config, '$.key') FROM sink WHERE name = ?1",
};
const struct store_sql store_issue_sql = {sql, STATEMENTS};

void
issue_clear(struct issue_row *row)
{
    mem_free(row->key);
    *row = (struct issue_row){0};
}

int
store_issue(struct store *store, int64_t bug, const char *sink, struct issue_row *out,
            struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[ISSUE], "ti", sink, bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    *out = (struct issue_row){.key = mem_strdup(stmt_text(row, 0)),
                              .until = stmt_int(row, 2),
                              .created = stmt_int(row, 3)};
    (void)snprintf(out->state, sizeof(out->state), "%s", stmt_text(row, 1));
    stmt_reset(row);
    return 0;
}

int
store_put_issue(struct store *store, int64_t bug, const char *sink,
                const struct issue_row *row, struct err *err)
{
    AUTO(issue_clear) struct issue_row before = {0};
    AUTO(json_decref) json_t *detail = json_object();
    int rc = store_issue(store, bug, sink, &before, err);

    if (rc < 0) {
        return rc;
    }
    bool own = strcmp(row->state, "filed") == 0;
    bool had = before.key != NULL && strcmp(before.state, "digest") != 0;
    json_put(detail, "sink", json_text(sink));
    json_put(detail, "key", json_text(row->key));
    json_put(detail, "until", json_integer(row->until));
    json_put(detail, "created", json_boolean(own && !had));
    const struct event event = {.kind = "bug.issue",
                                .subject = "bug",
                                .subject_id = bug,
                                .to = row->state,
                                .detail = detail};
    return store_event(store, &event, err);
}

int
store_issues_since(struct store *store, const char *sink, int64_t since, int64_t *out,
                   struct err *err)
{
    return db_int(store->db, out, err, sql[CREATED_SINCE], "ti", sink, since);
}

static int
visit_all(struct stmt *row, issue_visit *visit, void *user, struct err *err)
{
    int rc = 0;

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        rc = visit(user, stmt_int(row, 0), stmt_text(row, 1), err);
    }
    return rc;
}

int
store_issues_digest(struct store *store, const char *sink, int64_t since,
                    issue_visit *visit, void *user, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[DIGEST_SINCE], "ti", sink, since);

    return rc < 0 ? rc : visit_all(row, visit, user, err);
}

int
store_issues_due(struct store *store, const char *sink, int64_t now, issue_visit *visit,
                 void *user, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[DUE], "ti", sink, now);

    return rc < 0 ? rc : visit_all(row, visit, user, err);
}

int
store_sink_key(struct store *store, const char *sink, char **out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[SINK_KEY], "t", sink);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc < 0 ? rc : err_set(err, -ENODATA, "there is no sink '%s'", sink);
    }
    *out = mem_strdup(stmt_text(row, 0));
    stmt_reset(row);
    return 0;
}
