/*
 * A bug's row after crashes came or went at once: what stands for it, its inputs, times
 * and examples. What arrives crash by crash is weighed in store_finish.c, by the same
 * rules.
 */
#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

enum {
    BUG,
    RECORDS,
    FIRST,
    LEND,
    STANDS,
    ORIGINAL,
    REPRODUCER,
    OF_DUPLICATE,
    TIMES,
    FRESH,
    BACKLOG,
    EXAMPLES_FOLLOW,
    EXAMPLES_GO,
    STATEMENTS,
};

/* An example whose crash belongs to another bug by now. */
#define MOVED \
    "bug = ?1 AND (SELECT c.bug FROM crash c WHERE c.id = example.crash) IS NOT ?1"

static const char *const sql[STATEMENTS] = {
    [BUG] = "SELECT g.crash, t.name, g.backlog,"
            " EXISTS (SELECT 1 FROM crash c WHERE c.id = g.crash AND c.bug = g.id),"
            " EXISTS (SELECT 1 FROM target t CROSS JOIN crash c WHERE c.target = t.id"
            " AND c.blob = g.original AND c.bug = g.id)"
            " FROM bug g JOIN target t ON t.id = g.target WHERE g.id = ?1",
    [RECORDS] = "SELECT c.id, c.reproducibility, b.bytes, b.id, c.is_report, r.json"
                " FROM crash c JOIN record r ON r.crash = c.id"
                " JOIN blob b ON b.id = c.blob"
                " WHERE c.bug = ?1 AND b.state = 'present' ORDER BY c.id",
    [FIRST] = "SELECT c.id, b.id FROM crash c JOIN blob b ON b.id = c.blob"
              " WHERE c.bug = ?1 AND b.state = 'present' ORDER BY c.id LIMIT 1",
    [LEND] = "INSERT INTO record(crash, json) SELECT ?1, r.json FROM record r"
             " WHERE r.crash = ?2 ON CONFLICT DO NOTHING",
    [STANDS] = "UPDATE bug SET crash = ?2, crash_type = ?3, crash_state = ?4,"
               " sanitizer = ?5, security = ?6, class = ?7, exploitability = ?8, cwe = ?9"
               " WHERE id = ?1",
    [ORIGINAL] = "UPDATE bug SET original = ?2 WHERE id = ?1",
    [REPRODUCER] = "UPDATE bug SET reproducer = ?2, minimize = ?3, minimize_attempts = 0,"
                   " minimize_deaths = 0 WHERE id = ?1",
    /* what a merged bug made of this crash's input already */
    [OF_DUPLICATE] = "SELECT d.reproducer FROM bug d WHERE d.duplicate_of = ?1"
                     " AND d.crash = ?2 AND d.minimize = 'done' LIMIT 1",
    [TIMES] = "UPDATE bug SET trimmed = 0, trimmed_crashes = 0, filed = s.filed,"
              " first_seen = s.first, last_seen = s.last FROM (SELECT"
              " min(c.first_seen) AS filed, min(" CRASH_SEEN ") AS first,"
              " max(" CRASH_SEEN ") AS last FROM crash c WHERE c.bug = ?1) AS s"
              " WHERE id = ?1",
    [FRESH] = "SELECT count(*) FROM crash c WHERE c.bug = ?1 AND NOT c.backlog",
    [BACKLOG] = "UPDATE bug SET backlog = 1 WHERE id = ?1 AND NOT backlog",
    [EXAMPLES_FOLLOW] =
        "UPDATE OR IGNORE example SET bug ="
        " (SELECT c.bug FROM crash c WHERE c.id = example.crash) WHERE " MOVED,
    [EXAMPLES_GO] = "DELETE FROM example WHERE " MOVED,
};
const struct store_sql store_settle_sql = {sql, STATEMENTS};

/* --- what stands for the bug --- */

struct stand { /* a crash that may */
    int64_t crash, bytes, blob;
    char reproducibility[16];
    bool is_report;
    struct record *record; /* owned */
};

static void
stand_clear(struct stand *stand)
{
    record_free(stand->record);
}
AUTO_DEFINE_CLEAR(struct stand, stand_clear)

/* The worst severity, so that what is shown proves it; among equals what reproduces best,
 * then what is smallest: the same order as in store_finish.c. */
static bool
is_better(const struct stand *a, const struct stand *b)
{
    int ours = store_reproducibility_rank(a->reproducibility);
    int theirs = store_reproducibility_rank(b->reproducibility);

    if (b->record == NULL || a->record->severity != b->record->severity) {
        return b->record == NULL || a->record->severity > b->record->severity;
    }
    return ours != theirs ? ours > theirs : a->bytes < b->bytes;
}

/* False when an older release wrote what this one cannot read. */
static bool
read_stand(struct stmt *row, struct stand *out)
{
    AUTO(json_decref) json_t *object = NULL;
    const char *text = stmt_text(row, 5);

    out->crash = stmt_int(row, 0);
    (void)snprintf(out->reproducibility, sizeof(out->reproducibility), "%s",
                   stmt_text(row, 1));
    out->bytes = stmt_int(row, 2);
    out->blob = stmt_int(row, 3);
    out->is_report = stmt_int(row, 4) != 0;
    return json_parse(text, strlen(text), &object, NULL) == 0 &&
           record_from_json(object, &out->record, NULL) == 0;
}

static int
find_best(struct store *store, int64_t bug, struct stand *best, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[RECORDS], "i", bug);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        AUTO(stand_clear) struct stand one = {0};
        if (read_stand(row, &one) && is_better(&one, best)) {
            struct stand worse = *best;
            *best = one;
            one = worse;
        }
        rc = 0;
    }
    return rc;
}

/* None of its crashes kept a stack: the first is lent that of the crash which stood for
 * the bug that it came from, whose frames that count are the same. */
static int
lend_record(struct store *store, int64_t bug, int64_t lender, struct err *err)
{
    int64_t crash = 0;
    int rc = db_int(store->db, &crash, err, sql[FIRST], "i", bug);

    if (rc == -ENODATA) {
        return err_set(
            err, -ENODATA,
            "the bytes of these crashes were dropped: nothing would be left "
            "that shows the bug; take one whose bytes are kept (nightjar repro "
            "NJ-ID --export)");
    }
    return rc < 0 ? rc : db_run(store->db, err, sql[LEND], "ii", crash, lender);
}

static int
choose(struct store *store, int64_t bug, int64_t lender, struct stand *best,
       struct err *err)
{
    int rc = find_best(store, bug, best, err);

    if (rc == 0 && best->record == NULL) {
        rc = lend_record(store, bug, lender, err);
        rc = rc < 0 ? rc : find_best(store, bug, best, err);
    }
    return rc;
}

static int
put_reproducer(struct store *store, int64_t bug, const struct stand *best,
               struct err *err)
{
    int64_t made = 0;

    store->regressions_due = true;
    int rc = db_int(store->db, &made, err, sql[OF_DUPLICATE], "ii", bug, best->crash);

    if (rc == 0) {
        /* minimized, but by another bug's events */
        return db_run(store->db, err, sql[REPRODUCER], "iit", bug, made, "none");
    }
    return rc != -ENODATA
               ? rc
               : db_run(store->db, err, sql[REPRODUCER], "iit", bug, best->blob,
                        store_minimizable(best->is_report, best->reproducibility,
                                          best->bytes));
}

static const char *
or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static int
put_standing(struct store *store, int64_t bug, const struct stand *best, struct err *err)
{
    const struct record *r = best->record;
    int rc =
        db_run(store->db, err, sql[STANDS], "iitttittt", bug, best->crash, r->crash_type,
               or_empty(r->crash_state), or_empty(r->sanitizer), (int64_t)r->security,
               or_empty(r->class_name), or_empty(r->exploitability), or_empty(r->cwe));

    return rc < 0 ? rc : store_frames_put(store, bug, or_empty(r->crash_state), err);
}

/* --- the rest of the row --- */

static int
put_original(struct store *store, int64_t bug, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[FIRST], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    int64_t blob = stmt_int(row, 1);
    stmt_reset(row);
    return db_run(store->db, err, sql[ORIGINAL], "ii", bug, blob);
}

static int
put_backlog(struct store *store, int64_t bug, struct err *err)
{
    const struct event event = {.kind = "bug.backlog",
                                .subject = "bug",
                                .subject_id = bug,
                                .from = "fresh",
                                .to = "backlog"};
    int64_t fresh = 0;
    int rc = db_int(store->db, &fresh, err, sql[FRESH], "i", bug);

    if (rc < 0 || fresh > 0) {
        return rc < 0 ? rc : store_bug_is_fresh(store, bug, err);
    }
    rc = db_run(store->db, err, sql[BACKLOG], "i", bug);
    return rc < 0 || db_changes(store->db) == 0 ? rc
                                                : store_event_put(store, &event, err);
}

struct known { /* the row as it is */
    int64_t crash;
    char *target;
    bool stands, first; /* its crash and its first input still belong to it */
};

static void
known_clear(struct known *known)
{
    mem_free(known->target);
}
AUTO_DEFINE_CLEAR(struct known, known_clear)

static int
load(struct store *store, int64_t bug, struct known *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[BUG], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc < 0 ? rc : store_no_bug(bug, err);
    }
    out->crash = stmt_int(row, 0);
    out->target = mem_strdup(stmt_text(row, 1));
    out->stands = stmt_int(row, 3) != 0;
    out->first = stmt_int(row, 4) != 0;
    stmt_reset(row);
    return 0;
}

int
store_examples_follow(struct store *store, int64_t bug, struct err *err)
{
    int rc = db_run(store->db, err, sql[EXAMPLES_FOLLOW], "i", bug);

    return rc < 0 ? rc : db_run(store->db, err, sql[EXAMPLES_GO], "i", bug);
}

int
store_settle_bug(struct store *store, int64_t bug, const struct settling *how,
                 struct err *err)
{
    AUTO(known_clear) struct known known = {0};
    AUTO(stand_clear) struct stand best = {0};
    struct event event = {.actor = how->actor};
    int rc = load(store, bug, &known, err);

    rc = rc < 0 ? rc : choose(store, bug, how->lender, &best, err);
    if (rc < 0) {
        return rc;
    }
    if (best.record == NULL) {
        return err_set(err, -EUCLEAN, "no record of NJ-%lld can be read", (long long)bug);
    }
    rc = put_standing(store, bug, &best, err);
    if (rc == 0 && (!known.stands || best.crash != known.crash || how->is_new)) {
        rc = put_reproducer(store, bug, &best, err);
    }
    rc = rc < 0 ? rc
                : store_computed_severity(store, bug, known.target, best.record,
                                          how->is_new ? NULL : &event, err);
    if (rc == 0 && !known.first) {
        rc = put_original(store, bug, err);
    }
    rc = rc < 0 ? rc : db_run(store->db, err, sql[TIMES], "i", bug);
    return rc < 0 ? rc : put_backlog(store, bug, err);
}
