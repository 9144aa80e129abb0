/*
 * A bug's state by hand, and what comes back by itself: what is ignored or accepted
 * (wontfix) until a time, a number of crashes or a worse severity is open again then.
 */
#include "triage/store/store_private.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

/* What a state that is not for ever says of its end, at a time. */
#define IS_OVER(now)                                                           \
    "coalesce(until_at <= " now ", 0) + coalesce(crashes >= until_crashes, 0)" \
    " + coalesce(severity > until_severity, 0) > 0"

static const char bug_now[] =
    "PRAGMA query_only=OFF; CREATE TEMP VIEW bug AS SELECT id, iif(over, 'open', state) "
    "AS state, duplicate_of,"
    " target, crash, signature, crash_type, crash_state, sanitizer, severity,"
    " severity_score, security, class, exploitability, cwe, original, reproducer,"
    " minimize, minimize_attempts, minimize_deaths, crashes, first_seen, last_seen,"
    " computed_severity, computed_score, backlog, trimmed, trimmed_crashes, filed,"
    " acknowledged, claimed, verified, iif(over, NULL, until_at) AS until_at,"
    " iif(over, NULL, until_crashes) AS until_crashes,"
    " iif(over, NULL, until_severity) AS until_severity, owner, owner_origin"
    " FROM (SELECT *, state IN ('ignored', 'wontfix') AND " IS_OVER(
        "unixepoch() * 1000") " AS over FROM main.bug); PRAGMA query_only=ON";

enum {
    STATE,
    CHANGE,
    CLAIM,
    ACKNOWLEDGE,
    DUE,
    DEADLINE,
    DEADLINE_PUT,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [STATE] = "SELECT g.state, c.is_report, g.crashes, g.severity, g.acknowledged,"
              " coalesce(g.until_at, g.until_crashes, g.until_severity) IS NOT NULL"
              " FROM bug g JOIN crash c ON c.id = g.crash WHERE g.id = ?1",
    [CHANGE] = "UPDATE bug SET state = ?2, until_at = nullif(?3, 0),"
               " until_crashes = nullif(?4, 0), until_severity = nullif(?5, -1)"
               " WHERE id = ?1",
    [CLAIM] = "UPDATE bug SET claimed = ?2 WHERE id = ?1",
    [ACKNOWLEDGE] = "UPDATE bug SET acknowledged = ?2 WHERE id = ?1 AND acknowledged = 0",
    [DUE] = "SELECT id, state, until_at IS NOT NULL AND until_at <= ?1,"
            " until_crashes IS NOT NULL AND crashes >= until_crashes, until_crashes,"
            " until_at FROM bug WHERE state IN ('ignored', 'wontfix')"
            " AND " IS_OVER("?1") " ORDER BY id",
    [DEADLINE] = "SELECT value FROM setting WHERE name = 'deadline_' || ?1",
    [DEADLINE_PUT] = ("INSERT INTO setting(name, value) VALUES('deadline_' || ?1, ?2)"
                      " ON CONFLICT(name) DO UPDATE SET value = ?2"),
};
const struct store_sql store_state_sql = {sql, STATEMENTS};

int
store_check_state(const char *state, const char *const *states, const char *kind,
                  const char *list, struct err *err)
{
    for (size_t i = 0; states[i] != NULL; i++) {
        if (strcmp(states[i], state) == 0) {
            return 0;
        }
    }
    AUTO(mem_free) char *name = str_name_dup(state);
    const char *near = str_suggest(state, states);
    return err_set(err, -EINVAL, "'%.80s' is no state %s%s%s%s: %s", name, kind,
                   near == NULL ? "" : " (did you mean '", near == NULL ? "" : near,
                   near == NULL ? "" : "'?)", list);
}

/* new, regressed and duplicate come of what happens, not of a decision. */
static int
check_by_hand(const char *state, struct err *err)
{
    static const char *const states[] = {"open",    "fixing",  "fixed",
                                         "ignored", "wontfix", NULL};

    return store_check_state(
        state, states, "that a hand gives",
        "open fixing fixed ignored wontfix (duplicate: nightjar bugs merge)", err);
}

/* An accepted risk is somebody's word, and ends. */
static int
check_until(const char *state, const struct decision *decision, struct err *err)
{
    const struct bug_until *until = decision->until;
    bool given = until != NULL && (until->at != 0 || until->crashes != 0 || until->worse);

    if (given && strcmp(state, "ignored") != 0 && strcmp(state, "wontfix") != 0) {
        return err_set(err, -EINVAL, "only ignored and wontfix last until something");
    }
    if (given && until->at != 0 && until->at <= clock_wall_ms()) {
        return err_set(err, -EINVAL, "that time is over already");
    }
    if (strcmp(state, "wontfix") != 0) {
        return 0;
    }
    if (decision->reason == NULL || until == NULL || until->at == 0) {
        return err_set(err, -EINVAL,
                       "wontfix accepts a risk: it needs a reason and a time when that "
                       "is looked at again, --reason TEXT --until 2027-01-31 (or 90d)");
    }
    return 0;
}

struct standing { /* of a bug */
    char state[16];
    bool has_input, ends; /* its state, by itself */
    int64_t crashes, severity, acknowledged;
};

static int
load(struct store *store, int64_t bug, struct standing *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[STATE], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc < 0 ? rc : store_no_bug(bug, err);
    }
    (void)snprintf(out->state, sizeof(out->state), "%s", stmt_text(row, 0));
    out->has_input = stmt_int(row, 1) == 0;
    out->crashes = stmt_int(row, 2);
    out->severity = stmt_int(row, 3);
    out->acknowledged = stmt_int(row, 4);
    out->ends = stmt_int(row, 5) != 0;
    stmt_reset(row);
    return 0;
}

int
store_acknowledge(struct store *store, int64_t bug, struct err *err)
{
    return db_run(store->db, err, sql[ACKNOWLEDGE], "ii", bug, clock_wall_ms());
}

static int
check_move(int64_t bug, const struct standing *now, const char *state, struct err *err)
{
    if (strcmp(now->state, "duplicate") == 0) {
        return err_set(err, -EINVAL,
                       "NJ-%lld is a duplicate: decide about the bug that it was merged "
                       "into, or take it back with nightjar bugs merge --undo NJ-%lld",
                       (long long)bug, (long long)bug);
    }
    if (now->has_input && strcmp(state, "fixed") == 0 &&
        strcmp(now->state, "fixed") != 0) {
        return err_set(err, -EINVAL,
                       "NJ-%lld has an input, so nightjar verify says whether it is "
                       "fixed, on a later build; 'fixing' says that a fix is on its way",
                       (long long)bug);
    }
    return 0;
}

/* What the event tells of an end. */
static json_t *
until_detail(const struct bug_until *until)
{
    json_t *detail = json_object();
    char at[CLOCK_TEXT_MAX];

    if (until->at != 0) {
        clock_iso(at, until->at);
        json_put(detail, "until", json_string(at));
    }
    if (until->crashes != 0) {
        json_put(detail, "until_crashes", json_integer(until->crashes));
    }
    if (until->worse) {
        json_put(detail, "until_worse", json_true());
    }
    return detail;
}

static int
change(struct store *store, int64_t bug, const char *state,
       const struct decision *decision, struct err *err)
{
    struct bug_until until = {0};
    struct standing now = {0};
    int rc = load(store, bug, &now, err);

    rc = rc < 0 ? rc : check_move(bug, &now, state, err);
    bool same = strcmp(now.state, state) == 0 && decision->until == NULL && !now.ends;
    if (rc < 0 || same) {
        return rc < 0 ? rc : store_acknowledge(store, bug, err);
    }
    if (decision->until != NULL) {
        until = *decision->until;
    }
    until.crashes += until.crashes == 0 ? 0 : now.crashes;
    until.worse = until.worse || strcmp(state, "wontfix") == 0;
    AUTO(json_decref) json_t *more = until_detail(&until);
    const struct hand_event event = {
        .bug = bug, .kind = "bug.state", .from = now.state, .to = state, .more = more};
    rc = db_run(store->db, err, sql[CHANGE], "itiii", bug, state, until.at, until.crashes,
                until.worse ? now.severity : (int64_t)-1);
    if (rc == 0 && strcmp(state, "fixing") == 0) {
        rc = db_run(store->db, err, sql[CLAIM], "ii", bug, clock_wall_ms());
    }
    return rc < 0 ? rc : store_event_by_hand(store, decision, &event, err);
}

int
store_set_bug_state(struct store *store, int64_t bug, const char *state,
                    const struct decision *decision, struct err *err)
{
    int rc = check_by_hand(state, err);

    rc = rc < 0 ? rc : check_until(state, decision, err);
    rc = rc < 0 ? rc : db_begin(store->db, err);
    return rc < 0 ? rc : store_end(store, change(store, bug, state, decision, err), err);
}

static int
acknowledge(struct store *store, int64_t bug, const struct decision *decision,
            struct err *err)
{
    const struct hand_event event = {.bug = bug, .kind = "bug.acknowledged"};
    struct standing now = {0};
    int rc = load(store, bug, &now, err);

    if (rc < 0 || now.acknowledged != 0) {
        return rc;
    }
    return strcmp(now.state, "new") == 0
               ? change(store, bug, "open", decision, err)
               : store_event_by_hand(store, decision, &event, err);
}

int
store_acknowledge_bug(struct store *store, int64_t bug, const struct decision *decision,
                      struct err *err)
{
    int rc = db_begin(store->db, err);

    return rc < 0 ? rc : store_end(store, acknowledge(store, bug, decision, err), err);
}

/* --- what comes back --- */

struct waking {
    int64_t bug;
    char state[16];
    char why[160];
};

struct wakings {
    struct waking *v;
    size_t n;
};

static void
wakings_clear(struct wakings *wakings)
{
    mem_free(wakings->v);
}
AUTO_DEFINE_CLEAR(struct wakings, wakings_clear)

static void
read_due(struct stmt *row, struct waking *out)
{
    char at[CLOCK_TEXT_MAX];

    out->bug = stmt_int(row, 0);
    (void)snprintf(out->state, sizeof(out->state), "%s", stmt_text(row, 1));
    if (stmt_int(row, 2) != 0) {
        clock_iso(at, stmt_int(row, 5));
        (void)snprintf(out->why, sizeof(out->why), "%s until %s", out->state, at);
    } else if (stmt_int(row, 3) != 0) {
        (void)snprintf(out->why, sizeof(out->why), "%s until it had %" PRId64 " crashes",
                       out->state, stmt_int(row, 4));
    } else {
        (void)snprintf(out->why, sizeof(out->why),
                       "%s as long as its severity did not rise", out->state);
    }
}

static int
load_due(struct store *store, int64_t now, struct wakings *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[DUE], "i", now);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        out->v = mem_grow(out->v, out->n, sizeof(*out->v));
        read_due(row, &out->v[out->n++]);
        rc = 0;
    }
    return rc;
}

static int
wake(struct store *store, const struct waking *waking, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    const struct event event = {.kind = "bug.state",
                                .subject = "bug",
                                .subject_id = waking->bug,
                                .from = waking->state,
                                .to = "open",
                                .detail = detail};

    json_put(detail, "reason", json_text(waking->why));
    int rc = db_run(store->db, err, sql[CHANGE], "itiii", waking->bug, "open", (int64_t)0,
                    (int64_t)0, (int64_t)-1);
    return rc < 0 ? rc : store_event_put(store, &event, err);
}

/* Whoever came first has done it, where nothing is due any more. */
static int
wake_all(struct store *store, int64_t now, int64_t *woken, struct err *err)
{
    AUTO(wakings_clear) struct wakings due = {0};
    int rc = load_due(store, now, &due, err);

    for (size_t i = 0; i < due.n && rc == 0; i++) {
        rc = wake(store, &due.v[i], err);
    }
    *woken = rc < 0 ? 0 : (int64_t)due.n;
    return rc;
}

int
store_wake(struct store *store, int64_t *woken, struct err *err)
{
    AUTO(wakings_clear) struct wakings due = {0};
    int64_t now = clock_wall_ms();
    int rc = load_due(store, now, &due, err);

    *woken = 0;
    if (rc < 0 || due.n == 0) {
        return rc; /* without a lock: mostly nothing is */
    }
    rc = db_begin(store->db, err);
    return rc < 0 ? rc : store_end(store, wake_all(store, now, woken, err), err);
}

int
store_bugs_now(struct store *store, struct err *err)
{
    return db_exec(store->db, bug_now, err);
}

void
store_wake_sometimes(struct store *store)
{
    struct err err = ERR_INIT;
    int64_t woken = 0;

    if (store_wake(store, &woken, &err) < 0) {
        log_line(LOG_WARN, "store", "msg=\"%s\"", err.msg);
    }
}

/* --- deadlines --- */

int
store_put_deadlines(struct store *store, const int64_t *ms, struct err *err)
{
    bool same = true;
    int rc = 0;

    for (int64_t s = SEVERITY_INFO; s <= SEVERITY_CRITICAL && rc == 0; s++) {
        int64_t now = -1;
        rc = db_int(store->db, &now, err, sql[DEADLINE], "i", s);
        rc = rc == -ENODATA ? 0 : rc;
        same = same && now == ms[s];
    }
    rc = rc < 0 || same ? rc : db_begin(store->db, err);
    if (rc < 0 || same) {
        return rc;
    }
    for (int64_t s = SEVERITY_INFO; s <= SEVERITY_CRITICAL && rc == 0; s++) {
        rc = db_run(store->db, err, sql[DEADLINE_PUT], "ii", s, ms[s]);
    }
    return store_end(store, rc, err);
}
