/*
 * What of a bug's crashes is kept. A bug may have a hundred thousand; each has its row
 * and its paths for ever, but only examples keep more:
 *
 *   - record and bytes: the first crash of each exact stack (hash.minor), as many as
 *     `triage: examples:` says (STORE_EXAMPLES); the first of each source and build (who
 *     found it; the build-id of the build that inputs were replayed on first then),
 *     STORE_SOURCES_MAX at most
 *   - the report as well: what stands for the bug
 *   - bytes alone: the smallest, the newest, the first input, the reproducer, what a
 *     person pinned
 *
 * The bytes of all others are surplus. They go when STORE_TRIM_FROM more have come since
 * the last time, in steps of STORE_TRIM_MAX blobs, in spare time and now and then in a
 * flood: never while a crash is filed.
 */
#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum {
    SETTING,
    SETTING_PUT,
    KNOWN,
    ADD,
    NEXT,
    OLDEST_QUEUED,
    SURPLUS,
    EXTREME,
    EXTREME_PUT,
    TRIMMED,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [SETTING] = "SELECT value FROM setting WHERE name = 'examples'",
    [SETTING_PUT] = "INSERT INTO setting(name, value) VALUES('examples', ?1)"
                    " ON CONFLICT(name) DO UPDATE SET value = ?1",
    [KNOWN] =
        "SELECT EXISTS (SELECT 1 FROM example WHERE bug = ?1 AND kind = 'stack'"
        " AND name = ?2), EXISTS (SELECT 1 FROM example WHERE bug = ?1"
        " AND kind = 'source' AND name = ?3), count(*) FILTER (WHERE kind = 'stack'),"
        " count(*) FILTER (WHERE kind = 'source') FROM example WHERE bug = ?1",
    [ADD] = "INSERT INTO example(bug, kind, name, crash) VALUES(?1, ?2, ?3, ?4)"
            " ON CONFLICT DO NOTHING",
    [NEXT] = "SELECT id, trimmed, crashes FROM bug"
             " WHERE crashes >= trimmed_crashes + ?1 LIMIT 1",
    /* both terms: the first chooses the partial index */
    [OLDEST_QUEUED] = "SELECT coalesce(min(id), ?1) FROM crash"
                      " WHERE state <> 'triaged' AND state = 'queued'",
    [SURPLUS] = "SELECT c.id, b.bytes, b.sha256 FROM crash c JOIN blob b ON b.id = c.blob"
                " WHERE c.bug = ?1 AND c.id > ?2 AND c.id < ?3 AND b.state = 'present'"
                " ORDER BY c.id LIMIT ?4",
    [EXTREME] = "SELECT e.crash, b.bytes, b.sha256 FROM example e"
                " JOIN crash c ON c.id = e.crash JOIN blob b ON b.id = c.blob"
                " WHERE e.bug = ?1 AND e.kind = ?2 AND e.name = ''",
    [EXTREME_PUT] = "INSERT INTO example(bug, kind, name, crash) VALUES(?1, ?2, '', ?3)"
                    " ON CONFLICT(bug, kind, name) DO UPDATE SET crash = ?3",
    [TRIMMED] = "UPDATE bug SET trimmed = max(trimmed, ?2), trimmed_crashes = ?3"
                " WHERE id = ?1",
};
const struct store_sql store_example_sql = {sql, STATEMENTS};

int
store_put_examples(struct store *store, int64_t examples, struct err *err)
{
    int64_t now = 0;
    int rc = store_examples(store, &now, err);

    if (rc < 0 || now == examples) {
        return rc;
    }
    rc = db_begin(store->db, err);
    return rc < 0
               ? rc
               : store_end(store, db_run(store->db, err, sql[SETTING_PUT], "i", examples),
                           err);
}

int
store_examples(struct store *store, int64_t *out, struct err *err)
{
    int rc = db_int(store->db, out, err, sql[SETTING], "");

    if (rc == -ENODATA) {
        *out = STORE_EXAMPLES;
        return 0;
    }
    return rc;
}

/* --- which crashes are examples --- */

int
store_example_weigh(struct store *store, int64_t bug, struct example *example,
                    struct err *err)
{
    struct stmt *row = NULL;
    int64_t max = 0;
    int rc = db_query(store->db, &row, err, sql[KNOWN], "itt", bug, example->minor,
                      example->source);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc < 0) {
        return rc;
    }
    bool stack = stmt_int(row, 0) == 0;
    bool of_source = stmt_int(row, 1) == 0;
    int64_t stacks = stmt_int(row, 2);
    int64_t sources = stmt_int(row, 3);
    stmt_reset(row);
    rc = stack ? store_examples(store, &max, err) : 0;
    example->first_stack = stack && stacks < max;
    example->of_source = of_source && sources < STORE_SOURCES_MAX;
    return rc;
}

int
store_example_add(struct store *store, int64_t bug, int64_t crash,
                  const struct example *example, struct err *err)
{
    int rc = !example->first_stack ? 0
                                   : db_run(store->db, err, sql[ADD], "itti", bug,
                                            "stack", example->minor, crash);

    return rc < 0 || !example->of_source ? rc
                                         : db_run(store->db, err, sql[ADD], "itti", bug,
                                                  "source", example->source, crash);
}

/* --- trimming --- */

struct extreme { /* of a bug's crashes that are still there */
    int64_t crash, bytes;
    char sha256[HASH_HEX_MAX];
};

struct trimming {
    struct store *store;
    int64_t bug, trimmed, crashes;
    int64_t last; /* weighed by now */
    size_t n;
    struct extreme smallest, newest;
    struct strv surplus; /* sha256 of what may go, unless it is needed */
};

static void
trimming_clear(struct trimming *trimming)
{
    strv_clear(&trimming->surplus);
}
AUTO_DEFINE_CLEAR(struct trimming, trimming_clear)

static void
read_extreme(struct stmt *row, struct extreme *out)
{
    out->crash = stmt_int(row, 0);
    out->bytes = stmt_int(row, 1);
    (void)snprintf(out->sha256, sizeof(out->sha256), "%s", stmt_text(row, 2));
}

static int
load_extreme(struct trimming *t, const char *kind, struct extreme *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(t->store->db, &row, err, sql[EXTREME], "it", t->bug, kind);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 1) {
        read_extreme(row, out);
        stmt_reset(row);
        strv_add(&t->surplus, out->sha256); /* unless it stays what it is */
    }
    return rc < 0 ? rc : 0;
}

/* 1: a bug has enough that is new. */
static int
next_bug(struct trimming *t, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(t->store->db, &row, err, sql[NEXT], "i", (int64_t)STORE_TRIM_FROM);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 1) {
        t->bug = stmt_int(row, 0);
        t->trimmed = stmt_int(row, 1);
        t->crashes = stmt_int(row, 2);
        stmt_reset(row);
    }
    return rc;
}

static int
weigh(struct trimming *t, struct err *err)
{
    struct stmt *row = NULL;
    int64_t end = 0;
    int rc = load_extreme(t, "smallest", &t->smallest, err);

    rc = rc < 0 ? rc : load_extreme(t, "newest", &t->newest, err);
    /* what waits may join with a lower number than has been weighed */
    rc =
        rc < 0 ? rc : db_int(t->store->db, &end, err, sql[OLDEST_QUEUED], "i", INT64_MAX);
    rc = rc < 0 ? rc
                : db_query(t->store->db, &row, err, sql[SURPLUS], "iiii", t->bug,
                           t->trimmed, end, (int64_t)STORE_TRIM_MAX);
    t->last = t->trimmed;
    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        struct extreme one = {0};
        read_extreme(row, &one);
        if (t->smallest.crash == 0 || one.bytes < t->smallest.bytes) {
            t->smallest = one;
        }
        t->newest = one;
        t->last = one.crash;
        strv_add(&t->surplus, one.sha256);
        t->n++;
        rc = 0;
    }
    return rc;
}

static int
put_extremes(struct trimming *t, struct err *err)
{
    struct db *db = t->store->db;
    int rc = t->smallest.crash == 0 ? 0 : db_begin_lazy(db, err);

    if (rc < 0 || t->smallest.crash == 0) {
        return rc;
    }
    rc = db_run(db, err, sql[EXTREME_PUT], "iti", t->bug, "smallest", t->smallest.crash);
    rc = rc < 0 ? rc
                : db_run(db, err, sql[EXTREME_PUT], "iti", t->bug, "newest",
                         t->newest.crash);
    return store_end(t->store, rc, err);
}

/* Last, so that who is killed before it weighs again. A bug that was weighed to its end
 * waits for new crashes; else it comes again at once. */
static int
put_trimmed(struct trimming *t, struct err *err)
{
    int rc = db_begin_lazy(t->store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = db_run(t->store->db, err, sql[TRIMMED], "iii", t->bug, t->last,
                t->n == STORE_TRIM_MAX ? 0 : t->crashes);
    return store_end(t->store, rc, err);
}

int
store_trim(struct store *store, int64_t *dropped, struct err *err)
{
    AUTO(trimming_clear) struct trimming t = {.store = store};
    int rc = next_bug(&t, err);

    *dropped = 0;
    if (rc <= 0) {
        return rc;
    }
    rc = weigh(&t, err);
    rc = rc < 0 ? rc : put_extremes(&t, err);
    rc = rc < 0 ? rc : store_drop_surplus(store, &t.surplus, dropped, err);
    rc = rc < 0 ? rc : put_trimmed(&t, err);
    return rc < 0 ? rc : 1;
}

void
store_trim_sometimes(struct store *store, bool spare)
{
    struct err err = ERR_INIT;
    int64_t dropped = 0;

    if (store->untrimmed < (spare ? 1 : STORE_TRIM_EVERY)) {
        return;
    }
    int rc = store_trim(store, &dropped, &err);
    bool busy = rc == -EAGAIN; /* a backup is made, or others take files in */
    if (rc < 0 && !busy) {
        log_line(LOG_WARN, "store", "msg=\"surplus inputs stay: %s\"", err.msg);
    }
    /* as long as there is something to do, spare time is used for it */
    store->untrimmed = busy || (rc == 1 && spare) ? 1 : 0;
}
