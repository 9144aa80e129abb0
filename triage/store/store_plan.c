#include "triage/store/filing.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "triage/known.h"

enum { BUG, STATEMENTS };

static const char *const sql[STATEMENTS] = {
    [BUG] =
        "SELECT g.computed_severity, c.reproducibility, b.bytes, r.bytes,"
        " g.backlog, g.computed_score, g.state FROM bug g JOIN crash c ON c.id = g.crash"
        " JOIN blob b ON b.id = c.blob"
        " JOIN blob r ON r.id = g.reproducer WHERE g.id = ?1",
};
const struct store_sql store_plan_sql = {sql, STATEMENTS};

int
store_reproducibility_rank(const char *reproducibility)
{
    static const char *const order[] = {"unreproducible", "unknown", "flaky", "reliable"};
    int at = 0;

    for (int i = 0; i < (int)COUNT(order); i++) {
        at = strcmp(order[i], reproducibility) == 0 ? i : at;
    }
    return at;
}

/* Scores have one decimal. */
static const double score_step = 0.05;

/* The worst score stands for the bug, so that what is shown proves it, and does not rest
 * on which crash came first; among equals what reproduces best, then what is smallest, by
 * so much that the worker ran it several times. */
static void
compare(const struct filing *filing, struct stmt *bug, struct plan *plan)
{
    int ours = store_reproducibility_rank(filing->reproducibility);
    int theirs = store_reproducibility_rank(stmt_text(bug, 1));
    bool smaller = known_is_smaller(filing->bytes, stmt_int(bug, 2));
    double worse = filing->answer.record->severity_score - stmt_real(bug, 5);

    plan->severity = (enum severity)stmt_int(bug, 0);
    bool first = sanitized_is_first(filing, plan->match.bug);
    plan->stands =
        first || worse > score_step ||
        (worse > -score_step && (ours > theirs || (ours == theirs && smaller)));
    /* an input that shows it in a stronger way (far from null, a write) proves what a
     * smaller one that shows it in a weaker way does not: it is minimized anew, as is
     * what a sanitizer sees for the first time, since another signature was kept */
    bool stronger = filing->answer.record->severity > plan->severity;
    plan->reproduces =
        plan->stands &&
        (first || ours > theirs ||
         (ours == theirs && (stronger || filing->bytes < stmt_int(bug, 3)))) &&
        (filing->before.bug == 0 || filing->before.present);
    plan->freshens = stmt_int(bug, 4) != 0 && !filing->backlog;
    plan->fixed = strcmp(stmt_text(bug, 6), "fixed") == 0 && !filing->backlog;
}

struct cluster_clue
filing_clue(const struct filing *filing)
{
    return (struct cluster_clue){.record = filing->answer.record,
                                 .target = filing->target,
                                 .blob = filing->is_report ? 0 : filing->blob};
}

/* A hand's decision, else the rules; then to the bug that this one is a duplicate of. */
static int
find_bug(const struct filing *filing, struct plan *plan, struct err *err)
{
    struct store *store = filing->store;
    const struct group_key key = {.blob = filing->blob,
                                  .target = filing->target,
                                  .version = SIGNATURE_VERSION,
                                  .minor = filing->answer.record->hash_minor};
    const struct cluster_clue clue = filing_clue(filing);
    int rc = store_decided(store, &key, &plan->match, err);

    rc = rc == 0 ? cluster_find(store->db, &clue, &plan->match, err) : rc;
    if (rc == 0 && plan->match.bug == 0) {
        rc = store_older_bug(store, &clue, &plan->match, err);
    }
    plan->home = plan->match.bug;
    return rc < 0 || plan->home == 0
               ? (rc < 0 ? rc : 0)
               : store_root(store, plan->home, &plan->match.bug, err);
}

int
filing_plan(const struct filing *filing, struct plan *out, struct err *err)
{
    struct db *db = filing->store->db;
    const struct cluster_clue clue = filing_clue(filing);
    struct stmt *bug = NULL;
    struct plan plan = {.stands = true,
                        .example = {.minor = filing->answer.record->hash_minor,
                                    .source = filing->source,
                                    .first_stack = true,
                                    .of_source = true},
                        .reproduces = true};
    int rc = find_bug(filing, &plan, err);

    sanitized_adopt(filing, &plan);
    if (rc == 0 && plan.match.bug != 0) {
        rc = db_query(db, &bug, err, sql[BUG], "i", plan.match.bug);
        rc = rc < 0 ? rc : stmt_step(bug, err);
        if (rc == 0) {
            return err_set(err, -EUCLEAN,
                           "the signature %s names NJ-%lld, which is not there",
                           filing->answer.record->hash_major, (long long)plan.match.bug);
        }
        if (rc == 1) {
            compare(filing, bug, &plan);
            stmt_reset(bug);
            rc = store_example_weigh(filing->store, plan.match.bug, &plan.example, err);
            rc = rc < 0 ? rc
                        : cluster_find_join(db, &clue, plan.match.bug, &plan.same, err);
        }
    }
    *out = plan;
    return rc < 0 ? rc : 0;
}
