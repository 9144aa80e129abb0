#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    BEGIN,
    END,
    WORKER_NOW,
    WORKER_PUT,
    WORKERS,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [BEGIN] = "INSERT INTO campaign(arguments, started) VALUES(?1, ?2)",
    [END] = "UPDATE campaign SET ended = ?2, how = ?3 WHERE id = ?1 AND ended IS NULL",
    [WORKER_NOW] = "SELECT w.id, w.state, w.restarts, w.execs, w.campaign"
                   " FROM worker w WHERE w.name = ?1",
    [WORKER_PUT] =
        "INSERT INTO worker(name, campaign, target, engine, state, reason, pid, restarts,"
        " execs, execs_per_sec, edges, corpus, productive_ms, updated, edges_known, "
        "stability)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"
        " iif(?16 >= 0, ?16, NULL)) ON CONFLICT(name) DO UPDATE SET"
        " campaign = excluded.campaign, target = excluded.target,"
        " engine = excluded.engine, state = excluded.state, reason = excluded.reason,"
        " pid = excluded.pid, restarts = excluded.restarts, execs = excluded.execs,"
        " execs_per_sec = excluded.execs_per_sec, edges = excluded.edges,"
        " corpus = excluded.corpus, productive_ms = excluded.productive_ms,"
        " updated = excluded.updated, edges_known = excluded.edges_known,"
        " stability = excluded.stability"
        " RETURNING id, (SELECT name FROM target WHERE id = ?3)",
    [WORKERS] = "SELECT w.name, w.target, w.engine, w.state, w.pid, w.restarts, w.execs,"
                " w.execs_per_sec, w.edges, w.corpus, w.productive_ms, w.reason, t.name,"
                " w.updated, w.edges_known, coalesce(w.stability, -1) FROM worker w JOIN "
                "target t ON t.id = w.target ORDER BY w.name",
};
const struct store_sql store_run_sql = {sql, STATEMENTS};

/* --- campaigns --- */

static int
campaign_event(struct store *store, int64_t id, const char *kind, const char *to,
               struct err *err)
{
    const struct event event = {
        .kind = kind, .subject = "campaign", .subject_id = id, .to = to};

    return store_event_put(store, &event, err);
}

int
store_campaign_begin(struct store *store, const json_t *arguments, int64_t *id,
                     struct err *err)
{
    AUTO(mem_free) char *text = json_line(arguments);
    int64_t campaign = 0;
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = db_run(store->db, err, sql[BEGIN], "ti", text, clock_wall_ms());
    campaign = db_last_id(store->db);
    rc = rc < 0 ? rc : campaign_event(store, campaign, "campaign.start", "running", err);
    rc = store_end(store, rc, err);
    if (rc == 0) {
        *id = campaign;
    }
    return rc;
}

/* Told twice it is ended once. */
int
store_campaign_end(struct store *store, int64_t id, const char *how, struct err *err)
{
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = db_run(store->db, err, sql[END], "iit", id, clock_wall_ms(), how);
    if (rc == 0 && db_changes(store->db) > 0) {
        rc = campaign_event(store, id, "campaign.end", how, err);
    }
    return store_end(store, rc, err);
}

/* --- workers --- */

static int
check_worker(const struct worker_row *row, struct err *err)
{
    static const char *const states[] = {
        "starting", "running",     "frozen",    "slow",   "backoff",
        "finished", "quarantined", "plateaued", "paused", "dead"};

    for (size_t i = 0; i < COUNT(states); i++) {
        if (strcmp(states[i], row->state) == 0) {
            return row->name[0] == '\0' || strlen(row->name) > STORE_NAME_MAX
                       ? err_set(err, -EINVAL, "the name of a worker has 1 to %d bytes",
                                 STORE_NAME_MAX)
                       : 0;
        }
    }
    AUTO(mem_free) char *name = str_name_dup(row->state);
    return err_set(err, -EINVAL, "'%.80s' is no state of a worker", name);
}

struct before { /* the worker's row until now */
    bool known;
    char state[16];
    int64_t restarts, execs, campaign;
};

static int
load_before(struct store *store, const char *name, struct before *out, struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(store->db, &stmt, err, sql[WORKER_NOW], "t", name);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc == 1) {
        out->known = true;
        (void)snprintf(out->state, sizeof(out->state), "%s", stmt_text(stmt, 1));
        out->restarts = stmt_int(stmt, 2);
        out->execs = stmt_int(stmt, 3);
        out->campaign = stmt_int(stmt, 4);
        stmt_reset(stmt);
    }
    return rc < 0 ? rc : 0;
}

/* A number that fell, or another campaign, counts from nothing again. */
static int64_t
grown(int64_t now, int64_t before, bool anew)
{
    return anew || now < before ? now : now - before;
}

static int
count_worker(struct store *store, const struct worker_row *row,
             const struct before *before, bool anew, const char *target, struct err *err)
{
    const char *const labels[] = {"target", target, "engine", row->engine, NULL};
    int rc = store_count(store, "worker_restarts_total", labels,
                         grown(row->restarts, before->restarts, anew), err);

    return rc < 0 ? rc
                  : store_count(store, "worker_executions_total", labels,
                                grown(row->execs, before->execs, anew), err);
}

static int
worker_event(struct store *store, int64_t id, const struct worker_row *row,
             const struct before *before, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    const struct event event = {.kind = "worker.state",
                                .subject = "worker",
                                .subject_id = id,
                                .from = before->known ? before->state : NULL,
                                .to = row->state,
                                .detail = detail};

    json_put(detail, "worker", json_text(row->name));
    json_put(detail, "reason", json_text(row->reason));
    return store_event_put(store, &event, err);
}

static int
put_worker(struct store *store, int64_t campaign, const struct worker_row *row,
           const struct before *before, struct err *err)
{
    struct stmt *stmt = NULL;
    bool changed = !before->known || strcmp(before->state, row->state) != 0;
    int rc =
        db_query(store->db, &stmt, err, sql[WORKER_PUT], "tiitttiiidiiiiid", row->name,
                 campaign, row->target, row->engine, row->state, row->reason, row->pid,
                 row->restarts, row->execs, row->execs_per_sec, row->edges, row->corpus,
                 row->productive_ms, clock_wall_ms(), row->edges_known, row->stability);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc < 0) {
        return rc;
    }
    int64_t id = stmt_int(stmt, 0);
    AUTO(mem_free) char *target = mem_strdup(stmt_text(stmt, 1));
    rc = stmt_step(stmt, err); /* to its end: only then is the row written */
    rc = rc < 0 ? rc
                : count_worker(store, row, before, before->campaign != campaign, target,
                               err);
    return rc < 0 || !changed ? rc : worker_event(store, id, row, before, err);
}

int
store_put_worker(struct store *store, int64_t campaign, const struct worker_row *row,
                 struct err *err)
{
    struct before before = {0};
    int rc = check_worker(row, err);

    rc = rc < 0 ? rc : db_begin_lazy(store->db, err);
    if (rc < 0) {
        return rc;
    }
    rc = load_before(store, row->name, &before, err);
    rc = rc < 0 ? rc : put_worker(store, campaign, row, &before, err);
    return store_end(store, rc, err);
}

int
store_count_exchange(struct store *store, const char *target, const char *direction,
                     const char *result, int64_t inputs, struct err *err)
{
    const char *const labels[] = {"target", target, "direction", direction,
                                  "result", result, NULL};
    int rc = db_begin_lazy(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = store_count(store, "exchange_inputs_total", labels, inputs, err);
    return store_end(store, rc, err);
}

/* A copy of a row with the texts that it borrows. */
struct worker_copy {
    struct worker_row row;
    char *texts[5]; /* name, engine, state, reason or NULL, target */
    int64_t updated;
};

struct worker_list {
    struct worker_copy *v;
    size_t n;
};

static void
worker_list_clear(struct worker_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < COUNT(list->v[i].texts); k++) {
            mem_free(list->v[i].texts[k]);
        }
    }
    mem_free(list->v);
}
AUTO_DEFINE_CLEAR(struct worker_list, worker_list_clear)

static void
read_worker(struct stmt *row, struct worker_copy *out)
{
    *out = (struct worker_copy){
        .texts = {mem_strdup(stmt_text(row, 0)), mem_strdup(stmt_text(row, 2)),
                  mem_strdup(stmt_text(row, 3)),
                  stmt_null(row, 11) ? NULL : mem_strdup(stmt_text(row, 11)),
                  mem_strdup(stmt_text(row, 12))},
        .updated = stmt_int(row, 13)};
    out->row = (struct worker_row){.name = out->texts[0],
                                   .target = stmt_int(row, 1),
                                   .engine = out->texts[1],
                                   .state = out->texts[2],
                                   .pid = stmt_int(row, 4),
                                   .restarts = stmt_int(row, 5),
                                   .execs = stmt_int(row, 6),
                                   .execs_per_sec = stmt_real(row, 7),
                                   .edges = stmt_int(row, 8),
                                   .corpus = stmt_int(row, 9),
                                   .productive_ms = stmt_int(row, 10),
                                   .edges_known = stmt_int(row, 14),
                                   .stability = stmt_real(row, 15),
                                   .reason = out->texts[3]};
}

/* All rows first: the visitor may use the store, and there are few. */
int
store_workers(struct store *store, worker_visit *visit, void *user, struct err *err)
{
    AUTO(worker_list_clear) struct worker_list list = {0};
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[WORKERS], "");

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        list.v = mem_resize(list.v, (list.n + 1) * sizeof(*list.v));
        read_worker(row, &list.v[list.n++]);
        rc = 0;
    }
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        rc = visit(user, &list.v[i].row, list.v[i].texts[4], list.v[i].updated, err);
    }
    return rc;
}
