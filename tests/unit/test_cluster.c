#include "tests/unit/store_fixture.h"

#include "triage/store/cluster.h"

static struct record *
record_new(const struct said *said)
{
    AUTO(json_decref) json_t *object = record_of(said);
    struct record *record = NULL;

    assert_int_equal(record_from_json(object, &record, NULL), 0);
    return record;
}

static struct cluster_match
find(struct fixture *fix, const struct said *said, int64_t target)
{
    AUTO(record_free) struct record *record = record_new(said);
    struct cluster_match match;

    const struct cluster_clue clue = {.record = record, .target = target};
    must(fix, cluster_find(store_db(fix->store), &clue, &match, &fix->err));
    return match;
}

static void
test_same_signature_in_one_target_is_one_bug(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {.frames = {"main"}};
    const struct said other = {.frames = {"parse", "main"}};

    struct cluster_match match = find(fix, &said, fix->target);
    assert_int_equal(match.bug, 0);
    assert_true(match.is_new_key);
    assert_string_equal(match.why,
                        "no crash before it had this crash type and these frames");
    (void)triage(fix, "a", &said);
    match = find(fix, &said, fix->target);
    assert_int_equal(match.bug, 1);
    assert_false(match.is_new_key);
    assert_int_equal(find(fix, &other, fix->target).bug, 0);
}

static void
test_library_bug_of_two_targets_is_one_bug_and_says_why(void **state)
{
    struct fixture *fix = *state;
    const struct said here = {.frames = {"png_read", "png_load", "main"},
                              .file = "/build/a/png.c"};
    const struct said there = {.frames = {"png_read", "png_load", "main"},
                               .file = "/home/b/png.c"};
    AUTO(bug_clear) struct bug bug = {0};

    (void)triage(fix, "a", &here);
    fix->target = put_target(fix, "u", "/bin/true");
    struct cluster_match match = find(fix, &there, fix->target);
    assert_int_equal(match.bug, 1);
    assert_true(match.is_new_key);
    assert_string_equal(match.why,
                        "seen in target t first: the crash type, every kept frame and "
                        "the source file png.c are the same there");
    struct job_outcome outcome = triage(fix, "b", &there);
    assert_int_equal(outcome.bug, 1);
    assert_false(outcome.bug_is_new);
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_string_equal(bug.target, "t");
    assert_int_equal(bug.crashes, 2);
    assert_string_equal(
        bug.record->grouping.v[bug.record->grouping.n - 1],
        "u: seen in target t first: the crash type, every kept frame and the "
        "source file png.c are the same there");
    assert_false(find(fix, &there, fix->target).is_new_key);
    assert_clean(fix);
}

static void
test_names_alone_do_not_join_two_programs(void **state)
{
    struct fixture *fix = *state;
    const struct said rows[] = {{.frames = {"main"}}, {.frames = {"parse", "main"}}};
    static const char *const texts[] = {"a", "b"};
    int64_t other = put_target(fix, "u", "/bin/true");

    for (size_t i = 0; i < COUNT(rows); i++) {
        (void)triage(fix, texts[i], &rows[i]);
        assert_int_equal(find(fix, &rows[i], other).bug, 0);
    }
}

static void
test_different_source_files_do_not_join_two_programs(void **state)
{
    struct fixture *fix = *state;
    const struct said here = {.frames = {"get_token", "parse_line", "main"},
                              .file = "/a/lex.c"};
    const struct said there = {.frames = {"get_token", "parse_line", "main"},
                               .file = "/a/scan.c"};
    int64_t first = fix->target;

    (void)triage(fix, "a", &here);
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "b", &there).bug, 2);
    /* from then on each target has its own */
    assert_int_equal(find(fix, &there, first).bug, 1);
    assert_int_equal(find(fix, &here, fix->target).bug, 2);
    assert_clean(fix);
}

static void
test_a_duplicate_is_found_as_itself(void **state)
{
    struct fixture *fix = *state;
    const struct said one = {.frames = {"one", "main"}};
    const struct said two = {.frames = {"two", "main"}};

    (void)triage(fix, "a", &one);
    (void)triage(fix, "b", &two);
    execute(fix, "UPDATE bug SET state = 'duplicate', duplicate_of = 1 WHERE id = 2");
    /* whoever files the crash follows it, and remembers where it came from */
    assert_int_equal(find(fix, &two, fix->target).bug, 2);
    struct job_outcome outcome = triage(fix, "c", &two);
    assert_int_equal(outcome.bug, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_same_signature_in_one_target_is_one_bug),
        TEST(test_library_bug_of_two_targets_is_one_bug_and_says_why),
        TEST(test_names_alone_do_not_join_two_programs),
        TEST(test_different_source_files_do_not_join_two_programs),
        TEST(test_a_duplicate_is_found_as_itself),
    };

    return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
