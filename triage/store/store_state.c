#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    STATE,
    CHANGE,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [STATE] = "SELECT g.state, c.is_report FROM bug g JOIN crash c ON c.id = g.crash"
              " WHERE g.id = ?1",
    [CHANGE] = "UPDATE bug SET state = ?2 WHERE id = ?1",
};
const struct store_sql store_state_sql = {sql, STATEMENTS};

/* new, regressed and duplicate come of what happens, not of a decision. */
static int
check_state(const char *state, struct err *err)
{
    static const char *const states[] = {"open",    "fixing",  "fixed",
                                         "ignored", "wontfix", NULL};

    for (size_t i = 0; states[i] != NULL; i++) {
        if (strcmp(states[i], state) == 0) {
            return 0;
        }
    }
    AUTO(mem_free) char *name = str_name_dup(state);
    const char *near = str_suggest(state, states);
    return err_set(
        err, -EINVAL,
        "'%.80s' is no state that a hand gives%s%s%s: open fixing fixed ignored "
        "wontfix (duplicate: nightjar bugs merge)",
        name, near == NULL ? "" : " (did you mean '", near == NULL ? "" : near,
        near == NULL ? "" : "'?)");
}

static int
change(struct store *store, int64_t bug, const char *state,
       const struct decision *decision, struct err *err)
{
    struct hand_event event = {.bug = bug, .kind = "bug.state", .to = state};
    char before[16] = "";
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[STATE], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc < 0 ? rc : store_no_bug(bug, err);
    }
    (void)snprintf(before, sizeof(before), "%s", stmt_text(row, 0));
    bool has_input = stmt_int(row, 1) == 0;
    stmt_reset(row);
    if (strcmp(before, "duplicate") == 0) {
        return err_set(err, -EINVAL,
                       "NJ-%lld is a duplicate: decide about the bug that it was merged "
                       "into, or take it back with nightjar bugs merge --undo NJ-%lld",
                       (long long)bug, (long long)bug);
    }
    if (strcmp(before, state) == 0) {
        return 0;
    }
    if (has_input && strcmp(state, "fixed") == 0) {
        return err_set(err, -EINVAL,
                       "NJ-%lld has an input, so nightjar verify says whether it is "
                       "fixed, on a later build; 'fixing' says that a fix is on its way",
                       (long long)bug);
    }
    event.from = before;
    rc = db_run(store->db, err, sql[CHANGE], "it", bug, state);
    return rc < 0 ? rc : store_event_by_hand(store, decision, &event, err);
}

int
store_set_bug_state(struct store *store, int64_t bug, const char *state,
                    const struct decision *decision, struct err *err)
{
    int rc = check_state(state, err);

    rc = rc < 0 ? rc : db_begin(store->db, err);
    return rc < 0 ? rc : store_end(store, change(store, bug, state, decision, err), err);
}
