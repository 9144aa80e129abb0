/* Splitting and pinning, on the tables that store_group.c explains. */
#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    STANDS,
    BUG_FROM,
    PIN,
    UNPIN,
    SPLIT,
    MOVE,
    MOVE_EXACT,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [STANDS] = "SELECT crash FROM bug WHERE id = ?1",
    /* like the bug that it comes from, until it is settled */
    [BUG_FROM] =
        "INSERT INTO bug(target, crash, signature, crash_type, crash_state, sanitizer,"
        " severity, severity_score, computed_severity, computed_score, security, class,"
        " exploitability, cwe, original, reproducer, minimize, first_seen, last_seen,"
        " filed, backlog) SELECT ?2, ?3, ?4, crash_type, crash_state, sanitizer, "
        "severity,"
        " severity_score, computed_severity, computed_score, security, class,"
        " exploitability, cwe, ?5, ?5, 'none', last_seen, first_seen, filed, backlog"
        " FROM bug WHERE id = ?1",
    [PIN] = "INSERT INTO pin(blob, bug, actor, reason, at) VALUES(?1, ?2, ?3, ?4, ?5)"
            " ON CONFLICT(blob) DO UPDATE SET bug = ?2, actor = ?3, reason = ?4, at = ?5",
    [UNPIN] = "DELETE FROM pin WHERE blob = ?1",
    [SPLIT] = "INSERT INTO split(version, minor, target, bug, actor, reason, at)"
              " SELECT DISTINCT c.version, c.minor, c.target, ?3, ?4, ?5, ?6 FROM crash c"
              " WHERE c.bug = ?1 AND c.minor = ?2"
              " ON CONFLICT(version, minor, target) DO UPDATE SET bug = ?3, actor = ?4,"
              " reason = ?5, at = ?6",
    [MOVE] = "UPDATE crash SET bug = ?2, home = nullif(?3, ?2)"
             " WHERE id = ?1 AND bug IS NOT ?2",
    /* a pin has the last word */
    [MOVE_EXACT] = "UPDATE crash SET bug = ?3, home = NULL WHERE bug = ?1 AND minor = ?2"
                   " AND NOT EXISTS (SELECT 1 FROM pin WHERE pin.blob = crash.blob)",
};
const struct store_sql store_split_sql = {sql, STATEMENTS};

static const char *
reason_of(const struct decision *decision)
{
    return decision->reason == NULL ? "" : decision->reason;
}

static int
pin_bytes(struct store *store, int64_t blob, int64_t bug, const struct decision *decision,
          struct err *err)
{
    return db_run(store->db, err, sql[PIN], "iitti", blob, bug, decision->actor,
                  reason_of(decision), clock_wall_ms());
}

/* --- split --- */

struct splitting {
    struct store *store;
    const struct decision *decision;
    int64_t from, to;
    struct chosen_list named; /* by their bytes */
    struct strv minors;       /* exact signatures that go */
    struct moves moves;
};

static void
splitting_clear(struct splitting *splitting)
{
    chosen_list_clear(&splitting->named);
    strv_clear(&splitting->minors);
    moves_clear(&splitting->moves);
}
AUTO_DEFINE_CLEAR(struct splitting, splitting_clear)

static void
add_minor(struct strv *minors, const char *minor)
{
    for (size_t i = 0; i < minors->n; i++) {
        if (strcmp(minors->v[i], minor) == 0) {
            return;
        }
    }
    strv_add(minors, minor);
}

static int
check_named(const struct splitting *s, struct err *err)
{
    for (size_t i = 0; i < s->named.n; i++) {
        const struct chosen *one = &s->named.v[i];
        if (one->bug == 0) {
            return err_set(err, -EINVAL, "crash %.12s is %s and belongs to no bug",
                           one->sha256, one->state);
        }
        if (one->bug != s->from) {
            return err_set(err, -EINVAL, "crash %.12s belongs to NJ-%lld, not to NJ-%lld",
                           one->sha256, (long long)one->bug, (long long)s->from);
        }
    }
    return 0;
}

static int
choose(struct splitting *s, const struct strv *which, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < which->n && rc == 0; i++) {
        if (store_is_minor(which->v[i])) {
            add_minor(&s->minors, which->v[i]);
        } else {
            rc = store_choose(s->store, s->from, which->v[i], &s->named, err);
        }
    }
    rc = rc < 0 ? rc : check_named(s, err);
    for (size_t i = 0; rc == 0 && i < s->named.n && !s->decision->bytes_only; i++) {
        add_minor(&s->minors, s->named.v[i].minor);
    }
    return rc;
}

/* The crash that the new bug begins with: one that has its bytes. */
static int
first_of(struct splitting *s, struct chosen *out, struct err *err)
{
    for (size_t i = 0; i < s->named.n; i++) {
        if (s->named.v[i].present) {
            *out = s->named.v[i];
            return 0;
        }
    }
    for (size_t i = 0; i < s->minors.n; i++) {
        int rc = store_choose_exact(s->store, s->from, s->minors.v[i], out, err);
        if (rc != -ENODATA) {
            return rc;
        }
    }
    return err_set(err, -EINVAL,
                   "no crash of NJ-%lld is meant by that, or the bytes of all that are "
                   "were dropped: nightjar bugs --crashes lists what there is",
                   (long long)s->from);
}

int
store_found_from(struct store *store, int64_t from, const struct chosen *first,
                 const char *major, int64_t *out, struct err *err)
{
    int rc = db_run(store->db, err, sql[BUG_FROM], "iiiti", from, first->target,
                    first->crash, major, first->blob);

    *out = db_last_id(store->db);
    return rc;
}

static int
found_bug(struct splitting *s, struct err *err)
{
    struct chosen first = {0};
    int rc = first_of(s, &first, err);

    return rc < 0 ? rc
                  : store_found_from(s->store, s->from, &first, first.major, &s->to, err);
}

static int
move_all(struct splitting *s, struct err *err)
{
    struct db *db = s->store->db;
    int64_t moved = 0;
    int rc = 0;

    for (size_t i = 0; i < s->named.n && rc == 0; i++) {
        rc = pin_bytes(s->store, s->named.v[i].blob, s->to, s->decision, err);
        rc = rc < 0
                 ? rc
                 : db_run(db, err, sql[MOVE], "iii", s->named.v[i].crash, s->to, s->to);
        moved += rc == 0 ? db_changes(db) : 0;
    }
    for (size_t i = 0; i < s->minors.n && rc == 0; i++) {
        rc = db_run(db, err, sql[SPLIT], "ititti", s->from, s->minors.v[i], s->to,
                    s->decision->actor, reason_of(s->decision), clock_wall_ms());
        rc = rc < 0 ? rc
                    : db_run(db, err, sql[MOVE_EXACT], "iti", s->from, s->minors.v[i],
                             s->to);
        moved += rc == 0 ? db_changes(db) : 0;
    }
    store_moved(&s->moves, s->from, s->to, moved);
    return rc;
}

static int
check_left(struct splitting *s, struct err *err)
{
    int64_t left = 0;
    int rc = store_crashes_of(s->store, s->from, &left, err);

    if (rc < 0 || left > 0) {
        return rc;
    }
    return err_set(err, -EINVAL,
                   "that is all of NJ-%lld: all its crashes have the exact signature of "
                   "what is named; --bytes-only takes the named bytes alone",
                   (long long)s->from);
}

/* Both rows anew, then the events, which tell what they say. */
static int
settle_both(struct splitting *s, struct err *err)
{
    int64_t lender = 0;
    int rc = db_int(s->store->db, &lender, err, sql[STANDS], "i", s->from);
    const struct settling fresh = {
        .actor = s->decision->actor, .lender = lender, .is_new = true};
    const struct settling old = {.actor = s->decision->actor, .lender = lender};
    const struct hand_event event = {.bug = s->from,
                                     .kind = "bug.split",
                                     .other = s->to,
                                     .other_is = "split_off",
                                     .crashes =
                                         s->moves.n > 0 ? s->moves.v[0].crashes : 0};

    rc = rc < 0 ? rc : store_examples_follow(s->store, s->from, err);
    rc = rc < 0 ? rc : store_settle_bug(s->store, s->to, &fresh, err);
    rc = rc < 0 ? rc : store_bug_is_new(s->store, s->to, s->decision->actor, err);
    rc = rc < 0 ? rc : store_settle_bug(s->store, s->from, &old, err);
    return rc < 0 ? rc : store_event_by_hand(s->store, s->decision, &event, err);
}

static int
split(struct splitting *s, const struct strv *which, int64_t bug, struct err *err)
{
    int rc = store_root(s->store, bug, &s->from, err);

    rc = rc < 0 ? rc : choose(s, which, err);
    rc = rc < 0 ? rc : found_bug(s, err);
    rc = rc < 0 ? rc : move_all(s, err);
    rc = rc < 0 ? rc : check_left(s, err);
    return rc < 0 ? rc : settle_both(s, err);
}

int
store_split(struct store *store, int64_t bug, const struct strv *which,
            const struct decision *decision, int64_t *out, struct err *err)
{
    AUTO(splitting_clear)
    struct splitting s = {.store = store, .decision = decision};
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = split(&s, which, bug, err);
    *out = s.to;
    return store_decide_end(store, decision, &s.moves, rc, err);
}

/* --- pin --- */

struct pinning {
    struct store *store;
    const struct decision *decision;
    int64_t bug;     /* 0: unpin */
    int64_t root;    /* what `bug` is a duplicate of, or it */
    int64_t changed; /* pins */
    struct chosen_list list;
    struct moves moves;
};

static void
pinning_clear(struct pinning *pinning)
{
    chosen_list_clear(&pinning->list);
    moves_clear(&pinning->moves);
}
AUTO_DEFINE_CLEAR(struct pinning, pinning_clear)

/* Take a crash to where it belongs now. */
static int
move_one(struct pinning *p, const struct chosen *one, struct err *err)
{
    const struct group_key key = {.blob = one->blob,
                                  .target = one->target,
                                  .version = one->version,
                                  .major = one->major,
                                  .minor = one->minor,
                                  .place = one->place};
    int64_t home = 0;
    int64_t root = 0;

    if (one->bug == 0) { /* it waits: it will be asked for then */
        return 0;
    }
    int rc = store_home(p->store, &key, &home, err);
    rc = rc < 0 ? rc : store_root(p->store, home, &root, err);
    rc =
        rc < 0 ? rc : db_run(p->store->db, err, sql[MOVE], "iii", one->crash, root, home);
    if (rc == 0 && db_changes(p->store->db) > 0) {
        store_moved(&p->moves, one->bug, root, 1);
    }
    return rc;
}

static int
settle_ends(struct pinning *p, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < p->moves.n && rc == 0; i++) {
        const struct bug_move *move = &p->moves.v[i];
        int64_t lender = 0;
        int64_t left = 0;
        rc = store_crashes_of(p->store, move->from, &left, err);
        if (rc == 0 && left == 0) {
            return err_set(err, -EINVAL,
                           "that is all of NJ-%lld: nightjar bugs merge NJ-%lld NJ-%lld",
                           (long long)move->from, (long long)move->to,
                           (long long)move->from);
        }
        rc = rc < 0 ? rc
                    : db_int(p->store->db, &lender, err, sql[STANDS], "i", move->from);
        const struct settling how = {.actor = p->decision->actor, .lender = lender};
        rc = rc < 0 ? rc : store_examples_follow(p->store, move->from, err);
        rc = rc < 0 ? rc : store_settle_bug(p->store, move->to, &how, err);
        rc = rc < 0 ? rc : store_settle_bug(p->store, move->from, &how, err);
    }
    return rc;
}

static int
change_pin(struct pinning *p, const struct chosen *one, struct err *err)
{
    bool waits = strcmp(one->state, "queued") == 0;

    if (one->bug == 0 && !waits) {
        return err_set(err, -EINVAL, "crash %.12s is %s and showed no bug", one->sha256,
                       one->state);
    }
    int rc = p->bug == 0 ? db_run(p->store->db, err, sql[UNPIN], "i", one->blob)
                         : pin_bytes(p->store, one->blob, p->bug, p->decision, err);
    p->changed += rc == 0 ? db_changes(p->store->db) : 0;
    return rc;
}

static int
pin_all(struct pinning *p, const struct strv *which, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < which->n && rc == 0; i++) {
        rc = store_choose(p->store, p->root, which->v[i], &p->list, err);
    }
    for (size_t i = 0; i < p->list.n && rc == 0; i++) {
        rc = change_pin(p, &p->list.v[i], err);
    }
    if (rc == 0 && p->changed == 0) {
        return err_set(err, -EINVAL, "crash %.12s is not pinned", p->list.v[0].sha256);
    }
    for (size_t i = 0; i < p->list.n && rc == 0; i++) {
        rc = move_one(p, &p->list.v[i], err);
    }
    return rc < 0 ? rc : settle_ends(p, err);
}

static int
pin(struct pinning *p, int64_t bug, const struct strv *which, struct err *err)
{
    struct hand_event event = {.bug = bug, .kind = p->bug == 0 ? "bug.unpin" : "bug.pin"};
    int rc = db_begin(p->store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = store_root(p->store, bug, &p->root, err);
    rc = rc < 0 ? rc : pin_all(p, which, err);
    event.crashes = (int64_t)p->list.n;
    rc = rc < 0 ? rc : store_event_by_hand(p->store, p->decision, &event, err);
    return store_decide_end(p->store, p->decision, &p->moves, rc, err);
}

int
store_pin(struct store *store, int64_t bug, const struct strv *which,
          const struct decision *decision, struct err *err)
{
    AUTO(pinning_clear)
    struct pinning p = {.store = store, .decision = decision, .bug = bug};

    return pin(&p, bug, which, err);
}

int
store_unpin(struct store *store, int64_t bug, const struct strv *which,
            const struct decision *decision, struct err *err)
{
    AUTO(pinning_clear)
    struct pinning p = {.store = store, .decision = decision};

    return pin(&p, bug, which, err);
}
