#include <errno.h>
#include <string.h>

#include "triage/control.h"
#include "triage/store/store_private.h"

enum {
    LAST,
    LENGTHEN,
    PUT,
    RUNS,
    CPU,
    TARGET_NAME,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [LAST] = "SELECT began, slices, cause FROM control WHERE target = ?1"
             " AND began <= ?2 ORDER BY began DESC LIMIT 1",
    [LENGTHEN] =
        "UPDATE control SET slices = slices + 1, scheduled_ms = scheduled_ms + "
        "?3, productive_ms = productive_ms + ?4 WHERE target = ?1 AND began = ?2",
    [PUT] = "INSERT INTO control VALUES(?1, ?2, 1, ?3, ?4, ?5)",
    [RUNS] = "SELECT t.id, t.name, c.cause, c.began, c.slices, c.scheduled_ms,"
             " c.productive_ms FROM target t CROSS JOIN control c ON c.target = t.id"
             " WHERE c.began > ?1 - 60 AND c.began + c.slices > ?1 AND c.began < ?2"
             " ORDER BY t.name, c.began",
    [CPU] = "SELECT coalesce(sum(productive_ms * (min(began + slices, ?3)"
            " - max(began, ?2)) / slices), 0) FROM control WHERE target = ?1"
            " AND began > ?2 - 60 AND began + slices > ?2 AND began < ?3",
    [TARGET_NAME] = "SELECT name FROM target WHERE id = ?1",
};
const struct store_sql store_control_sql = {sql, STATEMENTS};

const char *
control_cause_name(size_t i)
{
    static const char *const names[] = {"no_worker", "stalled", "zero_coverage",
                                        "slow",      "disk",    "build"};

    return i < COUNT(names) ? names[i] : NULL;
}

static bool
is_cause(const char *cause)
{
    size_t i = 0;

    while (control_cause_name(i) != NULL && strcmp(control_cause_name(i), cause) != 0) {
        i++;
    }
    return control_cause_name(i) != NULL;
}

static int
check(const struct control_slice *slice, struct err *err)
{
    bool good = slice->minute > 0 && slice->productive_ms >= 0 &&
                slice->productive_ms <= slice->scheduled_ms &&
                slice->n_faults <= CONTROL_CAUSES_MAX &&
                (slice->cause[0] == '\0' || is_cause(slice->cause));

    for (size_t i = 0; good && i < slice->n_faults; i++) {
        good = slice->faults[i].ms >= 0 && is_cause(slice->faults[i].cause);
    }
    return good ? 0 : err_set(err, -EINVAL, "no minute of a target was like that");
}

static int
count_slice(struct store *store, const char *target, const struct control_slice *slice,
            struct err *err)
{
    const char *const of[] = {"target", target, NULL};
    const char *const result[] = {"target", target, "result",
                                  slice->cause[0] == '\0' ? "good" : "bad", NULL};
    int rc = store_count(store, "fuzz_scheduled_milliseconds_total", of,
                         slice->scheduled_ms, err);

    rc = rc < 0 ? rc
                : store_count(store, "fuzz_milliseconds_total", of, slice->productive_ms,
                              err);
    rc = rc < 0 || !slice->counts
             ? rc
             : store_count(store, "control_slices_total", result, 1, err);
    for (size_t i = 0; rc == 0 && i < slice->n_faults; i++) {
        const char *const cause[] = {"target", target, "cause", slice->faults[i].cause,
                                     NULL};
        rc = store_count(store, "control_fault_milliseconds_total", cause,
                         slice->faults[i].ms, err);
    }
    return rc;
}

/* 1: it is there. What is later was told by a clock that was ahead, and holds up nothing.
 */
static int
put_slice(struct store *store, int64_t target, const struct control_slice *slice,
          struct err *err)
{
    struct stmt *row = NULL;
    int64_t began = 0;
    int64_t end = 0;
    bool same = false;
    int rc = db_query(store->db, &row, err, sql[LAST], "ii", target, slice->minute);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 1) {
        began = stmt_int(row, 0);
        end = began + stmt_int(row, 1);
        same = strcmp(stmt_text(row, 2), slice->cause) == 0;
        stmt_reset(row);
    }
    if (rc < 0 || slice->minute < end) {
        return rc < 0 ? rc : 1;
    }
    if (!slice->counts) {
        return 0;
    }
    bool goes_on = same && slice->minute == end && end - began < CONTROL_RUN_MAX;
    return goes_on ? db_run(store->db, err, sql[LENGTHEN], "iiii", target, began,
                            slice->scheduled_ms, slice->productive_ms)
                   : db_run(store->db, err, sql[PUT], "iitii", target, slice->minute,
                            slice->cause, slice->scheduled_ms, slice->productive_ms);
}

int
store_put_control(struct store *store, int64_t target, const struct control_slice *slice,
                  struct err *err)
{
    char name[STORE_NAME_MAX + 1] = "";
    struct stmt *row = NULL;
    int rc = check(slice, err);

    rc = rc < 0 ? rc : db_begin_lazy(store->db, err);
    if (rc < 0) {
        return rc;
    }
    rc = db_query(store->db, &row, err, sql[TARGET_NAME], "i", target);
    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 1) {
        (void)snprintf(name, sizeof(name), "%s", stmt_text(row, 0));
        stmt_reset(row);
    }
    rc = rc == 0 ? err_set(err, -ENODATA, "there is no target %lld", (long long)target)
                 : rc;
    rc = rc < 0 ? rc : put_slice(store, target, slice, err);
    rc = rc == 0 ? count_slice(store, name, slice, err) : rc;
    return store_end(store, rc < 0 ? rc : 0, err);
}

int
store_control(struct store *store, int64_t from, int64_t to, control_visit *visit,
              void *user, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[RUNS], "ii", from, to);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        const struct control_run run = {.target_id = stmt_int(row, 0),
                                        .target = stmt_text(row, 1),
                                        .cause = stmt_text(row, 2),
                                        .began = stmt_int(row, 3),
                                        .slices = stmt_int(row, 4),
                                        .scheduled_ms = stmt_int(row, 5),
                                        .productive_ms = stmt_int(row, 6)};
        rc = visit(user, &run, err);
    }
    stmt_reset(row);
    return rc;
}

int
store_control_cpu(struct store *store, int64_t target, int64_t from, int64_t to,
                  int64_t *out_ms, struct err *err)
{
    return db_int(store->db, out_ms, err, sql[CPU], "iii", target,
                  from / CONTROL_SLICE_MS, to / CONTROL_SLICE_MS);
}
