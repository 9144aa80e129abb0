/*
 * The lives of all bugs, from four passes over the store: bugs, what happened to them,
 * the minutes in which their targets were fuzzed, and (where builds are known) with which
 * they came. `slo note` asks for them each minute, so nothing but the last is asked bug
 * by bug.
 */
#include "triage/store/store_private.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "triage/control.h"
#include "triage/life.h"

enum {
    LIVES,
    EVENTS,
    MINUTES,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [LIVES] =
        "SELECT l.id, l.severity, l.backlog, l.filed, l.written, t.name,"
        " (SELECT max(started) FROM campaign WHERE started <= l.written"
        "  AND l.written <= coalesce(ended, l.written)),"
        " EXISTS (SELECT 1 FROM replay r JOIN build b ON b.id = r.build"
        "  WHERE r.crash = l.crash AND b.kind = 'release' AND r.k > 0"
        "  AND r.outcome IN ('crash', 'timeout')), l.target, l.acknowledged, l.claimed,"
        " l.verified, l.owner, l.state, coalesce(l.until_at, 0)"
        /* what stands for a bug may be a later find, a duplicate's crashes are another's
         */
        " FROM (SELECT g.id, g.severity, g.backlog, g.filed, g.crash, g.target,"
        "  g.acknowledged, g.claimed, g.verified, g.owner, g.state, w.until_at,"
        "  coalesce((SELECT f.written FROM crash f WHERE f.bug = g.id AND NOT f.backlog"
        "   ORDER BY f.id LIMIT 1), c.written) AS written"
        "  FROM bug g CROSS JOIN main.bug w ON w.id = g.id"
        "  CROSS JOIN crash c ON c.id = g.crash"
        "  WHERE c.reproducibility <> 'unreproducible') l"
        " JOIN target t ON t.id = l.target ORDER BY l.id",
    [EVENTS] = "SELECT g.id, e.kind, e.at, coalesce(e.to_state, ''), e.quiet"
               " FROM bug g CROSS JOIN event e ON e.subject = 'bug'"
               " AND e.subject_id = g.id WHERE e.kind IN ('bug.new', 'bug.backlog',"
               " 'bug.state', 'bug.deadline', 'bug.introduced', 'bug.incident')"
               " ORDER BY g.id, e.id",
    [MINUTES] = ("SELECT target, began, slices, productive_ms FROM control"
                 " ORDER BY target, began"),
};
const struct store_sql store_life_sql = {sql, STATEMENTS};

void
bug_life_clear(struct bug_life *life)
{
    mem_free(life->target);
    mem_free(life->owner);
    mem_free(life->changes);
    *life = (struct bug_life){0};
}

struct entry {
    struct bug_life life;
    int64_t target;
    char state[16];
    int64_t until;
};

struct minutes { /* that a target was fuzzed, one after the other */
    int64_t target, began, slices, ms;
    int64_t before; /* ms of all rows before this one */
};

struct lives {
    struct entry *v;
    size_t n;
    struct minutes *minutes;
    size_t n_minutes;
};

static void
lives_clear(struct lives *lives)
{
    for (size_t i = 0; i < lives->n; i++) {
        bug_life_clear(&lives->v[i].life);
    }
    mem_free(lives->v);
    mem_free(lives->minutes);
}
AUTO_DEFINE_CLEAR(struct lives, lives_clear)

/* --- bugs --- */

static void
read_life(struct stmt *row, struct entry *out)
{
    *out = (struct entry){
        .life = {.bug = stmt_int(row, 0),
                 .severity = (enum severity)stmt_int(row, 1),
                 .backlog = stmt_int(row, 2) != 0,
                 .filed = stmt_int(row, 3),
                 .written = stmt_int(row, 4),
                 .target = mem_strdup(stmt_text(row, 5)),
                 .campaign = stmt_int(row, 6),
                 .released = stmt_int(row, 7) != 0,
                 .acknowledged = stmt_int(row, 9),
                 .claimed = stmt_int(row, 10),
                 .verified = stmt_int(row, 11),
                 .owner = mem_strdup(stmt_text(row, 12))},
        .target = stmt_int(row, 8),
        .until = stmt_int(row, 14),
    };
    (void)snprintf(out->state, sizeof(out->state), "%s", stmt_text(row, 13));
}

static int
read_lives(struct store *store, struct lives *lives, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[LIVES], "");

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        lives->v = mem_grow(lives->v, lives->n, sizeof(*lives->v));
        read_life(row, &lives->v[lives->n++]);
        rc = 0;
    }
    return rc;
}

/* --- what happened to them --- */

static void
add_change(struct bug_life *life, int64_t at, const char *to)
{
    life->changes = mem_resize(life->changes, (life->n + 1) * sizeof(*life->changes));
    struct life_change *change = &life->changes[life->n++];
    change->at = at;
    (void)snprintf(change->to, sizeof(change->to), "%s", to);
}

static void
add_event(struct bug_life *life, const char *kind, int64_t at, const char *to, bool quiet)
{
    if (strcmp(kind, "bug.state") == 0) {
        add_change(life, at, to);
    } else if (strcmp(kind, "bug.deadline") == 0) {
        life->noted_deadline = true;
    } else if (strcmp(kind, "bug.introduced") == 0) {
        life->noted_introduced = true;
    } else if (strcmp(kind, "bug.incident") == 0) {
        life->noted_incident = true;
    } else if (!quiet && life->told == 0) {
        life->told = at;
    }
}

/* What came back by itself, and nobody has written down yet (store_bugs_now()). */
static void
add_return(struct entry *entry, int64_t now)
{
    struct bug_life *life = &entry->life;

    if (life->n == 0 || strcmp(entry->state, "open") != 0 ||
        strcmp(life->changes[life->n - 1].to, "open") == 0) {
        return;
    }
    add_change(life, entry->until > 0 && entry->until < now ? entry->until : now, "open");
}

/* Both come by bug. */
static int
read_events(struct store *store, struct lives *lives, struct err *err)
{
    struct stmt *row = NULL;
    size_t at = 0;
    int rc = db_query(store->db, &row, err, sql[EVENTS], "");

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        int64_t bug = stmt_int(row, 0);
        while (at < lives->n && lives->v[at].life.bug < bug) {
            at++;
        }
        if (at < lives->n && lives->v[at].life.bug == bug) {
            add_event(&lives->v[at].life, stmt_text(row, 1), stmt_int(row, 2),
                      stmt_text(row, 3), stmt_int(row, 4) != 0);
        }
        rc = 0;
    }
    for (size_t i = 0; i < lives->n; i++) {
        add_return(&lives->v[i], clock_wall_ms());
    }
    return rc;
}

/* --- for how long their targets were fuzzed --- */

static int
read_minutes(struct store *store, struct lives *lives, struct err *err)
{
    struct stmt *row = NULL;
    int64_t before = 0;
    int rc = db_query(store->db, &row, err, sql[MINUTES], "");

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        lives->minutes =
            mem_grow(lives->minutes, lives->n_minutes, sizeof(*lives->minutes));
        const struct minutes one = {stmt_int(row, 0), stmt_int(row, 1), stmt_int(row, 2),
                                    stmt_int(row, 3), before};
        lives->minutes[lives->n_minutes++] = one;
        before += one.ms;
        rc = 0;
    }
    return rc;
}

/* Time of workers of all rows that come before a minute of a target, with its share of
 * the row that it lies in. */
static int64_t
fuzzed_before(const struct lives *lives, int64_t target, int64_t minute)
{
    size_t low = 0;
    size_t high = lives->n_minutes;

    while (low < high) { /* the first row that is not before it */
        size_t middle = low + (high - low) / 2;
        const struct minutes *row = &lives->minutes[middle];
        if (row->target < target || (row->target == target && row->began < minute)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return 0;
    }
    const struct minutes *last = &lives->minutes[low - 1];
    int64_t part = last->target == target && minute < last->began + last->slices
                       ? minute - last->began
                       : last->slices;
    return last->before + last->ms * part / last->slices;
}

static void
add_cpu(const struct lives *lives, struct entry *entry)
{
    struct bug_life *life = &entry->life;

    if (life->campaign > 0) {
        life->cpu_ms =
            fuzzed_before(lives, entry->target, life->written / CONTROL_SLICE_MS) -
            fuzzed_before(lives, entry->target, life->campaign / CONTROL_SLICE_MS);
    }
}

/* --- with which builds they came --- */

static int
read_builds(struct store *store, struct bug_life *life, struct err *err)
{
    struct bug_came came = {0};
    int rc = store_bug_came(store, life->bug, &came, err);

    life->introduced = came.introduced;
    life->clean_before = came.clean_before;
    life->released = life->released || came.released;
    return rc < 0 ? rc : 0;
}

int
store_lives(struct store *store, life_visit *visit, void *user, struct err *err)
{
    AUTO(lives_clear) struct lives lives = {0};
    bool builds = false;
    int rc = store_any_revision(store, &builds, err);

    rc = rc < 0 ? rc : read_lives(store, &lives, err);
    rc = rc < 0 ? rc : read_events(store, &lives, err);
    rc = rc < 0 ? rc : read_minutes(store, &lives, err);
    for (size_t i = 0; i < lives.n && rc == 0; i++) {
        add_cpu(&lives, &lives.v[i]);
        rc = builds ? read_builds(store, &lives.v[i].life, err) : 0;
        rc = rc < 0 ? rc : visit(user, &lives.v[i].life, err);
    }
    return rc;
}
