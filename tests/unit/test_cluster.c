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

static void
test_two_places_of_one_signature_are_two_bugs(void **state)
{
    struct fixture *fix = *state;
    const struct said first = {.frames = {"parse", "main"}, .into = 12};
    const struct said second = {.frames = {"parse", "main"}, .into = 30};
    AUTO(bug_clear) struct bug bug = {0};

    assert_int_equal(triage(fix, "a", &first).bug, 1);
    assert_int_equal(triage(fix, "b", &second).bug, 2);
    assert_int_equal(triage(fix, "c", &first).bug, 1);
    assert_int_equal(triage(fix, "d", &second).bug, 2);
    must(fix, store_bug(fix->store, 2, &bug, &fix->err));
    assert_string_equal(bug.record->grouping.v[bug.record->grouping.n - 1],
                        "t: memory parse+30: no crash before it was at this place");
    assert_clean(fix);
}

static void
test_kinds_and_callers_at_one_place_are_one_bug(void **state)
{
    struct fixture *fix = *state;
    const struct said rows[] = {
        {.frames = {"parse", "first", "main"}, .into = 12},
        {.frames = {"parse", "second", "main"}, .into = 12, .write = true},
        {.frames = {"parse", "main"}, .into = 12, .type = "UNKNOWN READ"},
        {.frames = {"parse", "main"}, .into = 12, .type = "Floating-point-exception"}};
    static const char *const texts[] = {"a", "b", "c", "d"};

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(triage(fix, texts[i], &rows[i]).bug, 1);
    }
    assert_clean(fix);
}

static void
test_one_function_below_main_is_enough_with_its_lines(void **state)
{
    struct fixture *fix = *state;
    const struct said here = {.frames = {"parse", "main"}, .file = "/a/p.c", .into = 12};
    const struct said there = {.frames = {"parse", "main"}, .file = "/b/p.c", .into = 12};
    const struct said other = {.frames = {"parse", "main"}, .file = "/b/q.c", .into = 12};

    (void)triage(fix, "a", &here);
    int64_t second = put_target(fix, "u", "/bin/true");
    struct cluster_match match = find(fix, &there, second);
    assert_int_equal(match.bug, 1);
    assert_string_equal(
        match.why, "seen in target t first: the functions, the lines within them and "
                   "the source file p.c are the same there");
    assert_int_equal(find(fix, &other, second).bug, 0);
}

static void
test_same_input_joins_what_compilers_place_apart(void **state)
{
    struct fixture *fix = *state;
    const struct said here = {.frames = {"parse", "main"}, .into = 12};
    const struct said there = {.frames = {"parse", "main"}, .into = 13};
    const struct said inlined = {.frames = {"copy", "parse", "main"}, .into = 20};
    AUTO(bug_clear) struct bug bug = {0};

    (void)triage(fix, "a", &here);
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "a", &there).bug, 1);
    assert_int_equal(triage(fix, "b", &there).bug, 1);
    fix->target = put_target(fix, "v", "/bin/true");
    assert_int_equal(triage(fix, "a", &inlined).bug, 1);
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_string_equal(
        bug.record->grouping.v[bug.record->grouping.n - 1],
        "v: memory copy+20: the same input shows it in target t, in parse "
        "as here");
    assert_clean(fix);
}

static void
test_same_input_may_hold_two_bugs(void **state)
{
    struct fixture *fix = *state;
    const struct said here = {.frames = {"parse", "main"}, .into = 12};
    const struct said elsewhere = {.frames = {"show", "main"}, .into = 12};
    const struct said aborts = {.frames = {"parse", "main"}, .into = 14, .type = "Abrt"};
    const struct said other_kind = {
        .frames = {"parse", "main"}, .into = 12, .type = "Bad-cast"};

    (void)triage(fix, "a", &here);
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "a", &elsewhere).bug, 2);
    fix->target = put_target(fix, "v", "/bin/true");
    assert_int_equal(triage(fix, "a", &aborts).bug, 3);
    /* but it is one at one place, as whatever kind a build shows it */
    fix->target = put_target(fix, "w", "/bin/true");
    assert_int_equal(triage(fix, "a", &other_kind).bug, 1);
    assert_clean(fix);
}

static void
test_what_one_compiler_melts_together_stays_apart(void **state)
{
    struct fixture *fix = *state;
    const struct said melted = {
        .frames = {"give_up", "run", "main"}, .type = "Abrt", .into = 20};
    const struct said one = {
        .frames = {"give_up", "size", "main"}, .type = "Abrt", .into = 6};
    const struct said two = {
        .frames = {"give_up", "order", "main"}, .type = "Abrt", .into = 6};

    (void)triage(fix, "a", &melted);
    (void)triage(fix, "b", &melted);
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "a", &one).bug, 1);
    assert_int_equal(triage(fix, "b", &two).bug, 2);
    assert_clean(fix);
}

static void
test_same_input_goes_before_a_signature_without_a_place(void **state)
{
    struct fixture *fix = *state;
    const struct said first = {.frames = {"parse", "main"}, .into = 12};
    const struct said second = {.frames = {"parse", "main"}, .into = 30};
    const struct said unplaced = {.frames = {"parse", "main"}};

    (void)triage(fix, "a", &first);
    (void)triage(fix, "b", &second);
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "a", &unplaced).bug, 1);
    assert_int_equal(triage(fix, "b", &unplaced).bug, 2);
    assert_clean(fix);
}

static void
test_instructions_of_one_build_are_apart_and_those_of_two_are_not(void **state)
{
    struct fixture *fix = *state;
    const struct said load = {.frames = {"run", "main"}, .build = "1a2b", .offset = 64};
    const struct said store = {.frames = {"run", "main"}, .build = "1a2b", .offset = 96};
    const struct said rebuilt = {
        .frames = {"run", "main"}, .build = "3c4d", .offset = 72};

    assert_int_equal(triage(fix, "a", &load).bug, 1);
    assert_int_equal(triage(fix, "b", &rebuilt).bug, 1);
    assert_int_equal(triage(fix, "c", &store).bug, 2);
    assert_int_equal(triage(fix, "d", &load).bug, 1);
    assert_int_equal(triage(fix, "e", &store).bug, 2);
    assert_clean(fix);
}

static void
test_same_input_hangs_everywhere(void **state)
{
    struct fixture *fix = *state;
    const struct said hang = {.outcome = "timeout", .type = "Timeout", .k = 2, .n = 2};

    (void)triage(fix, "a", &hang);
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "a", &hang).bug, 1);
    assert_clean(fix);
}

static void
test_a_report_without_lines_says_nothing_against_a_crash_with_them(void **state)
{
    struct fixture *fix = *state;
    const struct said report = {.frames = {"parse", "main"}};
    const struct said first = {.frames = {"parse", "main"}, .into = 12};
    const struct said second = {.frames = {"parse", "main"}, .into = 30};

    (void)triage(fix, "a", &report);
    assert_int_equal(triage(fix, "b", &first).bug, 1);
    assert_int_equal(triage(fix, "c", &second).bug, 2);
    /* and one that comes later is of the signature's first bug */
    assert_int_equal(triage(fix, "d", &report).bug, 1);
    assert_clean(fix);
}

/* One bug of which a build has the line for some inputs, for others an instruction. */
static void
show_one_as_two(struct fixture *fix)
{
    const struct said no_line = {
        .frames = {"run", "main"}, .build = "1a2b", .offset = 64};
    const struct said line = {.frames = {"run", "main"}, .into = 30};

    assert_int_equal(triage(fix, "a", &no_line).bug, 1);
    (void)triage(fix, "b", &no_line);
    (void)triage(fix, "c", &no_line);
    assert_int_equal(triage(fix, "d", &line).bug, 2);
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "d", &line).bug, 2);
}

static void
test_two_inputs_of_another_build_join_two_bugs(void **state)
{
    struct fixture *fix = *state;
    const struct said line = {.frames = {"run", "main"}, .into = 30};

    show_one_as_two(fix);
    assert_int_equal(triage(fix, "a", &line).bug, 2); /* it may hold two */
    assert_int_equal(triage(fix, "b", &line).bug, 1);
    assert_int_equal(number(fix, "SELECT duplicate_of FROM bug WHERE id = 2"), 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE bug = 1"), 7);
    assert_int_equal(number(fix,
                            "SELECT count(*) FROM event WHERE kind = 'bug.merge'"
                            " AND subject_id = 1 AND actor = 'nightjar' AND detail LIKE"
                            " '%the same input is in the same function in target t%'"),
                     1);
    assert_clean(fix);
}

static void
test_what_a_person_took_apart_is_not_joined_again(void **state)
{
    struct fixture *fix = *state;
    const struct said line = {.frames = {"run", "main"}, .into = 30};
    const struct decision decision = {.actor = "ann"};
    AUTO(buf_clear) struct buf bugs = BUF_INIT;
    const int64_t joined = 2;

    show_one_as_two(fix);
    (void)triage(fix, "a", &line);
    (void)triage(fix, "b", &line);
    buf_add(&bugs, (const char *)&joined, sizeof(joined));
    must(fix, store_unmerge(fix->store, &bugs, &decision, &fix->err));
    assert_int_equal(triage(fix, "c", &line).bug, 2);
    assert_clean(fix);
}

static void
test_two_bugs_that_a_build_tells_apart_are_not_joined(void **state)
{
    struct fixture *fix = *state;
    const struct said one = {.frames = {"run", "main"}, .into = 30};
    const struct said two = {.frames = {"run", "main"}, .into = 40};
    const struct said melted = {.frames = {"run", "main"}, .build = "1a2b", .offset = 64};

    (void)triage(fix, "a", &one);
    (void)triage(fix, "b", &two);
    (void)triage(fix, "c", &two);
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "a", &melted).bug, 1);
    (void)triage(fix, "b", &melted);
    (void)triage(fix, "c", &melted);
    assert_int_equal(
        number(fix, "SELECT count(*) FROM bug WHERE duplicate_of IS NOT NULL"), 0);
    assert_clean(fix);
}

/* A pointer that is missing is another mistake than an index that is wrong. */
static void
test_a_missing_pointer_and_a_wrong_one_are_not_joined(void **state)
{
    struct fixture *fix = *state;
    const struct said missing = {.frames = {"run", "main"},
                                 .type = "Null-dereference READ",
                                 .build = "1a2b",
                                 .offset = 64};
    const struct said wrong = {.frames = {"run", "main"}, .into = 30};
    const struct said both = {
        .frames = {"run", "main"}, .type = "Null-dereference READ", .into = 30};

    (void)triage(fix, "a", &missing);
    (void)triage(fix, "b", &missing);
    (void)triage(fix, "c", &wrong);
    fix->target = put_target(fix, "u", "/bin/true");
    (void)triage(fix, "c", &wrong);
    (void)triage(fix, "a", &both);
    (void)triage(fix, "b", &both);
    assert_int_equal(
        number(fix, "SELECT count(*) FROM bug WHERE duplicate_of IS NOT NULL"), 0);
    assert_clean(fix);
}

static void
test_a_missing_pointer_is_another_bug_on_one_line(void **state)
{
    struct fixture *fix = *state;
    const struct said wrong = {.frames = {"run", "main"}, .into = 30};
    const struct said missing = {
        .frames = {"run", "main"}, .type = "Null-dereference READ", .into = 30};

    assert_int_equal(triage(fix, "a", &wrong).bug, 1);
    assert_int_equal(triage(fix, "b", &missing).bug, 2);
    /* but what is missing in one build may be wrong in another one */
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "a", &missing).bug, 1);
    assert_clean(fix);
}

/* Two uses of one stale pointer are two places where types are checked, and one place
 * where memory is. */
static void
test_who_uses_freed_memory_tells_no_bugs_apart(void **state)
{
    struct fixture *fix = *state;
    const struct said first = {
        .frames = {"area", "main"}, .type = "Bad-cast", .into = 12};
    const struct said second = {
        .frames = {"draw", "main"}, .type = "Bad-cast", .into = 20};
    const struct said use = {.frames = {"area", "main"},
                             .type = "Heap-use-after-free\nREAD 8",
                             .into = 12,
                             .freed = true};
    const struct said other = {.frames = {"draw", "main"},
                               .type = "Heap-use-after-free\nREAD 8",
                               .into = 20,
                               .freed = true};

    assert_int_equal(triage(fix, "a", &first).bug, 1);
    assert_int_equal(triage(fix, "b", &second).bug, 2);
    assert_int_equal(triage(fix, "c", &second).bug, 2);
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "a", &use).bug, 1);
    (void)triage(fix, "b", &other);
    (void)triage(fix, "c", &other);
    assert_int_equal(number(fix, "SELECT duplicate_of FROM bug WHERE id = 2"), 1);
    assert_clean(fix);
}

/* Which function all samples of a hang lie in is chance. */
static void
test_two_inputs_join_two_hangs_of_one_loop(void **state)
{
    struct fixture *fix = *state;
    const struct said inner = {.outcome = "timeout",
                               .type = "Timeout",
                               .frames = {"step", "scan", "main"},
                               .into = 5,
                               .samples = 10,
                               .k = 2,
                               .n = 2};
    struct said outer = inner;
    outer.frames[0] = "scan";
    outer.frames[1] = "run";

    assert_int_equal(triage(fix, "a", &inner).bug, 1);
    assert_int_equal(triage(fix, "b", &outer).bug, 2);
    assert_int_equal(triage(fix, "c", &outer).bug, 2);
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "a", &inner).bug, 1);
    (void)triage(fix, "b", &inner);
    (void)triage(fix, "c", &inner);
    assert_int_equal(number(fix, "SELECT duplicate_of FROM bug WHERE id = 2"), 1);
    assert_clean(fix);
}

static void
test_what_an_input_showed_itself_goes_before_what_stands_for_its_bug(void **state)
{
    struct fixture *fix = *state;
    const struct said here = {.frames = {"strip", "prop", "main"}, .into = 20};
    const struct said worse = {
        .frames = {"strip", "load", "main"}, .into = 20, .write = true};
    const struct said there = {.frames = {"prop", "main"}, .build = "1a2b", .offset = 64};
    const struct said rebuilt = {
        .frames = {"prop", "main"}, .build = "3c4d", .offset = 72};

    (void)triage(fix, "a", &here);
    int64_t first = fix->target;
    fix->target = put_target(fix, "u", "/bin/true");
    assert_int_equal(triage(fix, "a", &there).bug, 1);
    fix->target = first;
    assert_int_equal(triage(fix, "b", &worse).bug, 1);
    fix->target = put_target(fix, "v", "/bin/true");
    assert_int_equal(triage(fix, "a", &rebuilt).bug, 1);
    assert_clean(fix);
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
        TEST(test_two_places_of_one_signature_are_two_bugs),
        TEST(test_kinds_and_callers_at_one_place_are_one_bug),
        TEST(test_one_function_below_main_is_enough_with_its_lines),
        TEST(test_same_input_joins_what_compilers_place_apart),
        TEST(test_same_input_may_hold_two_bugs),
        TEST(test_what_one_compiler_melts_together_stays_apart),
        TEST(test_same_input_goes_before_a_signature_without_a_place),
        TEST(test_instructions_of_one_build_are_apart_and_those_of_two_are_not),
        TEST(test_same_input_hangs_everywhere),
        TEST(test_a_report_without_lines_says_nothing_against_a_crash_with_them),
        TEST(test_two_inputs_of_another_build_join_two_bugs),
        TEST(test_what_a_person_took_apart_is_not_joined_again),
        TEST(test_two_bugs_that_a_build_tells_apart_are_not_joined),
        TEST(test_a_missing_pointer_and_a_wrong_one_are_not_joined),
        TEST(test_a_missing_pointer_is_another_bug_on_one_line),
        TEST(test_who_uses_freed_memory_tells_no_bugs_apart),
        TEST(test_two_inputs_join_two_hangs_of_one_loop),
        TEST(test_what_an_input_showed_itself_goes_before_what_stands_for_its_bug),
    };

    return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
