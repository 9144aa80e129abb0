#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/supervise/worker.h"

enum { EXIT_FOUND_STATUS = 77 << 8, EXIT_BROKEN_STATUS = 1 << 8 };

/* An engine and an executor that do what the test says. */
static struct fake {
    struct executor_spec spec;
    int starts, asks, kills, frees, repairs;
    int last_signal;
    int prepare_code;
    int repair_code;
    int64_t base_execs, execs;
    int64_t cpu_ms;
    enum engine_end end;
    bool repaired_seen;
    char lines[256];
} fake;

struct execution {
    int number;
};

static int
fake_start(const struct executor_spec *spec, struct execution **out, struct err *err)
{
    (void)err;
    fake.starts++;
    fake.spec = *spec;
    *out = mem_alloc(sizeof(**out));
    return 0;
}

static void
fake_ask(struct execution *execution, int signal_number)
{
    (void)execution;
    fake.asks++;
    fake.last_signal = signal_number;
}

static void
fake_kill(struct execution *execution)
{
    (void)execution;
    fake.kills++;
}

static void
fake_free(struct execution *execution)
{
    fake.frees += execution != NULL;
    mem_free(execution);
}

static pid_t
fake_pid(const struct execution *execution)
{
    (void)execution;
    return 4711;
}

static int64_t
fake_cpu_ms(const struct execution *execution)
{
    (void)execution;
    return fake.cpu_ms;
}

static const struct executor_ops executor = {.name = "fake",
                                             .start = fake_start,
                                             .ask = fake_ask,
                                             .kill = fake_kill,
                                             .free = fake_free,
                                             .pid = fake_pid,
                                             .cpu_ms = fake_cpu_ms};

static int
fake_prepare(const struct engine_job *job, struct engine_view *view, struct err *err)
{
    (void)job;
    view->base_execs = fake.base_execs;
    return fake.prepare_code == 0 ? 0
                                  : err_set(err, fake.prepare_code, "no room for png");
}

static int
fake_command(const struct engine_job *job, struct engine_command *out, struct err *err)
{
    (void)err;
    fake.repaired_seen = job->repaired;
    strv_add(&out->argv, "/bin/true");
    out->stop_signal = SIGUSR1;
    return 0;
}

static void
fake_line(const struct engine_job *job, struct engine_view *view, const char *line,
          size_t len)
{
    size_t at = strlen(fake.lines);

    (void)job;
    (void)snprintf(fake.lines + at, sizeof(fake.lines) - at, "%.20s:%zu;", line, len);
    view->ready = view->ready || strcmp(line, "ready") == 0;
    view->beats++;
    engine_view_keep(view, line, len);
}

static void
fake_poll(const struct engine_job *job, struct engine_view *view)
{
    (void)job;
    view->execs = fake.execs;
    view->execs_per_sec = 100;
    view->edges = 5;
}

static enum engine_end
fake_classify(const struct engine_view *view, int status, char *reason)
{
    (void)view;
    (void)status;
    (void)snprintf(reason, ENGINE_REASON_MAX, "the reason");
    return fake.end;
}

static int
fake_repair(const struct engine_job *job, const struct engine_view *view, struct err *err)
{
    (void)job;
    (void)view;
    (void)err;
    fake.repairs++;
    return fake.repair_code;
}

static void
fake_find_folders(const struct engine_job *job, engine_folder_visit *visit, void *user)
{
    (void)job;
    visit(user, "finds", true);
}

static bool
fake_is_find(const char *name)
{
    return name[0] == 'f';
}

static const struct engine_ops engine = {.name = "fake",
                                         .title = "Fake",
                                         .build = BUILD_AFL,
                                         .counts_on = true,
                                         .policy = {.start_ms = 3600000,
                                                    .frozen_ms = 3600000,
                                                    .grace_ms = 1,
                                                    .quick_ms = 1000,
                                                    .loop_limit = 3,
                                                    .backoff_ms = 1,
                                                    .backoff_max_ms = 2,
                                                    .cool_ms = 1,
                                                    .cool_max_ms = 2,
                                                    .shallow_ms = 1,
                                                    .slow_after_ms = 3600000,
                                                    .slow_per_s = 1,
                                                    .plateau_ms = 3600000},
                                         .prepare = fake_prepare,
                                         .command = fake_command,
                                         .line = fake_line,
                                         .poll = fake_poll,
                                         .classify = fake_classify,
                                         .repair = fake_repair,
                                         .find_folders = fake_find_folders,
                                         .is_find = fake_is_find};

struct fixture {
    char root[64];
    char *folder, *seeds, *spool;
    struct target target;
    struct engine_caps caps;
    sd_event *event;
    struct inbox *inbox;
    struct worker *worker;
    int submitted, changes;
    char said[512];
    struct err err;
};

static void
on_submit(void *user, const char *target, const char *source, const char *path,
          pipeline_done *done, void *done_user)
{
    struct fixture *fix = user;

    (void)target;
    (void)source;
    fix->submitted++;
    done(done_user, path, 0, true);
}

static void
on_changed(void *user, struct worker *worker)
{
    struct fixture *fix = user;

    (void)worker;
    fix->changes++;
}

static void
on_say(void *user, struct worker *worker, const char *text)
{
    struct fixture *fix = user;

    (void)snprintf(fix->said, sizeof(fix->said), "%s: %s", worker_name(worker), text);
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    *state = fix;
    fake = (struct fake){.execs = -1, .end = ENGINE_END_BROKEN};
    (void)snprintf(fix->root, sizeof(fix->root), "/tmp/nightjar-unit-XXXXXX");
    assert_non_null(mkdtemp(fix->root));
    fix->folder = fs_join(fix->root, "fake");
    fix->seeds = fs_join(fix->root, "seeds");
    fix->spool = fs_join(fix->root, "inbox");
    fix->target = (struct target){.name = mem_strdup("png"), .timeout_ms = 1000};
    assert_int_equal(fs_mkdirs(fix->folder, 0700, &fix->err), 0);
    assert_int_equal(sd_event_new(&fix->event), 0);
    const struct inbox_config inbox = {
        .event = fix->event, .folder = fix->spool, .user = fix, .submit = on_submit};
    assert_int_equal(inbox_new(&inbox, &fix->inbox, &fix->err), 0);
    const struct worker_config config = {
        .event = fix->event,
        .ops = &engine,
        .executor = &executor,
        .caps = &fix->caps,
        .target = &fix->target,
        .inbox = fix->inbox,
        .state = fix->root,
        .folder = fix->folder,
        .seeds = fix->seeds,
        .rung = SANDBOX_NONE,
        .number = 1,
        .count = 1,
        .events = {.user = fix, .changed = on_changed, .say = on_say}};
    fix->worker = worker_new(&config);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    worker_free(fix->worker);
    inbox_free(fix->inbox);
    (void)sd_event_unref(fix->event);
    (void)fs_remove(fix->root, NULL);
    mem_free(fix->target.name);
    mem_free(fix->folder);
    mem_free(fix->seeds);
    mem_free(fix->spool);
    mem_free(fix);
    return 0;
}

static void
print(const char *text, size_t len)
{
    fake.spec.output(fake.spec.user, text, len);
}

static void
print_line(const char *line)
{
    print(line, strlen(line));
    print("\n", 1);
}

static void
end(enum engine_end how, int status)
{
    fake.end = how;
    fake.spec.gone(fake.spec.user, status);
}

static void
assert_state(struct fixture *fix, enum worker_state state)
{
    assert_string_equal(worker_state_name(worker_state(fix->worker)),
                        worker_state_name(state));
}

/* Tick until the worker is in a state; at most a few seconds. */
static void
tick_until(struct fixture *fix, enum worker_state state)
{
    for (int i = 0; i < 3000 && worker_state(fix->worker) != state; i++) {
        worker_tick(fix->worker);
        (void)usleep(1000);
    }
    assert_state(fix, state);
}

/* --- a run --- */

static void
test_a_turn_starts_it_and_it_runs_when_its_engine_says_so(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(worker_name(fix->worker), "png-fake-1");
    assert_state(fix, WORKER_PAUSED);
    worker_go(fix->worker, 0);
    assert_state(fix, WORKER_STARTING);
    assert_int_equal(fake.starts, 1);
    assert_true(worker_alive(fix->worker));
    assert_int_equal(worker_pid(fix->worker), 4711);
    print_line("ready");
    worker_tick(fix->worker);
    assert_state(fix, WORKER_RUNNING);
    assert_true(worker_was_ready(fix->worker));
    assert_int_equal(fix->changes, 2);
}

static void
test_output_comes_in_lines_of_bounded_length(void **state)
{
    struct fixture *fix = *state;
    char flood[3 * ENGINE_LINE_MAX];

    memset(flood, 'x', sizeof(flood));
    worker_go(fix->worker, 0);
    print("a", 1);
    print("b\n\nc\0d\n", 7);
    print(flood, sizeof(flood));
    print("\ne\nf", 4);
    end(ENGINE_END_BROKEN, EXIT_BROKEN_STATUS);
    assert_string_equal(fake.lines, "ab:2;:0;c?d:3;xxxxxxxxxxxxxxxxxxxx:4096;e:1;f:1;");
}

static void
test_asked_to_stop_it_is_asked_once_and_then_killed(void **state)
{
    struct fixture *fix = *state;

    worker_go(fix->worker, 0);
    worker_feed(fix->worker, WORKER_YIELD);
    assert_state(fix, WORKER_PAUSED);
    assert_int_equal(fake.asks, 1);
    assert_int_equal(fake.last_signal, SIGUSR1);
    worker_feed(fix->worker, WORKER_STOP);
    assert_int_equal(fake.asks, 1);
    for (int i = 0; i < 1000 && fake.kills == 0; i++) {
        worker_tick(fix->worker);
        (void)usleep(1000);
    }
    assert_int_equal(fake.kills, 1);
    end(ENGINE_END_BROKEN, SIGKILL);
    assert_state(fix, WORKER_FINISHED);
    assert_false(worker_alive(fix->worker));
    assert_string_equal(worker_reason(fix->worker), "");
    assert_int_equal(worker_numbers(fix->worker)->restarts, 0);
}

static void
test_a_worker_that_cannot_be_started_is_dead(void **state)
{
    struct fixture *fix = *state;

    fake.prepare_code = -ENOSPC;
    worker_go(fix->worker, 0);
    assert_state(fix, WORKER_DEAD);
    assert_string_equal(fix->said, "png-fake-1: dead: no room for png");
    assert_int_equal(fake.starts, 0);
}

/* --- ends --- */

static void
test_after_a_find_it_comes_back(void **state)
{
    struct fixture *fix = *state;

    worker_go(fix->worker, 0);
    print_line("ready");
    end(ENGINE_END_FOUND, EXIT_FOUND_STATUS);
    assert_state(fix, WORKER_BACKOFF);
    assert_string_equal(worker_reason(fix->worker), "");
    assert_string_equal(fix->said, "");
    tick_until(fix, WORKER_PAUSED);
    assert_int_equal(worker_numbers(fix->worker)->restarts, 1);
}

static void
test_a_find_before_it_fuzzes_is_a_failure(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < engine.policy.loop_limit; i++) {
        worker_go(fix->worker, 0);
        end(ENGINE_END_FOUND, EXIT_FOUND_STATUS);
        if (i + 1 < engine.policy.loop_limit) {
            tick_until(fix, WORKER_PAUSED);
        }
    }
    assert_state(fix, WORKER_QUARANTINED);
    AUTO(mem_free)
    char *said = mem_printf("png-fake-1: quarantined: the reason (last output: %s-1.log)",
                            fix->folder);
    assert_string_equal(fix->said, said);
}

static void
test_the_last_output_of_a_failure_is_kept(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = mem_printf("%s-1.log", fix->folder);
    AUTO(buf_clear) struct buf text = BUF_INIT;

    worker_go(fix->worker, 0);
    print_line("\033[1;91mlast words\033[0m");
    end(ENGINE_END_BROKEN, EXIT_BROKEN_STATUS);
    assert_int_equal(fs_read(path, 1000, &text, &fix->err), 0);
    assert_string_equal(buf_str(&text), "last words\n");
    assert_non_null(
        strstr(fix->said, "png-fake-1: backoff: the reason; starts again in "));
}

static void
test_what_was_repaired_is_told_to_the_engine(void **state)
{
    struct fixture *fix = *state;

    fake.repair_code = 1;
    worker_go(fix->worker, 0);
    assert_false(fake.repaired_seen);
    end(ENGINE_END_HOPELESS, EXIT_BROKEN_STATUS);
    assert_state(fix, WORKER_BACKOFF);
    tick_until(fix, WORKER_PAUSED);
    worker_go(fix->worker, 0);
    assert_true(fake.repaired_seen);
}

static void
test_hopeless_is_quarantined_at_once(void **state)
{
    struct fixture *fix = *state;

    worker_go(fix->worker, 0);
    end(ENGINE_END_HOPELESS, EXIT_BROKEN_STATUS);
    assert_state(fix, WORKER_QUARANTINED);
    assert_string_equal(worker_reason(fix->worker), "the reason");
}

static void
test_finds_are_taken_before_anything_is_put_right(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *finds = fs_join(fix->folder, "finds");
    AUTO(mem_free) char *find = fs_join(fix->folder, "finds/f1");

    assert_int_equal(fs_mkdirs(finds, 0700, &fix->err), 0);
    worker_go(fix->worker, 0);
    assert_int_equal(fs_write(find, "boom", 4, 0600, &fix->err), 0);
    end(ENGINE_END_FOUND, EXIT_FOUND_STATUS);
    assert_int_equal(fix->submitted, 1);
    assert_int_equal(worker_numbers(fix->worker)->finds, 1);
    assert_int_equal(fake.repairs, 1);
    assert_false(fs_exists(find)); /* in the ledger, so gone from here */
}

/* --- numbers --- */

static void
count_to(struct fixture *fix, int64_t execs)
{
    fake.execs = execs;
    end(ENGINE_END_FOUND, EXIT_FOUND_STATUS);
    worker_feed(fix->worker, WORKER_WAITED);
}

static void
test_executions_go_on_over_restarts(void **state)
{
    struct fixture *fix = *state;

    worker_carry_on(fix->worker, 1000, 7, 50);
    fake.base_execs = 300; /* what the engine itself remembers of before */
    worker_go(fix->worker, 0);
    print_line("ready");
    count_to(fix, 350);
    assert_int_equal(worker_numbers(fix->worker)->execs, 1050);
    fake.base_execs = 320; /* it was killed and lost a little */
    worker_go(fix->worker, 0);
    print_line("ready");
    count_to(fix, 330);
    assert_int_equal(worker_numbers(fix->worker)->execs, 1060);
    assert_int_equal(worker_numbers(fix->worker)->restarts, 9);
}

static void
test_counts_beyond_reason_are_not_believed(void **state)
{
    struct fixture *fix = *state;

    worker_go(fix->worker, 0);
    print_line("ready");
    count_to(fix, 77777777777);
    assert_int_equal(worker_numbers(fix->worker)->execs, 0);
}

static void
test_the_message_for_the_store(void **state)
{
    struct fixture *fix = *state;

    worker_go(fix->worker, 0);
    AUTO(json_decref) json_t *message = worker_message(fix->worker);
    AUTO(mem_free) char *line = json_line(message);
    assert_string_equal(
        line, "{\"op\":\"worker\",\"name\":\"png-fake-1\",\"target\":\"png\",\"engine\":"
              "\"fake\","
              "\"state\":\"starting\",\"pid\":4711,\"restarts\":0,\"execs\":0,"
              "\"execs_per_sec\":0.0,\"edges\":0,\"corpus\":0,\"edges_known\":0,"
              "\"stability\":-1.0,\"productive_ms\":0,"
              "\"reason\":\"\"}");
}

static void
test_free_ends_what_runs(void **state)
{
    struct fixture *fix = *state;

    worker_go(fix->worker, 0);
    worker_free(STEAL(fix->worker));
    assert_int_equal(fake.frees, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_turn_starts_it_and_it_runs_when_its_engine_says_so),
        TEST(test_output_comes_in_lines_of_bounded_length),
        TEST(test_asked_to_stop_it_is_asked_once_and_then_killed),
        TEST(test_a_worker_that_cannot_be_started_is_dead),
        TEST(test_after_a_find_it_comes_back),
        TEST(test_a_find_before_it_fuzzes_is_a_failure),
        TEST(test_the_last_output_of_a_failure_is_kept),
        TEST(test_what_was_repaired_is_told_to_the_engine),
        TEST(test_hopeless_is_quarantined_at_once),
        TEST(test_finds_are_taken_before_anything_is_put_right),
        TEST(test_executions_go_on_over_restarts),
        TEST(test_counts_beyond_reason_are_not_believed),
        TEST(test_the_message_for_the_store),
        TEST(test_free_ends_what_runs),
    };

    return cmocka_run_group_tests_name("fuzz_worker", tests, NULL, NULL);
}
