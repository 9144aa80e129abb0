/*
 * What a replay says of the state of a bug. Builds are told apart by their build ids; one
 * without an id moves no bug, since nobody can say which it was.
 *
 * A build is later than those that showed the bug when it is none of them, was not
 * registered before the last of them, and lies where the target's builds lie. So an old
 * build that is tried again, and a program that a person names, move nothing.
 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/regression.h"
#include "triage/store/store_private.h"

enum {
    IS_LATER,
    MOVE,
    IS_BACK,
    STATEMENTS,
};

#define SHOWS " r.k > 0 AND r.outcome IN ('crash', 'timeout', 'unparsed')"

/* Builds that showed bug ?1 by another crash than ?2: what is kept of it has one of each.
 */
#define SHOWN                                                                  \
    "WITH kept(crash) AS (SELECT e.crash FROM example e WHERE e.bug = ?1"      \
    "  UNION SELECT g.crash FROM bug g WHERE g.id = ?1),"                      \
    " shown(id, kind, build_id) AS (SELECT b.id, b.kind, b.build_id FROM kept" \
    "  CROSS JOIN replay r ON r.crash = kept.crash"                            \
    "  JOIN build b ON b.id = r.build WHERE kept.crash <> ?2 AND" SHOWS ")"

static const char *const sql[STATEMENTS] = {
    [IS_LATER] =
        SHOWN " SELECT NOT EXISTS (SELECT 1 FROM shown WHERE build_id = ?4)"
              " AND EXISTS"
              "  (SELECT 1 FROM build WHERE target = ?3 AND path = ?5 AND current)"
              " AND NOT EXISTS (SELECT 1 FROM build o JOIN shown s ON s.kind = o.kind"
              "  WHERE o.target = ?3 AND o.build_id = ?4 AND o.id < s.id)"
              " AND NOT EXISTS (SELECT 1 FROM event WHERE subject = 'bug'"
              "  AND subject_id = ?1 AND kind = 'bug.verify'"
              "  AND json_extract(detail, '$.build_id') = ?4"
              "  AND json_extract(detail, '$.result') IN ('same', 'changed'))",
    [MOVE] = "UPDATE bug SET state = ?3 WHERE id = ?1 AND state = ?2",
    [IS_BACK] = SHOWN " SELECT EXISTS (SELECT 1 FROM replay r"
                      "  JOIN build b ON b.id = r.build WHERE r.crash = ?2"
                      "  AND b.build_id <> '' AND" SHOWS
                      "  AND b.build_id NOT IN (SELECT build_id FROM shown))",
};
const struct store_sql store_evidence_sql = {sql, STATEMENTS};

bool
bug_is_open(const char *state)
{
    return strcmp(state, "new") == 0 || strcmp(state, "open") == 0 ||
           strcmp(state, "fixing") == 0 || strcmp(state, "regressed") == 0;
}

/* What ignored or wontfix says stays a person's word. */
int
regression_moves(struct store *store, const struct regression *of, struct verified *seen,
                 struct err *err)
{
    const char *to = seen->as == VERIFIED_CLEAN && bug_is_open(of->state) ? "fixed"
                     : seen->as == VERIFIED_SAME && strcmp(of->state, "fixed") == 0
                         ? "regressed"
                         : NULL;
    int64_t later = 0;

    seen->to = NULL;
    if (to == NULL || seen->build_id == NULL || seen->build_id[0] == '\0') {
        return 0;
    }
    if (seen->as == VERIFIED_CLEAN && seen->n < regression_runs(of->k, of->n)) {
        return 0; /* a person asked for fewer runs than prove anything */
    }
    AUTO(mem_free) char *path = str_name_dup(seen->path);
    int rc = db_int(store->db, &later, err, sql[IS_LATER], "iiitt", of->bug, (int64_t)0,
                    of->target_id, seen->build_id, path);
    seen->to = rc == 0 && later != 0 ? to : NULL;
    return rc;
}

int
store_move_bug(struct store *store, int64_t bug, const char *from, const char *to,
               json_t *why, struct err *err)
{
    const struct event event = {.kind = "bug.state",
                                .subject = "bug",
                                .subject_id = bug,
                                .from = from,
                                .to = to,
                                .detail = why};
    int rc = db_run(store->db, err, sql[MOVE], "itt", bug, from, to);

    return rc < 0 || db_changes(store->db) == 0 ? rc
                                                : store_event_put(store, &event, err);
}

int
store_bug_is_back(struct store *store, int64_t bug, int64_t crash, struct err *err)
{
    AUTO(json_decref) json_t *why = json_object();
    int64_t back = 0;
    int rc = db_int(store->db, &back, err, sql[IS_BACK], "ii", bug, crash);

    if (rc < 0 || back == 0) {
        return rc;
    }
    json_put(
        why, "reason",
        json_string("a crash on a build that had not shown it, though it was fixed"));
    json_put(why, "crash", json_integer(crash));
    return store_move_bug(store, bug, "fixed", "regressed", why, err);
}
