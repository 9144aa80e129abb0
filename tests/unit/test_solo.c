/* With this program itself as the triage worker: see fake_worker(). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/supervise/solo.h"

struct fixture {
    char *folder; /* TMPDIR of the test */
    struct solo *solo;
    json_t *requests[3], *answers[3];
    struct buf inputs[3];
    int ticks;
    struct err err;
};

/* --- the worker's side: does what "do" says; answers with its input's bytes --- */

static void
fake_job(const json_t *request)
{
    const char *what = json_get_str(request, "do", "answer");
    const char *input = json_get_str(request, "input", "");
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    AUTO(json_decref) json_t *answer = json_object();

    /* "once": only the first worker dies, which leaves a mark where the next finds it */
    AUTO(mem_free) char *mark = mem_printf("%s.mark", what);
    if (strcmp(what, "die") == 0) {
        exit(7);
    }
    if (strncmp(what, "/", 1) == 0 && !fs_exists(mark)) {
        (void)fs_write(mark, "", 0, 0644, NULL);
        exit(7);
    }
    if (strcmp(what, "hang") == 0) {
        (void)pause();
    }
    if (strcmp(what, "mad") == 0) {
        (void)printf("[1]\n");
        (void)fflush(stdout);
        return;
    }
    (void)fs_read(input, 4096, &bytes, NULL);
    json_put(answer, "job", json_incref(json_object_get(request, "job")));
    json_put(answer, "input", json_text_n(buf_str(&bytes), bytes.len));
    json_print(stdout, answer);
    (void)fflush(stdout);
}

static int
fake_worker(void)
{
    AUTO(mem_free) char *line = mem_alloc(1 << 20);

    while (fgets(line, 1 << 20, stdin) != NULL) {
        AUTO(json_decref) json_t *request = NULL;
        if (json_parse(line, strlen(line), &request, NULL) < 0) {
            return 1;
        }
        fake_job(request);
    }
    return 0;
}

/* --- the fixture --- */

static void
on_tick(void *user)
{
    struct fixture *fix = user;

    fix->ticks++;
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char name[] = "/tmp/nightjar-test-XXXXXX";

    fix->folder = mem_strdup(mkdtemp(name));
    (void)setenv("TMPDIR", fix->folder, 1);
    const struct solo_config config = {
        .rung = SANDBOX_NONE, .jobs = 3, .tick = on_tick, .user = fix};
    if (solo_new(&config, &fix->solo, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    *state = fix;
    return 0;
}

/* Nothing of its folder is left. */
static int
teardown(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *pattern = mem_printf("%s/nightjar-*", fix->folder);
    glob_t left;

    solo_free(fix->solo);
    for (size_t i = 0; i < COUNT(fix->requests); i++) {
        json_decref(fix->requests[i]);
        json_decref(fix->answers[i]);
        buf_clear(&fix->inputs[i]);
    }
    int found = glob(pattern, 0, NULL, &left);
    if (found == 0) {
        globfree(&left);
    }
    (void)fs_remove(fix->folder, NULL);
    mem_free(fix->folder);
    mem_free(fix);
    return found == GLOB_NOMATCH ? 0 : -1;
}

static void
ask(struct fixture *fix, size_t i, const char *what, const char *input)
{
    json_decref(fix->requests[i]);
    json_decref(STEAL(fix->answers[i]));
    fix->requests[i] = json_pack("{s:s,s:s}", "op", "report", "do", what);
    buf_clear(&fix->inputs[i]);
    buf_adds(&fix->inputs[i], input);
}

static int
run(struct fixture *fix, size_t n)
{
    return solo_run(fix->solo, fix->requests, fix->inputs, n, fix->answers, &fix->err);
}

static void
assert_answer(const struct fixture *fix, size_t i, const char *input)
{
    assert_string_equal(json_get_str(fix->answers[i], "input", "(none)"), input);
}

static void
test_answers_stand_beside_their_requests(void **state)
{
    struct fixture *fix = *state;

    for (int round = 0; round < 3; round++) {
        ask(fix, 0, "answer", "one");
        ask(fix, 1, "answer", "");
        ask(fix, 2, "answer", "three");
        assert_int_equal(run(fix, 3), 0);
        assert_answer(fix, 0, "one");
        assert_answer(fix, 1, "");
        assert_answer(fix, 2, "three");
    }
    assert_true(fix->ticks > 0);
    assert_null(
        json_object_get(fix->requests[0], "job")); /* the caller's stays as it was */
    assert_int_equal(run(fix, 4), -EINVAL);
}

static void
test_a_worker_may_die_once(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *once = fs_join(fix->folder, "once");

    ask(fix, 0, once, "again");
    ask(fix, 1, "answer", "beside");
    assert_int_equal(run(fix, 2), 0);
    assert_answer(fix, 0, "again");
    assert_answer(fix, 1, "beside");
}

static void
test_two_deaths_are_an_error(void **state)
{
    struct fixture *fix = *state;

    ask(fix, 0, "die", "x");
    assert_int_equal(run(fix, 1), -EIO);
    assert_non_null(strstr(fix->err.msg, "triage workers die of this input: "));
    assert_null(fix->answers[0]);
    ask(fix, 0, "answer", "x"); /* it is over, not confused */
    assert_int_equal(run(fix, 1), -EIO);
}

static void
test_nonsense_is_an_error(void **state)
{
    struct fixture *fix = *state;

    ask(fix, 0, "mad", "x");
    assert_int_equal(run(fix, 1), -EIO);
    assert_string_equal(fix->err.msg, "a triage worker said what is no answer");
}

static void
test_the_person_may_interrupt(void **state)
{
    struct fixture *fix = *state;

    ask(fix, 0, "hang", "x");
    (void)raise(SIGINT); /* blocked, so it waits to be looked at */
    assert_int_equal(run(fix, 1), -ECANCELED);
    assert_string_equal(fix->err.msg, "interrupted");
    assert_true(solo_interrupted(fix->solo));
}

static void
test_jobs_have_a_bound(void **state)
{
    struct fixture *fix = *state;
    const struct solo_config config = {.rung = SANDBOX_NONE, .jobs = SOLO_JOBS_MAX + 1};
    struct solo *other = NULL;

    assert_int_equal(solo_new(&config, &other, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "65 is no number of jobs from 1 to 64");
}

/* --- streams --- */

enum { STREAM = 40 };

struct stream_fixture {
    struct fixture *fix;
    const char *what[STREAM]; /* NULL: "answer" */
    int64_t next, limit;
    bool seen[STREAM];
    int answers, lost;
};

static int
stream_next(void *user, json_t **request, struct buf *input, int64_t *id, struct err *err)
{
    struct stream_fixture *stream = user;

    (void)err;
    if (stream->next == stream->limit) {
        return 0;
    }
    *id = stream->next++;
    const char *what = stream->what[*id] == NULL ? "answer" : stream->what[*id];
    *request = json_pack("{s:s,s:s}", "op", "report", "do", what);
    buf_addf(input, "input %lld", (long long)*id);
    return 1;
}

static int
stream_done(void *user, int64_t id, int64_t job, const json_t *answer, const char *why,
            struct err *err)
{
    struct stream_fixture *stream = user;
    AUTO(mem_free) char *wanted = mem_printf("input %lld", (long long)id);

    assert_false(stream->seen[id]);
    stream->seen[id] = true;
    if (answer == NULL) {
        assert_non_null(why);
        stream->lost++;
        return 0;
    }
    assert_string_equal(json_get_str(answer, "input", ""), wanted);
    assert_int_equal(json_get_int(answer, "job", -1), job);
    stream->answers++;
    return id == 39 ? err_set(err, -EBADMSG, "the last") : 0;
}

static int
stream(struct stream_fixture *stream)
{
    const struct solo_stream how = {stream, stream_next, stream_done};

    return solo_stream(stream->fix->solo, &how, &stream->fix->err);
}

static void
test_stream_answers_each_job_once(void **state)
{
    struct stream_fixture all = {.fix = *state, .limit = 39};

    assert_int_equal(stream(&all), 0);
    assert_int_equal(all.answers, 39);
    ask(all.fix, 0, "answer", "one"); /* and a run may follow */
    assert_int_equal(run(all.fix, 1), 0);
    assert_answer(all.fix, 0, "one");
}

static void
test_stream_loses_only_what_workers_die_of(void **state)
{
    struct stream_fixture some = {.fix = *state, .limit = 20};
    AUTO(mem_free) char *once = fs_join(some.fix->folder, "once");

    some.what[3] = "die";
    some.what[4] = "mad";
    some.what[5] = once;
    assert_int_equal(stream(&some), 0);
    assert_int_equal(some.lost, 2);
    assert_int_equal(some.answers, 18);
}

static void
test_stream_ends_when_it_is_told_to(void **state)
{
    struct stream_fixture all = {.fix = *state, .limit = STREAM};

    assert_int_equal(stream(&all), -EBADMSG);
    assert_string_equal(all.fix->err.msg, "the last");
}

static void
test_stream_may_be_interrupted(void **state)
{
    struct stream_fixture some = {.fix = *state, .limit = 2};

    some.what[1] = "hang";
    (void)raise(SIGINT);
    assert_int_equal(stream(&some), -ECANCELED);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers_stand_beside_their_requests),
        TEST(test_a_worker_may_die_once),
        TEST(test_two_deaths_are_an_error),
        TEST(test_nonsense_is_an_error),
        TEST(test_the_person_may_interrupt),
        TEST(test_jobs_have_a_bound),
        TEST(test_stream_answers_each_job_once),
        TEST(test_stream_loses_only_what_workers_die_of),
        TEST(test_stream_ends_when_it_is_told_to),
        TEST(test_stream_may_be_interrupted),
    };

    if (argc > 1 && strcmp(argv[1], "triage-worker") == 0) {
        return fake_worker();
    }
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("solo", tests, NULL, NULL);
}
