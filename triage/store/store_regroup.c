/*
 * Signatures of another release, or of other rules: each crash that kept a record is
 * signed anew from it and its input, and the bugs follow. One signature is regrouped in
 * one transaction, so that whoever is killed leaves whole ones behind, and goes on with
 * the rest.
 *
 *   1. sign: what has another signature than before is an item; items of one target with
 * one signature are a key
 *   2. the keys, the heaviest first: what cluster_find() knows a bug for is that bug's;
 * else it stays with the bug that has most of its crashes, unless a heavier key stayed
 * there already; else it founds a bug
 *   3. crashes without a record go where most items of their old signature go
 *   4. a bug that lost all its crashes becomes a duplicate of the one that they went to
 *
 * Old signatures stay in the table. What a hand decided stays where it is.
 */
#include "triage/store/regroup_keys.h"
#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

enum {
    PAGE = 200,
    COLUMNS_SIGNED = 9, /* of RECORDS: the first of SIGNED_CRASH */
};

enum {
    RECORDS,
    SIGN,
    PUT_RECORD,
    SPLIT_AGAIN,
    FOLLOW_SIGNATURE,
    FOLLOW_PLACE,
    FOLLOW,
    STANDS,
    SIGNED_ANEW,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [RECORDS] =
        "SELECT c.id, coalesce(c.home, c.bug), c.target, c.version, c.major,"
        " c.minor, c.blob, coalesce(c.place, 0), p.text," SIGNED_CRASH " FROM record r"
        " CROSS JOIN crash c ON c.id = r.crash JOIN target t ON t.id = c.target"
        " JOIN blob b ON b.id = c.blob LEFT JOIN place p ON p.id = c.place"
        " WHERE r.crash > ?1 AND c.bug IS NOT NULL"
        " ORDER BY r.crash LIMIT ?2",
    [SIGN] = "UPDATE crash SET bug = ?2, home = nullif(?3, ?2), version = ?4, major = ?5,"
             " minor = ?6, place = nullif(?7, 0) WHERE id = ?1",
    [PUT_RECORD] = "UPDATE record SET json = ?2 WHERE crash = ?1",
    [SPLIT_AGAIN] = "INSERT INTO split(version, minor, target, bug, actor, reason, at)"
                    " SELECT ?4, ?5, target, bug, actor, reason, at FROM split"
                    " WHERE version = ?1 AND minor = ?2 AND target = ?3"
                    " ON CONFLICT DO NOTHING",
    [FOLLOW_SIGNATURE] = "UPDATE signature SET bug = ?4 WHERE version = ?1 AND major = ?2"
                         " AND target = ?3",
    [FOLLOW_PLACE] = "UPDATE place SET bug = ?2 WHERE id = ?1",
    [FOLLOW] = "UPDATE crash SET bug = ?4, home = nullif(?5, ?4) WHERE bug = ?6"
               " AND version = ?1 AND major = ?2 AND target = ?3"
               " AND coalesce(place, 0) = ?7 AND NOT EXISTS (SELECT 1 FROM pin WHERE "
               "pin.blob = crash.blob)"
               " AND NOT EXISTS (SELECT 1 FROM split s WHERE s.version = crash.version"
               " AND s.minor = crash.minor AND s.target = crash.target)",
    [STANDS] = "SELECT crash FROM bug WHERE id = ?1",
    [SIGNED_ANEW] = "SELECT count(*) FROM signature WHERE bug = ?1 AND version = ?2",
};
const struct store_sql store_regroup_sql = {sql, STATEMENTS};

/* --- signing --- */

struct regroup {
    struct store *store;
    const struct decision *decision;
    struct regroup_item *v;
    size_t n;
    struct regrouped *sum;
    struct moves moves;
    struct moves part; /* of the key at work */
    int64_t place;     /* of the key at work; 0: none */
    struct buf stayed; /* int64_t: bugs that a key stayed with */
};

static void
regroup_clear(struct regroup *r)
{
    for (size_t i = 0; i < r->n; i++) {
        mem_free(r->v[i].json);
    }
    mem_free(r->v);
    moves_clear(&r->moves);
    moves_clear(&r->part);
    buf_clear(&r->stayed);
}
AUTO_DEFINE_CLEAR(struct regroup, regroup_clear)

static void
copy_hash(char out[RECORD_HASH_MAX], const char *text)
{
    (void)snprintf(out, RECORD_HASH_MAX, "%s", text);
}

/* Crashes with one entry are asked for once: a place, as cluster.c abridges it. */
static void
make_entry(const struct record *record, char out[RECORD_HASH_MAX])
{
    char whole[HASH_HEX_MAX];

    if (record->place == NULL) {
        copy_hash(out, record->hash_major);
        return;
    }
    hash_sha256(record->place, strlen(record->place), whole);
    (void)snprintf(out, RECORD_HASH_MAX, "%.*s", RECORD_HASH_MAX - 1, whole);
}

static bool
is_signed(struct stmt *row, const struct record *record)
{
    const char *place = record->place == NULL ? "" : record->place;

    return stmt_int(row, 3) == SIGNATURE_VERSION &&
           strcmp(stmt_text(row, 4), record->hash_major) == 0 &&
           strcmp(stmt_text(row, 5), record->hash_minor) == 0 &&
           strcmp(stmt_text(row, 8), place) == 0;
}

static void
add_item(struct regroup *r, struct stmt *row)
{
    const struct signed_crash crash = store_signed_crash(row, COLUMNS_SIGNED);
    bool blind = false;
    AUTO(record_free)
    struct record *record = store_sign_again(r->store, &crash, &blind);

    r->sum->records++;
    r->sum->blind += blind ? 1 : 0;
    if (record == NULL) {
        r->sum->unreadable++;
        return;
    }
    if (is_signed(row, record)) {
        return;
    }
    AUTO(json_decref) json_t *object = record_to_json(record);
    r->v = mem_resize(r->v, (r->n + 1) * sizeof(*r->v));
    struct regroup_item *item = &r->v[r->n];
    *item = (struct regroup_item){.crash = stmt_int(row, 0),
                                  .home = stmt_int(row, 1),
                                  .target = stmt_int(row, 2),
                                  .version = stmt_int(row, 3),
                                  .blob = stmt_int(row, 6),
                                  .is_report = crash.sha256 == NULL,
                                  .old_place = stmt_int(row, 7),
                                  .json = json_line(object),
                                  .key = r->n,
                                  .present = crash.present};
    copy_hash(item->old_major, stmt_text(row, 4));
    copy_hash(item->old_minor, stmt_text(row, 5));
    copy_hash(item->major, record->hash_major);
    copy_hash(item->minor, record->hash_minor);
    make_entry(record, item->entry);
    r->n++;
}

static int
sign_all(struct regroup *r, struct err *err)
{
    int64_t after = 0;
    int64_t before = -1;
    int rc = 0;

    while (rc == 0 && after != before) {
        struct stmt *row = NULL;
        before = after;
        rc = db_query(r->store->db, &row, err, sql[RECORDS], "ii", after, (int64_t)PAGE);
        while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
            after = stmt_int(row, 0);
            add_item(r, row);
            rc = 0;
        }
    }
    r->sum->changed = (int64_t)r->n;
    return rc;
}

/* What a hand decided stays, and is asked by the old signature. */
static int
ask_hands(struct regroup *r, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < r->n && rc >= 0; i++) {
        struct regroup_item *item = &r->v[i];
        const struct group_key key = {.blob = item->blob,
                                      .target = item->target,
                                      .version = item->version,
                                      .minor = item->old_minor};
        struct cluster_match match = {0};
        rc = store_decided(r->store, &key, &match, err);
        item->decided = rc == 1;
    }
    return rc < 0 ? rc : 0;
}

/* --- one key --- */

static bool
has_stayed(const struct regroup *r, int64_t bug)
{
    for (size_t at = 0; at + sizeof(bug) <= r->stayed.len; at += sizeof(bug)) {
        int64_t one = 0;
        memcpy(&one, r->stayed.data + at, sizeof(one));
        if (one == bug) {
            return true;
        }
    }
    return false;
}

/* Whether a key of this release stayed with the bug: in this run, or in one that was
 * killed. */
static int
is_taken(struct regroup *r, const struct regroup_weight *weight, bool *taken,
         struct err *err)
{
    int64_t n = 0;
    int rc = r->v[weight->key].version == SIGNATURE_VERSION
                 ? 0
                 : db_int(r->store->db, &n, err, sql[SIGNED_ANEW], "ii", weight->bug,
                          (int64_t)SIGNATURE_VERSION);

    *taken = n > 0 || has_stayed(r, weight->bug);
    return rc;
}

/* The first item that may found a bug; NULL: the bytes of all were dropped. */
static const struct regroup_item *
founder(const struct regroup *r, size_t key)
{
    for (size_t i = key; i < regroup_key_end(r->v, r->n, key); i++) {
        if (r->v[i].present && !r->v[i].decided) {
            return &r->v[i];
        }
    }
    return NULL;
}

/* Where the key goes that no bug is known for. */
static int
settle_owner(struct regroup *r, const struct regroup_weight *weight, int64_t *owner,
             bool *is_new, struct err *err)
{
    const struct regroup_item *first = founder(r, weight->key);
    bool taken = false;
    int rc = is_taken(r, weight, &taken, err);

    *owner = weight->bug;
    if (rc < 0 || !taken || first == NULL) {
        buf_add(&r->stayed, &weight->bug, sizeof(weight->bug));
        return rc;
    }
    const struct chosen from = {
        .crash = first->crash, .blob = first->blob, .target = first->target};
    *is_new = true;
    return store_found_from(r->store, weight->bug, &from, first->major, owner, err);
}

static int
parse_item(const struct regroup_item *item, struct record **out, struct err *err)
{
    AUTO(json_decref) json_t *object = NULL;
    int rc = json_parse(item->json, strlen(item->json), &object, err);

    return rc < 0 ? rc : record_from_json(object, out, err);
}

static int
find_owner(struct regroup *r, const struct regroup_weight *weight, int64_t *owner,
           bool *is_new, struct err *err)
{
    const struct regroup_item *item = &r->v[weight->key];
    AUTO(record_free) struct record *record = NULL;
    struct cluster_match match = {0};
    int rc = parse_item(item, &record, err);
    const struct cluster_clue clue = {.record = record,
                                      .target = item->target,
                                      .blob = item->is_report ? 0 : item->blob};

    rc = rc < 0 ? rc : cluster_find(r->store->db, &clue, &match, err);
    *owner = match.bug;
    if (rc == 0 && match.bug == 0) {
        rc = settle_owner(r, weight, owner, is_new, err);
    }
    if (rc == 0 && match.is_new_key) {
        (void)snprintf(match.why, sizeof(match.why),
                       "regrouped: its crashes have this signature by version %d",
                       SIGNATURE_VERSION);
        rc = cluster_add(r->store->db, &clue, *owner, &match, err);
    }
    r->place = match.place;
    return rc;
}

/* Sign the crash anew, and take it to its bug; one that a hand decided stays. */
static int
sign_item(struct regroup *r, const struct regroup_item *item, int64_t owner,
          struct err *err)
{
    struct db *db = r->store->db;
    int64_t home = item->decided ? item->home : owner;
    int64_t from = 0;
    int64_t to = 0;
    int rc = store_root(r->store, item->home, &from, err);

    rc = rc < 0 ? rc : store_root(r->store, home, &to, err);
    rc = rc < 0 ? rc
                : db_run(db, err, sql[SIGN], "iiiitti", item->crash, to, home,
                         (int64_t)SIGNATURE_VERSION, item->major, item->minor, r->place);
    rc = rc < 0 ? rc : db_run(db, err, sql[PUT_RECORD], "it", item->crash, item->json);
    rc = rc < 0
             ? rc
             : db_run(db, err, sql[SPLIT_AGAIN], "itiit", item->version, item->old_minor,
                      item->target, (int64_t)SIGNATURE_VERSION, item->minor);
    store_moved(&r->part, from, to, from == to ? 0 : 1);
    return rc;
}

static int
follow(struct regroup *r, const struct regroup_item *item, int64_t owner, struct err *err)
{
    struct db *db = r->store->db;
    int64_t from = 0;
    int64_t to = 0;
    int rc = store_root(r->store, item->home, &from, err);

    rc = rc < 0 ? rc : store_root(r->store, owner, &to, err);
    rc = rc < 0 || from == to
             ? rc
             : db_run(db, err, sql[FOLLOW], "itiiiii", item->version, item->old_major,
                      item->target, to, owner, from, item->old_place);
    if (rc == 0 && from != to) {
        store_moved(&r->part, from, to, db_changes(db));
    }
    if (rc < 0 || from == to) {
        return rc;
    }
    return item->old_place != 0
               ? db_run(db, err, sql[FOLLOW_PLACE], "ii", item->old_place, owner)
               : db_run(db, err, sql[FOLLOW_SIGNATURE], "itii", item->version,
                        item->old_major, item->target, owner);
}

/* --- what follows for the bugs --- */

static int
settle_source(struct regroup *r, const struct bug_move *move, struct err *err)
{
    struct settling how = {.actor = r->decision->actor};
    struct moves none = {0};
    int64_t left = 0;
    int64_t root = 0;
    int rc = store_root(r->store, move->from, &root, err);

    if (rc < 0 || root != move->from) { /* an earlier move emptied it */
        return rc;
    }
    rc = store_crashes_of(r->store, move->from, &left, err);
    rc = rc < 0 ? rc : store_examples_follow(r->store, move->from, err);
    if (rc == 0 && left == 0) {
        r->sum->joined++;
        return store_merge_one(r->store, move->to, move->from, r->decision, &none, err);
    }
    rc = rc < 0 ? rc
                : db_int(r->store->db, &how.lender, err, sql[STANDS], "i", move->from);
    return rc < 0 ? rc : store_settle_bug(r->store, move->from, &how, err);
}

static int
settle_moves(struct regroup *r, int64_t owner, bool is_new, struct err *err)
{
    struct settling how = {.actor = r->decision->actor, .is_new = is_new};
    int64_t root = 0;
    int rc = 0;

    for (size_t i = 0; i < r->part.n && rc == 0; i++) {
        const struct bug_move *move = &r->part.v[i];
        const struct hand_event event = {.bug = move->to,
                                         .kind = "bug.regroup",
                                         .other = move->from,
                                         .other_is = "from",
                                         .crashes = move->crashes};
        rc = settle_source(r, move, err);
        rc = rc < 0 ? rc : store_event_by_hand(r->store, r->decision, &event, err);
        store_moved(&r->moves, move->from, move->to, move->crashes);
        r->sum->moved += move->crashes;
    }
    rc = rc < 0 ? rc : store_root(r->store, owner, &root, err);
    rc = rc < 0 ? rc : db_int(r->store->db, &how.lender, err, sql[STANDS], "i", root);
    rc = rc < 0 ? rc : store_settle_bug(r->store, root, &how, err);
    if (rc == 0 && is_new) {
        r->sum->split++;
        rc = store_bug_is_new(r->store, owner, r->decision->actor, err);
    }
    return rc;
}

static int
regroup_key(struct regroup *r, const struct regroup_weight *weight, struct err *err)
{
    size_t end = regroup_key_end(r->v, r->n, weight->key);
    int64_t owner = 0;
    bool is_new = false;
    int rc = weight->n == 0 ? 0 : find_owner(r, weight, &owner, &is_new, err);

    r->place = weight->n == 0 ? 0 : r->place;
    moves_clear(&r->part);
    for (size_t i = weight->key; i < end && rc == 0; i++) {
        rc = sign_item(r, &r->v[i], owner, err);
    }
    for (size_t i = weight->key; i < end && rc == 0; i++) {
        if (r->v[i].leads == weight->key && !r->v[i].decided) {
            rc = follow(r, &r->v[i], owner, err);
        }
    }
    return rc < 0 || weight->n == 0 ? rc : settle_moves(r, owner, is_new, err);
}

/* --- all of it --- */

static int
regroup_keys(struct regroup *r, const struct regroup_weight *weights, size_t n,
             struct err *err)
{
    bool dry = r->decision->dry_run;
    int rc = dry ? db_begin(r->store->db, err) : 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = dry ? 0 : db_begin(r->store->db, err);
        if (rc == 0) {
            rc = regroup_key(r, &weights[i], err);
            rc = dry ? rc : store_end(r->store, rc, err);
        }
    }
    if (dry) {
        db_rollback(r->store->db);
    }
    for (size_t i = 0; i < r->moves.n && rc == 0 && r->decision->moved != NULL; i++) {
        rc = r->decision->moved(r->decision->user, &r->moves.v[i], err);
    }
    return rc;
}

int
store_regroup(struct store *store, const struct decision *decision, struct regrouped *out,
              struct err *err)
{
    AUTO(regroup_clear)
    struct regroup r = {.store = store, .decision = decision, .sum = out};
    size_t n = 0;

    *out = (struct regrouped){0};
    int rc = sign_all(&r, err);
    rc = rc < 0 ? rc : ask_hands(&r, err);
    if (rc < 0) {
        return rc;
    }
    regroup_make_keys(r.v, r.n);
    regroup_choose_leads(r.v, r.n);
    AUTO(mem_free) struct regroup_weight *weights = mem_array(r.n + 1, sizeof(*weights));
    for (size_t i = 0; i < r.n; i = regroup_key_end(r.v, r.n, i)) {
        weights[n++] = regroup_weigh(r.v, r.n, i);
    }
    qsort(weights, n, sizeof(*weights), regroup_by_weight);
    return regroup_keys(&r, weights, n, err);
}
