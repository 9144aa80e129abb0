#include "tests/unit/store_fixture.h"

static const struct said plain = {0}; /* medium: a heap overflow read in parse() */
static const struct decision eve = {.actor = "eve", .reason = "only in the test tool"};

static void
assert_severity(struct fixture *fix, enum severity wanted, enum severity computed,
                const char *by, const char *reason)
{
    AUTO(bug_clear) struct bug bug = {0};

    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_int_equal(bug.severity, wanted);
    assert_int_equal(bug.computed_severity, computed);
    if (by == NULL) {
        assert_null(bug.decided_by);
        assert_null(bug.decided_reason);
        assert_true(bug.severity_score == bug.computed_score);
    } else {
        assert_string_equal(bug.decided_by, by);
        assert_string_equal(bug.decided_reason, reason);
    }
    assert_clean(fix);
}

static void
test_severity_by_hand_counts_until_it_is_taken_back(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "1", &plain);
    assert_severity(fix, SEVERITY_MEDIUM, SEVERITY_MEDIUM, NULL, NULL);
    must(fix, store_set_severity(fix->store, 1, SEVERITY_LOW, &eve, &fix->err));
    assert_severity(fix, SEVERITY_LOW, SEVERITY_MEDIUM, "eve", "only in the test tool");
    must(fix, store_clear_severity(fix->store, 1, &eve, &fix->err));
    assert_severity(fix, SEVERITY_MEDIUM, SEVERITY_MEDIUM, NULL, NULL);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE actor = 'eve'"
                                 " AND kind = 'bug.override'"),
                     2);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE actor = 'eve'"
                                 " AND kind = 'bug.severity'"),
                     2);
}

/* The kinds are the same for the signature, the severities are not. */
static void
test_worse_crash_of_a_decided_bug_changes_only_what_is_computed(void **state)
{
    struct fixture *fix = *state;
    const struct said read = {.type = "UNKNOWN READ"};
    const struct said write = {.type = "UNKNOWN WRITE", .write = true};

    (void)triage(fix, "1", &read);
    int64_t before = number(fix, "SELECT severity FROM bug");
    must(fix, store_set_severity(fix->store, 1, SEVERITY_INFO, &eve, &fix->err));
    assert_int_equal(triage(fix, "2", &write).bug, 1);
    assert_int_equal(number(fix, "SELECT severity FROM bug"), SEVERITY_INFO);
    assert_true(number(fix, "SELECT computed_severity FROM bug") > before);
    assert_int_equal(number(fix, "SELECT severity_score = 0 FROM bug"), 1);
    assert_clean(fix);
}

static void
test_score_lies_within_the_decided_severity(void **state)
{
    struct fixture *fix = *state;
    static const struct {
        enum severity severity;
        double least, most;
    } rows[] = {{SEVERITY_INFO, 0, 0},
                {SEVERITY_LOW, 0.1, 3.9},
                {SEVERITY_MEDIUM, 4.0, 6.9},
                {SEVERITY_HIGH, 7.0, 8.9},
                {SEVERITY_CRITICAL, 9.0, 10.0}};

    (void)triage(fix, "1", &plain);
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(bug_clear) struct bug bug = {0};
        must(fix, store_set_severity(fix->store, 1, rows[i].severity, &eve, &fix->err));
        must(fix, store_bug(fix->store, 1, &bug, &fix->err));
        assert_true(bug.severity_score >= rows[i].least &&
                    bug.severity_score <= rows[i].most);
    }
    assert_clean(fix);
}

static void
test_rules_of_the_owners_decide_until_a_hand_does(void **state)
{
    struct fixture *fix = *state;
    const struct severity_rule rules[] = {{.function = "nothing",
                                           .severity = SEVERITY_CRITICAL,
                                           .reason = "x",
                                           .origin = "nightjar.yaml:2"},
                                          {.target = "t",
                                           .crash_type = "Heap-buffer-overflow READ",
                                           .function = "pa",
                                           .file = ".*/parse\\.c$",
                                           .severity = SEVERITY_INFO,
                                           .reason = "never sees a file from outside",
                                           .origin = "nightjar.yaml:5"}};

    (void)triage(fix, "1", &plain);
    must(fix, store_put_severity_rules(fix->store, rules, 2, &fix->err));
    assert_severity(fix, SEVERITY_INFO, SEVERITY_MEDIUM, "nightjar.yaml:5",
                    "never sees a file from outside");
    int64_t events = number(fix, "SELECT count(*) FROM event");
    must(fix, store_put_severity_rules(fix->store, rules, 2, &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM event"), events);
    must(fix, store_set_severity(fix->store, 1, SEVERITY_HIGH, &eve, &fix->err));
    assert_severity(fix, SEVERITY_HIGH, SEVERITY_MEDIUM, "eve", "only in the test tool");
    must(fix, store_put_severity_rules(fix->store, rules, 1, &fix->err));
    assert_severity(fix, SEVERITY_HIGH, SEVERITY_MEDIUM, "eve", "only in the test tool");
    must(fix, store_clear_severity(fix->store, 1, &eve, &fix->err));
    assert_severity(fix, SEVERITY_MEDIUM, SEVERITY_MEDIUM, NULL, NULL);
}

static void
test_rule_decides_a_bug_that_comes_later(void **state)
{
    struct fixture *fix = *state;
    const struct severity_rule rule = {
        .severity = SEVERITY_LOW, .reason = "a toy", .origin = "nightjar.yaml:1"};

    must(fix, store_put_severity_rules(fix->store, &rule, 1, &fix->err));
    assert_int_equal(triage(fix, "1", &plain).severity, SEVERITY_LOW);
    assert_severity(fix, SEVERITY_LOW, SEVERITY_MEDIUM, "nightjar.yaml:1", "a toy");
}

static void
test_hostile_pattern_matches_nothing_and_ends(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {
        .frames = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "x"}};
    const struct severity_rule rules[] = {{.function = "(a+)+$",
                                           .severity = SEVERITY_INFO,
                                           .reason = "slow",
                                           .origin = "nightjar.yaml:1"},
                                          {.function = "(",
                                           .severity = SEVERITY_INFO,
                                           .reason = "broken",
                                           .origin = "nightjar.yaml:2"}};

    must(fix, store_put_severity_rules(fix->store, rules, 2, &fix->err));
    (void)triage(fix, "1", &said);
    assert_severity(fix, SEVERITY_MEDIUM, SEVERITY_MEDIUM, NULL, NULL);
}

static void
test_decisions_say_what_is_wrong(void **state)
{
    struct fixture *fix = *state;
    const struct decision silent = {.actor = "eve"};

    (void)triage(fix, "1", &plain);
    assert_int_equal(store_set_severity(fix->store, 1, SEVERITY_LOW, &silent, &fix->err),
                     -EINVAL);
    assert_string_equal(fix->err.msg, "a severity by hand needs a reason");
    assert_int_equal(store_set_severity(fix->store, 9, SEVERITY_LOW, &eve, &fix->err),
                     -ENODATA);
    assert_int_equal(store_set_bug_state(fix->store, 9, "open", &eve, &fix->err),
                     -ENODATA);
    assert_int_equal(store_set_bug_state(fix->store, 1, "wontfx", &eve, &fix->err),
                     -EINVAL);
    assert_string_equal(
        fix->err.msg, "'wontfx' is no state that a hand gives (did you mean 'wontfix'?): "
                      "open fixing fixed ignored wontfix (duplicate: nightjar bugs "
                      "merge)");
    assert_clean(fix);
}

static void
test_state_by_hand_has_an_event(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "1", &plain);
    must(fix, store_set_bug_state(fix->store, 1, "ignored", &eve, &fix->err));
    must(fix, store_set_bug_state(fix->store, 1, "ignored", &eve, &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.state'"
                                 " AND from_state = 'new' AND to_state = 'ignored'"
                                 " AND actor = 'eve' AND json_extract(detail, '$.reason')"
                                 " = 'only in the test tool'"),
                     1);
    assert_clean(fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_severity_by_hand_counts_until_it_is_taken_back),
        TEST(test_worse_crash_of_a_decided_bug_changes_only_what_is_computed),
        TEST(test_score_lies_within_the_decided_severity),
        TEST(test_rules_of_the_owners_decide_until_a_hand_does),
        TEST(test_rule_decides_a_bug_that_comes_later),
        TEST(test_hostile_pattern_matches_nothing_and_ends),
        TEST(test_decisions_say_what_is_wrong),
        TEST(test_state_by_hand_has_an_event),
    };

    return cmocka_run_group_tests_name("store_severity", tests, NULL, NULL);
}
