#include "triage/digest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "triage/store/store_private.h"

enum {
    LAST,
    FILED,
    CRASHES,
    EVENTS,
    BUG,
    OTHERS,
    RUN_OUT,
    OVERDUE,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [LAST] = "SELECT coalesce(max(id), 0) FROM crash",
    [FILED] = "SELECT first_seen FROM crash WHERE id >= ?1 ORDER BY id LIMIT 1",
    [CRASHES] = "SELECT c.target, coalesce(c.bug, 0), count(*) FROM crash c"
                " WHERE c.id >= ?1 AND c.first_seen < ?2 AND NOT c.backlog"
                " GROUP BY +c.target, +c.bug",
    [EVENTS] =
        "SELECT subject_id, kind, coalesce(from_state, ''), coalesce(to_state, ''), id"
        " FROM event WHERE kind IN ('bug.new', 'bug.backlog', 'bug.state',"
        " 'bug.severity', 'bug.override') AND at >= ?1 AND at < ?2 AND NOT quiet"
        /* last what came back meanwhile, and nobody wrote down (store_bugs_now()) */
        " UNION ALL SELECT w.id, 'bug.state', w.state, g.state, 9223372036854775807"
        " FROM main.bug w JOIN bug g ON g.id = w.id WHERE w.state IN ('ignored',"
        " 'wontfix') AND g.state <> w.state AND coalesce(w.until_at, ?1) >= ?1"
        " ORDER BY 5",
    [RUN_OUT] =
        "SELECT id FROM (SELECT id, " DUE_OF("bug") " AS due FROM bug)"
                                                    " WHERE due >= ?1 AND due < ?2",
    [OVERDUE] = "SELECT count(*) FROM bug WHERE " DUE_OF("bug") " BETWEEN 1 AND ?1 - 1",
    [BUG] =
        "SELECT g.state, g.severity, t.name, g.crash_type, g.crash_state, g.backlog,"
        " " DUE_OF("g") " BETWEEN 1 AND ?2 - 1"
                        " FROM bug g JOIN target t ON t.id = g.target WHERE g.id = ?1",
    [OTHERS] =
        "SELECT e.kind, coalesce(e.to_state, ''), coalesce(t.name, w.name,"
        " json_extract(e.detail, '$.service'), iif(e.subject = 'budget', 'the', '?')), "
        "max(e.id)"
        " FROM event e LEFT JOIN target t ON e.subject = 'target' AND t.id = e.subject_id"
        " LEFT JOIN worker w ON e.subject = 'worker' AND w.id = e.subject_id"
        " WHERE e.kind IN ('target.replay', 'target.disk', 'target.coverage',"
        " 'target.edges', 'target.outage', 'budget.state', 'worker.state')"
        " AND e.at >= ?1 AND e.at < ?2"
        " GROUP BY e.kind, e.subject_id ORDER BY 4",
};
const struct store_sql store_digest_sql = {sql, STATEMENTS};

static void
digest_bug_clear(struct digest_bug *bug)
{
    mem_free(bug->state);
    mem_free(bug->target);
    mem_free(bug->crash_type);
    mem_free(bug->crash_state);
}

void
digest_clear(struct digest *digest)
{
    for (size_t i = 0; i < digest->n; i++) {
        digest_bug_clear(&digest->bugs[i]);
    }
    mem_free(digest->bugs);
    strv_clear(&digest->others);
    *digest = (struct digest){0};
}

static struct digest_bug *
bug_of(struct digest *digest, int64_t id)
{
    for (size_t i = digest->n; i > 0; i--) {
        if (digest->bugs[i - 1].bug == id) {
            return &digest->bugs[i - 1];
        }
    }
    digest->bugs = mem_resize(digest->bugs, (digest->n + 1) * sizeof(*digest->bugs));
    digest->bugs[digest->n] = (struct digest_bug){.bug = id, .change = DIGEST_CHANGES};
    return &digest->bugs[digest->n++];
}

/* --- events --- */

static enum digest_change
change_of(const char *kind, const char *from, const char *to)
{
    enum severity before = SEVERITY_INFO;
    enum severity after = SEVERITY_INFO;

    if (strcmp(kind, "bug.new") == 0 || strcmp(kind, "bug.backlog") == 0) {
        return DIGEST_NEW;
    }
    if (strcmp(kind, "bug.state") == 0) {
        return strcmp(to, "regressed") == 0 ? DIGEST_REGRESSED
               : strcmp(to, "fixed") == 0   ? DIGEST_FIXED
                                            : DIGEST_DECIDED;
    }
    bool raised = severity_parse(from, &before, NULL) == 0 &&
                  severity_parse(to, &after, NULL) == 0 && after > before;
    return raised ? DIGEST_RAISED : DIGEST_DECIDED;
}

/* What came last counts, but for what is said of a bug that is new as well. */
static enum digest_change
combine(enum digest_change before, enum digest_change now)
{
    bool small = now == DIGEST_RAISED || now == DIGEST_DECIDED;

    return small && (before == DIGEST_NEW || before == DIGEST_REGRESSED) ? before : now;
}

static int
read_events(struct store *store, struct digest *digest, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[EVENTS], "ii", digest->from, digest->to);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        struct digest_bug *bug = bug_of(digest, stmt_int(row, 0));
        bug->change = combine(bug->change, change_of(stmt_text(row, 1), stmt_text(row, 2),
                                                     stmt_text(row, 3)));
        rc = 0;
    }
    return rc;
}

/* --- crashes --- */

struct share { /* of a target's crashes */
    int64_t target, bug, n;
};

static int64_t
crashes_of(const struct share *shares, size_t n, int64_t target)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += shares[i].target == target ? shares[i].n : 0;
    }
    return sum;
}

/* The first that was filed at `from` or later: rows come in the order of time, but for a
 * clock that was set back. */
static int
first_crash(struct store *store, int64_t from, int64_t *first, struct err *err)
{
    int64_t low = 1;
    int64_t high = 0;
    int rc = db_int(store->db, &high, err, sql[LAST], "");

    high += 1;
    while (rc == 0 && low < high) {
        int64_t middle = low + (high - low) / 2;
        int64_t filed = 0;
        rc = db_int(store->db, &filed, err, sql[FILED], "i", middle);
        if (filed < from) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *first = low;
    return rc;
}

static int
read_shares(struct store *store, const struct digest *digest, struct buf *out,
            struct err *err)
{
    struct stmt *row = NULL;
    int64_t first = 0;
    int rc = first_crash(store, digest->from, &first, err);

    rc = rc < 0 ? rc
                : db_query(store->db, &row, err, sql[CRASHES], "ii", first, digest->to);
    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        const struct share share = {stmt_int(row, 0), stmt_int(row, 1), stmt_int(row, 2)};
        buf_add(out, &share, sizeof(share));
        rc = 0;
    }
    return rc;
}

static int
read_crashes(struct store *store, struct digest *digest, struct err *err)
{
    AUTO(buf_clear) struct buf list = BUF_INIT;
    int rc = read_shares(store, digest, &list, err);
    const size_t n = list.len / sizeof(struct share);

    if (rc < 0 || n == 0) {
        return rc;
    }
    AUTO(mem_free) struct share *shares = mem_array(n, sizeof(*shares));
    memcpy(shares, list.data, list.len);
    for (size_t i = 0; i < n; i++) {
        const struct share *share = &shares[i];
        bool many =
            share->bug != 0 && share->n >= DIGEST_BLOCK_LEAST &&
            share->n * 100 >= crashes_of(shares, n, share->target) * DIGEST_BLOCK_PERCENT;
        digest->crashes += share->n;
        if (many) {
            bug_of(digest, share->bug)->blocks = true;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < digest->n; k++) {
            digest->bugs[k].crashes +=
                digest->bugs[k].bug == shares[i].bug ? shares[i].n : 0;
        }
    }
    return 0;
}

/* --- what they are now --- */

/* Those whose time ran out in the span. */
static int
read_overdue(struct store *store, struct digest *digest, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[RUN_OUT], "ii", digest->from, digest->to);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        struct digest_bug *bug = bug_of(digest, stmt_int(row, 0));
        bug->change = bug->change == DIGEST_CHANGES ? DIGEST_OVERDUE : bug->change;
        rc = 0;
    }
    return rc < 0
               ? rc
               : db_int(store->db, &digest->overdue, err, sql[OVERDUE], "i", digest->to);
}

/* 1: there is something to tell of it. */
static int
read_bug(struct store *store, struct digest_bug *bug, int64_t to, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[BUG], "ii", bug->bug, to);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    store_bug_name(bug->name, sizeof(bug->name), bug->bug);
    bug->state = mem_strdup(stmt_text(row, 0));
    bug->severity = (enum severity)stmt_int(row, 1);
    bug->target = mem_strdup(stmt_text(row, 2));
    bug->crash_type = mem_strdup(stmt_text(row, 3));
    bug->crash_state = mem_strdup(stmt_text(row, 4));
    bool backlog = stmt_int(row, 5) != 0;
    bug->overdue = stmt_int(row, 6) != 0;
    stmt_reset(row);
    bug->blocks = bug->blocks && bug_is_open(bug->state);
    if ((bug->change == DIGEST_CHANGES || bug->change == DIGEST_OVERDUE) && bug->blocks) {
        bug->change = DIGEST_BLOCKS;
    }
    return bug->change != DIGEST_CHANGES && !backlog &&
           strcmp(bug->state, "duplicate") != 0;
}

static int
read_bugs(struct store *store, struct digest *digest, struct err *err)
{
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < digest->n && rc >= 0; i++) {
        rc = read_bug(store, &digest->bugs[i], digest->to, err);
        if (rc == 1) { /* to the front */
            struct digest_bug bug = digest->bugs[i];
            digest->bugs[i] = digest->bugs[n];
            digest->bugs[n++] = bug;
            digest->counts[bug.change]++;
            digest->blocking += bug.blocks;
        }
    }
    while (digest->n > n) {
        digest_bug_clear(&digest->bugs[--digest->n]);
    }
    return rc < 0 ? rc : 0;
}

static int
by_weight(const void *a, const void *b)
{
    const struct digest_bug *x = a;
    const struct digest_bug *y = b;

    if (x->change != y->change) {
        return x->change < y->change ? -1 : 1;
    }
    if (x->severity != y->severity) {
        return x->severity > y->severity ? -1 : 1;
    }
    if (x->crashes != y->crashes) {
        return x->crashes > y->crashes ? -1 : 1;
    }
    return x->bug < y->bug ? -1 : 1;
}

static int
read_others(struct store *store, struct digest *digest, struct err *err)
{
    static const struct {
        const char *kind, *to, *words;
    } bad[] = {
        {"target.replay", "broken", "its replays are broken: crashes are not judged"},
        {"target.disk", "full", "is paused: its disk budget is used up"},
        {"target.coverage", "dropped", "its corpus reaches less than before"},
        {"target.edges", "dropped", "its corpus reaches fewer edges than before"},
        {"worker.state", "quarantined", "was given up: it fails again and again"},
        {"worker.state", "dead", "is dead"},
        {"target.outage", "outage", "is not being fuzzed as it should be"},
        {"budget.state", "half", "breach budget is spent by half"},
        {"budget.state", "low", "breach budget is nearly spent"},
        {"budget.state", "exhausted", "breach budget is exhausted"},
    };
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[OTHERS], "ii", digest->from, digest->to);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        for (size_t i = 0; i < COUNT(bad); i++) {
            if (strcmp(bad[i].kind, stmt_text(row, 0)) == 0 &&
                strcmp(bad[i].to, stmt_text(row, 1)) == 0) {
                strv_addf(&digest->others, "%s %s", stmt_text(row, 2), bad[i].words);
            }
        }
        rc = 0;
    }
    return rc;
}

int
store_digest(struct store *store, struct digest *out, struct err *err)
{
    AUTO(digest_clear) struct digest digest = {.from = out->from, .to = out->to};
    int rc = read_events(store, &digest, err);

    rc = rc < 0 ? rc : read_crashes(store, &digest, err);
    rc = rc < 0 ? rc : read_overdue(store, &digest, err);
    rc = rc < 0 ? rc : read_bugs(store, &digest, err);
    rc = rc < 0 ? rc : read_others(store, &digest, err);
    if (rc < 0) {
        return rc;
    }
    if (digest.n > 1) {
        qsort(digest.bugs, digest.n, sizeof(*digest.bugs), by_weight);
    }
    *out = digest;
    memset(&digest, 0, sizeof(digest)); /* out owns it now */
    return 0;
}
