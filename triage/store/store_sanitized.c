/*
 * Crashes of builds without a sanitizer, which were filed before there was a sanitizer
 * build of their target: each that is an example of an open bug is triaged once more, in
 * spare time. What a sanitizer says of an input stands above what was seen of it without:
 * it tells where the damage is done, not where the program fell over it later. glibc's
 * abort over a corrupted heap is one stack for many bugs, so each crash is asked for
 * itself:
 *   - what the sanitizer shows is known: the crash goes to that bug; where nothing that
 *     could be asked is left of its old one, all of that follows;
 *   - it is not: the first such crash of a bug stands for it from now on, and the bug is
 *     known by that as well; the next ones are new bugs.
 * Where it shows something, crashes of the same exact stack of which no record is kept
 * are queued again.
 * The row in `replay` says that it was done.
 */
#include <string.h>

#include "base/clock.h"
#include "triage/store/filing.h"

enum {
    NEXT,
    LAST,
    BEFORE,
    ALIKE_EVENTS,
    ALIKE_AGAIN,
    LEFT,
    SEEN,
    TARGET,
    STATEMENTS,
};

#define IS_OPEN "g.state IN ('new', 'open', 'fixing', 'regressed')"
/* Of bug ?1 and target ?3 with the exact stack ?2, without a record but with bytes. */
#define ALIKE                                                                         \
    "bug = ?1 AND minor = ?2 AND target = ?3 AND id <> ?4 AND NOT is_report"          \
    " AND outcome = 'crash' AND (SELECT b.state FROM blob b WHERE b.id = crash.blob)" \
    " = 'present' AND NOT EXISTS (SELECT 1 FROM record r WHERE r.crash = crash.id)"

static const char *const sql[STATEMENTS] = {
    /* Bytes that were dropped are not what stands for a bug alone: its reproducer is
     * kept. What another signature version made waits for `db regroup`. */
    [NEXT] =
        "SELECT c.id, b.sha256, b.bytes FROM record r CROSS JOIN crash c ON c.id = "
        "r.crash"
        " JOIN bug g ON g.id = c.bug JOIN build o ON o.target = c.target"
        "  AND o.kind = 'sanitizer' AND o.current AND o.command IS NOT NULL"
        " JOIN blob own ON own.id = c.blob"
        " JOIN blob b ON b.id = iif(own.state = 'dropped' AND g.crash = c.id,"
        "  g.reproducer, own.id)"
        " WHERE r.crash > ?1 AND " IS_OPEN " AND b.state = 'present'"
        " AND c.outcome = 'crash' AND NOT c.is_report AND c.version = ?2 AND NOT EXISTS"
        "  (SELECT 1 FROM replay p WHERE p.crash = c.id AND p.build = o.id)"
        " AND json_extract(r.json, '$.sanitizer') = 'none'"
        " ORDER BY r.crash LIMIT 1",
    [LAST] = "SELECT coalesce(max(id), 0) FROM crash",
    [BEFORE] = "SELECT g.id, g.sanitizer = 'none', c.minor, b.state = 'present'"
               " FROM crash c JOIN bug g ON g.id = c.bug JOIN blob b ON b.id = c.blob"
               " WHERE c.id = ?1 AND " IS_OPEN,
    [ALIKE_EVENTS] =
        "INSERT INTO event(at, kind, subject, subject_id, from_state, to_state, actor,"
        " detail) SELECT ?5, 'crash.state', 'crash', id, state, 'queued', 'nightjar',"
        " '{\"reason\":\"there is a sanitizer build by now\"}' FROM crash WHERE " ALIKE,
    [ALIKE_AGAIN] = "UPDATE crash SET " QUEUED_AGAIN
                    ", bug = NULL, home = NULL, place = NULL WHERE " ALIKE,
    /* what store_settle_bug() can take to stand for it */
    [LEFT] = "SELECT EXISTS (SELECT 1 FROM crash c JOIN record r ON r.crash = c.id"
             " JOIN blob b ON b.id = c.blob WHERE c.bug = ?1 AND b.state = 'present')",
    /* nothing is known, and asking again would cost another worker */
    [SEEN] = "INSERT INTO replay(crash, build, outcome, k, n, at)"
             " SELECT c.id, o.id, 'broken', 0, 1, ?2 FROM crash c JOIN build o"
             " ON o.target = c.target AND o.kind = 'sanitizer' AND o.current"
             " WHERE c.id = ?1 ON CONFLICT DO NOTHING",
    [TARGET] = "SELECT target FROM crash WHERE id = ?1",
};
const struct store_sql store_sanitized_sql = {sql, STATEMENTS};

/* --- handing out --- */

int
store_next_sanitized(struct store *store, struct sanitized *out, struct err *err)
{
    struct stmt *row = NULL;

    if (store->sanitized.handed >= STORE_LATER_MAX) {
        return 0;
    }
    int rc = db_query(store->db, &row, err, sql[NEXT], "ii", store->sanitized.after,
                      (int64_t)SIGNATURE_VERSION);
    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 0) { /* later ones are replayed there when they are triaged */
        return db_int(store->db, &store->sanitized.after, err, sql[LAST], "");
    }
    if (rc == 1) {
        *out = (struct sanitized){.crash = stmt_int(row, 0), .bytes = stmt_int(row, 2)};
        (void)snprintf(out->sha256, sizeof(out->sha256), "%s", stmt_text(row, 1));
        stmt_reset(row);
        store->sanitized.after = out->crash;
        store->sanitized.handed++;
    }
    return rc;
}

/* --- filing --- */

int
sanitized_load(struct filing *filing, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(filing->store->db, &row, err, sql[BEFORE], "i", filing->job->crash);

    rc = rc < 0 ? rc : stmt_step(row, err);
    filing->queued = rc == 1;
    if (rc == 1) {
        filing->before.bug = stmt_int(row, 0);
        filing->before.unseen = stmt_int(row, 1) != 0;
        (void)snprintf(filing->before.minor, sizeof(filing->before.minor), "%s",
                       stmt_text(row, 2));
        filing->before.present = stmt_int(row, 3) != 0;
        stmt_reset(row);
    }
    return rc < 0 ? rc : 0;
}

bool
sanitized_shows(const struct filing *filing)
{
    const struct answer *answer = &filing->answer;

    return answer->outcome == OUTCOME_CRASH && answer->record != NULL &&
           answer->record->sanitizer != NULL &&
           strcmp(answer->record->sanitizer, "none") != 0;
}

bool
sanitized_is_first(const struct filing *filing, int64_t bug)
{
    return filing->before.unseen && bug == filing->before.bug;
}

void
sanitized_adopt(const struct filing *filing, struct plan *plan)
{
    if (plan->match.bug == 0 && filing->before.unseen) {
        plan->match.bug = plan->home = filing->before.bug;
        (void)snprintf(plan->match.why, sizeof(plan->match.why),
                       "its input shows this on the sanitizer build, which came later");
    }
}

int
sanitized_follow(const struct filing *filing, int64_t bug, struct err *err)
{
    struct store *store = filing->store;
    int64_t from = filing->before.bug;
    const struct settling how = {.actor = "nightjar"};
    int64_t left = 0;
    int rc =
        db_run(store->db, err, sql[ALIKE_EVENTS], "itiii", from, filing->before.minor,
               filing->target, filing->job->crash, clock_wall_ms());

    rc = rc < 0 ? rc
                : db_run(store->db, err, sql[ALIKE_AGAIN], "itii", from,
                         filing->before.minor, filing->target, filing->job->crash);
    if (rc < 0 || bug == from) {
        return rc;
    }
    rc = store_examples_follow(store, from, err);
    rc = rc < 0 ? rc : db_int(store->db, &left, err, sql[LEFT], "i", from);
    if (rc < 0) {
        return rc;
    }
    return left != 0
               ? store_settle_bug(store, from, &how, err)
               : store_join(store, bug, from,
                            "its input shows the other on the sanitizer build", err);
}

int
store_sanitized_seen(struct store *store, const struct job *job,
                     const struct answer *answer, struct err *err)
{
    int64_t target = 0;
    int rc = db_begin_lazy(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = db_int(store->db, &target, err, sql[TARGET], "i", job->crash);
    rc = rc < 0 || answer == NULL
             ? rc
             : store_put_replays(store, job->crash, target, answer, err);
    rc = rc < 0 ? rc
                : db_run(store->db, err, sql[SEEN], "ii", job->crash, clock_wall_ms());
    return store_end(store, rc, err);
}

int
store_sanitized_died(struct store *store, const struct job *job, struct job_outcome *out,
                     struct err *err)
{
    int rc = store_sanitized_seen(store, job, NULL, err);

    return rc < 0 ? rc : store_outcome_of_crash(store, job->crash, out, err);
}
