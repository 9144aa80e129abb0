#include "triage/store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/minimize.h"
#include "triage/store/tally.h"

/* A minimization that a limit ended goes on in the next run of nightjar, so often at
 * most. */
enum { UNFINISHED_MAX = 3 };

enum {
    BUG,
    SMALLER,
    UNCOUNT,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [BUG] = "SELECT g.minimize, b.bytes, c.major, g.minimize_attempts FROM bug g"
            " JOIN blob b ON b.id = g.reproducer JOIN crash c ON c.id = g.crash"
            " WHERE g.id = ?1",
    [SMALLER] = "UPDATE bug SET reproducer = ?2, minimize = ?3 WHERE id = ?1",
    /* (in parentheses, for clang takes two rows of two lines each for a lost comma) */
    [UNCOUNT] = ("UPDATE bug SET minimize_attempts = minimize_attempts - 1"
                 " WHERE id = ?1 AND minimize = 'waiting' AND minimize_attempts > 0"),
};
const struct store_sql store_smaller_sql = {sql, STATEMENTS};

struct minimizing { /* the bug as it is now */
    bool waiting;
    int64_t bytes, attempts;
    char major[RECORD_HASH_MAX];
};

static int
load(struct store *store, int64_t bug, struct minimizing *out, struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(store->db, &stmt, err, sql[BUG], "i", bug);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc <= 0) {
        return rc < 0 ? rc
                      : err_set(err, -ENODATA, "there is no bug NJ-%lld", (long long)bug);
    }
    out->waiting = strcmp(stmt_text(stmt, 0), "waiting") == 0;
    out->bytes = stmt_int(stmt, 1);
    out->attempts = stmt_int(stmt, 3);
    (void)snprintf(out->major, sizeof(out->major), "%s", stmt_text(stmt, 2));
    stmt_reset(stmt);
    return 0;
}

/* What the worker left: it may be anything, under any kind of name. */
static int
read_output(const struct job *job, int64_t bytes, struct buf *out, struct err *err)
{
    AUTO(mem_free) char *path = NULL;
    struct stat st;
    int rc = str_unname(json_get_str(job->request, "output", ""), &path, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close)
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return err_sys(err, "open the worker's output");
    }
    if (!S_ISREG(st.st_mode) || st.st_size != bytes) {
        return err_set(err, -EBADMSG, "the worker's output is not a file of %lld bytes",
                       (long long)bytes);
    }
    out->max = (size_t)bytes + 1;
    do {
        rc = fd_read_some(fd, out, SIZE_MAX, err);
    } while (rc > 0 && out->len <= (size_t)bytes);
    if (rc >= 0 && out->len != (size_t)bytes) {
        return err_set(err, -EBADMSG, "the worker's output changes while it is read");
    }
    return rc < 0 ? rc : 0;
}

/* The answer must show the signature, in no more bytes than there were. */
static int
check(const struct job *job, const struct answer *answer, const struct minimizing *bug,
      struct buf *out, struct err *err)
{
    bool loose = strcmp(json_get_str(job->request, "keep", ""), "loose") == 0;

    if (!loose && strcmp(answer->record->hash_major, bug->major) != 0) {
        return err_set(err, -EBADMSG, "the worker minimized something else: signature %s",
                       answer->record->hash_major);
    }
    if (answer->bytes > bug->bytes) {
        return err_set(err, -EBADMSG, "%lld bytes are not fewer than %lld",
                       (long long)answer->bytes, (long long)bug->bytes);
    }
    return read_output(job, answer->bytes, out, err);
}

static int
event_minimized(struct store *store, const struct job *job, const struct answer *answer,
                int64_t before, const char *to, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    const struct event event = {.kind = "bug.minimize",
                                .subject = "bug",
                                .subject_id = job->bug,
                                .from = "waiting",
                                .to = to,
                                .detail = detail};

    json_put(detail, "bytes_before", json_integer(before));
    json_put(detail, "bytes", json_integer(answer->bytes));
    json_put(detail, "finished", json_boolean(answer->finished));
    return store_event_put(store, &event, err);
}

static int
file_smaller(struct blob_batch *batch, const struct job *job, const struct answer *answer,
             const char *sha256, struct err *err)
{
    struct store *store = batch->store;
    struct minimizing now = {0};
    int64_t blob = 0;
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = load(store, job->bug, &now, err);
    if (rc == 0 && now.waiting && answer->bytes <= now.bytes) {
        bool done =
            answer->finished || (now.attempts >= UNFINISHED_MAX && !job->interrupted);
        const char *to = done ? "done" : "waiting";
        store->regressions_due = true;
        rc = store_batch_rows(batch, err);
        rc = rc < 0 ? rc : store_blob_id(store, sha256, &blob, err);
        rc =
            rc < 0 ? rc : db_run(store->db, err, sql[SMALLER], "iit", job->bug, blob, to);
        rc = rc < 0 || (job->interrupted && !done && answer->bytes == now.bytes)
                 ? rc
                 : event_minimized(store, job, answer, now.bytes, to, err);
        rc = rc < 0 || !done ? rc
                             : store_tally_minimized(store, job->bug, answer->bytes,
                                                     clock_wall_ms(), err);
        rc = rc < 0 || done || !job->interrupted
                 ? rc
                 : db_run(store->db, err, sql[UNCOUNT], "i", job->bug);
    }
    return store_batch_end(batch, rc, err);
}

static int
keep_smaller(struct store *store, const struct job *job, const struct answer *answer,
             const struct buf *bytes, struct err *err)
{
    AUTO(store_batch_clear) struct blob_batch batch = BLOB_BATCH_INIT(store);
    char sha256[HASH_HEX_MAX];
    bool here = false;

    hash_sha256(buf_str(bytes), bytes->len, sha256);
    int rc = store_batch_hold(&batch, err);
    rc = rc < 0 ? rc : store_blob_here(store, sha256, &here, err);
    if (rc == 0 && !here) {
        rc = store_batch_add(&batch, sha256, buf_str(bytes), bytes->len, err);
        rc = rc < 0 ? rc : store_batch_flush(&batch, err);
    }
    return rc < 0 ? rc : file_smaller(&batch, job, answer, sha256, err);
}

static int
file(struct store *store, const struct job *job, const struct answer *answer,
     struct job_outcome *out, struct err *err)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    struct minimizing bug = {0};
    struct err why = ERR_INIT;
    int rc = load(store, job->bug, &bug, err);

    if (rc < 0 || !bug.waiting) {
        return rc;
    }
    if (answer->record == NULL) {
        return store_minimize_stop(store, job->bug,
                                   answer->reason[0] == '\0'
                                       ? "the reproducer did not show its bug any more"
                                       : answer->reason,
                                   err);
    }
    /* a smaller input came meanwhile, which made the attempts begin anew */
    if (bug.attempts == 0 && answer->bytes > bug.bytes) {
        return 0;
    }
    if (check(job, answer, &bug, &bytes, &why) < 0) {
        return store_job_died(store, job, "untriageable", why.msg, out, err);
    }
    return keep_smaller(store, job, answer, &bytes, err);
}

int
store_finish_minimize(struct store *store, const struct job *job,
                      const struct answer *answer, struct job_outcome *out,
                      struct err *err)
{
    int rc = file(store, job, answer, out, err);

    rc = rc < 0 ? rc : store_minimize_found(store, job, answer, err);
    if (rc < 0) {
        return rc;
    }
    store_minimize_end(store, job, answer->record != NULL && !answer->finished);
    /* what a limit ended is not handed out again by this process: it would never be idle
     */
    if (answer->record == NULL || answer->finished || job->interrupted) {
        store_forget(store, true, job->bug);
    }
    rc = store_outcome_of_crash(store, job->crash, out, err);
    out->bug_is_new = false;
    return rc;
}
