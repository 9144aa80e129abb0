/* The pool with this program itself as the triage worker: see fake_worker(). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/supervise/pool.h"
#include "triage/worker.h"

enum { WAIT_MS = 20000, SLACK_MS = 300 };

struct fixture {
    sd_event *event;
    struct pool *pool;
    char *folder, *state;
    struct strv answers;
    char *died;       /* the last reason */
    int64_t died_job; /* its "tag" */
    int n_died, n_ready;
    struct err failed, err;
};

/* --- the worker's side --- */

/* Does what "do" of the request says; answers with its own pid. */
static void
fake_job(const json_t *request)
{
    const char *what = json_get_str(request, "do", "answer");
    int64_t job = json_get_int(request, "job", -1);

    if (strcmp(what, "die") == 0) {
        (void)fprintf(stderr, "cannot \033[31mgo on\n");
        exit(7);
    }
    if (strcmp(what, "litter") == 0) {
        (void)fs_write("litter", "x", 1, 0644, NULL);
        (void)raise(SIGKILL);
    }
    if (strcmp(what, "hang") == 0) {
        (void)pause();
    }
    if (strcmp(what, "flood") == 0) {
        for (;;) {
            (void)fputs(
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                stdout);
        }
    }
    (void)printf("{\"job\":%lld,\"pid\":%d}\n", (long long)job, (int)getpid());
    if (strcmp(what, "chatter") == 0) {
        (void)printf("and another thing\n");
    }
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
on_ready(void *user, int slot)
{
    struct fixture *fix = user;

    (void)slot;
    fix->n_ready++;
}

static void
on_answer(void *user, int slot, json_t *job, const char *line, size_t len)
{
    struct fixture *fix = user;

    (void)slot;
    (void)job;
    assert_int_equal(strlen(line), len);
    strv_add(&fix->answers, line);
}

static void
on_died(void *user, int slot, json_t *job, const char *reason)
{
    struct fixture *fix = user;

    (void)slot;
    fix->n_died++;
    fix->died_job = json_get_int(job, "tag", 0);
    mem_free(fix->died);
    fix->died = mem_strdup(reason);
}

static void
on_failed(void *user, const struct err *why)
{
    struct fixture *fix = user;

    fix->failed = *why;
}

static void
make_pool(struct fixture *fix, const char *program)
{
    const struct pool_config config = {.event = fix->event,
                                       .program = program,
                                       .state = fix->state,
                                       .rung = SANDBOX_NONE,
                                       .jobs = 2,
                                       .slack_ms = SLACK_MS,
                                       .user = fix,
                                       .ready = on_ready,
                                       .answer = on_answer,
                                       .died = on_died,
                                       .failed = on_failed};

    pool_free(STEAL(fix->pool));
    assert_int_equal(pool_new(&config, &fix->pool, &fix->err), 0);
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char folder[] = "/tmp/nightjar-pool.XXXXXX";

    assert_non_null(mkdtemp(folder));
    fix->folder = mem_strdup(folder);
    fix->state = fs_join(folder, "state");
    assert_int_equal(sd_event_new(&fix->event), 0);
    make_pool(fix, NULL);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    pool_free(fix->pool);
    (void)sd_event_unref(fix->event);
    (void)fs_remove(fix->folder, NULL);
    mem_free(fix->folder);
    mem_free(fix->state);
    mem_free(fix->died);
    strv_clear(&fix->answers);
    mem_free(fix);
    return 0;
}

/* A job that runs `program` on nothing: what it does stands in "do". */
static json_t *
job_of(int64_t tag, const char *what, const char *program)
{
    json_t *request = json_pack("{s:I,s:s,s:s,s:i}", "job", (json_int_t)tag, "op",
                                "report", "do", what, "runs", 1);
    json_t *command =
        json_pack("{s:[s],s:[],s:[],s:s,s:i,s:i,s:b}", "argv", program, "env", "read",
                  "mode", "stdin", "timeout_ms", 1, "memory_bytes", 0, "asan", 0);

    json_put(request, "command", command);
    return json_pack("{s:I,s:o}", "tag", (json_int_t)tag, "request", request);
}

static void
give(struct fixture *fix, int slot, const char *what)
{
    pool_give(fix->pool, slot, job_of(7, what, "/bin/true"));
}

/* Run the loop until the slots have said `n` times that they are ready, or all failed. */
static void
until_ready(struct fixture *fix, int n)
{
    int64_t end = clock_mono_ms() + WAIT_MS;

    while (fix->n_ready < n && fix->failed.code == 0 && clock_mono_ms() < end) {
        (void)sd_event_run(fix->event, 50000);
    }
}

static int64_t
pid_of_answer(const struct fixture *fix, size_t i)
{
    AUTO(json_decref) json_t *answer = NULL;

    assert_true(fix->answers.n > i);
    assert_int_equal(
        json_parse(fix->answers.v[i], strlen(fix->answers.v[i]), &answer, NULL), 0);
    return json_get_int(answer, "pid", 0);
}

/* --- tests --- */

static void
test_job_is_answered_and_the_worker_serves_the_next(void **state)
{
    struct fixture *fix = *state;

    give(fix, 0, "answer");
    assert_int_equal(pool_running(fix->pool), 1);
    until_ready(fix, 1);
    assert_int_equal(pool_running(fix->pool), 0);
    give(fix, 0, "answer");
    until_ready(fix, 2);
    assert_int_equal(fix->answers.n, 2);
    assert_int_equal(pid_of_answer(fix, 0), pid_of_answer(fix, 1));
    assert_int_equal(fix->n_died, 0);
}

static void
test_slots_have_workers_and_folders_of_their_own(void **state)
{
    struct fixture *fix = *state;

    assert_string_not_equal(pool_folder(fix->pool, 0), pool_folder(fix->pool, 1));
    assert_true(fs_is_folder(pool_folder(fix->pool, 1)));
    give(fix, 0, "answer");
    give(fix, 1, "answer");
    assert_int_equal(pool_running(fix->pool), 2);
    until_ready(fix, 2);
    assert_int_not_equal(pid_of_answer(fix, 0), pid_of_answer(fix, 1));
}

static void
test_death_is_told_with_its_cause_and_another_worker_goes_on(void **state)
{
    struct fixture *fix = *state;

    give(fix, 0, "die");
    until_ready(fix, 1);
    assert_int_equal(fix->n_died, 1);
    assert_int_equal(fix->died_job, 7);
    assert_string_equal(fix->died, "it ended (exit status 7): cannot [31mgo on");
    assert_int_equal(pool_deaths(fix->pool), 1);
    give(fix, 0, "answer");
    until_ready(fix, 2);
    assert_int_equal(fix->answers.n, 1);
}

static void
test_death_leaves_an_empty_folder(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *litter = fs_join(pool_folder(fix->pool, 0), "litter");

    give(fix, 0, "litter");
    until_ready(fix, 1);
    assert_int_equal(fix->n_died, 1);
    assert_false(fs_exists(litter));
    assert_true(fs_is_folder(pool_folder(fix->pool, 0)));
}

static void
test_job_is_killed_at_its_deadline(void **state)
{
    struct fixture *fix = *state;
    int64_t begun = clock_mono_ms();

    give(fix, 0, "hang");
    until_ready(fix, 1);
    assert_int_equal(fix->n_died, 1);
    assert_string_equal(fix->died, "it was killed at the job's deadline");
    assert_true(clock_mono_ms() - begun >= SLACK_MS);
}

static void
test_line_without_an_end_is_a_death(void **state)
{
    struct fixture *fix = *state;
    give(fix, 0, "flood");
    until_ready(fix, 1);
    assert_int_equal(fix->n_died, 1);
    assert_int_equal(fix->answers.n, 0);
    /* on a loaded machine the deadline may come before the eight mebibytes */
    if (strcmp(fix->died, "it was killed at the job's deadline") != 0) {
        assert_string_equal(fix->died, "a line is longer than allowed");
    }
}

static void
test_line_that_nobody_asked_for_ends_the_worker_not_the_next_job(void **state)
{
    struct fixture *fix = *state;

    give(fix, 0, "chatter");
    until_ready(fix, 1);
    assert_int_equal(fix->answers.n, 1);
    for (int i = 0; i < 10; i++) {
        (void)sd_event_run(fix->event, 20000);
    }
    give(fix, 0, "answer");
    until_ready(fix, 2);
    assert_int_equal(fix->answers.n, 2);
    assert_int_not_equal(pid_of_answer(fix, 0), pid_of_answer(fix, 1));
    assert_int_equal(fix->n_died, 0);
}

static void
test_worker_that_was_killed_while_idle_is_replaced(void **state)
{
    struct fixture *fix = *state;

    give(fix, 0, "answer");
    until_ready(fix, 1);
    assert_int_equal(kill((pid_t)pid_of_answer(fix, 0), SIGKILL), 0);
    for (int i = 0; i < 10; i++) {
        (void)sd_event_run(fix->event, 20000);
    }
    give(fix, 0, "answer");
    until_ready(fix, 2);
    assert_int_equal(fix->answers.n, 2);
    assert_int_equal(fix->n_died, 0);
}

static void
test_target_that_the_worker_cannot_see_starts_it_anew(void **state)
{
    struct fixture *fix = *state;

    give(fix, 0, "answer");
    until_ready(fix, 1);
    pool_give(fix->pool, 0, job_of(8, "answer", "/bin/echo"));
    until_ready(fix, 2);
    assert_int_not_equal(pid_of_answer(fix, 0), pid_of_answer(fix, 1));
    give(fix, 0, "answer"); /* this one knows both */
    until_ready(fix, 3);
    assert_int_equal(pid_of_answer(fix, 1), pid_of_answer(fix, 2));
}

static void
test_cancel_forgets_the_job_and_frees_the_slot(void **state)
{
    struct fixture *fix = *state;

    give(fix, 0, "hang");
    give(fix, 1, "answer");
    until_ready(fix, 1);
    pool_cancel(fix->pool, 0);
    assert_int_equal(pool_running(fix->pool), 0);
    assert_null(pool_job(fix->pool, 0));
    give(fix, 0, "answer");
    until_ready(fix, 2);
    assert_int_equal(fix->answers.n, 2);
    assert_int_equal(fix->n_died, 0);
}

static void
write_program(const struct fixture *fix, const char *name, const char *text, char **out)
{
    *out = fs_join(fix->folder, name);
    assert_int_equal(fs_write(*out, text, strlen(text), 0755, NULL), 0);
}

static void
expect(struct fixture *fix, size_t jobs)
{
    AUTO(build_list_clear) struct build_list builds = {0};
    AUTO(json_decref)
    json_t *array =
        json_pack("[{s:s,s:{s:[s],s:[],s:[],s:s,s:i,s:i,s:b}}]", "kind", "sanitizer",
                  "command", "argv", "/bin/true", "env", "read", "mode", "stdin",
                  "timeout_ms", 1, "memory_bytes", 0, "asan", 0);

    assert_int_equal(build_list_from_json(array, &builds, &fix->err), 0);
    pool_expect(fix->pool, &builds, jobs);
}

static void
test_expected_jobs_find_a_worker_that_runs(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = NULL;
    AUTO(mem_free) char *log = fs_join(fix->folder, "started");
    AUTO(mem_free)
    char *text = mem_printf("#!/bin/sh\necho x >>%s\nwhile read -r line; do\n"
                            "case $line in *prepare*/bin/true*) echo y >>%s ;; esac\n"
                            "echo '{\"job\":0}'; done\n",
                            log, log);
    AUTO(buf_clear) struct buf said = BUF_INIT;

    write_program(fix, "eager", text, &program);
    make_pool(fix, program);
    expect(fix, 0);
    assert_false(fs_exists(log));
    expect(fix, 1);
    assert_int_equal(pool_running(fix->pool), 0);
    for (int i = 0; i < 400 && said.len < 4; i++) {
        (void)sd_event_run(fix->event, 20000);
        buf_clear(&said);
        (void)fs_read(log, 99, &said, NULL);
    }
    assert_string_equal(buf_str(&said), "x\ny\n");
    assert_int_equal(fix->n_ready, 0);
    give(fix, 0, "answer"); /* it runs */
    give(fix, 1, "answer"); /* nothing was started there */
    until_ready(fix, 2);
    assert_int_equal(fix->answers.n, 2);
    expect(fix, 2); /* both run */
    buf_clear(&said);
    assert_int_equal(fs_read(log, 99, &said, NULL), 0);
    assert_string_equal(buf_str(&said), "x\ny\nx\ny\n");
}

static void
test_a_job_waits_for_the_start_that_was_expected_of_it(void **state)
{
    struct fixture *fix = *state;

    expect(fix, 2);
    give(fix, 0, "answer");
    give(fix, 1, "answer");
    until_ready(fix, 2);
    assert_int_equal(fix->answers.n, 2);
    assert_int_equal(fix->n_ready, 2);
}

static void
test_an_expected_worker_that_cannot_start_is_nobodys_job(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = NULL;

    write_program(fix, "ill", "#!/bin/sh\nexit 3\n", &program);
    make_pool(fix, program);
    expect(fix, 1);
    for (int i = 0; i < 10; i++) { /* it ends, and a pause */
        (void)sd_event_run(fix->event, 20000);
    }
    assert_int_equal(fix->failed.code, 0);
    give(fix, 0, "answer");
    until_ready(fix, 1);
    assert_int_equal(fix->failed.code, -ENOTSUP);
    assert_int_equal(fix->n_ready, 0);
    assert_int_equal(fix->n_died, 0);
}

static void
test_worker_that_cannot_start_fails_the_pool_after_three_times(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = NULL;

    write_program(fix, "sick", "#!/bin/sh\necho no symbolizer >&2\nexit 3\n", &program);
    make_pool(fix, program);
    give(fix, 0, "answer");
    until_ready(fix, 1);
    assert_int_equal(fix->n_ready, 0);
    assert_int_equal(fix->n_died, 0);
    assert_int_equal(fix->failed.code, -ENOTSUP);
    assert_string_equal(
        fix->failed.msg,
        "no triage worker can be started in the sandbox (none): it ended (exit "
        "status 3): no symbolizer; `nightjar doctor` checks the sandbox");
}

static void
test_worker_whose_first_answer_is_an_error_cannot_start(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = NULL;

    write_program(
        fix, "poor",
        "#!/bin/sh\nread -r line\necho '{\"job\":0,\"error\":\"no room in /tmp\"}'\n"
        "read -r line\n",
        &program);
    make_pool(fix, program);
    give(fix, 0, "answer");
    until_ready(fix, 1);
    assert_string_equal(
        fix->failed.msg,
        "no triage worker can be started in the sandbox (none): no room in /tmp; "
        "`nightjar doctor` checks the sandbox");
}

static void
test_program_that_is_not_there_fails_the_pool_at_once(void **state)
{
    struct fixture *fix = *state;

    make_pool(fix, "/nonexistent/nightjar");
    give(fix, 0, "answer");
    until_ready(fix, 1);
    assert_int_not_equal(fix->failed.code, 0);
    assert_non_null(strstr(fix->failed.msg, "/nonexistent/nightjar"));
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_job_is_answered_and_the_worker_serves_the_next),
        TEST(test_slots_have_workers_and_folders_of_their_own),
        TEST(test_death_is_told_with_its_cause_and_another_worker_goes_on),
        TEST(test_death_leaves_an_empty_folder),
        TEST(test_job_is_killed_at_its_deadline),
        TEST(test_line_without_an_end_is_a_death),
        TEST(test_line_that_nobody_asked_for_ends_the_worker_not_the_next_job),
        TEST(test_worker_that_was_killed_while_idle_is_replaced),
        TEST(test_target_that_the_worker_cannot_see_starts_it_anew),
        TEST(test_cancel_forgets_the_job_and_frees_the_slot),
        TEST(test_expected_jobs_find_a_worker_that_runs),
        TEST(test_a_job_waits_for_the_start_that_was_expected_of_it),
        TEST(test_an_expected_worker_that_cannot_start_is_nobodys_job),
        TEST(test_worker_that_cannot_start_fails_the_pool_after_three_times),
        TEST(test_worker_whose_first_answer_is_an_error_cannot_start),
        TEST(test_program_that_is_not_there_fails_the_pool_at_once),
    };

    if (argc > 1 && strcmp(argv[1], "triage-worker") == 0) {
        return fake_worker();
    }
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
