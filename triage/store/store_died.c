#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    CRASH_DIED,
    CRASH,
    GIVE_UP,
    BREAK_TARGET,
    BUG_DIED,
    STOP_MINIMIZING,
    OUTCOME,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    /* as many as the job says, however often its death is told */
    [CRASH_DIED] = "UPDATE crash SET deaths = max(deaths, ?2)"
                   " WHERE id = ?1 AND state = 'queued' RETURNING deaths",
    [CRASH] = "SELECT c.is_report, t.name, t.id FROM crash c"
              " JOIN target t ON t.id = c.target WHERE c.id = ?1",
    [GIVE_UP] = "UPDATE crash SET state = ?2, reason = ?3, triaged = ?4,"
                " outcome = CASE ?2 WHEN 'broken' THEN 'broken' END"
                " WHERE id = ?1 AND state = 'queued'",
    [BREAK_TARGET] =
        "UPDATE target SET replay = 'broken' WHERE id = ?1 AND replay = 'ok'",
    [BUG_DIED] = "UPDATE bug SET minimize_deaths = max(minimize_deaths, ?2)"
                 " WHERE id = ?1 AND minimize = 'waiting' RETURNING minimize_deaths",
    [STOP_MINIMIZING] =
        "UPDATE bug SET minimize = 'given_up' WHERE id = ?1 AND minimize = 'waiting'",
    [OUTCOME] = "SELECT c.state, g.id, g.crash_type, g.crash_state, g.severity,"
                " g.original = c.blob AND g.target = c.target"
                " FROM crash c LEFT JOIN bug g ON g.id = c.bug WHERE c.id = ?1",
};
const struct store_sql store_died_sql = {sql, STATEMENTS};

/* --- giving up --- */

static int
count_given_up(struct store *store, const char *target, const char *state,
               struct err *err)
{
    const char *const labels[] = {"target", target, "kind", "unknown",
                                  "result", state,  NULL};

    return store_count(store, "crashes_total", labels, 1, err);
}

static int
break_target(struct store *store, int64_t target, const char *reason, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    const struct event event = {.kind = "target.replay",
                                .subject = "target",
                                .subject_id = target,
                                .from = "ok",
                                .to = "broken",
                                .detail = detail};
    int rc = db_run(store->db, err, sql[BREAK_TARGET], "i", target);

    if (rc < 0 || db_changes(store->db) == 0) {
        return rc;
    }
    json_put(detail, "reason", json_text(reason));
    return store_event_put(store, &event, err);
}

/* After a step that gave no row: a failure, or there is no such crash. */
static int
no_crash(int rc, int64_t crash, struct err *err)
{
    return rc < 0 ? rc
                  : err_set(err, -ENODATA, "there is no crash %lld", (long long)crash);
}

int
store_give_up(struct store *store, int64_t crash, const char *state, const char *reason,
              struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[CRASH], "i", crash);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return no_crash(rc, crash, err);
    }
    bool is_report = stmt_int(row, 0) != 0;
    AUTO(mem_free) char *name = mem_strdup(stmt_text(row, 1));
    int64_t target = stmt_int(row, 2);
    stmt_reset(row);
    rc = db_run(store->db, err, sql[GIVE_UP], "itti", crash, state, reason,
                clock_wall_ms());
    if (rc < 0 || db_changes(store->db) == 0) {
        return rc;
    }
    rc = store_crash_event(store, crash, "queued", state, reason, err);
    rc = rc < 0 ? rc : count_given_up(store, name, state, err);
    if (rc < 0 || is_report || strcmp(state, "broken") != 0) {
        return rc;
    }
    return break_target(store, target, reason, err);
}

static int
stop_minimizing(struct store *store, int64_t bug, const char *reason, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    const struct event event = {.kind = "bug.minimize",
                                .subject = "bug",
                                .subject_id = bug,
                                .from = "waiting",
                                .to = "given_up",
                                .detail = detail};
    int rc = db_run(store->db, err, sql[STOP_MINIMIZING], "i", bug);

    if (rc < 0 || db_changes(store->db) == 0) {
        return rc;
    }
    json_put(detail, "reason", json_text(reason));
    return store_event_put(store, &event, err);
}

int
store_minimize_stop(struct store *store, int64_t bug, const char *reason, struct err *err)
{
    int rc = db_begin(store->db, err);

    return rc < 0 ? rc : store_end(store, stop_minimizing(store, bug, reason, err), err);
}

/* --- what died --- */

void
store_bug_name(char *out, size_t size, int64_t bug)
{
    (void)snprintf(out, size, "NJ-%lld", (long long)bug);
}

void
store_title(char *out, size_t size, const char *crash_type, const char *crash_state)
{
    AUTO(mem_free) char *type = record_type_line(crash_type);
    AUTO(mem_free) char *frame = record_top_frame(crash_type, crash_state);

    (void)snprintf(out, size, "%.100s in %s", type, frame);
}

int
store_outcome_of_crash(struct store *store, int64_t crash, struct job_outcome *out,
                       struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(store->db, &stmt, err, sql[OUTCOME], "i", crash);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc <= 0) {
        return no_crash(rc, crash, err);
    }
    *out = (struct job_outcome){0};
    (void)snprintf(out->state, sizeof(out->state), "%s", stmt_text(stmt, 0));
    if (!stmt_null(stmt, 1)) {
        out->bug = stmt_int(stmt, 1);
        out->bug_is_new = stmt_int(stmt, 5) != 0;
        out->severity = (enum severity)stmt_int(stmt, 4);
        store_bug_name(out->bug_name, sizeof(out->bug_name), out->bug);
        store_title(out->title, sizeof(out->title), stmt_text(stmt, 2),
                    stmt_text(stmt, 3));
    }
    stmt_reset(stmt);
    return 0;
}

/* `ending` is what two deaths make of it. */
static int
crash_died(struct store *store, const struct job *job, const char *ending,
           const char *reason, struct err *err)
{
    int64_t deaths = 0;
    int rc = db_int(store->db, &deaths, err, sql[CRASH_DIED], "ii", job->crash,
                    (int64_t)job->attempt);

    if (rc < 0 || deaths < STORE_DEATHS_MAX) {
        return rc == -ENODATA ? 0 : rc; /* it was answered meanwhile */
    }
    return store_give_up(store, job->crash, ending, reason, err);
}

static int
bug_died(struct store *store, const struct job *job, const char *reason, struct err *err)
{
    int64_t deaths = 0;
    int rc = db_int(store->db, &deaths, err, sql[BUG_DIED], "ii", job->bug,
                    (int64_t)job->attempt);

    if (rc < 0 || deaths < STORE_DEATHS_MAX) {
        return rc == -ENODATA ? 0 : rc;
    }
    return stop_minimizing(store, job->bug, reason, err);
}

int
store_job_died(struct store *store, const struct job *job, const char *ending,
               const char *reason, struct job_outcome *out, struct err *err)
{
    AUTO(buf_clear) struct buf clean = {.max = STORE_REASON_MAX};
    bool is_bug = job->kind == JOB_MINIMIZE;
    if (job->kind == JOB_RELEASE) {
        return store_release_died(store, job, out, err);
    }
    if (job->kind == JOB_SANITIZED) {
        return store_sanitized_died(store, job, out, err);
    }
    int rc = db_begin(store->db, err);
    if (rc < 0) {
        return rc;
    }
    str_clean(&clean, reason, strlen(reason));
    rc = is_bug ? bug_died(store, job, buf_str(&clean), err)
                : crash_died(store, job, ending, buf_str(&clean), err);
    rc = store_end(store, rc, err);
    if (rc < 0) {
        return rc;
    }
    store_forget(store, is_bug, is_bug ? job->bug : job->crash);
    rc = store_outcome_of_crash(store, job->crash, out, err);
    out->bug_is_new = rc == 0 && out->bug_is_new && !is_bug;
    return rc;
}

int
store_fail_job(struct store *store, const struct job *job, const char *reason,
               struct job_outcome *out, struct err *err)
{
    return store_job_died(store, job, "untriageable", reason, out, err);
}
