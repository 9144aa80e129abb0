#include "tests/unit/store_fixture.h"

static const struct said one = {.frames = {"parse", "load", "main"}};
static const struct said other_stack = {.frames = {"parse", "load", "main"},
                                        .file = "/src/t/other.c"};
static const struct said two = {.frames = {"draw", "load", "main"}};

/* What an older release may have left: each bug's crashes have one old signature, and the
 * records are what they are. */
static void
make_older(struct fixture *fix)
{
    execute(fix,
            "UPDATE crash SET version = version - 1, major = 'old' || bug,"
            " minor = 'old' || id WHERE bug IS NOT NULL;"
            "DELETE FROM signature;"
            "INSERT INTO signature SELECT DISTINCT version, major, target, bug, 'old',"
            " 1 FROM crash WHERE bug IS NOT NULL;"
            "UPDATE example SET name = 'old' || crash WHERE kind = 'stack'");
}

static void
give_record_of(struct fixture *fix, int64_t to, int64_t from)
{
    static const char query[] =
        "UPDATE record SET json = (SELECT json FROM record WHERE crash = ?2)"
        " WHERE crash = ?1";

    must(fix, db_run(store_db(fix->store), &fix->err, query, "ii", to, from));
}

static int
list_move(void *user, const struct bug_move *move, struct err *err)
{
    struct buf *out = user;

    (void)err;
    buf_addf(out, "NJ-%lld: %lld -> NJ-%lld; ", (long long)move->from,
             (long long)move->crashes, (long long)move->to);
    return 0;
}

static void
assert_regrouped(struct fixture *fix, bool apply, const char *moves)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    const struct decision decision = {
        .actor = "eve", .dry_run = !apply, .moved = list_move, .user = &out};
    struct regrouped sum;

    must(fix, store_regroup(fix->store, &decision, &sum, &fix->err));
    assert_string_equal(buf_str(&out), moves);
    assert_clean(fix);
}

#define BUG_OF(id) number(fix, "SELECT bug FROM crash WHERE id = " #id)

static void
test_same_rules_move_nothing_and_sign_anew(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &two);
    assert_regrouped(fix, true, "");
    make_older(fix);
    assert_clean(fix);
    assert_regrouped(fix, true, "");
    assert_int_equal(number(fix, "SELECT count(DISTINCT version) FROM crash"), 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM signature"),
                     4); /* old ones stay */
    assert_int_equal(triage(fix, "11", &one).bug, 1);
    assert_int_equal(triage(fix, "22", &two).bug, 2);
    assert_clean(fix);
}

static void
test_bugs_with_one_new_signature_join(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "1", &two);
    (void)triage(fix, "2", &one);
    (void)triage(fix, "22", &other_stack);
    (void)triage(fix, "222", &one); /* keeps no record: it follows */
    give_record_of(fix, 1, 2);
    make_older(fix);
    assert_regrouped(fix, false, "NJ-1: 1 -> NJ-2; ");
    assert_int_equal(number(fix, "SELECT count(*) FROM bug WHERE state = 'duplicate'"),
                     0);
    assert_regrouped(fix, true,
                     "NJ-1: 1 -> NJ-2; "); /* the bug that has most keeps its id */
    assert_int_equal(number(fix, "SELECT crashes FROM bug WHERE id = 2"), 4);
    assert_int_equal(number(fix, "SELECT duplicate_of FROM bug WHERE id = 1"), 2);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.regroup'"
                                 " AND subject_id = 2 AND actor = 'eve'"),
                     1);
    assert_int_equal(triage(fix, "2222", &one).bug, 2);
    assert_regrouped(fix, true, "");
}

static void
test_bug_with_two_new_signatures_splits(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &other_stack);
    (void)triage(fix, "3", &two);
    execute(fix, "UPDATE crash SET bug = 1, home = NULL WHERE id = 3");
    execute(fix, "UPDATE bug SET state = 'duplicate', duplicate_of = 1 WHERE id = 2;"
                 "INSERT INTO event(at, kind, subject, subject_id, from_state, to_state,"
                 " actor) VALUES(1, 'bug.state', 'bug', 2, 'new', 'duplicate', 'x')");
    execute(fix, "DELETE FROM example WHERE bug = 2");
    make_older(fix);
    assert_regrouped(fix, false, "NJ-1: 1 -> NJ-3; ");
    assert_regrouped(fix, true, "NJ-1: 1 -> NJ-3; ");
    assert_int_equal(BUG_OF(1), 1);
    assert_int_equal(BUG_OF(2), 1);
    assert_int_equal(BUG_OF(3), 3);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.new'"
                                 " AND subject_id = 3"),
                     1);
    assert_int_equal(triage(fix, "33", &two).bug, 3);
    assert_clean(fix);
}

static void
test_what_a_hand_decided_stays(void **state)
{
    struct fixture *fix = *state;
    AUTO(strv_clear) struct strv which = {0};
    AUTO(buf_clear) struct buf others = BUF_INIT;
    AUTO(mem_free) char *path = fs_join(fix->folder, "22");
    const struct decision eve = {.actor = "eve"};
    const int64_t second = 2;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &two);
    (void)triage(fix, "22", &two);
    strv_add(&which, path);
    must(fix, store_pin(fix->store, 1, &which, &eve, &fix->err));
    make_older(fix);
    assert_regrouped(fix, true, "");
    assert_int_equal(BUG_OF(3), 1);
    buf_add(&others, &second, sizeof(second));
    must(fix, store_merge(fix->store, 1, &others, &eve, &fix->err));
    execute(fix, "UPDATE crash SET version = version - 1, major = 'older' || id");
    execute(fix, "INSERT INTO signature SELECT version, major, target,"
                 " coalesce(home, bug), 'old', 1 FROM crash WHERE id < 3");
    assert_regrouped(fix, true, "");
    assert_int_equal(number(fix, "SELECT crashes FROM bug WHERE id = 1"), 3);
    assert_int_equal(triage(fix, "222", &two).bug, 1);
    must(fix, store_unmerge(fix->store, &others, &eve, &fix->err));
    assert_int_equal(BUG_OF(2), 2);
    assert_int_equal(BUG_OF(3), 1);
    assert_clean(fix);
}

static void
test_new_crash_finds_its_bug_before_regrouping(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &two);
    make_older(fix);
    assert_int_equal(triage(fix, "11", &one).bug, 1);
    assert_int_equal(triage(fix, "111", &one).bug, 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug"), 2);
    assert_clean(fix);
    assert_regrouped(fix, true, "");
    assert_int_equal(number(fix, "SELECT crashes FROM bug WHERE id = 1"), 3);
}

static void
test_interrupted_regrouping_goes_on(void **state)
{
    struct fixture *fix = *state;
    const struct decision decision = {.actor = "eve"};
    struct regrouped sum;

    (void)triage(fix, "1", &two);
    (void)triage(fix, "2", &one);
    (void)triage(fix, "22", &other_stack);
    give_record_of(fix, 1, 2);
    make_older(fix);
    execute(fix, "CREATE TEMP TRIGGER stuck BEFORE UPDATE OF duplicate_of ON bug BEGIN"
                 " SELECT RAISE(ABORT, 'stuck'); END");
    assert_int_equal(store_regroup(fix->store, &decision, &sum, &fix->err), -EEXIST);
    assert_clean(fix);
    execute(fix, "DROP TRIGGER stuck");
    assert_regrouped(fix, true, "NJ-1: 1 -> NJ-2; ");
}

static void
test_unreadable_record_stays_where_it_is(void **state)
{
    struct fixture *fix = *state;
    const struct decision decision = {.actor = "eve"};
    struct regrouped sum;

    (void)triage(fix, "1", &one);
    (void)triage(fix, "2", &two);
    make_older(fix);
    execute(fix, "UPDATE record SET json = '7' WHERE crash = 1");
    must(fix, store_regroup(fix->store, &decision, &sum, &fix->err));
    assert_int_equal(sum.records, 2);
    assert_int_equal(sum.unreadable, 1);
    assert_int_equal(sum.changed, 1);
    assert_int_equal(BUG_OF(1), 1);
    assert_clean(fix);
}

static void
test_words_of_the_input_do_not_count_and_move_nothing(void **state)
{
    struct fixture *fix = *state;
    const struct said first = {.frames = {"give_up", "load", "main"},
                               .type = "Abrt",
                               .into = 19,
                               .words = "fatal: package zwlp is there already",
                               .input = "..zwlp"};
    struct said second = first;
    const struct decision decision = {.actor = "eve", .dry_run = true};
    struct regrouped sum;

    second.words = "fatal: package vbrm is there already";
    second.input = "..vbrm";
    assert_int_equal(triage(fix, first.input, &first).bug, 1);
    second.frames[1] = "read"; /* a stack of its own, so that its record is kept */
    assert_int_equal(triage(fix, second.input, &second).bug, 2);
    second.frames[1] = "load";
    second.file = "/src/t/other.c";
    assert_int_equal(triage(fix, "2..vbrm", &second).bug, 1);
    must(fix, store_regroup(fix->store, &decision, &sum, &fix->err));
    assert_int_equal(sum.records, 3);
    assert_int_equal(sum.changed, 0);
    assert_int_equal(sum.blind, 0);
    /* without the input, what it told stays */
    execute(fix, "UPDATE blob SET state = 'dropped' WHERE id = 3");
    must(fix, store_regroup(fix->store, &decision, &sum, &fix->err));
    assert_int_equal(sum.changed, 0);
    assert_int_equal(sum.blind, 1);
    execute(fix, "UPDATE blob SET state = 'present' WHERE id = 3");
    make_older(fix);
    assert_regrouped(fix, true, "");
    assert_int_equal(
        number(fix, "SELECT count(*) FROM place WHERE text LIKE '%package * is%'"), 2);
    assert_int_equal(number(fix, "SELECT count(*) FROM place"), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_same_rules_move_nothing_and_sign_anew),
        TEST(test_bugs_with_one_new_signature_join),
        TEST(test_bug_with_two_new_signatures_splits),
        TEST(test_what_a_hand_decided_stays),
        TEST(test_new_crash_finds_its_bug_before_regrouping),
        TEST(test_interrupted_regrouping_goes_on),
        TEST(test_unreadable_record_stays_where_it_is),
        TEST(test_words_of_the_input_do_not_count_and_move_nothing),
    };

    return cmocka_run_group_tests_name("store_regroup", tests, NULL, NULL);
}
