#include "tests/unit/store_fixture.h"

static const char asan[] =
    "==1==ERROR: AddressSanitizer: heap-buffer-overflow\n  #0 parse\n";

static void
test_first_crash_founds_a_bug(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {.report = asan};
    AUTO(bug_clear) struct bug bug = {0};
    AUTO(buf_clear) struct buf report = BUF_INIT;
    struct job_outcome outcome = triage(fix, "input", &said);

    assert_int_equal(outcome.bug, 1);
    assert_true(outcome.bug_is_new);
    assert_string_equal(outcome.bug_name, "NJ-1");
    assert_string_equal(outcome.state, "triaged");
    assert_string_equal(outcome.title, "Heap-buffer-overflow READ 4 in parse");
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_string_equal(bug.name, "NJ-1");
    assert_string_equal(bug.state, "new");
    assert_string_equal(bug.target, "t");
    assert_string_equal(bug.sanitizer, "address");
    assert_string_equal(bug.crash_type, "Heap-buffer-overflow\nREAD 4");
    assert_string_equal(bug.crash_state, "parse\nload\n");
    assert_int_equal(bug.severity, outcome.severity);
    assert_string_equal(bug.reproducibility, "reliable");
    assert_int_equal(bug.k, 3);
    assert_int_equal(bug.n, 3);
    assert_int_equal(bug.crashes, 1);
    assert_int_equal(bug.reproducer_bytes, 5);
    assert_string_equal(bug.reproducer, bug.original);
    assert_string_equal(bug.signature, bug.record->hash_major);
    assert_false(bug.minimized);
    assert_string_equal(bug.record->grouping.v[bug.record->grouping.n - 1],
                        "t: no crash before it had this crash type and these frames");
    must(fix, store_report(fix->store, bug.crash, &report, &fix->err));
    assert_string_equal(buf_str(&report), asan);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.new'"
                                 " AND subject_id = 1 AND from_state IS NULL"
                                 " AND to_state = 'new'"),
                     1);
    assert_clean(fix);
}

static void
test_duplicate_adds_to_counters_only(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};

    (void)triage(fix, "input", &said);
    int64_t events = number(fix, "SELECT count(*) FROM event");
    struct job_outcome outcome = triage(fix, "other input", &said);
    assert_int_equal(outcome.bug, 1);
    assert_false(outcome.bug_is_new);
    assert_int_equal(number(fix, "SELECT count(*) FROM event"), events);
    assert_int_equal(number(fix, "SELECT crashes FROM bug"), 2);
    assert_int_equal(number(fix,
                            "SELECT value FROM counter WHERE name = 'crashes_total' AND"
                            " labels = '{\"target\":\"t\",\"kind\":\"crash\","
                            "\"result\":\"duplicate\"}'"),
                     1);
    assert_int_equal(
        number(fix, "SELECT value FROM counter WHERE name = 'reproducer_runs_total'"
                    " AND labels = '{\"target\":\"t\",\"result\":\"crash\"}'"),
        6);
    assert_clean(fix);
}

static void
test_finish_told_twice_is_told_the_same(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {.report = asan};
    AUTO(job_clear) struct job job = {0};

    (void)give(fix, "a", "aaaa");
    assert_int_equal(next_job(fix, 0, &job), 1);
    struct job_outcome first = finish(fix, &job, &said);
    store_close(STEAL(fix->store)); /* the scribe was killed before it answered */
    must(fix, store_open(fix->state, DB_WRITE, &fix->store, &fix->err));
    struct job_outcome second = finish(fix, &job, &said);
    assert_memory_equal(&first, &second, sizeof(first));
    assert_true(second.bug_is_new);
    assert_int_equal(number(fix, "SELECT crashes FROM bug"), 1);
    assert_int_equal(
        number(fix, "SELECT sum(value) FROM counter WHERE name = 'crashes_total'"), 1);
    assert_clean(fix);
}

static void
test_clean_run_is_unreproducible_and_no_bug(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {.outcome = "clean", .reason = "it ran into its time limit"};
    struct job_outcome outcome = triage(fix, "input", &said);

    assert_int_equal(outcome.bug, 0);
    assert_string_equal(outcome.state, "triaged");
    assert_string_equal(outcome.bug_name, "");
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE bug IS NULL AND"
                                 " reproducibility = 'unreproducible' AND n = 3 AND"
                                 " reason = 'it ran into its time limit'"),
                     1);
    assert_clean(fix);
}

static void
test_broken_replay_is_the_targets_health_and_no_bug(void **state)
{
    struct fixture *fix = *state;
    const struct said broken = {
        .outcome = "broken", .k = 0, .n = 1, .reason = "no libfoo.so"};
    const struct said clean = {.outcome = "clean"};

    assert_string_equal(triage(fix, "a", &broken).state, "broken");
    assert_string_equal(triage(fix, "b", &broken).state, "broken");
    assert_int_equal(number(fix, "SELECT count(*) FROM bug"), 0);
    assert_int_equal(
        number(fix, "SELECT count(*) FROM event WHERE kind = 'target.replay'"), 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'crash.state'"),
                     2);
    assert_clean(fix);
    (void)triage(fix, "c", &clean);
    assert_int_equal(number(fix, "SELECT count(*) FROM target WHERE replay = 'ok'"), 1);
    assert_int_equal(
        number(fix, "SELECT count(*) FROM event WHERE kind = 'target.replay'"), 2);
    assert_clean(fix);
}

/* Whatever a target prints, one way to end is one bug. */
static void
test_unparsed_crash_is_a_visible_bug(void **state)
{
    struct fixture *fix = *state;
    const struct said one = {.outcome = "unparsed",
                             .k = 3,
                             .n = 3,
                             .report = "\n  odd: it burns\nmore\n",
                             .reason = "it ended with exit status 77 and printed 'x'"};
    const struct said two = {.outcome = "unparsed",
                             .k = 2,
                             .n = 3,
                             .report = "odd: 0x1234 burns\n",
                             .reason = "it ended with exit status 77 and printed 'y'"};
    const struct said three = {
        .outcome = "unparsed", .k = 3, .n = 3, .reason = "signal 31 (SYS), it says"};
    AUTO(bug_clear) struct bug bug = {0};
    AUTO(buf_clear) struct buf report = BUF_INIT;

    struct job_outcome first = triage(fix, "a", &one);
    assert_string_equal(first.state, "unparsed");
    assert_true(first.bug_is_new);
    assert_int_equal(triage(fix, "b", &two).bug, 1);
    assert_int_equal(triage(fix, "c", &three).bug, 2);
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_string_equal(bug.crash_type, "Unparsed");
    assert_string_equal(bug.crash_state, "t\nexit status (77)\n");
    assert_string_equal(bug.record->message, "odd: it burns");
    assert_int_equal(bug.crashes, 2);
    must(fix, store_report(fix->store, bug.crash, &report, &fix->err));
    assert_string_equal(buf_str(&report), "\n  odd: it burns\nmore\n");
    assert_clean(fix);
}

#define TOTAL(kind)                                                               \
    "SELECT sum(value) FROM counter WHERE name = 'crashes_total' AND labels LIKE" \
    " '%\"kind\":\"" kind "\"%'"

static void
test_kinds_are_counted_apart(void **state)
{
    struct fixture *fix = *state;
    const struct said rows[] = {{.outcome = "timeout", .type = "Timeout", .k = 2, .n = 2},
                                {.type = "Out-of-memory"},
                                {.type = "Direct-leak"},
                                {.type = "Abrt"}};
    static const char *const texts[] = {"a", "b", "c", "d"};

    for (size_t i = 0; i < COUNT(rows); i++) {
        (void)triage(fix, texts[i], &rows[i]);
    }
    assert_int_equal(number(fix, TOTAL("hang")), 1);
    assert_int_equal(number(fix, TOTAL("oom")), 1);
    assert_int_equal(number(fix, TOTAL("leak")), 1);
    assert_int_equal(number(fix, TOTAL("crash")), 1);
    assert_clean(fix);
}

/* --- what stands for a bug --- */

static void
test_worse_crash_raises_the_severity_and_stands_for_the_bug(void **state)
{
    struct fixture *fix = *state;
    const struct said first = {.type = "Null-dereference READ"};
    AUTO(json_decref) json_t *answer = NULL;
    AUTO(job_clear) struct job job = {0};
    AUTO(bug_clear) struct bug bug = {0};
    struct job_outcome outcome = {0};

    struct job_outcome before = triage(fix, "a", &first);
    (void)give(fix, "longer", "a longer input");
    assert_int_equal(next_job(fix, 0, &job), 1);
    answer = answer_of(&job, &first);
    json_t *record = json_object_get(answer, "record");
    json_put(record, "severity", json_string("critical"));
    json_put(record, "severity_score", json_real(9.5));
    must(fix, store_finish_job(fix->store, &job, answer, &outcome, &fix->err));
    assert_int_equal(outcome.bug, 1);
    assert_int_equal(outcome.severity, SEVERITY_CRITICAL);
    assert_true(before.severity < SEVERITY_CRITICAL);
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_int_equal(bug.crash, 2);
    assert_int_equal(bug.record->severity, SEVERITY_CRITICAL);
    /* the smaller input shows the bug, but does not prove how severe it is */
    assert_int_equal(bug.reproducer_bytes, 14);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug WHERE minimize = 'waiting'"),
                     1);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.severity'"
                                 " AND to_state = 'critical'"),
                     1);
    assert_clean(fix);
    /* a milder one changes nothing */
    assert_int_equal(triage(fix, "b", &first).severity, SEVERITY_CRITICAL);
    assert_int_equal(number(fix, "SELECT crash FROM bug"), 2);
    assert_clean(fix);
}

static void
test_what_reproduces_best_then_what_is_smallest_stands_for_the_bug(void **state)
{
    struct fixture *fix = *state;
    const struct said flaky = {.k = 1, .n = 3, .other = 1};
    const struct said reliable = {0};

    (void)triage(fix, "aaaa", &flaky);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug WHERE minimize = 'none'"), 1);
    (void)triage(fix, "bbbbbbbb", &reliable);
    assert_int_equal(number(fix, "SELECT crash FROM bug"), 2);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug WHERE minimize = 'waiting'"),
                     1);
    (void)triage(fix, "cc", &flaky);
    assert_int_equal(number(fix, "SELECT crash FROM bug"), 2);
    (void)triage(fix, "ddddddddd", &reliable);
    assert_int_equal(number(fix, "SELECT crash FROM bug"), 2);
    (void)triage(fix, "eeeee", &reliable);
    assert_int_equal(number(fix, "SELECT crash FROM bug"), 5);
    assert_int_equal(
        number(fix, "SELECT b.bytes FROM bug JOIN blob b ON b.id = reproducer"), 5);
    assert_int_equal(
        number(fix, "SELECT b.bytes FROM bug JOIN blob b ON b.id = original"), 4);
    assert_clean(fix);
}

/* --- reports without inputs --- */

static void
test_report_is_its_own_report(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {.k = 1, .n = 1, .report = "as the worker cleaned it"};
    AUTO(job_clear) struct job job = {0};
    AUTO(buf_clear) struct buf report = BUF_INIT;
    AUTO(bug_clear) struct bug bug = {0};
    AUTO(command_clear) struct command command = {0};
    struct record_settings settings = {0};

    (void)give_report(fix, "log", asan);
    assert_int_equal(next_job(fix, 0, &job), 1);
    assert_string_equal(finish(fix, &job, &said).bug_name, "NJ-1");
    must(fix, store_report(fix->store, 1, &report, &fix->err));
    assert_string_equal(buf_str(&report), asan);
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_string_equal(bug.reproducibility, "unknown");
    assert_int_equal(store_bug_command(fix->store, 1, &command, &settings, &fix->err),
                     -ENODATA);
    assert_string_equal(
        fix->err.msg,
        "NJ-1 has no command: there is no such bug, or it stems from a report");
    /* an input that shows the same bug is the better witness */
    const struct said input = {0};
    (void)triage(fix,
                 "an input that is longer than the report, which is not short itself",
                 &input);
    must(fix, store_bug_command(fix->store, 1, &command, &settings, &fix->err));
    assert_string_equal(command.argv.v[0], "/bin/true");
    assert_true(settings.ooms_and_hangs);
    strv_clear(&settings.ignore_frames);
    assert_clean(fix);
}

/* --- failures --- */

static void
test_full_disk_leaves_the_crash_queued(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {.report = asan};
    AUTO(job_clear) struct job job = {0};
    AUTO(json_decref) json_t *answer = NULL;
    struct job_outcome outcome = {0};

    (void)give(fix, "a", "aaaa");
    assert_int_equal(next_job(fix, 0, &job), 1);
    answer = answer_of(&job, &said);
    json_t *frames = json_object_get(json_object_get(answer, "record"), "frames");
    for (int i = 0; i < 300; i++) { /* more than the free space of one page */
        json_t *frame = json_deep_copy(json_array_get(frames, 0));
        assert_int_equal(json_array_append_new(frames, frame), 0);
    }
    /* a table that takes what is left of the pages */
    execute(fix, "CREATE TABLE filler(x BLOB); PRAGMA max_page_count=1");
    while (db_exec(store_db(fix->store), "INSERT INTO filler VALUES(zeroblob(3000))",
                   &fix->err) == 0) {
    }
    assert_int_equal(store_finish_job(fix->store, &job, answer, &outcome, &fix->err),
                     -ENOSPC);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE state = 'queued'"), 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug"), 0);
    assert_clean(fix);
    execute(fix, "PRAGMA max_page_count=100000");
    must(fix, store_finish_job(fix->store, &job, answer, &outcome, &fix->err));
    assert_true(outcome.bug_is_new);
    assert_clean(fix);
}

static void
test_malformed_answer_is_a_death(void **state)
{
    struct fixture *fix = *state;
    static const char *const states[] = {"queued", "untriageable"};

    (void)give(fix, "a", "aaaa");
    for (int i = 0; i < 2; i++) {
        AUTO(job_clear) struct job job = {0};
        AUTO(json_decref) json_t *answer = json_object();
        struct job_outcome outcome = {0};
        assert_int_equal(next_job(fix, 0, &job), 1);
        json_put(answer, "job", json_integer(job.id));
        json_put(answer, "outcome", json_string("crash"));
        must(fix, store_finish_job(fix->store, &job, answer, &outcome, &fix->err));
        assert_string_equal(outcome.state, states[i]);
    }
    assert_int_equal(number(fix, "SELECT reason = '''n'' is not a number from 0 to 100'"
                                 " FROM crash"),
                     1);
    assert_clean(fix);
}

/* --- answers that name another job's --- */

/* The job of the only crash that waits ends so. */
static struct job_outcome
finish_same(struct fixture *fix, const struct job *job, int64_t same)
{
    AUTO(json_decref) json_t *answer = json_object();
    struct job_outcome outcome = {0};

    json_put(answer, "job", json_integer(job->id));
    json_put(answer, "same", json_integer(same));
    must(fix, store_finish_job(fix->store, job, answer, &outcome, &fix->err));
    return outcome;
}

static int64_t
first_of_a_bug(struct fixture *fix)
{
    const struct said said = {.report = asan};
    AUTO(job_clear) struct job job = {0};

    (void)give(fix, "a", "aaaa");
    assert_int_equal(next_job(fix, 0, &job), 1);
    assert_true(finish(fix, &job, &said).bug_is_new);
    return job.id;
}

static bool
is_whole(const struct job *job)
{
    return json_is_true(json_object_get(job->request, "whole"));
}

static void
test_an_answer_may_name_the_job_of_the_same_crash(void **state)
{
    struct fixture *fix = *state;
    int64_t first = first_of_a_bug(fix);
    AUTO(job_clear) struct job job = {0};

    (void)give(fix, "b", "bbbb");
    assert_int_equal(next_job(fix, 0, &job), 1);
    assert_false(is_whole(&job));
    struct job_outcome outcome = finish_same(fix, &job, first);
    assert_false(outcome.again);
    assert_string_equal(outcome.state, "triaged");
    assert_int_equal(outcome.bug, 1);
    assert_false(outcome.bug_is_new);
    assert_int_equal(number(fix, "SELECT crashes FROM bug"), 2);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash a JOIN crash b"
                                 " ON a.major = b.major AND a.minor = b.minor"
                                 " WHERE a.id < b.id AND b.k = 1 AND b.n = 1"),
                     1);
    assert_int_equal(number(fix, "SELECT count(*) FROM record"), 1);
    assert_clean(fix);
}

static void
test_a_job_that_nobody_remembers_is_asked_for_in_full(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    int64_t first = first_of_a_bug(fix);
    AUTO(job_clear) struct job job = {0};
    AUTO(job_clear) struct job again = {0};

    store_close(STEAL(fix->store));
    must(fix, store_open(fix->state, DB_WRITE, &fix->store, &fix->err));
    (void)give(fix, "b", "bbbb");
    assert_int_equal(next_job(fix, 0, &job), 1);
    assert_true(job.id > first);
    struct job_outcome outcome = finish_same(fix, &job, first);
    assert_true(outcome.again);
    assert_string_equal(outcome.state, "queued");
    assert_int_equal(next_job(fix, 0, &again), 1);
    assert_true(is_whole(&again));
    outcome = finish(fix, &again, &said);
    assert_false(outcome.again);
    assert_string_equal(outcome.state, "triaged");
    assert_int_equal(number(fix, "SELECT max(deaths) FROM crash"), 0);
    assert_clean(fix);
}

static void
test_who_was_asked_in_full_and_is_short_died(void **state)
{
    struct fixture *fix = *state;
    int64_t first = first_of_a_bug(fix);

    (void)give(fix, "b", "bbbb");
    for (int i = 0; i < 2; i++) {
        AUTO(job_clear) struct job job = {0};
        assert_int_equal(next_job(fix, 0, &job), 1);
        (void)finish_same(fix, &job, i == 0 ? first + 99 : first);
    }
    assert_int_equal(number(fix, "SELECT max(deaths) FROM crash"), 1);
}

/* The first of a source is an example, whose record and report are its own. */
static void
test_what_is_kept_of_a_crash_is_its_own(void **state)
{
    struct fixture *fix = *state;
    int64_t first = first_of_a_bug(fix);
    AUTO(mem_free) char *path = put_bytes(fix, "b", "bbbb", 4);
    AUTO(job_clear) struct job job = {0};

    (void)give_path(fix, path, "afl");
    assert_int_equal(next_job(fix, 0, &job), 1);
    assert_string_equal(json_get_str(job.request, "source", ""), "afl");
    assert_true(finish_same(fix, &job, first).again);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_answer_may_name_the_job_of_the_same_crash),
        TEST(test_a_job_that_nobody_remembers_is_asked_for_in_full),
        TEST(test_who_was_asked_in_full_and_is_short_died),
        TEST(test_what_is_kept_of_a_crash_is_its_own),
        TEST(test_first_crash_founds_a_bug),
        TEST(test_duplicate_adds_to_counters_only),
        TEST(test_finish_told_twice_is_told_the_same),
        TEST(test_clean_run_is_unreproducible_and_no_bug),
        TEST(test_broken_replay_is_the_targets_health_and_no_bug),
        TEST(test_unparsed_crash_is_a_visible_bug),
        TEST(test_kinds_are_counted_apart),
        TEST(test_worse_crash_raises_the_severity_and_stands_for_the_bug),
        TEST(test_what_reproduces_best_then_what_is_smallest_stands_for_the_bug),
        TEST(test_report_is_its_own_report),
        TEST(test_full_disk_leaves_the_crash_queued),
        TEST(test_malformed_answer_is_a_death),
    };

    return cmocka_run_group_tests_name("store_finish", tests, NULL, NULL);
}
