/* Bugs that were filed before there was this release build: what stands for each is
 * replayed on it once, in spare time. The row in `replay` says that it was done. */
#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

enum {
    NEXT,
    LAST,
    TARGET,
    RECORD,
    RECORD_PUT,
    STANDS,
    DIED,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    /* Bytes that were dropped are not what stands for a bug alone: its reproducer is
     * kept. What another signature version made waits for `db regroup`. */
    [NEXT] =
        "SELECT g.id, c.id, b.sha256, b.bytes, t.name, t.settings, o.command FROM bug g"
        " JOIN crash c ON c.id = g.crash JOIN target t ON t.id = c.target"
        " JOIN build o ON o.target = c.target AND o.kind = 'release' AND o.current"
        "  AND o.command IS NOT NULL"
        " JOIN blob own ON own.id = c.blob"
        " JOIN blob b ON b.id = iif(own.state = 'present', own.id, g.reproducer)"
        " WHERE g.id > ?1 AND g.state IN ('new', 'open', 'fixing', 'regressed')"
        " AND c.outcome = 'crash' AND NOT c.is_report AND c.version = ?2 AND NOT EXISTS"
        "  (SELECT 1 FROM replay r WHERE r.crash = c.id AND r.build = o.id)"
        " ORDER BY g.id LIMIT 1",
    [LAST] = "SELECT coalesce(max(id), 0) FROM bug",
    [TARGET] = "SELECT target FROM crash WHERE id = ?1",
    [RECORD] = "SELECT" SIGNED_CRASH " FROM crash c JOIN blob b ON b.id = c.blob"
               " JOIN target t ON t.id = c.target JOIN record r ON r.crash = c.id"
               " WHERE c.id = ?1 AND c.version = ?2",
    [RECORD_PUT] = "UPDATE record SET json = ?2 WHERE crash = ?1",
    [STANDS] = "SELECT count(*) FROM bug WHERE id = ?1 AND crash = ?2",
    /* nothing is known, and asking again would cost another worker */
    [DIED] = "INSERT INTO replay(crash, build, outcome, k, n, at)"
             " SELECT c.id, o.id, 'broken', 0, 1, ?2 FROM crash c JOIN build o"
             " ON o.target = c.target AND o.kind = 'release' AND o.current"
             " WHERE c.id = ?1 ON CONFLICT DO NOTHING",
};
const struct store_sql store_release_sql = {sql, STATEMENTS};

/* --- handing out --- */

static int
make_request(struct store *store, struct stmt *row, const struct job_options *options,
             struct job *job, struct err *err)
{
    AUTO(json_decref) json_t *request = json_object();
    AUTO(mem_free) char *input = store_input_path(options);
    const char *settings = stmt_text(row, 5);
    const char *command = stmt_text(row, 6);
    json_t *given = NULL;
    json_t *how = NULL;
    int rc = json_parse(command, strlen(command), &how, err);

    json_put(request, "command", how == NULL ? json_null() : how);
    rc = rc < 0 ? rc : json_parse(settings, strlen(settings), &given, err);
    if (rc < 0) {
        return err_wrap(err, -EUCLEAN, "target '%s'", stmt_text(row, 4));
    }
    json_put(given, "fuzz_target", json_text(stmt_text(row, 4)));
    json_put(request, "options", given);
    *job = (struct job){.kind = JOB_RELEASE,
                        .id = ++store->last_job,
                        .bug = stmt_int(row, 0),
                        .crash = stmt_int(row, 1),
                        .attempt = 1};
    json_put(request, "job", json_integer(job->id));
    json_put(request, "op", json_string("release"));
    json_put(request, "input", json_name(input));
    json_put(request, "runs", json_integer(options->runs));
    job->request = STEAL(request);
    return 0;
}

/* 1: *row stands at the next bug; 0: there is none. */
static int
next_row(struct store *store, struct stmt **row, struct err *err)
{
    int rc = db_query(store->db, row, err, sql[NEXT], "ii", store->release.after,
                      (int64_t)SIGNATURE_VERSION);

    rc = rc < 0 ? rc : stmt_step(*row, err);
    if (rc == 0) { /* later ones are replayed there when they are triaged */
        rc = db_int(store->db, &store->release.after, err, sql[LAST], "");
    }
    return rc;
}

int
store_next_release(struct store *store, const struct job_options *options,
                   struct job *out, struct err *err)
{
    while (store->release.handed < STORE_LATER_MAX) {
        AUTO(job_clear) struct job job = {0};
        char sha256[HASH_HEX_MAX];
        struct stmt *row = NULL;
        int rc = next_row(store, &row, err);
        if (rc <= 0) {
            return rc;
        }
        int64_t bytes = stmt_int(row, 3);
        (void)snprintf(sha256, sizeof(sha256), "%s", stmt_text(row, 2));
        rc = make_request(store, row, options, &job, err);
        stmt_reset(row);
        if (rc < 0) {
            return rc;
        }
        store->release.after = job.bug;
        rc = store_put_input(store, sha256, bytes, options, err);
        if (rc == -ENOENT || rc == -EUCLEAN) {
            continue; /* `db check` tells of it */
        }
        if (rc < 0) {
            return rc;
        }
        store->release.handed++;
        *out = job;
        job.request = NULL;
        return 1;
    }
    return 0;
}

/* --- filing --- */

/* The record with what the release build did, decided again; NULL: an older nightjar
 * wrote what this one cannot read. */
static struct record *
tell_shipped(const struct store *store, struct stmt *row,
             const struct answer_replay *seen)
{
    AUTO(json_decref) json_t *object = NULL;
    struct signed_crash crash = store_signed_crash(row, 0);
    bool blind = false;

    if (json_parse(crash.record, strlen(crash.record), &object, NULL) < 0) {
        return NULL;
    }
    int k = seen->outcome == OUTCOME_CRASH ? seen->k : 0;
    json_put(object, "shipped", json_pack("{s:i,s:i}", "k", k, "n", seen->n));
    AUTO(mem_free) char *told = json_line(object);
    crash.record = told;
    return store_sign_again(store, &crash, &blind);
}

/* Severity of what stands for the bug, by what is known now. */
static int
judge_again(struct store *store, const struct job *job, const struct answer_replay *seen,
            struct err *err)
{
    AUTO(record_free) struct record *record = NULL;
    AUTO(mem_free) char *target = NULL;
    struct event event = {0};
    struct stmt *row = NULL;
    int64_t stands = 0;
    int rc = db_query(store->db, &row, err, sql[RECORD], "ii", job->crash,
                      (int64_t)SIGNATURE_VERSION);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    target = mem_strdup(stmt_text(row, 0));
    record = tell_shipped(store, row, seen);
    stmt_reset(row);
    if (record == NULL) {
        return 0;
    }
    AUTO(json_decref) json_t *object = record_to_json(record);
    AUTO(mem_free) char *text = json_line(object);
    AUTO(json_decref) json_t *detail = json_object();
    json_put(detail, "crash", json_integer(job->crash));
    json_put(detail, "reasons", json_strv(&record->reasons));
    event.detail = detail;
    rc = db_run(store->db, err, sql[RECORD_PUT], "it", job->crash, text);
    rc = rc < 0
             ? rc
             : db_int(store->db, &stands, err, sql[STANDS], "ii", job->bug, job->crash);
    return rc < 0 || stands == 0
               ? rc
               : store_computed_severity(store, job->bug, target, record, &event, err);
}

static int
file_replay(struct store *store, const struct job *job, const struct answer *answer,
            struct err *err)
{
    const struct answer_replay *seen = &answer->replays[0];
    int64_t target = 0;
    int rc = db_int(store->db, &target, err, sql[TARGET], "i", job->crash);

    rc = rc < 0 ? rc : store_put_replays(store, job->crash, target, answer, err);
    return rc < 0 || seen->outcome == OUTCOME_BROKEN ? rc
                                                     : judge_again(store, job, seen, err);
}

int
store_finish_release(struct store *store, const struct job *job,
                     const struct answer *answer, struct job_outcome *out,
                     struct err *err)
{
    int rc = db_begin_lazy(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = store_end(store, file_replay(store, job, answer, err), err);
    return rc < 0 ? rc : store_outcome_of_crash(store, job->crash, out, err);
}

int
store_release_died(struct store *store, const struct job *job, struct job_outcome *out,
                   struct err *err)
{
    int rc = db_run(store->db, err, sql[DIED], "ii", job->crash, clock_wall_ms());

    return rc < 0 ? rc : store_outcome_of_crash(store, job->crash, out, err);
}
