/* Around a minimization: its journal, which outlives workers and runs of nightjar in
 * STATE/minimize, and the other crashes that it came upon. */
#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/verdicts.h"

enum {
    IS_KNOWN,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [IS_KNOWN] = "SELECT c.target, s.bug FROM crash c LEFT JOIN signature s"
                 " ON s.version = ?2 AND s.major = ?3 AND s.target = c.target"
                 " WHERE c.id = ?1",
};
const struct store_sql store_minimize_sql = {sql, STATEMENTS};

/* --- the journal --- */

/* STATE/minimize/NJ-12.what; new string. */
static char *
kept_path(const struct store *store, int64_t bug, const char *what)
{
    char name[32];

    store_bug_name(name, sizeof(name), bug);
    return mem_printf("%s/minimize/%s.%s", store->folder, name, what);
}

int
store_minimize_begin(struct store *store, int64_t bug, const char *folder,
                     json_t *request, struct err *err)
{
    AUTO(mem_free) char *kept = kept_path(store, bug, "journal");
    AUTO(mem_free) char *journal = fs_join(folder, "journal");
    AUTO(mem_free) char *output = fs_join(folder, "output");

    (void)unlink(output); /* of an earlier job */
    json_put(request, "output", json_name(output));
    json_put(request, "journal", json_name(journal));
    int rc = verdicts_copy(kept, journal, err);
    return rc < 0 ? err_wrap(err, rc, "the journal of a minimization") : 0;
}

void
store_minimize_end(struct store *store, const struct job *job, bool goes_on)
{
    AUTO(mem_free) char *kept = kept_path(store, job->bug, "journal");
    AUTO(mem_free) char *folder = fs_join(store->folder, "minimize");
    AUTO(mem_free) char *journal = NULL;

    if (!goes_on) {
        (void)unlink(kept);
        return;
    }
    /* without it the next attempt only takes longer */
    if (str_unname(json_get_str(job->request, "journal", ""), &journal, NULL) == 0 &&
        (mkdir(folder, 0700) == 0 || errno == EEXIST)) {
        (void)verdicts_copy(journal, kept, NULL);
    }
}

/* --- what was found --- */

/* 1 and *target: the bug is new there; 0: it is known. */
static int
is_new(struct store *store, int64_t crash, const char *major, int64_t *target,
       struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(store->db, &stmt, err, sql[IS_KNOWN], "iit", crash,
                      (int64_t)SIGNATURE_VERSION, major);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc <= 0) {
        return rc;
    }
    *target = stmt_int(stmt, 0);
    rc = stmt_null(stmt, 1) ? 1 : 0;
    stmt_reset(stmt);
    return rc;
}

/* The worker's file is moved to where its name tells what it is: whatever it is, the
 * ledger reads no link there, as in an engine's folder. */
static int
file_found(struct store *store, const struct job *job, size_t i, int64_t target,
           struct err *err)
{
    AUTO(mem_free) char *output = NULL;
    AUTO(mem_free) char *folder = fs_join(store->folder, "minimize");
    AUTO(mem_free) char *what = mem_printf("found-%zu", i);
    AUTO(mem_free) char *path = kept_path(store, job->bug, what);
    int rc = str_unname(json_get_str(job->request, "output", ""), &output, err);
    AUTO(mem_free) char *from = mem_printf("%s.%s", output == NULL ? "" : output, what);

    if (rc < 0 || (mkdir(folder, 0700) < 0 && errno != EEXIST) ||
        rename(from, path) < 0) {
        return 0; /* told again, or a worker that lies: there is nothing to file */
    }
    const struct intake_item item = {
        .path = path, .target = target, .source = "minimize"};
    struct intake_result result = {0};
    rc = store_intake(store, &item, 1, &result, err);
    (void)fs_remove(path, NULL); /* the ledger has it */
    return rc;
}

int
store_minimize_found(struct store *store, const struct job *job,
                     const struct answer *answer, struct err *err)
{
    for (size_t i = 0; i < answer->n_found; i++) {
        int64_t target = 0;
        int rc = is_new(store, job->crash, answer->found[i], &target, err);
        rc = rc == 1 ? file_found(store, job, i, target, err) : rc;
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}
