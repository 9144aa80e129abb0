#include "tests/unit/store_fixture.h"

#include "base/clock.h"
#include "triage/regression.h"
#include "triage/revision.h"

/* Bug 1 was seen on build aa, the first one at /b/t; bb came there later, cc is a program
 * elsewhere, and the file at /b/t may be any of them. */
static void
put_history(struct fixture *fix)
{
    (void)triage(fix, "first", &(struct said){0});
    execute(fix, "DELETE FROM replay");
    execute(fix, "DELETE FROM build");
    execute(fix,
            "INSERT INTO build(id, target, kind, path, build_id, current, first_seen)"
            " SELECT 1, target, 'sanitizer', '/b/t', 'aa', 0, 1 FROM bug");
    execute(fix,
            "INSERT INTO build(id, target, kind, path, build_id, current, first_seen)"
            " SELECT 2, target, 'sanitizer', '/b/t', 'bb', 1, 2 FROM bug");
    execute(fix, "INSERT INTO replay SELECT crash, 1, 'crash', NULL, 1, 1, 1 FROM bug");
}

static const char *
moves_to(struct fixture *fix, enum verified_as as, const char *path, const char *build_id)
{
    AUTO(regression_list_clear) struct regression_list list = {0};
    AUTO(verified_clear)
    struct verified seen = {.as = as,
                            .n = 1,
                            .clean = 1,
                            .kind = "sanitizer",
                            .path = mem_strdup(path),
                            .build_id = build_id == NULL ? NULL : mem_strdup(build_id)};

    must(fix, regressions_load(fix->store, NULL, &list, &fix->err));
    must(fix, regression_moves(fix->store, &list.v[0], &seen, &fix->err));
    return seen.to == NULL ? "" : seen.to;
}

static void
test_clean_on_a_later_build_is_fixed(void **state)
{
    struct fixture *fix = *state;

    put_history(fix);
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "bb"), "fixed");
    /* one that nobody registered yet */
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "dd"), "fixed");
    execute(fix, "UPDATE bug SET state = 'fixing'");
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "bb"), "fixed");
    execute(fix, "UPDATE bug SET state = 'regressed'");
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "bb"), "fixed");
}

static void
test_what_is_no_evidence_moves_nothing(void **state)
{
    struct fixture *fix = *state;

    put_history(fix);
    /* the build that showed it; no id; elsewhere; another crash; no replay */
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "aa"), "");
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", ""), "");
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", NULL), "");
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/else/t", "bb"), "");
    assert_string_equal(moves_to(fix, VERIFIED_CHANGED, "/b/t", "bb"), "");
    assert_string_equal(moves_to(fix, VERIFIED_BROKEN, "/b/t", "bb"), "");
    assert_string_equal(moves_to(fix, VERIFIED_SAME, "/b/t", "bb"), "");
    /* a person's word */
    execute(fix, "UPDATE bug SET state = 'wontfix'");
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "bb"), "");
    execute(fix, "UPDATE bug SET state = 'fixed'");
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "bb"), "");
}

/* These build ids are of commits of these times, on these branches. */
static void
put_commit(struct fixture *fix, const char *build_id, const char *branch, int64_t at)
{
    const struct revision_program program = {"t", "sanitizer", build_id, "/b/t"};
    AUTO(mem_free) char *commit = mem_printf("commit-%s-%d", build_id, (int)at);
    const struct revision_given given = {.commit = commit,
                                         .branch = branch,
                                         .release = "",
                                         .at = at,
                                         .folder = "/b",
                                         .programs = &program,
                                         .n = 1};
    int64_t id = 0;
    bool is_new = false;

    must(fix, revision_put(fix->store, &given, &id, &is_new, &fix->err));
}

static void
test_commits_tell_which_build_is_later(void **state)
{
    struct fixture *fix = *state;

    put_history(fix);
    put_commit(fix, "aa", "main", 20);
    put_commit(fix, "bb", "main", 10);
    put_commit(fix, "dd", "main", 30);
    put_commit(fix, "ee", "topic", 40);
    /* it came later, but is older; it came never, but is later, wherever it lies */
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "bb"), "");
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/kept/t", "dd"), "fixed");
    /* a branch that never had it */
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "ee"), "");
    put_commit(fix, "aa", "topic", 35);
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "ee"), "fixed");
    /* a change that was taken back: the code that shows it is there again */
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "dd"), "");
}

static void
test_an_older_build_does_not_bring_it_back(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};
    const struct verified clean = {.as = VERIFIED_CLEAN,
                                   .n = 1,
                                   .kind = "sanitizer",
                                   .path = (char[]){"/b/t"},
                                   .build_id = (char[]){"dd"},
                                   .to = "fixed"};

    put_history(fix);
    put_commit(fix, "aa", "main", 10);
    put_commit(fix, "bb", "main", 20);
    put_commit(fix, "dd", "main", 30);
    put_commit(fix, "ff", "main", 40);
    must(fix, regressions_load(fix->store, NULL, &list, &fix->err));
    const struct verification one = {&list.v[0], &clean};
    must(fix, regressions_verified(fix->store, &one, 1, NULL, &fix->err));
    assert_string_equal(moves_to(fix, VERIFIED_SAME, "/b/t", "bb"), "");
    assert_string_equal(moves_to(fix, VERIFIED_SAME, "/b/t", "ff"), "regressed");
    assert_int_equal(number(fix, "SELECT verified > 0 FROM bug"), 1);
}

/* One of its crashes that is kept was not asked. */
static void
test_all_that_is_kept_has_to_be_clean(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};
    AUTO(witness_list_clear) struct witness_list all = {0};
    const struct said deeper = {.frames = {"parse", "load", "deeper", "main"}};

    put_history(fix);
    must(fix, regressions_load(fix->store, NULL, &list, &fix->err));
    (void)triage(fix, "second", &deeper);
    execute(fix, "UPDATE crash SET bug = 1");
    execute(fix, "UPDATE example SET bug = 1");
    must(fix, regression_witnesses(fix->store, &list.v[0], &all, &fix->err));
    assert_int_equal(all.n, 2);
    assert_int_equal(all.v[0].crash, 0);
    assert_int_equal(all.v[1].crash, 2);
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "bb"), "");
}

/* A flaky bug that was asked less often than proves anything. */
static void
test_too_few_runs_fix_nothing(void **state)
{
    struct fixture *fix = *state;

    put_history(fix);
    execute(fix, "UPDATE crash SET k = 5, n = 10");
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "bb"), "");
}

static void
test_older_build_moves_nothing(void **state)
{
    struct fixture *fix = *state;

    put_history(fix);
    execute(fix, "UPDATE replay SET build = 2");
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "aa"), "");
    execute(fix, "UPDATE bug SET state = 'fixed'");
    assert_string_equal(moves_to(fix, VERIFIED_SAME, "/b/t", "aa"), "");
    assert_string_equal(moves_to(fix, VERIFIED_SAME, "/b/t", "bb"), "");
    assert_string_equal(moves_to(fix, VERIFIED_SAME, "/b/t", "cc"), "regressed");
}

/* Chance: the same build said the opposite. */
static void
test_build_that_was_told_to_show_it_fixes_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};
    const struct verified same = {.as = VERIFIED_SAME,
                                  .k = 1,
                                  .n = 2,
                                  .kind = "sanitizer",
                                  .path = (char[]){"/b/t"},
                                  .build_id = (char[]){"bb"}};

    put_history(fix);
    must(fix, regressions_load(fix->store, NULL, &list, &fix->err));
    const struct verification one = {&list.v[0], &same};
    must(fix, regressions_verified(fix->store, &one, 1, NULL, &fix->err));
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "bb"), "");
    assert_string_equal(moves_to(fix, VERIFIED_CLEAN, "/b/t", "dd"), "fixed");
}

static void
test_a_move_is_written_unless_a_person_was_faster(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};
    const struct verified clean = {.as = VERIFIED_CLEAN,
                                   .n = 1,
                                   .kind = "sanitizer",
                                   .path = (char[]){"/b/t"},
                                   .build_id = (char[]){"bb"},
                                   .to = "fixed"};
    const struct bug_until until = {.at = clock_wall_ms() + 1000 * 1000};
    const struct decision decision = {
        .actor = "ann", .reason = "as designed", .until = &until};

    put_history(fix);
    must(fix, regressions_load(fix->store, NULL, &list, &fix->err));
    const struct verification one = {&list.v[0], &clean};
    must(fix, store_set_bug_state(fix->store, 1, "wontfix", &decision, &fix->err));
    must(fix, regressions_verified(fix->store, &one, 1, NULL, &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM bug WHERE state = 'wontfix'"), 1);
    must(fix, store_set_bug_state(fix->store, 1, "open",
                                  &(struct decision){.actor = "ann"}, &fix->err));
    mem_free(list.v[0].state);
    list.v[0].state = mem_strdup("open");
    must(fix, regressions_verified(fix->store, &one, 1, NULL, &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM bug WHERE state = 'fixed'"), 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.state'"
                                 " AND to_state = 'fixed' AND actor = 'nightjar'"),
                     1);
    assert_clean(fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_clean_on_a_later_build_is_fixed),
        TEST(test_what_is_no_evidence_moves_nothing),
        TEST(test_too_few_runs_fix_nothing),
        TEST(test_older_build_moves_nothing),
        TEST(test_commits_tell_which_build_is_later),
        TEST(test_an_older_build_does_not_bring_it_back),
        TEST(test_all_that_is_kept_has_to_be_clean),
        TEST(test_build_that_was_told_to_show_it_fixes_nothing),
        TEST(test_a_move_is_written_unless_a_person_was_faster),
    };

    return cmocka_run_group_tests_name("store_evidence", tests, NULL, NULL);
}
