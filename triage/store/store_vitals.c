#include "triage/vitals.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"
#include "triage/store/store_private.h"

enum { PUT = VITALS, SERVICE, SERVICE_ADD, STATEMENTS };

/* What is only remembered is a setting of this name, and of the label behind it. */
#define PUSHED "pushed:"
#define CORPUS "corpus_bytes:"
#define CANARY "canary:"
#define REMEMBERED(prefix)                                     \
    "SELECT substr(name, length('" prefix "') + 1), '', value" \
    " FROM setting WHERE name GLOB '" prefix "*'"

static const char *const sql[STATEMENTS] = {
    [VITAL_HEARTBEAT] =
        "SELECT '', '', coalesce((SELECT max(updated) FROM worker WHERE campaign ="
        " (SELECT id FROM campaign WHERE id = (SELECT max(id) FROM campaign)"
        "  AND ended IS NULL)), 0)",
    [VITAL_QUEUE_OLDEST] =
        "SELECT 'ingest', '', coalesce((SELECT first_seen FROM crash"
        "  WHERE state = 'queued' AND state <> 'triaged' ORDER BY id LIMIT 1), 0)"
        " UNION ALL SELECT 'minimize', '', coalesce((SELECT min(filed) FROM bug"
        "  WHERE minimize = 'waiting'), 0)",
    [VITAL_BUILD] =
        "SELECT t.name, b.kind, max(b.first_seen) FROM target t CROSS JOIN build b"
        " ON b.target = t.id GROUP BY t.id, b.kind",
    [VITAL_LINES] =
        "SELECT t.name, '', (SELECT lines_covered FROM coverage WHERE target = t.id"
        " ORDER BY id DESC LIMIT 1) FROM target t"
        " WHERE EXISTS (SELECT 1 FROM coverage WHERE target = t.id)",
    [VITAL_LINES_KNOWN] =
        "SELECT t.name, '', (SELECT lines FROM coverage WHERE target = t.id"
        " ORDER BY id DESC LIMIT 1) FROM target t"
        " WHERE EXISTS (SELECT 1 FROM coverage WHERE target = t.id)",
    [VITAL_GROWTH] =
        "SELECT name, '', max(at) FROM (SELECT t.name, c.at, c.lines_covered >"
        "  coalesce(lag(c.lines_covered) OVER (PARTITION BY t.id ORDER BY c.id), -1)"
        "  AS grew FROM target t CROSS JOIN coverage c ON c.target = t.id)"
        " WHERE grew GROUP BY name",
    [VITAL_PUSHED] = REMEMBERED(PUSHED),
    [VITAL_CORPUS] = REMEMBERED(CORPUS),
    [VITAL_CANARY] = REMEMBERED(CANARY),
    [PUT] = "INSERT INTO setting(name, value) VALUES(?1, ?2)"
            " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [SERVICE] = "SELECT value FROM setting WHERE name = 'service:' || ?1",
    [SERVICE_ADD] = "INSERT INTO setting(name, value) SELECT 'service:' || ?1,"
                    " 1 + coalesce((SELECT max(value) FROM setting"
                    "  WHERE name GLOB 'service:*'), 0) WHERE true"
                    " ON CONFLICT(name) DO NOTHING",
};
const struct store_sql store_vitals_sql = {sql, STATEMENTS};

int
store_vitals(struct store *store, vital_visit *visit, void *user, struct err *err)
{
    int rc = 0;

    for (size_t v = 0; rc == 0 && v < VITALS; v++) {
        struct stmt *row = NULL;
        rc = db_query(store->db, &row, err, sql[v], "");
        while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
            rc = visit(user, (enum vital)v, stmt_text(row, 0), stmt_text(row, 1),
                       stmt_int(row, 2), err);
        }
        stmt_reset(row);
    }
    return rc;
}

static int
put(struct store *store, const char *prefix, const char *one, int64_t value,
    struct err *err)
{
    AUTO(mem_free) char *name = mem_printf("%s%s", prefix, one);

    return db_run(store->db, err, sql[PUT], "ti", name, value);
}

int
store_vital_put(struct store *store, enum vital vital, const char *one, int64_t value,
                struct err *err)
{
    static const char *const prefixes[VITALS] = {
        [VITAL_CORPUS] = CORPUS, [VITAL_CANARY] = CANARY};
    int rc = db_begin_lazy(store->db, err);

    assert(prefixes[vital] != NULL);
    return rc < 0 ? rc
                  : store_end(store, put(store, prefixes[vital], one, value, err), err);
}

int
store_service(struct store *store, const char *name, int64_t *id, struct err *err)
{
    int rc = db_int(store->db, id, err, sql[SERVICE], "t", name);

    if (rc != -ENODATA) {
        return rc;
    }
    rc = db_begin(store->db, err);
    rc = rc < 0
             ? rc
             : store_end(store, db_run(store->db, err, sql[SERVICE_ADD], "t", name), err);
    return rc < 0 ? rc : db_int(store->db, id, err, sql[SERVICE], "t", name);
}

int
store_pushed(struct store *store, const char *sink, bool ok, struct err *err)
{
    const char *const labels[] = {"sink", sink, "result", ok ? "ok" : "failed", NULL};
    int rc = db_begin_lazy(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = store_count(store, "push_total", labels, 1, err);
    rc = rc < 0 || !ok ? rc : put(store, PUSHED, sink, clock_wall_ms(), err);
    return store_end(store, rc, err);
}

int
store_was_busy(struct store *store, int64_t times, struct err *err)
{
    static const char *const none[] = {NULL};
    int rc = db_begin_lazy(store->db, err);

    return rc < 0 ? rc
                  : store_end(store,
                              store_count(store, "db_busy_total", none, times, err), err);
}
