/* What stands for each bug, read back: for rules that are weighed anew when they change.
 */
#include "triage/store/records.h"

#include <string.h>

#include "base/mem.h"
#include "triage/store/store_private.h"

enum {
    NEXT,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [NEXT] = "SELECT g.id, t.name, r.json FROM bug g JOIN target t ON t.id = g.target"
             " JOIN record r ON r.crash = g.crash WHERE g.id > ?1 AND g.id <= ?2"
             " AND (?3 = 0 OR g.target = ?3) ORDER BY g.id LIMIT 1",
};
const struct store_sql store_records_sql = {sql, STATEMENTS};

/* 1: *bug is the next one, *record NULL where it cannot be read. */
static int
next_record(struct store *store, const struct record_range *range, int64_t *bug,
            char **name, struct record **record, struct err *err)
{
    AUTO(json_decref) json_t *object = NULL;
    struct stmt *row = NULL;
    int64_t last = range->bug == 0 ? INT64_MAX : range->bug;
    int rc = db_query(store->db, &row, err, sql[NEXT], "iii", *bug, last, range->target);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    const char *text = stmt_text(row, 2);
    *bug = stmt_int(row, 0);
    *name = mem_strdup(stmt_text(row, 1));
    if (json_parse(text, strlen(text), &object, NULL) == 0) {
        (void)record_from_json(object, record, NULL);
    }
    stmt_reset(row);
    return 1;
}

int
store_records(struct store *store, const struct record_range *range,
              bug_record_visit *visit, void *user, struct err *err)
{
    int64_t bug = range->bug == 0 ? 0 : range->bug - 1;
    int rc = 1;

    while (rc == 1) {
        AUTO(mem_free) char *name = NULL;
        AUTO(record_free) struct record *record = NULL;
        rc = next_record(store, range, &bug, &name, &record, err);
        if (rc == 1 && record != NULL) {
            int told = visit(user, bug, name, record, err);
            rc = told == 0 ? 1 : told;
        }
    }
    return rc;
}
