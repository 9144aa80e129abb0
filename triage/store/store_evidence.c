/*
 * What a replay says of the state of a bug. Builds are told apart by their build ids; one
 * without an id moves no bug, since nobody can say which it was.
 *
 * A build is later than those that showed the bug when it is none of them, lies where the
 * target's builds lie or was added by nightjar build, and
 *   - where the commits of both are known (triage/revision.h): its own is later, by the
 *     newest commit that holds the same code (a change that is taken back shows again),
 *     and it is of a branch that showed the bug;
 *   - else: it was not registered before the last of them.
 * So an old build that is tried again, a fix on another branch, and a program that a
 * person names, move nothing.
 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/regression.h"
#include "triage/store/store_private.h"

enum {
    IS_LATER,
    IS_NOT_BEFORE_FIX,
    WITNESSES,
    MOVE,
    IS_BACK,
    STATEMENTS,
};

/* Builds that showed bug ?1 by another crash than ?2: what is kept of it has one of each.
 */
#define SHOWN                                                                   \
    "WITH kept_crash(crash) AS (SELECT e.crash FROM example e WHERE e.bug = ?1" \
    "  UNION SELECT g.crash FROM bug g WHERE g.id = ?1),"                       \
    " shown(id, kind, build_id) AS (SELECT b.id, b.kind, b.build_id"            \
    "  FROM kept_crash CROSS JOIN replay r ON r.crash = kept_crash.crash"       \
    "  JOIN build b ON b.id = r.build WHERE kept_crash.crash <> ?2 AND" STORE_SHOWS ")"

/* When the newest commit was made that holds a build; NULL: none is known. */
#define COMMITTED(build_id)                                                 \
    "(SELECT max(v.at) FROM program x JOIN revision v ON v.id = x.revision" \
    " WHERE x.build_id = " build_id ")"
/* Branches that hold it. */
#define BRANCHES(build_id)                                                \
    "SELECT v.branch FROM program x JOIN revision v ON v.id = x.revision" \
    " WHERE v.branch <> '' AND x.build_id = " build_id

/* Verifications of bug ?1 with these results, on the build `on`. */
#define VERIFIED(results, on)                                                      \
    "SELECT 1 FROM event d WHERE d.subject = 'bug' AND d.subject_id = ?1"          \
    " AND d.kind = 'bug.verify' AND json_extract(d.detail, '$.result') IN" results \
    " AND " on

static const char *const sql[STATEMENTS] = {
    [IS_LATER] = SHOWN
    " SELECT NOT EXISTS (SELECT 1 FROM shown WHERE build_id = ?4)"
    " AND (EXISTS"
    "  (SELECT 1 FROM build WHERE target = ?3 AND path = ?5 AND "
    "current)"
    "  OR EXISTS (SELECT 1 FROM program x JOIN target t ON t.name "
    "= x.target"
    "   WHERE x.build_id = ?4 AND t.id = ?3))"
    " AND NOT EXISTS (SELECT 1 FROM shown s WHERE "
    "coalesce(" COMMITTED("s.build_id") " >= " COMMITTED(
        "?4") ", EXISTS (SELECT 1"
              "  FROM build o WHERE o.target = ?3 AND o.build_id "
              "= ?4"
              "  AND o.kind = s.kind AND o.id < s.id)))"
              " AND (NOT EXISTS (" BRANCHES(
                  "?4") ")"
                        "  OR NOT EXISTS (SELECT 1 FROM shown s "
                        "WHERE EXISTS (" BRANCHES(
                            "s.build_id") "))"
                                          "  OR EXISTS (SELECT 1 "
                                          "FROM shown s WHERE "
                                          "EXISTS (" BRANCHES(
                                              "s."
                                              "bui"
                                              "ld_"
                                              "id") " INTERSECT " BRANCHES("?4") ")))"
                                                                                 " AND "
                                                                                 "NOT "
                                                                                 "EXISTS "
                                                                                 "(" VERIFIED(
                                                                                     "('"
                                                                                     "sam"
                                                                                     "e',"
                                                                                     " "
                                                                                     "'ch"
                                                                                     "ang"
                                                                                     "ed'"
                                                                                     ")",
                                                                                     "jso"
                                                                                     "n_"
                                                                                     "ext"
                                                                                     "rac"
                                                                                     "t("
                                                                                     "d."
                                                                                     "det"
                                                                                     "ail"
                                                                                     ","
                                                                                     " '$"
                                                                                     "."
                                                                                     "bui"
                                                                                     "ld_"
                                                                                     "id'"
                                                                                     ") "
                                                                                     "= "
                                                                                     "?4") ")",
    /* an old build shows what was fixed since */
    [IS_NOT_BEFORE_FIX] = "SELECT NOT EXISTS (" VERIFIED(
        "('clean')",
        "json_extract(d.detail, '$.build_id') <> ?2 AND " COMMITTED(
            "json_extract(d.detail, '$.build_id')") " >= " COMMITTED("?2")) ")",
    [WITNESSES] =
        "SELECT c.id, b.sha256, c.k, c.n FROM (SELECT DISTINCT crash FROM example"
        " WHERE bug = ?1) kept_crash JOIN crash c ON c.id = kept_crash.crash JOIN blob b "
        "ON b.id = "
        "c.blob"
        " WHERE c.bug = ?1 AND NOT c.is_report AND b.state = 'present'"
        " AND c.reproducibility <> 'unreproducible' ORDER BY c.id",
    [MOVE] = "UPDATE bug SET state = ?3 WHERE id = ?1 AND state = ?2",
    [IS_BACK] = SHOWN
    " SELECT EXISTS (SELECT 1 FROM replay r"
    "  JOIN build b ON b.id = r.build WHERE r.crash = ?2"
    "  AND b.build_id <> '' AND" STORE_SHOWS
    "  AND b.build_id NOT IN (SELECT build_id FROM shown)"
    "  AND NOT EXISTS (" VERIFIED(
        "('clean')", COMMITTED("json_extract(d.detail, '$.build_id')") " > " COMMITTED(
                         "b.build_id")) "))",
};
const struct store_sql store_evidence_sql = {sql, STATEMENTS};

bool
bug_is_open(const char *state)
{
    return strcmp(state, "new") == 0 || strcmp(state, "open") == 0 ||
           strcmp(state, "fixing") == 0 || strcmp(state, "regressed") == 0;
}

/* --- witnesses --- */

void
witness_list_clear(struct witness_list *list)
{
    mem_free(list->v);
    *list = (struct witness_list){0};
}

static void
add_witness(struct witness_list *list, int64_t crash, const char *sha256, int k, int n)
{
    list->v = mem_resize(list->v, (list->n + 1) * sizeof(*list->v));
    struct witness *witness = &list->v[list->n++];
    *witness = (struct witness){.crash = crash, .k = k, .n = n};
    (void)snprintf(witness->sha256, sizeof(witness->sha256), "%s", sha256);
}

int
regression_witnesses(struct store *store, const struct regression *of,
                     struct witness_list *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[WITNESSES], "i", of->bug);

    add_witness(out, 0, of->sha256, of->k, of->n);
    if (of->original[0] != '\0') {
        add_witness(out, 0, of->original, of->k, of->n);
    }
    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        const char *sha256 = stmt_text(row, 1);
        if (strcmp(sha256, of->sha256) != 0 && strcmp(sha256, of->original) != 0) {
            add_witness(out, stmt_int(row, 0), sha256, (int)stmt_int(row, 2),
                        (int)stmt_int(row, 3));
        }
        rc = 0;
    }
    return rc;
}

/* --- what moves a bug --- */

int
regression_is_later(struct store *store, const struct regression *of, int64_t target,
                    const struct verified *seen, bool *later, struct err *err)
{
    AUTO(mem_free) char *path = str_name_dup(seen->path == NULL ? "" : seen->path);
    int64_t is = 0;

    *later = false;
    if (seen->build_id == NULL || seen->build_id[0] == '\0') {
        return 0;
    }
    int rc = db_int(store->db, &is, err, sql[IS_LATER], "iiitt", of->bug, (int64_t)0,
                    target, seen->build_id, path);
    *later = rc == 0 && is != 0;
    return rc;
}

static int
is_fixed(struct store *store, const struct regression *of, const struct verified *seen,
         bool *fixed, struct err *err)
{
    AUTO(witness_list_clear) struct witness_list all = {0};
    int rc = regression_is_later(store, of, of->target_id, seen, fixed, err);

    if (rc < 0 || !*fixed) {
        return rc;
    }
    rc = regression_witnesses(store, of, &all, err);
    /* a person asked for fewer runs than prove anything, or did not ask all */
    *fixed = rc == 0 && seen->n >= regression_runs(of->k, of->n) &&
             (size_t)seen->clean >= all.n;
    return rc;
}

static int
is_regressed(struct store *store, const struct regression *of,
             const struct verified *seen, bool *regressed, struct err *err)
{
    int64_t newer = 0;
    int rc = regression_is_later(store, of, of->target_id, seen, regressed, err);

    if (rc == 0 && *regressed) {
        rc = db_int(store->db, &newer, err, sql[IS_NOT_BEFORE_FIX], "it", of->bug,
                    seen->build_id);
        *regressed = newer != 0;
    }
    return rc;
}

/* What ignored or wontfix says stays a person's word. */
int
regression_moves(struct store *store, const struct regression *of, struct verified *seen,
                 struct err *err)
{
    bool moves = false;
    int rc = 0;

    seen->to = NULL;
    if (seen->as == VERIFIED_CLEAN && bug_is_open(of->state)) {
        rc = is_fixed(store, of, seen, &moves, err);
        seen->to = rc == 0 && moves ? "fixed" : NULL;
    } else if (seen->as == VERIFIED_SAME && strcmp(of->state, "fixed") == 0) {
        rc = is_regressed(store, of, seen, &moves, err);
        seen->to = rc == 0 && moves ? "regressed" : NULL;
    }
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
