#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

enum {
    SNAPSHOT,
    INTEGRITY,
    REFERENCES_,
    CRASH_BYTES,
    CRASH_PATH,
    CRASH_SIGNATURE,
    CRASH_PLACE,
    CRASH_HOME,
    CRASH_PIN,
    CRASH_SPLIT,
    CRASH_STATE,
    CRASH_TALLY,
    CRASH_TOTAL,
    BUG_CRASH,
    BUG_STANDS,
    BUG_RECORD,
    BUG_BYTES,
    BUG_SIGNATURE,
    BUG_COUNT,
    BUG_STATE,
    BUG_SEVERITY,
    BUG_DECIDED,
    BUG_DUPLICATE,
    BUG_MINIMIZE,
    WORKER_STATE,
    TARGET_REPLAY,
    CAMPAIGN_END,
    EVENT_CHAIN,
    EXAMPLE,
    OUTBOX,
    BACKLOG,
    BLOBS,
    BLOB_STATE,
    STATEMENTS,
};

/* The state that the events of a subject lead to. */
#define LAST(kinds, the_subject, id)                                  \
    "(SELECT e.to_state FROM event e WHERE e.subject = '" the_subject \
    "' AND e.subject_id = " id " AND e.kind IN (" kinds ") ORDER BY e.id DESC LIMIT 1)"

/* Each selects one sentence for each row that breaks it. */
static const char *const sql[STATEMENTS] = {
    [SNAPSHOT] = "BEGIN",
    [INTEGRITY] = "SELECT 'SQLite: ' || replace(integrity_check, char(10), '; ')"
                  " FROM pragma_integrity_check"
                  " WHERE integrity_check <> 'ok'",
    [REFERENCES_] =
        "SELECT format('row %d of %s refers to a row of %s that is not there', rowid,"
        " \"table\", parent) FROM pragma_foreign_key_check",
    [CRASH_BYTES] =
        "SELECT format('crash %d is %s, but its bytes were dropped', c.id, c.state)"
        " FROM crash c JOIN blob b ON b.id = c.blob"
        " WHERE c.bug IS NULL AND b.state <> 'present'",
    [CRASH_PATH] = "SELECT format('crash %d was given under no path', c.id) FROM crash c"
                   " WHERE NOT EXISTS (SELECT 1 FROM crash_path p WHERE p.crash = c.id)",
    [CRASH_SIGNATURE] =
        "SELECT format('crash %d is of NJ-%d, but signature %s of its target has no bug',"
        " c.id, c.bug, c.major) FROM crash c WHERE c.bug IS NOT NULL AND c.place IS NULL"
        " AND NOT EXISTS"
        " (SELECT 1 FROM signature s WHERE s.version = c.version AND s.major = c.major"
        " AND s.target = c.target)"
        " AND NOT EXISTS (SELECT 1 FROM pin WHERE pin.blob = c.blob)"
        " AND NOT EXISTS (SELECT 1 FROM split s WHERE s.version = c.version"
        " AND s.minor = c.minor AND s.target = c.target)",
    [CRASH_PLACE] =
        "SELECT format('crash %d is of NJ-%d, but its place is of NJ-%d', c.id,"
        " coalesce(c.home, c.bug), p.bug) FROM crash c JOIN place p ON p.id = c.place"
        " WHERE c.bug IS NOT NULL AND coalesce(c.home, c.bug) <> p.bug"
        " AND NOT EXISTS (SELECT 1 FROM pin WHERE pin.blob = c.blob)"
        " AND NOT EXISTS (SELECT 1 FROM split s WHERE s.version = c.version"
        " AND s.minor = c.minor AND s.target = c.target)",
    [CRASH_HOME] =
        "WITH RECURSIVE up(crash, bug, at) AS (SELECT c.id, c.bug, c.home FROM crash c"
        " WHERE c.home IS NOT NULL UNION SELECT up.crash, up.bug, g.duplicate_of FROM up"
        " JOIN bug g ON g.id = up.at)"
        " SELECT format('crash %d is of NJ-%d, to which its own NJ-%d does not lead',"
        " c.id, c.bug, c.home) FROM crash c WHERE c.home IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM up WHERE up.crash = c.id AND up.at = c.bug)",
    [CRASH_PIN] =
        "SELECT format('crash %d is of NJ-%d, but pinned to NJ-%d', c.id,"
        " coalesce(c.home, c.bug), p.bug) FROM pin p JOIN crash c ON c.blob = p.blob"
        " WHERE c.bug IS NOT NULL AND coalesce(c.home, c.bug) <> p.bug",
    [CRASH_SPLIT] =
        "SELECT format('crash %d is of NJ-%d, but its exact signature was split off to"
        " NJ-%d', c.id, coalesce(c.home, c.bug), s.bug) FROM split s JOIN crash c"
        " ON c.version = s.version AND c.minor = s.minor AND c.target = s.target"
        " WHERE c.bug IS NOT NULL AND coalesce(c.home, c.bug) <> s.bug"
        " AND NOT EXISTS (SELECT 1 FROM pin WHERE pin.blob = c.blob)",
    [BUG_DUPLICATE] =
        "SELECT format('NJ-%d is a duplicate of NJ-%d, but has %d crashes of its own',"
        " id, duplicate_of, crashes) FROM bug WHERE state = 'duplicate' AND crashes > 0",
    [BUG_DECIDED] =
        "SELECT format('NJ-%d is %d, not what was decided or computed for it', g.id,"
        " g.severity) FROM bug g WHERE g.severity <> coalesce((SELECT o.severity FROM"
        " severity_override o WHERE o.bug = g.id ORDER BY o.origin LIMIT 1),"
        " g.computed_severity)",
    /* that a crash joined a bug is counted, not told */
    [CRASH_STATE] =
        "SELECT format('crash %d is %s, but its events say %s', id, state, last) FROM"
        " (SELECT c.id, c.state, coalesce(" LAST(
            "'crash.state'", "crash",
            "c.id") ", 'queued')"
                    " AS last FROM crash c) WHERE state <> last"
                    " AND NOT (last = 'queued' AND state IN ('triaged', 'unparsed'))",
    [CRASH_TALLY] =
        "SELECT format('%d crashes of target %d are %s, but %d are counted', "
        "coalesce(a.n, 0),"
        " coalesce(a.target, k.target), coalesce(a.state, k.state), coalesce(k.n, 0))"
        " FROM (SELECT target, state, count(*) AS n FROM crash GROUP BY target, state) a"
        " FULL JOIN crash_count k ON k.target = a.target AND k.state = a.state"
        " WHERE coalesce(a.n, 0) <> coalesce(k.n, 0)",
    [CRASH_TOTAL] =
        "SELECT format('target %d: crashes_total is %d, but %d crashes were triaged, %d "
        "of them"
        " queued again', id, total, now + again, again) FROM (SELECT t.id,"
        " (SELECT coalesce(sum(value), 0) FROM counter WHERE name = 'crashes_total'"
        " AND json_extract(labels, '$.target') = t.name) AS total,"
        " (SELECT count(*) FROM crash c WHERE c.target = t.id AND c.state <> 'queued') "
        "AS now,"
        " (SELECT count(*) FROM event e JOIN crash c ON c.id = e.subject_id"
        " WHERE e.kind = 'crash.state' AND e.to_state = 'queued' AND c.target = t.id) AS "
        "again"
        " FROM target t) WHERE total <> now + again",
    [BUG_CRASH] = "SELECT format('NJ-%d has no crash', g.id) FROM bug g"
                  " WHERE g.state <> 'duplicate'"
                  " AND NOT EXISTS (SELECT 1 FROM crash c WHERE c.bug = g.id)",
    [BUG_STANDS] =
        "SELECT format('crash %d stands for NJ-%d without belonging to it', c.id,"
        " g.id) FROM bug g JOIN crash c ON c.id = g.crash"
        " WHERE g.state <> 'duplicate' AND c.bug IS NOT g.id",
    [BUG_RECORD] =
        "SELECT format('NJ-%d has no record: crash %d, which stands for it, lost its"
        " own', g.id, g.crash) FROM bug g"
        " WHERE NOT EXISTS (SELECT 1 FROM record r WHERE r.crash = g.crash)",
    [BUG_BYTES] =
        "SELECT format('NJ-%d: blob %s was dropped, but is its %s', g.id, b.sha256,"
        " iif(b.id = g.original, 'first input', 'reproducer')) FROM bug g"
        " JOIN blob b ON b.id IN (g.original, g.reproducer)"
        " WHERE b.state <> 'present'",
    [BUG_SIGNATURE] = "SELECT format('NJ-%d: no signature leads to it', g.id) FROM bug g"
                      " WHERE g.state <> 'duplicate'"
                      " AND NOT EXISTS (SELECT 1 FROM signature s WHERE s.bug = g.id)"
                      " AND NOT EXISTS (SELECT 1 FROM split s WHERE s.bug = g.id)"
                      " AND NOT EXISTS (SELECT 1 FROM pin p WHERE p.bug = g.id)"
                      " AND NOT EXISTS (SELECT 1 FROM place p WHERE p.bug = g.id)",
    [BUG_COUNT] =
        "SELECT format('NJ-%d has %d crashes, but %d are counted', id, n, crashes)"
        " FROM (SELECT g.id, g.crashes, (SELECT count(*) FROM crash c"
        " WHERE c.bug = g.id) AS n FROM bug g) WHERE n <> crashes",
    [BUG_STATE] = "SELECT format('NJ-%d is %s, but its events say %s', id, state,"
                  " coalesce(last, 'nothing')) FROM (SELECT g.id, g.state, " LAST(
                      "'bug.new', 'bug.state'", "bug",
                      "g.id") " AS last FROM main.bug g)" /* as it is written */
                              " WHERE state IS NOT last",
    [BUG_SEVERITY] =
        "SELECT format('NJ-%d is %s, but its events say %s', id, severity,"
        " coalesce(last, 'nothing')) FROM (SELECT g.id, CASE g.severity WHEN 0 THEN "
        "'info'"
        " WHEN 1 THEN 'low' WHEN 2 THEN 'medium' WHEN 3 THEN 'high' ELSE 'critical' END"
        " AS severity, coalesce(" LAST("'bug.severity'", "bug",
                                       "g.id") ", (SELECT"
                                               " json_extract(e.detail, '$.severity') "
                                               "FROM event e WHERE e.subject = 'bug'"
                                               " AND e.subject_id = g.id AND e.kind = "
                                               "'bug.new')) AS last FROM bug g)"
                                               " WHERE severity IS NOT last",
    [BUG_MINIMIZE] =
        "SELECT format('NJ-%d: minimizing is %s, but its events say %s', id,"
        " minimize, coalesce(last, 'nothing')) FROM (SELECT g.id, g.minimize, " LAST(
            "'bug.minimize'", "bug",
            "g.id") " AS last FROM bug g)"
                    " WHERE minimize IN ('done', 'given_up') AND minimize IS NOT last",
    [WORKER_STATE] =
        "SELECT format('worker %s is %s, but its events say %s', name, state,"
        " coalesce(last, 'nothing')) FROM (SELECT w.name, w.state, " LAST(
            "'worker.state'", "worker", "w.id") " AS last FROM worker w)"
                                                " WHERE state IS NOT last",
    [TARGET_REPLAY] =
        "SELECT format('replays of target %d are %s, but its events say %s', id,"
        " replay, last) FROM (SELECT t.id, t.replay, coalesce(" LAST(
            "'target.replay'", "target", "t.id") ", 'ok') AS last FROM target t)"
                                                 " WHERE replay <> last",
    [CAMPAIGN_END] =
        "SELECT format('campaign %d ended (%s), but no event says so', c.id, c.how)"
        " FROM campaign c WHERE c.how IS NOT NULL AND c.how IS NOT " LAST(
            "'campaign.end'", "campaign", "c.id"),
    [EVENT_CHAIN] =
        "SELECT format('event %d says that %s %d left %s, but it was %s', id, subject,"
        " subject_id, coalesce(from_state, 'nothing'), coalesce(before, 'nothing')) FROM"
        " (SELECT id, subject, subject_id, from_state, lag(to_state) OVER"
        " (PARTITION BY subject, subject_id ORDER BY id) AS before FROM event"
        " WHERE kind IN ('bug.new', 'bug.state', 'worker.state'))"
        " WHERE from_state IS NOT before",
    [EXAMPLE] =
        "SELECT format('crash %d is an example (%s) of NJ-%d, but %s', c.id, e.kind, "
        "e.bug,"
        " iif(c.bug IS e.bug, 'its bytes were dropped', 'does not belong to it'))"
        " FROM example e JOIN crash c ON c.id = e.crash JOIN blob b ON b.id = c.blob"
        " WHERE c.bug IS NOT e.bug OR b.state <> 'present'",
    [OUTBOX] =
        "SELECT format('event %d never came into the outbox of sink %s', e.id, s.name)"
        " FROM sink s JOIN event e ON e.id > s.since WHERE s.active AND NOT e.quiet"
        " AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.event = e.id"
        " AND o.sink = s.id)",
    [BACKLOG] =
        "SELECT format('NJ-%d is %sbacklog, but %d of its crashes are not', id,"
        " iif(backlog, '', 'not '), fresh) FROM (SELECT g.id, g.backlog,"
        " (SELECT count(*) FROM crash c WHERE c.bug = g.id AND NOT c.backlog) AS fresh"
        " FROM bug g WHERE g.crashes > 0) WHERE backlog <> (fresh = 0)",
    [BLOBS] = "SELECT id, sha256, bytes, stored_bytes, data IS NOT NULL FROM blob"
              " WHERE id > ?1 AND state = 'present' ORDER BY id LIMIT 1",
    [BLOB_STATE] = "SELECT count(*) FROM blob WHERE id = ?1 AND state = 'present'",
};
const struct store_sql store_check_sql = {sql, STATEMENTS};

static const struct {
    const char *name;
    int statement;
} invariants[] = {
    {"integrity", INTEGRITY},
    {"references", REFERENCES_},
    {"crash-has-bytes", CRASH_BYTES},
    {"crash-has-path", CRASH_PATH},
    {"crash-signature", CRASH_SIGNATURE},
    {"crash-place", CRASH_PLACE},
    {"crash-home", CRASH_HOME},
    {"crash-pin", CRASH_PIN},
    {"crash-split", CRASH_SPLIT},
    {"crash-state-events", CRASH_STATE},
    {"crash-counts", CRASH_TALLY},
    {"crash-totals", CRASH_TOTAL},
    {"bug-has-crash", BUG_CRASH},
    {"bug-crash-belongs", BUG_STANDS},
    {"bug-has-record", BUG_RECORD},
    {"bug-has-bytes", BUG_BYTES},
    {"bug-signature", BUG_SIGNATURE},
    {"bug-counts", BUG_COUNT},
    {"bug-state-events", BUG_STATE},
    {"bug-severity-events", BUG_SEVERITY},
    {"bug-severity-decided", BUG_DECIDED},
    {"bug-duplicate", BUG_DUPLICATE},
    {"bug-minimize-events", BUG_MINIMIZE},
    {"worker-state-events", WORKER_STATE},
    {"target-replay-events", TARGET_REPLAY},
    {"campaign-events", CAMPAIGN_END},
    {"event-chain", EVENT_CHAIN},
    {"example", EXAMPLE},
    {"outbox", OUTBOX},
    {"bug-backlog", BACKLOG},
};

struct check {
    struct store *store;
    check_finding *finding;
    void *user;
    int found;
    bool is_damaged; /* the database itself, so that not all of it can be read */
};

static void
tell(struct check *check, const char *name, const char *text)
{
    check->found++;
    check->finding(check->user, name, text);
}

static int
check_rows(struct check *check, const char *name, const char *statement, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(check->store->db, &row, err, statement, "");

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        tell(check, name, stmt_text(row, 0));
        rc = 0;
    }
    return rc;
}

/* What a damaged page keeps from being read is a finding, too: said once. */
static int
damaged(struct check *check, const char *name, int rc, const struct err *why,
        struct err *err)
{
    if (rc != -EUCLEAN) {
        return err_set(err, rc, "check %s: %s", name, why->msg);
    }
    if (!check->is_damaged) {
        tell(check, name, why->msg);
    }
    check->is_damaged = true;
    return 0;
}

static int
check_tables(struct check *check, struct err *err)
{
    int rc = db_exec(check->store->db, sql[SNAPSHOT], err);

    for (size_t i = 0; i < COUNT(invariants) && rc == 0; i++) {
        struct err why = ERR_INIT;
        rc = check_rows(check, invariants[i].name, sql[invariants[i].statement], &why);
        rc = rc < 0 ? damaged(check, invariants[i].name, rc, &why, err) : 0;
    }
    db_rollback(check->store->db); /* it only read */
    return rc;
}

/* --- the bytes --- */

struct checked_blob {
    int64_t id, bytes, stored;
    bool in_row; /* its bytes; else a file has them */
    char sha256[HASH_HEX_MAX];
};

/* What is wrong with its file, new, or NULL. */
static char *
file_trouble(const struct check *check, const struct checked_blob *blob)
{
    AUTO(mem_free) char *path = store_blob_path(check->store, blob->sha256);
    struct stat st;

    if (stat(path, &st) < 0) {
        return mem_printf("blob %s: its file is not there: %s", blob->sha256,
                          strerror(errno));
    }
    return st.st_size == blob->stored
               ? NULL
               : mem_printf("blob %s: its file has %lld bytes, not %lld", blob->sha256,
                            (long long)st.st_size, (long long)blob->stored);
}

static int
check_blob(struct check *check, const struct checked_blob *blob, bool deep,
           struct err *err)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    AUTO(mem_free) char *text = blob->in_row ? NULL : file_trouble(check, blob);
    struct err why = ERR_INIT;
    int64_t present = 0;

    if (text == NULL && deep &&
        store_blob_read(check->store, blob->sha256, blob->bytes, &bytes, &why) < 0) {
        text = mem_strdup(why.msg);
    }
    if (text == NULL) {
        return 0;
    }
    /* it may have been dropped meanwhile */
    int rc = db_int(check->store->db, &present, err, sql[BLOB_STATE], "i", blob->id);
    if (rc == 0 && present > 0) {
        tell(check, "blob-file", text);
    }
    return rc;
}

/* 1: *blob is the next one behind its number. */
static int
next_blob(struct store *store, struct checked_blob *blob, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[BLOBS], "i", blob->id);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 1) {
        blob->id = stmt_int(row, 0);
        (void)snprintf(blob->sha256, sizeof(blob->sha256), "%s", stmt_text(row, 1));
        blob->bytes = stmt_int(row, 2);
        blob->stored = stmt_int(row, 3);
        blob->in_row = stmt_int(row, 4) != 0;
        stmt_reset(row);
    }
    return rc;
}

static int
check_blobs(struct check *check, bool deep, struct err *err)
{
    struct checked_blob blob = {0};
    int rc;

    while ((rc = next_blob(check->store, &blob, err)) == 1) {
        rc = check_blob(check, &blob, deep, err);
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

int
store_check(struct store *store, bool deep, check_finding *finding, void *user,
            struct err *err)
{
    struct check check = {.store = store, .finding = finding, .user = user};
    struct err why = ERR_INIT;
    int rc = check_tables(&check, err);

    if (rc == 0) {
        rc = check_blobs(&check, deep, &why);
        rc = rc < 0 ? damaged(&check, "blob-file", rc, &why, err) : 0;
    }
    return rc < 0 ? rc : check.found;
}
