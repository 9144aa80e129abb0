#include "triage/store/store_private.h"

#include <string.h>

#include "base/mem.h"
#include "triage/control.h"
#include "triage/life.h"

enum {
    LIVES,
    CHANGES,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [LIVES] =
        "SELECT l.id, l.severity, l.backlog, l.filed, l.written, t.name,"
        " (SELECT min(e.at) FROM event e WHERE e.subject = 'bug' AND e.subject_id = l.id"
        "  AND e.kind IN ('bug.new', 'bug.backlog') AND NOT e.quiet),"
        " (SELECT max(started) FROM campaign WHERE started <= l.written"
        "  AND l.written <= coalesce(ended, l.written)),"
        " EXISTS (SELECT 1 FROM replay r JOIN build b ON b.id = r.build"
        "  WHERE r.crash = l.crash AND b.kind = 'release' AND r.k > 0"
        "  AND r.outcome IN ('crash', 'timeout')), l.target, l.acknowledged, l.claimed,"
        " l.verified, l.owner"
        /* what stands for a bug may be a later find, a duplicate's crashes are another's
         */
        " FROM (SELECT g.id, g.severity, g.backlog, g.filed, g.crash, g.target,"
        "  g.acknowledged, g.claimed, g.verified, g.owner,"
        "  coalesce((SELECT f.written FROM crash f WHERE f.bug = g.id AND NOT f.backlog"
        "   ORDER BY f.id LIMIT 1), c.written) AS written"
        "  FROM bug g JOIN crash c ON c.id = g.crash"
        "  WHERE g.id > ?1 AND c.reproducibility <> 'unreproducible'"
        "  ORDER BY g.id LIMIT 1) l JOIN target t ON t.id = l.target",
    [CHANGES] = "SELECT at, coalesce(to_state, '') FROM event WHERE subject = 'bug'"
                " AND subject_id = ?1 AND kind = 'bug.state' ORDER BY id",
};
const struct store_sql store_life_sql = {sql, STATEMENTS};

static void
read_change(struct stmt *row, struct bug_life *life)
{
    life->changes = mem_resize(life->changes, (life->n + 1) * sizeof(*life->changes));
    struct life_change *change = &life->changes[life->n++];
    change->at = stmt_int(row, 0);
    (void)snprintf(change->to, sizeof(change->to), "%s", stmt_text(row, 1));
}

static int
read_changes(struct store *store, struct bug_life *life, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[CHANGES], "i", life->bug);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        read_change(row, life);
        rc = 0;
    }
    return rc;
}

void
bug_life_clear(struct bug_life *life)
{
    mem_free(life->target);
    mem_free(life->owner);
    mem_free(life->changes);
    *life = (struct bug_life){0};
}

static int
read_builds(struct store *store, struct bug_life *life, struct err *err)
{
    struct bug_came came = {0};
    int rc = store_bug_came(store, life->bug, &came, err);

    life->introduced = came.introduced;
    life->clean_before = came.clean_before;
    life->released = life->released || came.released;
    return rc;
}

static int
next_life(struct store *store, int64_t after, struct bug_life *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[LIVES], "i", after);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    *out = (struct bug_life){.bug = stmt_int(row, 0),
                             .severity = (enum severity)stmt_int(row, 1),
                             .backlog = stmt_int(row, 2) != 0,
                             .filed = stmt_int(row, 3),
                             .written = stmt_int(row, 4),
                             .target = mem_strdup(stmt_text(row, 5)),
                             .told = stmt_int(row, 6),
                             .campaign = stmt_int(row, 7),
                             .released = stmt_int(row, 8) != 0,
                             .acknowledged = stmt_int(row, 10),
                             .claimed = stmt_int(row, 11),
                             .verified = stmt_int(row, 12),
                             .owner = mem_strdup(stmt_text(row, 13))};
    int64_t target = stmt_int(row, 9);
    stmt_reset(row);
    rc = read_changes(store, out, err);
    rc = rc < 0 || out->campaign == 0
             ? rc
             : store_control_cpu(store, target, out->campaign, out->written, &out->cpu_ms,
                                 err);
    return rc < 0 ? rc : 1;
}

int
store_lives(struct store *store, life_visit *visit, void *user, struct err *err)
{
    int64_t last = 0;
    bool builds = false;
    int rc = store_any_revision(store, &builds, err);

    rc = rc < 0 ? rc : 1;
    while (rc == 1) {
        AUTO(bug_life_clear) struct bug_life life = {0};
        rc = next_life(store, last, &life, err);
        if (rc == 1 && builds) {
            int came = read_builds(store, &life, err);
            rc = came < 0 ? came : rc;
        }
        if (rc == 1) {
            last = life.bug;
            int stop = visit(user, &life, err);
            rc = stop == 0 ? 1 : stop;
        }
    }
    return rc;
}
