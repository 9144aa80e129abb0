#include "tests/unit/store_fixture.h"

#include "triage/build.h"

static void
put_builds(struct fixture *fix, const char *release)
{
    AUTO(build_list_clear) struct build_list list = {0};
    const char *const kinds[] = {"sanitizer", "release"};
    const char *const programs[] = {"/bin/true", release};

    for (size_t i = 0; i < COUNT(kinds) && programs[i] != NULL; i++) {
        AUTO(command_clear) struct command command = {.timeout_ms = 1000};
        strv_add(&command.argv, programs[i]);
        build_list_add(&list, kinds[i], &command);
    }
    must(fix, store_put_builds(fix->store, fix->target, &list, &fix->err));
}

/* Three bugs from before there was a release build: 1, 2, 3. */
static void
put_bugs(struct fixture *fix)
{
    static const char *const functions[] = {"one", "two", "three"};

    for (size_t i = 0; i < COUNT(functions); i++) {
        const struct said said = {.frames = {functions[i], "main"}};
        assert_int_equal(triage(fix, functions[i], &said).bug, (int64_t)i + 1);
    }
}

static void
answer(struct fixture *fix, const struct job *job, const char *outcome, int k)
{
    AUTO(json_decref)
    json_t *line = json_pack("{s:I,s:s,s:i,s:i,s:i,s:[{s:s,s:s,s:n,s:i,s:i}]}", "job",
                             (json_int_t)job->id, "outcome", outcome, "k", k, "n", 3,
                             "other", 0, "replays", "kind", "release", "outcome", outcome,
                             "major", "k", k, "n", 3);
    struct job_outcome told = {0};

    assert_non_null(line);
    must(fix, store_finish_job(fix->store, job, line, &told, &fix->err));
}

static double
score(struct fixture *fix, int64_t id)
{
    AUTO(bug_clear) struct bug bug = {0};

    must(fix, store_bug(fix->store, id, &bug, &fix->err));
    return bug.severity_score;
}

static void
test_bugs_of_before_are_tried_on_it_once(void **state)
{
    struct fixture *fix = *state;
    static const char *const outcomes[] = {"crash", "clean", "timeout"};
    double before[COUNT(outcomes)];

    put_builds(fix, NULL);
    put_bugs(fix);
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        before[i] = score(fix, (int64_t)i + 1);
    }
    put_builds(fix, "/b/release");
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        AUTO(job_clear) struct job job = {0};
        assert_int_equal(next_job(fix, 0, &job), 1);
        assert_int_equal(job.kind, JOB_RELEASE);
        assert_int_equal(job.bug, (int64_t)i + 1);
        assert_string_equal(json_get_str(job.request, "op", ""), "release");
        const json_t *command = json_object_get(job.request, "command");
        const json_t *argv = json_object_get(command, "argv");
        assert_string_equal(json_string_value(json_array_get(argv, 0)), "/b/release");
        answer(fix, &job, outcomes[i], 3);
    }
    AUTO(job_clear) struct job none = {0};
    assert_int_equal(next_job(fix, 0, &none), 0);
    put_builds(fix, "/b/release");
    assert_int_equal(next_job(fix, 0, &none), 0);
    assert_true(score(fix, 1) > before[0]);
    assert_true(score(fix, 2) <= before[1]);
    assert_int_equal(number(fix, "SELECT count(*) FROM record"
                                 " WHERE json_extract(json, '$.shipped.k') = 3"
                                 " AND json_extract(json, '$.shipped.n') = 3"),
                     1);
    assert_int_equal(number(fix, "SELECT count(*) FROM record"
                                 " WHERE json_extract(json, '$.shipped.k') = 0"),
                     2);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.severity'"
                                 " AND detail LIKE '%crashes what we ship: 3 of 3 runs%'"
                                 " AND subject_id = 1"),
                     1);
    assert_clean(fix);
}

/* Only what is open, reproduces and is no report; each release build anew. */
static void
test_only_open_bugs_are_tried_and_each_build_anew(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job first = {0};
    AUTO(job_clear) struct job again = {0};
    AUTO(job_clear) struct job none = {0};

    put_bugs(fix);
    execute(fix, "UPDATE bug SET state = 'fixed' WHERE id = 1");
    execute(fix, "UPDATE crash SET outcome = 'timeout' WHERE id = 2");
    put_builds(fix, "/b/release");
    assert_int_equal(next_job(fix, 0, &first), 1);
    assert_int_equal(first.bug, 3);
    answer(fix, &first, "clean", 3);
    assert_int_equal(next_job(fix, 0, &none), 0);
    put_builds(fix, "/b/next-release");
    assert_int_equal(next_job(fix, 0, &again), 1);
    assert_int_equal(again.bug, 3);
}

/* A worker that dies of one is not sent into it again and again. */
static void
test_death_counts_as_broken(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job job = {0};
    AUTO(job_clear) struct job none = {0};
    struct job_outcome outcome = {0};

    put_bugs(fix);
    execute(fix, "UPDATE bug SET state = 'ignored' WHERE id > 1");
    put_builds(fix, "/b/release");
    assert_int_equal(next_job(fix, 0, &job), 1);
    must(fix, store_fail_job(fix->store, &job, "it died", &outcome, &fix->err));
    assert_string_equal(outcome.state, "triaged");
    put_builds(fix, "/b/release");
    assert_int_equal(next_job(fix, 0, &none), 0);
    assert_int_equal(number(fix,
                            "SELECT count(*) FROM replay r JOIN build b ON b.id = r.build"
                            " WHERE b.kind = 'release' AND r.outcome = 'broken'"),
                     1);
    assert_int_equal(
        number(fix, "SELECT count(*) FROM record WHERE json LIKE '%shipped%'"), 0);
}

static void
test_a_malformed_answer_counts_as_a_death(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job job = {0};
    struct job_outcome outcome = {0};

    put_bugs(fix);
    put_builds(fix, "/b/release");
    assert_int_equal(next_job(fix, 0, &job), 1);
    AUTO(json_decref)
    json_t *line = json_pack("{s:I,s:s,s:i,s:i,s:i,s:[]}", "job", (json_int_t)job.id,
                             "outcome", "crash", "k", 3, "n", 3, "other", 0, "replays");
    must(fix, store_finish_job(fix->store, &job, line, &outcome, &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM replay WHERE outcome = 'broken'"),
                     1);
}

/* The input that stands for it was dropped: its reproducer is tried. */
static void
test_reproducer_stands_in_for_dropped_bytes(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job job = {0};
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    put_bugs(fix);
    execute(fix, "UPDATE bug SET state = 'ignored' WHERE id > 1");
    execute(fix, "UPDATE bug SET reproducer = 2 WHERE id = 1");
    execute(fix, "UPDATE blob SET state = 'dropped' WHERE id = 1");
    put_builds(fix, "/b/release");
    assert_int_equal(next_job(fix, 0, &job), 1);
    AUTO(mem_free) char *input = fs_join(fix->work, "input");
    must(fix, fs_read(input, 100, &bytes, &fix->err));
    assert_string_equal(buf_str(&bytes), "two");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bugs_of_before_are_tried_on_it_once),
        TEST(test_only_open_bugs_are_tried_and_each_build_anew),
        TEST(test_death_counts_as_broken),
        TEST(test_a_malformed_answer_counts_as_a_death),
        TEST(test_reproducer_stands_in_for_dropped_bytes),
    };

    return cmocka_run_group_tests_name("store_release", tests, NULL, NULL);
}
