#include "tests/unit/store_fixture.h"

#include "triage/build.h"

static const struct said abort_in_free = {
    .plain = true, .type = "Abrt", .frames = {"finish", "main"}};
static const struct said overflow_of_names = {.frames = {"names", "main"}};
static const struct said overflow_of_sizes = {.frames = {"sizes", "main"}};

static void
put_sanitizer(struct fixture *fix)
{
    AUTO(build_list_clear) struct build_list list = {0};
    AUTO(command_clear) struct command command = {.timeout_ms = 1000};

    strv_add(&command.argv, "/bin/true");
    build_list_add(&list, "sanitizer", &command);
    must(fix, store_put_builds(fix->store, fix->target, &list, &fix->err));
}

/* The next job asks a later build for this crash. */
static void
ask(struct fixture *fix, int64_t crash, const struct said *said)
{
    AUTO(job_clear) struct job job = {0};

    assert_int_equal(next_job(fix, 0, &job), 1);
    assert_int_equal(job.kind, JOB_SANITIZED);
    assert_int_equal(job.crash, crash);
    assert_string_equal(json_get_str(job.request, "op", ""), "triage");
    assert_true(json_get_bool(job.request, "whole", false));
    (void)finish(fix, &job, said);
}

static void
assert_no_job(struct fixture *fix)
{
    AUTO(job_clear) struct job none = {0};

    assert_int_equal(next_job(fix, 0, &none), 0);
}

static void
assert_stack(struct fixture *fix, int64_t id, const char *sanitizer, const char *top,
             int64_t crashes)
{
    AUTO(bug_clear) struct bug bug = {0};

    must(fix, store_bug(fix->store, id, &bug, &fix->err));
    assert_string_equal(bug.sanitizer, sanitizer);
    assert_int_equal(strncmp(bug.crash_state, top, strlen(top)), 0);
    assert_int_equal(bug.crashes, crashes);
}

/* One abort for two bugs: the first keeps the number, the other is a new one. */
static void
test_what_one_stack_hid_is_told_apart(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "n", &abort_in_free);
    (void)triage(fix, "n2", &abort_in_free);
    (void)triage(fix, "s", &abort_in_free);
    assert_no_job(fix);
    put_sanitizer(fix);
    ask(fix, 1, &overflow_of_names);
    assert_int_equal(triage_next(fix, &overflow_of_names).bug, 1); /* queued again */
    assert_int_equal(triage_next(fix, &overflow_of_sizes).bug, 2);
    assert_no_job(fix);
    assert_stack(fix, 1, "address", "names", 2);
    assert_stack(fix, 2, "address", "sizes", 1);
    /* later ones of the old stack are its as before */
    assert_int_equal(triage(fix, "n3", &abort_in_free).bug, 1);
    assert_clean(fix);
}

/* What it shows is a bug that is known: the crash goes there, and with the last one all
 * of the old bug. */
static void
test_known_bugs_take_what_is_theirs(void **state)
{
    struct fixture *fix = *state;
    const struct said elsewhere = {.plain = true, .frames = {"other", "main"}};

    assert_int_equal(triage(fix, "0", &overflow_of_names).bug, 1);
    assert_int_equal(triage(fix, "n", &abort_in_free).bug, 2);
    assert_int_equal(triage(fix, "o", &elsewhere).bug, 3);
    put_sanitizer(fix);
    ask(fix, 2, &overflow_of_names);
    assert_int_equal(number(fix, "SELECT duplicate_of FROM bug WHERE id = 2"), 1);
    assert_stack(fix, 1, "address", "names", 2);
    ask(fix, 3, &overflow_of_sizes);
    assert_stack(fix, 3, "address", "sizes", 1);
    assert_no_job(fix);
    assert_clean(fix);
}

/* Not what a person has pinned. */
static void
test_a_hand_decides_above_it(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "0", &overflow_of_names);
    (void)triage(fix, "n", &abort_in_free);
    execute(fix, "INSERT INTO pin SELECT blob, 2, 'me', 'I know', 1 FROM crash"
                 " WHERE id = 2");
    put_sanitizer(fix);
    ask(fix, 2, &overflow_of_names);
    assert_int_equal(number(fix, "SELECT bug FROM crash WHERE id = 2"), 2);
    assert_stack(fix, 2, "address", "names", 1);
    assert_clean(fix);
}

static void
test_what_it_does_not_see_stays(void **state)
{
    struct fixture *fix = *state;
    const struct said clean = {.outcome = "clean"};
    AUTO(job_clear) struct job job = {0};
    struct job_outcome outcome = {0};

    (void)triage(fix, "n", &abort_in_free);
    (void)triage(fix, "o", &(struct said){.plain = true, .frames = {"other", "main"}});
    put_sanitizer(fix);
    ask(fix, 1, &clean);
    assert_int_equal(next_job(fix, 0, &job), 1);
    must(fix, store_fail_job(fix->store, &job, "it died", &outcome, &fix->err));
    assert_string_equal(outcome.state, "triaged");
    put_sanitizer(fix);
    assert_no_job(fix);
    assert_stack(fix, 1, "none", "finish", 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM replay r JOIN build b"
                                 " ON b.id = r.build WHERE b.kind = 'sanitizer'"),
                     2);
    assert_clean(fix);
}

/* What stood for the bug was made smaller for another signature. */
static void
test_the_input_is_minimized_anew(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "nnnn", &abort_in_free);
    (void)triage(fix, "n", &(struct said){.plain = true, .frames = {"other", "main"}});
    execute(fix, "UPDATE bug SET minimize = 'done', reproducer ="
                 " (SELECT blob FROM crash WHERE id = 2) WHERE id = 1");
    put_sanitizer(fix);
    ask(fix, 1, &overflow_of_names);
    assert_int_equal(number(fix, "SELECT reproducer = original FROM bug WHERE id = 1"),
                     1);
    assert_int_equal(number(fix, "SELECT minimize = 'waiting' FROM bug WHERE id = 1"), 1);
}

/* It was asked with the reproducer: nothing else is there. */
static void
test_bytes_that_were_dropped_reproduce_nothing(void **state)
{
    struct fixture *fix = *state;

    (void)triage(fix, "nnnn", &abort_in_free);
    (void)triage(fix, "n", &(struct said){.plain = true, .frames = {"other", "main"}});
    execute(fix, "UPDATE bug SET original = reproducer, minimize = 'done', reproducer ="
                 " (SELECT blob FROM crash WHERE id = 2) WHERE id = 1");
    execute(fix, "UPDATE blob SET state = 'dropped' WHERE id = 1");
    put_sanitizer(fix);
    ask(fix, 1, &(struct said){.write = true, .frames = {"names", "main"}});
    assert_int_equal(number(fix, "SELECT reproducer FROM bug WHERE id = 1"), 2);
}

/* It was fixed, or filed anew, while the worker was at it. */
static void
test_an_answer_too_late_changes_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job job = {0};

    (void)triage(fix, "n", &abort_in_free);
    put_sanitizer(fix);
    assert_int_equal(next_job(fix, 0, &job), 1);
    execute(fix, "UPDATE bug SET state = 'ignored'");
    (void)finish(fix, &job, &overflow_of_names);
    assert_stack(fix, 1, "none", "finish", 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_one_stack_hid_is_told_apart),
        TEST(test_known_bugs_take_what_is_theirs),
        TEST(test_a_hand_decides_above_it),
        TEST(test_what_it_does_not_see_stays),
        TEST(test_the_input_is_minimized_anew),
        TEST(test_bytes_that_were_dropped_reproduce_nothing),
        TEST(test_an_answer_too_late_changes_nothing),
    };

    return cmocka_run_group_tests_name("store_sanitized", tests, NULL, NULL);
}
