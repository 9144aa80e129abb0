/* What a bug's input shows on a later build, where that is another bug that nobody knows.
 */
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "triage/regression.h"
#include "triage/store/store_private.h"

enum { CAME_OF, STATEMENTS };

static const char *const sql[STATEMENTS] = {
    /* open, and found by nothing but nightjar verify */
    [CAME_OF] =
        "SELECT g.id, g.state FROM bug g WHERE g.state IN ('new', 'open', 'fixing',"
        " 'regressed') AND g.id IN (SELECT CAST(substr(json_extract(e.detail, '$.bug'), "
        "4)"
        "  AS INTEGER) FROM event e WHERE e.subject = 'bug' AND e.subject_id = ?1"
        "  AND e.kind = 'bug.verify' AND json_extract(e.detail, '$.result') = 'changed')"
        " AND NOT EXISTS (SELECT 1 FROM crash c WHERE c.bug = g.id"
        "  AND c.source <> 'verify') ORDER BY g.id LIMIT 1",
};
const struct store_sql store_changed_sql = {sql, STATEMENTS};

/* A file that says where it comes from, for as long as it takes to file it. */
static int
write_report(struct store *store, const struct regression *of, const char *report,
             char **path, struct err *err)
{
    AUTO(mem_free) char *folder = fs_join(store->folder, "regressions");
    AUTO(mem_free)
    char *name = mem_printf("%s/%s-changed.%d.txt", folder, of->name, (int)getpid());
    int rc = fs_mkdirs(folder, 0700, err);

    rc = rc < 0 ? rc : fs_write(name, report, strlen(report), 0600, err);
    if (rc == 0) {
        *path = STEAL(name);
    }
    return rc;
}

static int
file_report(struct store *store, const struct regression *of, const char *path,
            int64_t *crash, struct err *err)
{
    const struct intake_item item = {
        .path = path, .target = of->target_id, .source = "verify", .is_report = true};
    struct intake_result result = {0};
    int rc = store_intake(store, &item, 1, &result, err);

    if (rc == 0 && result.code < 0) {
        rc = err_set(err, result.code, "%s", result.reason);
    }
    *crash = result.crash;
    return rc;
}

int
regression_file_changed(struct store *store, const struct regression *of, int64_t job,
                        const json_t *answer, struct verified *seen, struct err *err)
{
    const char *report = json_get_str(answer, "report", "");
    struct job filed = {.kind = JOB_REPORT, .id = job};
    struct job_outcome outcome = {0};
    AUTO(mem_free) char *path = NULL;

    if (seen->as != VERIFIED_CHANGED || seen->known != 0 || report[0] == '\0') {
        return 0;
    }
    int rc = write_report(store, of, report, &path, err);
    rc = rc < 0 ? rc : file_report(store, of, path, &filed.crash, err);
    if (path != NULL) {
        (void)unlink(path);
    }
    rc = rc < 0 ? rc : store_finish_job(store, &filed, answer, &outcome, err);
    seen->known = rc < 0 ? 0 : outcome.bug;
    return rc;
}

int
store_fix_changed(struct store *store, int64_t bug, json_t *why, struct err *err)
{
    for (;;) {
        char state[16] = "";
        struct stmt *row = NULL;
        int rc = db_query(store->db, &row, err, sql[CAME_OF], "i", bug);
        rc = rc < 0 ? rc : stmt_step(row, err);
        if (rc <= 0) {
            return rc;
        }
        int64_t other = stmt_int(row, 0);
        (void)snprintf(state, sizeof(state), "%s", stmt_text(row, 1));
        stmt_reset(row);
        rc = store_move_bug(store, other, state, "fixed", why, err);
        if (rc < 0) {
            return rc;
        }
    }
}
