#include "triage/store/store_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    NEXT_CRASH,
    CRASH,
    HAND_CRASH,
    RETURN_CRASH,
    NEXT_BUG,
    BUG,
    HAND_BUG,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    /* both terms: the first chooses the partial index */
    [NEXT_CRASH] = "SELECT id FROM crash WHERE state <> 'triaged' AND state = 'queued'"
                   " ORDER BY id LIMIT ?1",
    [CRASH] =
        "SELECT c.state, c.is_report, c.attempts, c.deaths, b.sha256, b.bytes, t.name,"
        " t.command, t.settings, t.id, c.source FROM crash c"
        " JOIN blob b ON b.id = c.blob JOIN target t ON t.id = c.target WHERE c.id = ?1",
    [HAND_CRASH] =
        "UPDATE crash SET attempts = attempts + 1 WHERE id = ?1 AND state = 'queued'",
    /* told twice it is done once */
    [RETURN_CRASH] = "UPDATE crash SET attempts = ?2"
                     " WHERE id = ?1 AND state = 'queued' AND attempts = ?2 + 1",
    [NEXT_BUG] = "SELECT id FROM bug WHERE minimize = 'waiting'"
                 " AND state IN ('new', 'open', 'fixing', 'regressed')"
                 " ORDER BY severity DESC, severity_score DESC, id LIMIT ?1",
    [BUG] = "SELECT g.crash, b.sha256, b.bytes, c.major, t.name, " SHOWN_COMMAND
            ", t.settings, g.minimize_attempts, g.minimize_deaths FROM bug g"
            " JOIN blob b ON b.id = g.reproducer JOIN crash c ON c.id = g.crash"
            " JOIN target t ON t.id = c.target WHERE g.id = ?1",
    [HAND_BUG] = "UPDATE bug SET minimize_attempts = minimize_attempts + 1"
                 " WHERE id = ?1 AND minimize = 'waiting'",
};
const struct store_sql store_jobs_sql = {sql, STATEMENTS};

void
job_clear(struct job *job)
{
    json_decref(job->request);
    job->request = NULL;
}

/* --- what this process has handed out --- */

static bool
is_handed(const struct store *store, bool is_bug, int64_t id)
{
    for (size_t i = 0; i < store->n_handed; i++) {
        if (store->handed[i].is_bug == is_bug && store->handed[i].id == id) {
            return true;
        }
    }
    return false;
}

static void
remember(struct store *store, bool is_bug, int64_t id)
{
    store->handed =
        mem_resize(store->handed, (store->n_handed + 1) * sizeof(*store->handed));
    store->handed[store->n_handed++] = (struct handed){is_bug, id};
}

void
store_forget(struct store *store, bool is_bug, int64_t id)
{
    for (size_t i = 0; i < store->n_handed; i++) {
        if (store->handed[i].is_bug == is_bug && store->handed[i].id == id) {
            store->handed[i] = store->handed[--store->n_handed];
            return;
        }
    }
}

/* The first candidate that is not handed out: 1 and *id, or 0. */
static int
pick(struct store *store, bool is_bug, int64_t *id, struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(store->db, &stmt, err, sql[is_bug ? NEXT_BUG : NEXT_CRASH], "i",
                      (int64_t)store->n_handed + 1);

    while (rc == 0 && (rc = stmt_step(stmt, err)) == 1) {
        *id = stmt_int(stmt, 0);
        if (!is_handed(store, is_bug, *id)) {
            stmt_reset(stmt);
            return 1;
        }
        rc = 0;
    }
    return rc;
}

/* --- what is about to be handed out --- */

struct candidate {
    int64_t crash, bug; /* bug 0: a crash's triage */
    int64_t target_id;
    char sha256[HASH_HEX_MAX];
    char major[RECORD_HASH_MAX];
    int64_t bytes;
    char *target;
    char *command; /* "" when there is none */
    char *settings;
    char *source; /* of a crash */
    int64_t attempts, deaths;
    bool is_report;
};

static void
candidate_clear(struct candidate *candidate)
{
    mem_free(candidate->target);
    mem_free(candidate->command);
    mem_free(candidate->settings);
    mem_free(candidate->source);
}
AUTO_DEFINE_CLEAR(struct candidate, candidate_clear)

/* After a step that gave no row: a failure, or there is no such thing. */
static int
no_row(int rc, const char *what, int64_t id, struct err *err)
{
    if (rc < 0) {
        return rc;
    }
    (void)err_set(err, -ENODATA, "there is no %s%lld", what, (long long)id);
    return -ENODATA;
}

static int
load_crash(struct store *store, int64_t id, struct candidate *out, struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(store->db, &stmt, err, sql[CRASH], "i", id);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc <= 0) {
        return no_row(rc, "crash ", id, err);
    }
    out->crash = id;
    out->is_report = stmt_int(stmt, 1) != 0;
    out->attempts = stmt_int(stmt, 2);
    out->deaths = stmt_int(stmt, 3);
    (void)snprintf(out->sha256, sizeof(out->sha256), "%s", stmt_text(stmt, 4));
    out->bytes = stmt_int(stmt, 5);
    out->target = mem_strdup(stmt_text(stmt, 6));
    out->command = mem_strdup(stmt_text(stmt, 7));
    out->settings = mem_strdup(stmt_text(stmt, 8));
    out->target_id = stmt_int(stmt, 9);
    out->source = mem_strdup(stmt_text(stmt, 10));
    stmt_reset(stmt);
    return 0;
}

static int
load_bug(struct store *store, int64_t id, struct candidate *out, struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(store->db, &stmt, err, sql[BUG], "i", id);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc <= 0) {
        return no_row(rc, "bug NJ-", id, err);
    }
    out->bug = id;
    out->crash = stmt_int(stmt, 0);
    (void)snprintf(out->sha256, sizeof(out->sha256), "%s", stmt_text(stmt, 1));
    out->bytes = stmt_int(stmt, 2);
    (void)snprintf(out->major, sizeof(out->major), "%s", stmt_text(stmt, 3));
    out->target = mem_strdup(stmt_text(stmt, 4));
    out->command = mem_strdup(stmt_text(stmt, 5));
    out->settings = mem_strdup(stmt_text(stmt, 6));
    out->attempts = stmt_int(stmt, 7);
    out->deaths = stmt_int(stmt, 8);
    stmt_reset(stmt);
    return 0;
}

/* What cannot be handed out is put aside. */
static int
refuse(struct store *store, const struct candidate *of, const char *state,
       const char *reason, struct err *err)
{
    if (of->bug != 0) {
        return store_minimize_stop(store, of->bug, reason, err);
    }
    int rc = db_begin(store->db, err);
    return rc < 0 ? rc
                  : store_end(store, store_give_up(store, of->crash, state, reason, err),
                              err);
}

/* --- handing out --- */

static json_t *
options_json(const struct candidate *of, struct err *err)
{
    json_t *settings = NULL;

    if (json_parse(of->settings, strlen(of->settings), &settings, err) < 0) {
        return NULL;
    }
    json_put(settings, "fuzz_target", json_text(of->target));
    return settings;
}

char *
store_input_path(const struct job_options *options)
{
    return fs_join(options->folder, options->input == NULL ? "input" : options->input);
}

static int
make_request(struct store *store, const struct candidate *of,
             const struct job_options *options, struct job *job, struct err *err)
{
    static const char *const ops[] = {[JOB_TRIAGE] = "triage",
                                      [JOB_MINIMIZE] = "minimize",
                                      [JOB_REPORT] = "report",
                                      [JOB_SANITIZED] = "triage"};
    AUTO(json_decref) json_t *request = json_object();
    AUTO(json_decref) json_t *settings = options_json(of, err);
    AUTO(mem_free) char *input = store_input_path(options);
    json_t *command = NULL;

    if (settings == NULL) {
        return err_wrap(err, -EUCLEAN, "settings of target '%s'", of->target);
    }
    if (of->command[0] != '\0') {
        int rc = json_parse(of->command, strlen(of->command), &command, err);
        if (rc < 0) {
            return err_wrap(err, -EUCLEAN, "command of target '%s'", of->target);
        }
    }
    job->id = ++store->last_job;
    json_put(request, "job", json_integer(job->id));
    json_put(request, "op", json_string(ops[job->kind]));
    json_put(request, "input", json_name(input));
    json_put(request, "command", command == NULL ? json_null() : command);
    json_put(request, "options", json_incref(settings));
    if (job->kind == JOB_TRIAGE || job->kind == JOB_SANITIZED) {
        json_put(request, "runs", json_integer(options->runs));
        json_put(request, "source", json_text(of->source));
        if (job->kind == JOB_SANITIZED || store_wants_whole(store, of->crash)) {
            json_put(request, "whole", json_true());
        }
        int rc = store_request_builds(store, of->target_id, of->source, request, err);
        if (rc < 0) {
            return rc;
        }
    } else if (job->kind == JOB_MINIMIZE) {
        json_put(request, "major", json_text(of->major));
        json_put(request, "wall_ms", json_integer(options->minimize_ms));
        json_put(request, "keep", json_text(json_get_str(settings, "keep", NULL)));
        int rc = store_minimize_begin(store, of->bug, options->folder, request, err);
        if (rc < 0) {
            return rc;
        }
    }
    job->request = STEAL(request);
    return 0;
}

/* Into the file of a job before: a new one for each costs more than all the rest of a
 * job. Not into what the worker may have put in its place, a link or a second name of a
 * file. */
static int
overwrite(const char *path, const struct buf *bytes, struct err *err)
{
    AUTO(fd_close)
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
        st.st_uid != geteuid()) {
        /* the worker may run under another uid */
        return fs_write(path, buf_str(bytes), bytes->len, 0644, err);
    }
    int rc = fd_write(fd, buf_str(bytes), bytes->len, err);
    if (rc == 0 && st.st_size > (off_t)bytes->len &&
        ftruncate(fd, (off_t)bytes->len) < 0) {
        rc = err_sys(err, "cut");
    }
    return rc < 0 ? err_wrap(err, rc, "'%s'", path) : 0;
}

int
store_put_input(struct store *store, const char *sha256, int64_t bytes,
                const struct job_options *options, struct err *err)
{
    AUTO(buf_clear) struct buf data = BUF_INIT;
    AUTO(mem_free) char *path = store_input_path(options);
    int rc = store_blob_read(store, sha256, bytes, &data, err);

    return rc < 0 ? rc : overwrite(path, &data, err);
}

static int
mark_handed(struct store *store, const struct candidate *of, struct err *err)
{
    int rc = db_begin_lazy(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = of->bug != 0 ? db_run(store->db, err, sql[HAND_BUG], "i", of->bug)
                      : db_run(store->db, err, sql[HAND_CRASH], "i", of->crash);
    int64_t changed = db_changes(store->db);
    rc = store_end(store, rc, err);
    return rc < 0 ? rc : changed > 0;
}

/* 1: handed out; 0: it cannot be, and was put aside with the reason. */
static int
hand_out(struct store *store, const struct candidate *of,
         const struct job_options *options, struct job *out, struct err *err)
{
    AUTO(job_clear)
    struct job job = {.kind = of->bug != 0    ? JOB_MINIMIZE
                              : of->is_report ? JOB_REPORT
                                              : JOB_TRIAGE,
                      .crash = of->crash,
                      .bug = of->bug,
                      .attempt = (int)of->deaths + 1,
                      .handed = of->attempts};
    struct err why = ERR_INIT;

    if (!of->is_report && of->command[0] == '\0') {
        return refuse(
            store, of, "broken",
            "its target has no command to run it with: nightjar triage --target NAME "
            "FILE -- COMMAND @@",
            err);
    }
    if (of->attempts - of->deaths >= STORE_HANDOUTS_MAX) {
        return refuse(
            store, of, "untriageable",
            "it was handed out again and again, and each time nightjar itself ended",
            err);
    }
    int rc = store_put_input(store, of->sha256, of->bytes, options, &why);
    if (rc == -ENOENT || rc == -EUCLEAN) {
        return refuse(store, of, "untriageable", why.msg, err);
    }
    if (rc < 0) {
        return err_set(err, rc, "%s", why.msg);
    }
    rc = make_request(store, of, options, &job, err);
    rc = rc < 0 ? rc : mark_handed(store, of, err);
    if (rc <= 0) {
        return rc;
    }
    remember(store, of->bug != 0, of->bug != 0 ? of->bug : of->crash);
    *out = job;
    job.request = NULL;
    return 1;
}

static int
next_of(struct store *store, bool is_bug, const struct job_options *options,
        struct job *out, struct err *err)
{
    for (;;) {
        AUTO(candidate_clear) struct candidate of = {0};
        int64_t id = 0;
        int rc = pick(store, is_bug, &id, err);
        if (rc <= 0) {
            return rc;
        }
        rc = is_bug ? load_bug(store, id, &of, err) : load_crash(store, id, &of, err);
        rc = rc < 0 ? rc : hand_out(store, &of, options, out, err);
        if (rc != 0) {
            return rc;
        }
    }
}

/* The crash itself is triaged as it was before. */
static int
next_sanitized(struct store *store, const struct job_options *options, struct job *out,
               struct err *err)
{
    struct sanitized next;
    int rc = 0;

    while ((rc = store_next_sanitized(store, &next, err)) == 1) {
        AUTO(candidate_clear) struct candidate of = {0};
        AUTO(job_clear)
        struct job job = {.kind = JOB_SANITIZED, .crash = next.crash, .attempt = 1};
        rc = store_put_input(store, next.sha256, next.bytes, options, err);
        if (rc == -ENOENT || rc == -EUCLEAN) {
            continue; /* `db check` tells of it */
        }
        rc = rc < 0 ? rc : load_crash(store, next.crash, &of, err);
        rc = rc < 0 ? rc : make_request(store, &of, options, &job, err);
        if (rc < 0) {
            return rc;
        }
        *out = job;
        job.request = NULL;
        return 1;
    }
    return rc;
}

int
store_next_job(struct store *store, const struct job_options *options, struct job *out,
               struct err *err)
{
    int rc = next_of(store, false, options, out, err);

    if (rc != 0 || options->crashes_only) {
        return rc;
    }
    store_trim_sometimes(store, true);
    store_regressions_sometimes(store);
    store_wake_sometimes(store);
    rc = store_next_release(store, options, out, err);
    rc = rc != 0 ? rc : next_sanitized(store, options, out, err);
    if (rc != 0 || options->minimize_ms <= 0) {
        return rc;
    }
    return next_of(store, true, options, out, err);
}

int
store_return_job(struct store *store, const struct job *job, struct err *err)
{
    assert(job->kind == JOB_TRIAGE || job->kind == JOB_REPORT);
    int rc = db_begin_lazy(store->db, err);
    if (rc < 0) {
        return rc;
    }
    rc = db_run(store->db, err, sql[RETURN_CRASH], "ii", job->crash, job->handed);
    bool ours = rc == 0 && db_changes(store->db) > 0; /* not handed to another since */
    rc = store_end(store, rc, err);
    if (rc == 0 && ours) {
        store_forget(store, false, job->crash);
    }
    return rc;
}
