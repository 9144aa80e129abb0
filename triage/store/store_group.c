/*
 * Groups by hand: what a person decided is asked before any rule, and stays. Three places
 * remember it:
 *
 *   pin                these bytes belong to this bug             (bugs pin, bugs split)
 *   split              this exact stack of this target belongs    (bugs split)
 *                      to this bug
 *   bug.duplicate_of   what belongs to this bug belongs to that   (bugs merge)
 *
 * Where a crash belongs is therefore: its pin, else its split, else what cluster_find()
 * says; and from there along duplicate_of to a bug that is none. The bug before the last
 * step is the crash's home, to which undoing a merge takes it back.
 */
#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

enum { LINKS_MAX = 1000 }; /* of one chain of duplicates */

enum {
    UP,
    PINNED,
    SPLIT_OFF,
    PLACED,
    SIGNED,
    CRASHES,
    STATE,
    BEFORE,
    MERGE,
    UNMERGE,
    MERGE_CRASHES,
    UNMERGE_CRASHES,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [UP] = "SELECT coalesce(duplicate_of, 0) FROM bug WHERE id = ?1",
    [PINNED] = "SELECT bug, actor, reason FROM pin WHERE blob = ?1",
    [SPLIT_OFF] = "SELECT bug, actor, reason FROM split"
                  " WHERE version = ?1 AND minor = ?2 AND target = ?3",
    [PLACED] = "SELECT bug FROM place WHERE id = ?1",
    [SIGNED] = "SELECT bug FROM signature"
               " WHERE version = ?1 AND major = ?2 AND target = ?3",
    [CRASHES] = "SELECT crashes FROM bug WHERE id = ?1",
    [STATE] = "SELECT state FROM bug WHERE id = ?1",
    [BEFORE] = "SELECT from_state FROM event WHERE subject = 'bug' AND subject_id = ?1"
               " AND kind = 'bug.state' AND to_state = 'duplicate'"
               " ORDER BY id DESC LIMIT 1",
    [MERGE] = "UPDATE bug SET state = 'duplicate', duplicate_of = ?2 WHERE id = ?1",
    [UNMERGE] = "UPDATE bug SET state = ?2, duplicate_of = NULL WHERE id = ?1",
    [MERGE_CRASHES] = "UPDATE crash SET home = coalesce(home, bug), bug = ?2"
                      " WHERE bug = ?1",
    /* its own, and those of bugs that were merged into it before */
    [UNMERGE_CRASHES] =
        "WITH RECURSIVE below(id) AS (SELECT ?1 UNION SELECT d.id FROM below"
        " JOIN bug d ON d.duplicate_of = below.id)"
        " UPDATE crash SET bug = ?1, home = nullif(home, ?1)"
        " WHERE bug = ?2 AND home IN (SELECT id FROM below)",
};
const struct store_sql store_group_sql = {sql, STATEMENTS};

/* --- where a crash belongs --- */

int
store_root(struct store *store, int64_t bug, int64_t *root, struct err *err)
{
    int64_t at = bug;

    for (int links = 0; links < LINKS_MAX; links++) {
        int64_t up = 0;
        int rc = db_int(store->db, &up, err, sql[UP], "i", at);
        if (rc < 0) {
            return rc == -ENODATA ? store_no_bug(at, err) : rc;
        }
        if (up == 0) {
            *root = at;
            return 0;
        }
        at = up;
    }
    return err_set(err, -EUCLEAN, "NJ-%lld is a duplicate of itself", (long long)bug);
}

/* 1: a row of the statement, whose columns are bug, actor, reason. */
static int
read_decided(struct stmt *row, const char *what, struct cluster_match *out,
             struct err *err)
{
    int rc = stmt_step(row, err);

    if (rc == 1) {
        out->bug = stmt_int(row, 0);
        (void)snprintf(out->why, sizeof(out->why), "%s by %s%s%s", what,
                       stmt_text(row, 1), stmt_text(row, 2)[0] == '\0' ? "" : ": ",
                       stmt_text(row, 2));
        stmt_reset(row);
    }
    return rc;
}

int
store_decided(struct store *store, const struct group_key *key, struct cluster_match *out,
              struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[PINNED], "i", key->blob);

    rc = rc < 0 ? rc : read_decided(row, "pinned", out, err);
    if (rc != 0) {
        return rc;
    }
    rc = db_query(store->db, &row, err, sql[SPLIT_OFF], "iti", key->version, key->minor,
                  key->target);
    return rc < 0 ? rc : read_decided(row, "split off", out, err);
}

int
store_home(struct store *store, const struct group_key *key, int64_t *bug,
           struct err *err)
{
    struct cluster_match match = {0};
    int rc = store_decided(store, key, &match, err);

    *bug = match.bug;
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    return key->place != 0 ? db_int(store->db, bug, err, sql[PLACED], "i", key->place)
                           : db_int(store->db, bug, err, sql[SIGNED], "iti", key->version,
                                    key->major, key->target);
}

/* --- what a decision moves --- */

void
store_moved(struct moves *moves, int64_t from, int64_t to, int64_t crashes)
{
    for (size_t i = 0; i < moves->n; i++) {
        if (moves->v[i].from == from && moves->v[i].to == to) {
            moves->v[i].crashes += crashes;
            return;
        }
    }
    if (crashes > 0) {
        moves->v = mem_resize(moves->v, (moves->n + 1) * sizeof(*moves->v));
        moves->v[moves->n++] = (struct bug_move){from, to, crashes};
    }
}

void
moves_clear(struct moves *moves)
{
    mem_free(moves->v);
    *moves = (struct moves){0};
}

int
store_decide_end(struct store *store, const struct decision *decision,
                 const struct moves *moves, int rc, struct err *err)
{
    if (rc == 0 && decision->dry_run) {
        db_rollback(store->db);
    } else {
        rc = store_end(store, rc, err);
    }
    for (size_t i = 0; i < moves->n && rc == 0 && decision->moved != NULL; i++) {
        rc = decision->moved(decision->user, &moves->v[i], err);
    }
    return rc;
}

int
store_crashes_of(struct store *store, int64_t bug, int64_t *crashes, struct err *err)
{
    int rc = db_int(store->db, crashes, err, sql[CRASHES], "i", bug);

    return rc == -ENODATA ? store_no_bug(bug, err) : rc;
}

int
store_event_by_hand(struct store *store, const struct decision *decision,
                    const struct hand_event *hand, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    const struct event event = {.kind = hand->kind,
                                .subject = "bug",
                                .subject_id = hand->bug,
                                .from = hand->from,
                                .to = hand->to,
                                .detail = detail,
                                .actor = decision->actor};
    char name[24];

    if (hand->other != 0) {
        store_bug_name(name, sizeof(name), hand->other);
        json_put(detail, hand->other_is, json_string(name));
    }
    json_put(detail, "crashes", json_integer(hand->crashes));
    json_put(detail, "reason", json_text(decision->reason));
    if (hand->more != NULL) {
        (void)json_object_update(detail, hand->more);
    }
    int rc = store_event_put(store, &event, err);
    return rc < 0 || decision->actor == NULL || strcmp(decision->actor, "nightjar") == 0
               ? rc
               : store_acknowledge(store, hand->bug, err);
}

/* --- merge --- */

static int
load_state(struct store *store, const char *statement, int64_t bug, char state[16],
           struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, statement, "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 1) {
        (void)snprintf(state, 16, "%s", stmt_text(row, 0));
        stmt_reset(row);
    }
    return rc;
}

struct merging {
    struct store *store;
    const struct decision *decision;
    struct moves *moves;
};

/* Both rows, their events, and the crashes; not yet what follows for the bug that stays.
 */
static int
merge_rows(const struct merging *m, int64_t root, int64_t other, const char *state,
           struct err *err)
{
    struct hand_event left = {.bug = other,
                              .kind = "bug.state",
                              .from = state,
                              .to = "duplicate",
                              .other = root,
                              .other_is = "duplicate_of"};
    int rc = db_run(m->store->db, err, sql[MERGE_CRASHES], "ii", other, root);

    left.crashes = db_changes(m->store->db);
    rc = rc < 0 ? rc : db_run(m->store->db, err, sql[MERGE], "ii", other, root);
    rc = rc < 0 ? rc : store_event_by_hand(m->store, m->decision, &left, err);
    const struct hand_event stays = {.bug = root,
                                     .kind = "bug.merge",
                                     .other = other,
                                     .other_is = "merged",
                                     .crashes = left.crashes};
    rc = rc < 0 ? rc : store_event_by_hand(m->store, m->decision, &stays, err);
    store_moved(m->moves, other, root, left.crashes);
    return rc < 0 ? rc : store_examples_follow(m->store, other, err);
}

int
store_merge_one(struct store *store, int64_t root, int64_t other,
                const struct decision *decision, struct moves *moves, struct err *err)
{
    char state[16] = "";
    int64_t of = 0;
    int rc = load_state(store, sql[STATE], other, state, err);

    if (rc <= 0) {
        return rc < 0 ? rc : store_no_bug(other, err);
    }
    rc = store_root(store, other, &of, err);
    if (rc < 0) {
        return rc;
    }
    if (of == root) {
        return err_set(err, -EINVAL, "NJ-%lld is %sNJ-%lld already", (long long)other,
                       other == root ? "" : "part of ", (long long)root);
    }
    if (of != other) {
        return err_set(err, -EINVAL,
                       "NJ-%lld is a duplicate of NJ-%lld: merge that, or take it back "
                       "first with nightjar bugs merge --undo NJ-%lld",
                       (long long)other, (long long)of, (long long)other);
    }
    const struct merging merging = {store, decision, moves};
    return merge_rows(&merging, root, other, state, err);
}

int
store_join(struct store *store, int64_t bug, int64_t other, const char *why,
           struct err *err)
{
    AUTO(moves_clear) struct moves moves = {0};
    const struct decision decision = {.actor = "nightjar", .reason = why};
    const struct settling how = {.actor = decision.actor};
    int64_t older = bug < other ? bug : other;
    int64_t younger = bug < other ? other : bug;
    int rc = store_merge_one(store, older, younger, &decision, &moves, err);

    return rc < 0 ? rc : store_settle_bug(store, older, &how, err);
}

int
store_merge(struct store *store, int64_t bug, const struct buf *others,
            const struct decision *decision, struct err *err)
{
    AUTO(moves_clear) struct moves moves = {0};
    const struct settling how = {.actor = decision->actor};
    int64_t root = 0;
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = store_root(store, bug, &root, err);
    for (size_t at = 0; rc == 0 && at + sizeof(int64_t) <= others->len;
         at += sizeof(int64_t)) {
        int64_t other = 0;
        memcpy(&other, others->data + at, sizeof(other));
        rc = store_merge_one(store, root, other, decision, &moves, err);
    }
    rc = rc < 0 ? rc : store_settle_bug(store, root, &how, err);
    return store_decide_end(store, decision, &moves, rc, err);
}

/* --- and back --- */

static int
unmerge_rows(const struct merging *m, int64_t bug, int64_t root, const char *state,
             struct err *err)
{
    struct hand_event event = {.bug = bug,
                               .kind = "bug.state",
                               .from = "duplicate",
                               .to = state,
                               .other = root,
                               .other_is = "was_duplicate_of"};
    int rc = db_run(m->store->db, err, sql[UNMERGE_CRASHES], "ii", bug, root);

    event.crashes = db_changes(m->store->db);
    if (rc == 0 && event.crashes == 0) {
        return err_set(err, -EINVAL,
                       "no crash is left that belongs to NJ-%lld itself: all were pinned "
                       "or split off to other bugs",
                       (long long)bug);
    }
    rc = rc < 0 ? rc : db_run(m->store->db, err, sql[UNMERGE], "it", bug, state);
    rc = rc < 0 ? rc : store_event_by_hand(m->store, m->decision, &event, err);
    store_moved(m->moves, root, bug, event.crashes);
    return rc < 0 ? rc : store_examples_follow(m->store, root, err);
}

static int
unmerge(struct store *store, int64_t bug, const struct decision *decision,
        struct moves *moves, struct err *err)
{
    struct settling how = {.actor = decision->actor, .lender = 0};
    char state[16] = "";
    int64_t root = 0;
    int64_t left = 0;
    int rc = store_root(store, bug, &root, err);

    if (rc == 0 && root == bug) {
        return err_set(err, -EINVAL, "NJ-%lld is no duplicate: there is nothing to undo",
                       (long long)bug);
    }
    rc = rc < 0 ? rc : load_state(store, sql[BEFORE], bug, state, err);
    if (rc < 0) {
        return rc;
    }
    const struct merging merging = {store, decision, moves};
    rc = unmerge_rows(&merging, bug, root, rc == 0 ? "open" : state, err);
    rc = rc < 0 ? rc : store_crashes_of(store, root, &left, err);
    if (rc == 0 && left == 0) {
        return err_set(err, -EINVAL, "NJ-%lld would be left without a crash",
                       (long long)root);
    }
    rc = rc < 0 ? rc : store_settle_bug(store, bug, &how, err);
    return rc < 0 ? rc : store_settle_bug(store, root, &how, err);
}

int
store_unmerge(struct store *store, const struct buf *bugs,
              const struct decision *decision, struct err *err)
{
    AUTO(moves_clear) struct moves moves = {0};
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    for (size_t at = 0; rc == 0 && at + sizeof(int64_t) <= bugs->len;
         at += sizeof(int64_t)) {
        int64_t bug = 0;
        memcpy(&bug, bugs->data + at, sizeof(bug));
        rc = unmerge(store, bug, decision, &moves, err);
    }
    return store_decide_end(store, decision, &moves, rc, err);
}
