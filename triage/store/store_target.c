#include "triage/store/store_private.h"

#include <errno.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    TARGET,
    NAMES,
    LAST_STATE,
    TROUBLES,
    STATEMENTS,
};

#define LAST_OF(event_kind)                                               \
    "coalesce((SELECT e.to_state FROM event e WHERE e.subject = 'target'" \
    " AND e.subject_id = t.id AND e.kind = '" event_kind                  \
    "' ORDER BY e.id DESC LIMIT 1), 'ok')"

static const char *const sql[STATEMENTS] = {
    [TARGET] = "SELECT id FROM target WHERE name = ?1",
    [NAMES] = "SELECT name FROM target ORDER BY name",
    [LAST_STATE] = "SELECT to_state FROM event WHERE subject = ?1 AND subject_id = ?2"
                   " AND kind = ?3 ORDER BY id DESC LIMIT 1",
    [TROUBLES] =
        ("SELECT name, iif('dropped' IN (coverage, edges), 'dropped', 'ok'), disk"
         " FROM (SELECT t.name, " LAST_OF("target.coverage") " AS coverage, " LAST_OF(
             "target.edges") " AS edges, " LAST_OF("target.disk") " AS disk"
                                                                  " FROM target t ORDER "
                                                                  "BY t.name)"
                                                                  " WHERE 'dropped' IN "
                                                                  "(coverage, edges) OR "
                                                                  "disk = 'full'"),
};
const struct store_sql store_target_sql = {sql, STATEMENTS};

int
store_target(struct store *store, const char *name, int64_t *id, struct err *err)
{
    AUTO(mem_free) char *shown = str_name_dup(name);
    int rc = db_int(store->db, id, err, sql[TARGET], "t", shown);

    return rc == -ENODATA
               ? err_set(err, rc, "there is no target '%.100s' in the store", shown)
               : rc;
}

int
store_target_names(struct store *store, struct strv *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[NAMES], "");

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        strv_add(out, stmt_text(row, 0));
        rc = 0;
    }
    return rc;
}

int
store_last_state(struct store *store, const struct event *of, char **state,
                 struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[LAST_STATE], "tit", of->subject,
                      of->subject_id, of->kind);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc < 0) {
        return rc;
    }
    *state = rc == 1 && !stmt_null(row, 0) ? mem_strdup(stmt_text(row, 0)) : NULL;
    stmt_reset(row);
    return 0;
}

int
store_target_troubles(struct store *store, target_trouble *visit, void *user,
                      struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[TROUBLES], "");

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        rc = visit(user, stmt_text(row, 0), stmt_text(row, 1), stmt_text(row, 2), err);
    }
    stmt_reset(row);
    return rc;
}
