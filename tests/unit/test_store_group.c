#include "tests/unit/store_fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

/* Frames that count are the same; the exact stacks differ. */
static const struct said one = {.frames = {"parse", "load", "main"}};
static const struct said same_top = {.frames = {"parse", "load", "main"},
                                     .file = "/src/t/other.c"};
static const struct said two = {.frames = {"draw", "load", "main"}};
static const struct said three = {.frames = {"fold", "load", "main"}};
static const struct said worse = {.write = true, .frames = {"draw", "load", "main"}};

static int
list_move(void *user, const struct bug_move *move, struct err *err)
{
    struct buf *out = user;

    (void)err;
    buf_addf(out, "%lld NJ-%lld->NJ-%lld ", (long long)move->crashes,
             (long long)move->from, (long long)move->to);
    return 0;
}

static void
assert_merged(struct fixture *fix, int64_t bug, int64_t other, const char *moves)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    const struct decision decision = {
        .actor = "eve", .reason = "one fault", .moved = list_move, .user = &out};
    AUTO(buf_clear) struct buf others = BUF_INIT;

    buf_add(&others, &other, sizeof(other));
    must(fix, store_merge(fix->store, bug, &others, &decision, &fix->err));
    assert_string_equal(buf_str(&out), moves);
    assert_clean(fix);
}

static int
unmerge(struct fixture *fix, int64_t bug)
{
    const struct decision decision = {.actor = "eve"};
    AUTO(buf_clear) struct buf bugs = BUF_INIT;

    buf_add(&bugs, &bug, sizeof(bug));
    return store_unmerge(fix->store, &bugs, &decision, &fix->err);
}

static int64_t
bug_of(struct fixture *fix, int64_t crash)
{
    AUTO(mem_free)
    char *query = mem_printf("SELECT coalesce(bug, 0) FROM crash WHERE id = %lld",
                             (long long)crash);
    struct err err = ERR_INIT;
    AUTO(store_close) struct store *store = NULL;
    int64_t bug = -1;

    /* a statement is known by its address: not through the fixture's connection */
    assert_int_equal(store_open(fix->state, DB_READ, &store, &err), 0);
    assert_int_equal(db_int(store_db(store), &bug, &err, query, ""), 0);
    return bug;
}

/* --- merge --- */

static void
test_merge_moves_crashes_and_later_ones(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &two);
    (void)triage(fix, "22", &two);
    assert_merged(fix, 1, 2, "2 NJ-2->NJ-1 ");
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_int_equal(bug.crashes, 3);
    assert_int_equal(triage(fix, "222", &two).bug, 1);
    assert_clean(fix);
    assert_int_equal(number(fix, "SELECT crashes FROM bug WHERE id = 1"), 4);
    assert_int_equal(
        number(fix, "SELECT count(*) FROM event WHERE actor = 'eve' AND subject_id = 2"
                    " AND from_state = 'new' AND to_state = 'duplicate'"
                    " AND json_extract(detail, '$.reason') = 'one fault'"
                    " AND json_extract(detail, '$.duplicate_of') = 'NJ-1'"),
        1);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.merge'"
                                 " AND subject_id = 1"),
                     1);
}

static void
test_merge_lets_the_worst_stand_for_the_bug_and_undo_takes_it_back(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &worse);
    assert_int_equal(number(fix, "SELECT severity FROM bug WHERE id = 1"),
                     SEVERITY_MEDIUM);
    assert_merged(fix, 1, 2, "1 NJ-2->NJ-1 ");
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_int_equal(bug.severity, SEVERITY_HIGH);
    assert_int_equal(bug.crash, 2);
    assert_string_equal(bug.crash_type, "Heap-buffer-overflow\nWRITE 4");
    (void)triage(fix, "22", &worse);
    must(fix, unmerge(fix, 2));
    assert_clean(fix);
    assert_int_equal(number(fix, "SELECT severity FROM bug WHERE id = 1"),
                     SEVERITY_MEDIUM);
    assert_int_equal(number(fix, "SELECT crashes FROM bug WHERE id = 2"), 2);
    assert_int_equal(number(fix, "SELECT state = 'new' FROM bug WHERE id = 2"), 1);
    assert_int_equal(triage(fix, "222", &worse).bug, 2);
    assert_clean(fix);
}

static void
test_merges_chain_and_are_undone_one_by_one(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &two);
    (void)triage(fix, "3", &three);
    assert_merged(fix, 2, 3, "1 NJ-3->NJ-2 ");
    assert_merged(fix, 1, 2, "2 NJ-2->NJ-1 ");
    assert_int_equal(triage(fix, "33", &three).bug, 1);
    assert_clean(fix);
    must(fix, unmerge(fix, 2));
    assert_clean(fix);
    assert_int_equal(bug_of(fix, 3), 2);
    assert_int_equal(bug_of(fix, 4), 2);
    must(fix, unmerge(fix, 3));
    assert_clean(fix);
    assert_int_equal(bug_of(fix, 4), 3);
}

static void
test_merge_says_what_is_wrong(void **state)
{
    struct fixture *fix = *state;
    const struct decision decision = {.actor = "eve"};
    const struct {
        int64_t bug, other;
        int code;
        const char *wanted;
    } rows[] = {
        {1, 1, -EINVAL, "NJ-1 is NJ-1 already"},
        {1, 2, -EINVAL, "NJ-2 is part of NJ-1 already"},
        {2, 1, -EINVAL, "NJ-1 is NJ-1 already"},
        {3, 2, -EINVAL,
         "NJ-2 is a duplicate of NJ-1: merge that, or take it back first with nightjar "
         "bugs merge --undo NJ-2"},
        {1, 9, -ENODATA, "there is no bug NJ-9 here (nightjar bugs lists them)"},
        {9, 1, -ENODATA, "there is no bug NJ-9 here (nightjar bugs lists them)"},
    };

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &two);
    (void)triage(fix, "3", &three);
    assert_merged(fix, 1, 2, "1 NJ-2->NJ-1 ");
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_clear) struct buf others = BUF_INIT;
        buf_add(&others, &rows[i].other, sizeof(rows[i].other));
        assert_int_equal(
            store_merge(fix->store, rows[i].bug, &others, &decision, &fix->err),
            rows[i].code);
        assert_string_equal(fix->err.msg, rows[i].wanted);
    }
    assert_int_equal(unmerge(fix, 3), -EINVAL);
    assert_string_equal(fix->err.msg, "NJ-3 is no duplicate: there is nothing to undo");
    assert_clean(fix);
}

static void
test_dry_run_says_what_would_move_and_moves_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf out = BUF_INIT;
    AUTO(buf_clear) struct buf others = BUF_INIT;
    const struct decision decision = {
        .actor = "eve", .dry_run = true, .moved = list_move, .user = &out};
    const int64_t other = 2;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &two);
    buf_add(&others, &other, sizeof(other));
    must(fix, store_merge(fix->store, 1, &others, &decision, &fix->err));
    assert_string_equal(buf_str(&out), "1 NJ-2->NJ-1 ");
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE actor = 'eve'"), 0);
    assert_int_equal(number(fix, "SELECT crashes FROM bug WHERE id = 2"), 1);
    assert_clean(fix);
}

/* --- split --- */

static int
split(struct fixture *fix, int64_t bug, const char *what, int64_t *out)
{
    AUTO(strv_clear) struct strv which = {0};
    const struct decision decision = {.actor = "eve", .reason = "two faults"};

    strv_add(&which, what);
    return store_split(fix->store, bug, &which, &decision, out, &fix->err);
}

static void
sha_of(struct fixture *fix, int64_t crash, char out[HASH_HEX_MAX])
{
    static const char query[] =
        "SELECT b.sha256 FROM crash c JOIN blob b ON b.id = c.blob WHERE c.id = ?1";
    struct stmt *row = NULL;

    must(fix, db_query(store_db(fix->store), &row, &fix->err, query, "i", crash));
    assert_int_equal(stmt_step(row, &fix->err), 1);
    (void)snprintf(out, HASH_HEX_MAX, "%s", stmt_text(row, 0));
    stmt_reset(row);
}

static void
test_split_takes_exact_stacks_to_a_new_bug_now_and_later(void **state)
{
    struct fixture *fix = *state;
    char sha256[HASH_HEX_MAX];
    int64_t bug = 0;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &same_top);
    assert_int_equal(triage(fix, "22", &same_top).bug, 1);
    sha_of(fix, 2, sha256);
    sha256[12] = '\0'; /* as the table shows it */
    must(fix, split(fix, 1, sha256, &bug));
    assert_int_equal(bug, 2);
    assert_clean(fix);
    assert_int_equal(bug_of(fix, 1), 1);
    assert_int_equal(bug_of(fix, 2), 2);
    assert_int_equal(bug_of(fix, 3), 2);
    assert_int_equal(triage(fix, "222", &same_top).bug, 2);
    assert_int_equal(triage(fix, "11", &one).bug, 1);
    assert_clean(fix);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.new'"
                                 " AND subject_id = 2 AND actor = 'eve'"),
                     1);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.split' AND"
                                 " subject_id = 1 AND"
                                 " json_extract(detail, '$.split_off') = 'NJ-2' AND"
                                 " json_extract(detail, '$.crashes') = 2"),
                     1);
}

static void
test_split_of_bytes_alone_leaves_equal_stacks(void **state)
{
    struct fixture *fix = *state;
    AUTO(strv_clear) struct strv which = {0};
    const struct decision bytes = {.actor = "eve", .bytes_only = true};
    AUTO(mem_free) char *path = fs_join(fix->folder, "2");
    int64_t bug = 0;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &one);
    assert_int_equal(split(fix, 1, path, &bug), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "that is all of NJ-1: all its crashes have the exact signature "
                        "of what is named; --bytes-only takes the named bytes alone");
    assert_clean(fix);
    strv_add(&which, path);
    must(fix, store_split(fix->store, 1, &which, &bytes, &bug, &fix->err));
    assert_clean(fix);
    assert_int_equal(bug_of(fix, 1), 1);
    assert_int_equal(bug_of(fix, 2), 2);
    assert_int_equal(triage(fix, "11", &one).bug, 1);
    /* the same bytes in another target: the pin knows them */
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "2", &two).bug, 2);
    assert_clean(fix);
}

static void
test_split_lends_a_stack_to_what_kept_none(void **state)
{
    struct fixture *fix = *state;
    char sha256[HASH_HEX_MAX];
    int64_t bug = 0;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &same_top);
    execute(fix, "DELETE FROM record WHERE crash = 2");
    sha_of(fix, 2, sha256);
    must(fix, split(fix, 1, sha256, &bug));
    assert_int_equal(number(fix, "SELECT count(*) FROM record WHERE crash = 2"), 1);
    assert_clean(fix);
}

static void
test_split_says_what_is_wrong(void **state)
{
    struct fixture *fix = *state;
    char sha256[HASH_HEX_MAX];
    AUTO(mem_free) char *wanted = NULL;
    int64_t bug = 0;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &two);
    sha_of(fix, 2, sha256);
    wanted = mem_printf("crash %.12s belongs to NJ-2, not to NJ-1", sha256);
    assert_int_equal(split(fix, 1, sha256, &bug), -EINVAL);
    assert_string_equal(fix->err.msg, wanted);
    assert_int_equal(split(fix, 1, "00000000\033", &bug), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "'00000000\\x1b' is no crash that is known here, neither by its "
                        "SHA-256 nor by its path: nightjar bugs --crashes lists both");
    assert_int_equal(split(fix, 1, "0123456789012345678901234567890123456789", &bug),
                     -EINVAL);
    assert_int_equal(split(fix, 7, sha256, &bug), -ENODATA);
    execute(fix, "UPDATE blob SET state = 'dropped' WHERE id = 1");
    assert_int_equal(number(fix, "SELECT count(*) FROM bug"), 2);
}

/* --- pin --- */

static int
pin(struct fixture *fix, int64_t bug, int64_t crash)
{
    AUTO(strv_clear) struct strv which = {0};
    const struct decision decision = {.actor = "eve", .reason = "seen in gdb"};
    char sha256[HASH_HEX_MAX];

    sha_of(fix, crash, sha256);
    strv_add(&which, sha256);
    return store_pin(fix->store, bug, &which, &decision, &fix->err);
}

static int
unpin(struct fixture *fix, int64_t bug, int64_t crash)
{
    AUTO(strv_clear) struct strv which = {0};
    const struct decision decision = {.actor = "eve"};
    char sha256[HASH_HEX_MAX];

    sha_of(fix, crash, sha256);
    strv_add(&which, sha256);
    return store_unpin(fix->store, bug, &which, &decision, &fix->err);
}

static void
test_pin_holds_a_crash_against_every_rule(void **state)
{
    struct fixture *fix = *state;
    int64_t bug = 0;
    char sha256[HASH_HEX_MAX];

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &same_top);
    (void)triage(fix, "22", &same_top);
    must(fix, pin(fix, 1, 2));
    sha_of(fix, 3, sha256);
    must(fix, split(fix, 1, sha256, &bug));
    assert_int_equal(bug_of(fix, 2), 1); /* its exact stack was split off; it is pinned */
    assert_int_equal(bug_of(fix, 3), 2);
    assert_clean(fix);
    must(fix, unpin(fix, 1, 2));
    assert_int_equal(bug_of(fix, 2), 2);
    assert_clean(fix);
    must(fix, pin(fix, 1, 2));
    assert_int_equal(bug_of(fix, 2), 1);
    assert_clean(fix);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.pin'"
                                 " AND actor = 'eve'"),
                     2);
}

static void
test_pin_waits_for_a_crash_that_is_queued(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "1", &one);
    (void)give(fix, "2", "2");
    must(fix, pin(fix, 1, 2));
    assert_int_equal(triage_next(fix, &two).bug, 1);
    assert_clean(fix);
    /* the signature was not learned from it */
    assert_int_equal(triage(fix, "22", &two).bug, 2);
    assert_clean(fix);
}

static void
test_pin_says_what_is_wrong(void **state)
{
    struct fixture *fix = *state;
    const struct said clean = {.outcome = "clean"};
    char sha256[HASH_HEX_MAX];

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &two);
    (void)triage(fix, "3", &clean);
    assert_int_equal(pin(fix, 1, 2), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "that is all of NJ-2: nightjar bugs merge NJ-1 NJ-2");
    sha_of(fix, 3, sha256);
    AUTO(mem_free)
    char *wanted = mem_printf("crash %.12s is triaged and showed no bug", sha256);
    assert_int_equal(pin(fix, 1, 3), -EINVAL);
    assert_string_equal(fix->err.msg, wanted);
    sha_of(fix, 1, sha256);
    AUTO(mem_free) char *free_ = mem_printf("crash %.12s is not pinned", sha256);
    assert_int_equal(unpin(fix, 1, 1), -EINVAL);
    assert_string_equal(fix->err.msg, free_);
    assert_int_equal(pin(fix, 9, 1), -ENODATA);
    assert_int_equal(number(fix, "SELECT count(*) FROM pin"), 0);
    assert_clean(fix);
}

/* --- killed in between --- */

static int
    steps_left; /* until this process kills itself; before and after each statement */

static int
count_down(unsigned what, void *context, void *statement, void *detail)
{
    (void)what;
    (void)context;
    (void)statement;
    (void)detail;
    if (--steps_left == 0) {
        (void)raise(SIGKILL);
    }
    return 0;
}

static int
watch(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
    (void)message;
    (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT | SQLITE_TRACE_PROFILE, count_down,
                            NULL);
}

static int
merge_two(struct fixture *fix)
{
    const struct decision decision = {.actor = "eve"};
    AUTO(buf_clear) struct buf others = BUF_INIT;
    const int64_t other = 2;

    buf_add(&others, &other, sizeof(other));
    return store_merge(fix->store, 1, &others, &decision, &fix->err);
}

static int
split_second(struct fixture *fix)
{
    char sha256[HASH_HEX_MAX];
    int64_t bug = 0;

    sha_of(fix, 2, sha256);
    return split(fix, 1, sha256, &bug);
}

/* Do it in a process that is killed at the given step; whether it was. */
static bool
is_killed(struct fixture *fix, int (*act)(struct fixture *), int step)
{
    int status = 0;

    store_close(STEAL(fix->store));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        steps_left = step;
        (void)sqlite3_auto_extension((void (*)(void))watch);
        int rc = store_open(fix->state, DB_WRITE, &fix->store, &fix->err);
        _exit(rc < 0 || act(fix) < 0 ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    must(fix, store_open(fix->state, DB_WRITE, &fix->store, &fix->err));
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL
                                    : WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

/* Kill it at each step in turn until it was done: before that nothing was, then all, the
 * event as well. `done` counts the crashes where they belong then, `event` its events. */
static void
assert_whole(struct fixture *fix, int (*act)(struct fixture *), const char *done,
             const char *event)
{
    int step = 1;
    bool killed = true;

    while (killed && number(fix, done) == 0) {
        assert_int_equal(number(fix, event), 0);
        killed = is_killed(fix, act, step++);
        assert_clean(fix);
    }
    assert_int_equal(number(fix, done), 2);
    assert_int_equal(number(fix, event), 1);
    assert_true(step > 20); /* it has that many steps to be killed at */
}

static void
test_merge_that_is_killed_is_whole(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &two);
    (void)triage(fix, "22", &two);
    assert_whole(fix, merge_two, "SELECT count(*) FROM crash WHERE id > 1 AND bug = 1",
                 "SELECT count(*) FROM event WHERE kind = 'bug.merge'");
}

static void
test_split_that_is_killed_is_whole(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &same_top);
    (void)triage(fix, "22", &same_top);
    assert_whole(fix, split_second, "SELECT count(*) FROM crash WHERE id > 1 AND bug = 2",
                 "SELECT count(*) FROM event WHERE kind = 'bug.split'");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_merge_moves_crashes_and_later_ones),
        TEST(test_merge_lets_the_worst_stand_for_the_bug_and_undo_takes_it_back),
        TEST(test_merges_chain_and_are_undone_one_by_one),
        TEST(test_merge_says_what_is_wrong),
        TEST(test_dry_run_says_what_would_move_and_moves_nothing),
        TEST(test_split_takes_exact_stacks_to_a_new_bug_now_and_later),
        TEST(test_split_of_bytes_alone_leaves_equal_stacks),
        TEST(test_split_lends_a_stack_to_what_kept_none),
        TEST(test_split_says_what_is_wrong),
        TEST(test_pin_holds_a_crash_against_every_rule),
        TEST(test_pin_waits_for_a_crash_that_is_queued),
        TEST(test_pin_says_what_is_wrong),
        TEST(test_merge_that_is_killed_is_whole),
        TEST(test_split_that_is_killed_is_whole),
    };

    return cmocka_run_group_tests_name("store_group", tests, NULL, NULL);
}
