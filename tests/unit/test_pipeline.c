/* The pipeline with the real scribe and store; this program itself is both its children:
 * see main() and fake_worker(). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/supervise/pipeline.h"
#include "orchestrator/supervise/scribe.h"

enum { WAIT_MS = 30000 };

struct fixture {
    sd_event *event;
    struct pipeline *pipeline;
    char *folder, *state;
    struct strv bugs, troubles, ends; /* titles; texts; "state reason" */
    int idles, done, refused, canceled;
    int kill_scribe_after; /* ends; 0: never */
    int64_t minimize_ms;
    struct err failed, err;
};

/* --- the worker's side --- */

static struct record *
fake_record(const char *function)
{
    struct record *record = record_from_signal(SIGSEGV);
    struct frame *frame = record_add_frame(record);
    const struct record_options options = RECORD_OPTIONS_INIT;

    frame->function = mem_strdup(function);
    assert_int_equal(record_finish(record, &options, NULL), 0);
    return record;
}

/* The input's text says what is to happen: "crash NAME", "clean", "broken", "die",
 * "once", "garbage", "slow", "until FILE" is there. */
static void
fake_triage(const json_t *request)
{
    AUTO(buf_clear) struct buf input = BUF_INIT;
    AUTO(record_free) struct record *record = NULL;
    AUTO(json_decref) json_t *answer = json_object();
    const char *path = json_get_str(request, "input", "");
    const char *outcome = "clean";

    (void)fs_read(path, 1 << 20, &input, NULL);
    const char *text = buf_str(&input);
    if (str_starts(text, "die")) {
        (void)raise(SIGKILL);
    }
    if (str_starts(text, "slow")) {
        (void)usleep(300000);
    }
    while (str_starts(text, "until ") && !fs_exists(text + 6)) {
        (void)usleep(10000);
    }
    if (str_starts(text, "garbage")) {
        (void)printf("{\"job\": what\n");
        (void)fflush(stdout);
        return;
    }
    json_put(answer, "job", json_integer(json_get_int(request, "job", -1)));
    json_put(answer, "record", json_null());
    if (str_starts(text, "crash ")) {
        outcome = "crash";
        AUTO(mem_free) char *name = mem_dup(text + 6, strcspn(text + 6, " "));
        record = fake_record(name);
        json_put(answer, "record", record_to_json(record));
    }
    bool broken = str_starts(text, "broken");
    json_put(answer, "outcome", json_string(broken ? "broken" : outcome));
    json_put(answer, "reason", broken ? json_string("no such program") : json_null());
    json_put(answer, "k", json_integer(record != NULL ? 3 : 0));
    json_put(answer, "n", json_integer(broken ? 1 : 3));
    json_put(answer, "other", json_integer(0));
    json_put(answer, "report", json_string(record != NULL ? "a report" : ""));
    json_put(answer, "wall_ms", json_integer(1));
    json_print(stdout, answer);
    (void)fflush(stdout);
}

static volatile sig_atomic_t hurried;

static void
on_hurry(int sig)
{
    (void)sig;
    hurried = 1;
}

/* Takes longer than any test waits, unless it is asked to end. */
static void
fake_minimize(const json_t *request)
{
    AUTO(buf_clear) struct buf input = BUF_INIT;
    AUTO(json_decref) json_t *answer = json_object();

    (void)fs_read(json_get_str(request, "input", ""), 1 << 20, &input, NULL);
    for (int i = 0; i < 2 * WAIT_MS / 10 && hurried == 0; i++) {
        (void)usleep(10000);
    }
    AUTO(mem_free) char *name = mem_dup(input.data + 6, strcspn(input.data + 6, " "));
    AUTO(record_free) struct record *record = fake_record(name);
    (void)fs_write(json_get_str(request, "output", ""), input.data, input.len, 0600,
                   NULL);
    json_put(answer, "job", json_integer(json_get_int(request, "job", -1)));
    json_put(answer, "record", record_to_json(record));
    json_put(answer, "outcome", json_string("crash"));
    json_put(answer, "k", json_integer(1));
    json_put(answer, "n", json_integer(1));
    json_put(answer, "other", json_integer(0));
    json_put(answer, "bytes", json_integer((json_int_t)input.len));
    json_put(answer, "finished", json_boolean(hurried == 0));
    json_print(stdout, answer);
    (void)fflush(stdout);
    hurried = 0;
}

static int
fake_worker(void)
{
    AUTO(mem_free) char *line = mem_alloc(1 << 20);

    (void)signal(SIGUSR1, on_hurry);

    while (fgets(line, 1 << 20, stdin) != NULL) {
        AUTO(json_decref) json_t *request = NULL;
        if (json_parse(line, strlen(line), &request, NULL) < 0) {
            return 1;
        }
        if (strcmp(json_get_str(request, "op", ""), "minimize") == 0) {
            fake_minimize(request);
        } else {
            fake_triage(request);
        }
    }
    return 0;
}

/* --- the fixture --- */

/* The child that is the scribe: found as a person would, in /proc. */
static void
kill_scribe(void)
{
    AUTO(buf_clear) struct buf children = BUF_INIT;
    AUTO(mem_free)
    char *list = mem_printf("/proc/%d/task/%d/children", (int)getpid(), (int)getpid());
    char *save = NULL;

    assert_int_equal(fs_read(list, 1 << 16, &children, NULL), 0);
    for (char *pid = strtok_r(children.data, " ", &save); pid != NULL;
         pid = strtok_r(NULL, " ", &save)) {
        AUTO(mem_free) char *path = mem_printf("/proc/%s/cmdline", pid);
        AUTO(buf_clear) struct buf line = BUF_INIT;
        if (fs_read(path, 1 << 16, &line, NULL) == 0 &&
            memmem(line.data, line.len, "\0scribe\0", 8) != NULL) {
            assert_int_equal(kill((pid_t)strtol(pid, NULL, 10), SIGKILL), 0);
            return;
        }
    }
    fail_msg("there is no scribe");
}

static void
on_new_bug(void *user, const struct job_outcome *outcome)
{
    struct fixture *fix = user;

    strv_addf(&fix->bugs, "%s %s", outcome->bug_name, outcome->title);
}

static void
on_trouble(void *user, const char *text)
{
    struct fixture *fix = user;

    strv_add(&fix->troubles, text);
}

static void
on_finished(void *user, const struct job_outcome *outcome, const char *reason)
{
    struct fixture *fix = user;

    strv_addf(&fix->ends, "%s %s", outcome->state, reason == NULL ? "-" : reason);
    if (fix->kill_scribe_after > 0 && --fix->kill_scribe_after == 0) {
        kill_scribe();
    }
}

static void
on_idle(void *user)
{
    struct fixture *fix = user;

    fix->idles++;
}

static void
on_failed(void *user, const struct err *err)
{
    struct fixture *fix = user;

    fix->failed = *err;
}

static void
on_done(void *user, const char *path, int code, bool is_new)
{
    struct fixture *fix = user;

    (void)is_new;
    assert_int_equal(path[0], '/');
    fix->done += code == 0;
    fix->canceled += code == -ECANCELED;
    fix->refused += code != 0 && code != -ECANCELED;
}

static void
make_pipeline(struct fixture *fix, int jobs, const char *program)
{
    AUTO(command_clear) struct command command = {0};
    AUTO(build_list_clear) struct build_list builds = {0};
    AUTO(strv_clear) struct strv argv = {0};
    const struct record_settings settings = {.ooms_and_hangs = true,
                                             .asserts_are_security = true};
    const struct pipeline_config config = {
        .event = fix->event,
        .state = fix->state,
        .rung = SANDBOX_NONE,
        .jobs = jobs,
        .runs = 3,
        .minimize_ms = fix->minimize_ms,
        .program = program,
        .events = {fix, on_new_bug, on_trouble, on_finished, NULL, on_idle, on_failed}};

    strv_add(&argv, "/bin/true");
    assert_int_equal(command_from_argv(&argv, &command, &fix->err), 0);
    assert_int_equal(pipeline_new(&config, &fix->pipeline, &fix->err), 0);
    build_list_add(&builds, "given", &command);
    assert_int_equal(pipeline_target(fix->pipeline, "t", &builds, &settings, &fix->err),
                     0);
    assert_int_equal(pipeline_open(fix->pipeline, &fix->err), 0);
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char folder[] = "/tmp/nightjar-pipe.XXXXXX";
    AUTO(store_close) struct store *store = NULL;

    assert_non_null(mkdtemp(folder));
    fix->folder = mem_strdup(folder);
    fix->state = fs_join(folder, "state");
    assert_int_equal(store_open(fix->state, DB_CREATE, &store, &fix->err), 0);
    assert_int_equal(sd_event_new(&fix->event), 0);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    pipeline_free(fix->pipeline);
    (void)sd_event_unref(fix->event);
    (void)fs_remove(fix->folder, NULL);
    mem_free(fix->folder);
    mem_free(fix->state);
    strv_clear(&fix->bugs);
    strv_clear(&fix->troubles);
    strv_clear(&fix->ends);
    mem_free(fix);
    return 0;
}

static char *
put(const struct fixture *fix, const char *name, const char *text)
{
    char *path = fs_join(fix->folder, name);

    assert_int_equal(fs_write(path, text, strlen(text), 0644, NULL), 0);
    return path;
}

static void
submit(struct fixture *fix, const char *name, const char *text)
{
    AUTO(mem_free) char *path = put(fix, name, text);
    const struct pipeline_file file = {.target = "t", .source = "triage", .path = path};

    pipeline_submit(fix->pipeline, &file, on_done, fix);
}

/* Until idle was called `n` times, or the pipeline failed. */
static void
until_idle(struct fixture *fix, int n)
{
    int64_t end = clock_mono_ms() + WAIT_MS;

    while (fix->idles < n && fix->failed.code == 0 && clock_mono_ms() < end) {
        (void)sd_event_run(fix->event, 50000);
    }
    if (fix->failed.code == 0) {
        assert_int_equal(fix->idles, n);
    }
}

static int
count_ends(const struct fixture *fix, const char *begins)
{
    int n = 0;

    for (size_t i = 0; i < fix->ends.n; i++) {
        n += str_starts(fix->ends.v[i], begins);
    }
    return n;
}

static void
check_finding_fails(void *user, const char *name, const char *text)
{
    (void)user;
    fail_msg("%s: %s", name, text);
}

/* The store holds what is claimed, and every invariant. */
static void
assert_store(struct fixture *fix, int64_t crashes, int64_t queued, int64_t bugs)
{
    AUTO(store_close) struct store *store = NULL;
    struct store_counts counts;

    assert_int_equal(store_open(fix->state, DB_WRITE, &store, &fix->err), 0);
    assert_int_equal(store_counts(store, &counts, &fix->err), 0);
    assert_int_equal(counts.crashes, crashes);
    assert_int_equal(counts.queued, queued);
    assert_int_equal(counts.bugs_total, bugs);
    assert_int_equal(store_check(store, true, check_finding_fails, NULL, &fix->err), 0);
}

/* How often a crash of this state was handed out and not given back, at most. */
static int
most_handed(struct fixture *fix, const char *state)
{
    AUTO(store_close) struct store *store = NULL;
    int64_t most = 0;

    assert_int_equal(store_open(fix->state, DB_READ, &store, &fix->err), 0);
    assert_int_equal(db_int(store_db(store), &most, &fix->err,
                            "SELECT max(attempts) FROM crash WHERE state = ?1", "t",
                            state),
                     0);
    return (int)most;
}

/* --- tests --- */

static bool
is_minimizing(const struct fixture *fix)
{
    return pipeline_stats(fix->pipeline)->minimizing == 1;
}

static bool
has_two_bugs(const struct fixture *fix)
{
    return fix->bugs.n == 2;
}

static void
until(struct fixture *fix, bool (*condition)(const struct fixture *fix))
{
    int64_t end = clock_mono_ms() + WAIT_MS;

    while (!condition(fix) && clock_mono_ms() < end) {
        (void)sd_event_run(fix->event, 50000);
    }
    assert_true(condition(fix));
}

static void
test_a_crash_does_not_wait_for_a_minimization(void **state)
{
    struct fixture *fix = *state;

    fix->minimize_ms = 4 * WAIT_MS;
    make_pipeline(fix, 1, NULL);
    submit(fix, "a", "crash alpha");
    until(fix, is_minimizing);
    submit(fix, "b", "crash beta");
    until(fix, has_two_bugs);
    until(fix, is_minimizing); /* it goes on, of either bug */
    pipeline_stop(fix->pipeline);
    until_idle(fix, 1);
    assert_int_equal(fix->troubles.n, 0);
    assert_store(fix, 2, 0, 2);
}

static bool
has_four_ends(const struct fixture *fix)
{
    return fix->ends.n == 4;
}

/* What was fetched ahead for a worker does not wait for the job that it is at. */
static void
test_crash_behind_a_slow_one_goes_to_who_is_free(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *sign = fs_join(fix->folder, "sign");
    AUTO(mem_free) char *slow = mem_printf("until %s", sign);

    make_pipeline(fix, 2, NULL);
    submit(fix, "a", slow);
    submit(fix, "b", "crash beta");
    submit(fix, "c", "crash gamma");
    submit(fix, "d", "crash delta");
    submit(fix, "e", "crash epsilon");
    until(fix, has_four_ends);
    assert_int_equal(pipeline_stats(fix->pipeline)->running, 1);
    assert_int_equal(fs_write(sign, "", 0, 0600, &fix->err), 0);
    until_idle(fix, 1);
    assert_int_equal(fix->bugs.n, 4);
    assert_int_equal(most_handed(fix, "triaged"), 1);
    assert_store(fix, 5, 0, 4);
}

/* Nor is it lost with the worker's folder, nor does it count as tried. */
static void
test_crash_behind_a_death_is_handed_out_again(void **state)
{
    struct fixture *fix = *state;

    make_pipeline(fix, 1, NULL);
    submit(fix, "a", "die");
    submit(fix, "b", "crash beta");
    submit(fix, "c", "crash gamma");
    until_idle(fix, 1);
    assert_int_equal(pipeline_stats(fix->pipeline)->worker_deaths, 2);
    assert_int_equal(count_ends(fix, "triaged "), 2);
    assert_int_equal(most_handed(fix, "triaged"), 1);
    assert_store(fix, 3, 0, 2);
}

static void
test_files_become_bugs(void **state)
{
    struct fixture *fix = *state;

    make_pipeline(fix, 2, NULL);
    submit(fix, "a", "crash alpha");
    submit(fix, "b", "crash beta");
    submit(fix, "c", "crash alpha");
    submit(fix, "d", "clean");
    until_idle(fix, 1);
    const struct pipeline_stats *stats = pipeline_stats(fix->pipeline);
    assert_int_equal(fix->bugs.n, 2);
    assert_int_equal(stats->new_bugs, 2);
    assert_int_equal(stats->bugs, 2);
    assert_int_equal(stats->submitted, 4);
    assert_int_equal(stats->filed, 4);
    assert_int_equal(stats->fresh, 3); /* a and c hold the same bytes */
    assert_int_equal(stats->triaged, 3);
    assert_int_equal(stats->unreproducible, 1);
    assert_int_equal(stats->queued, 0);
    assert_int_equal(stats->running, 0);
    assert_int_equal(fix->done, 4);
    assert_store(fix, 3, 0, 2);
}

static void
test_idle_comes_at_once_when_there_is_nothing_to_do(void **state)
{
    struct fixture *fix = *state;

    make_pipeline(fix, 2, NULL);
    until_idle(fix, 1);
    assert_int_equal(fix->ends.n, 0);
    submit(fix, "a", "crash alpha");
    until_idle(fix, 2);
    assert_int_equal(fix->bugs.n, 1);
}

static void
test_refused_file_is_told_and_fails_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *gone = fs_join(fix->folder, "gone");

    make_pipeline(fix, 1, NULL);
    const struct pipeline_file file = {.target = "t", .source = "triage", .path = gone};
    pipeline_submit(fix->pipeline, &file, on_done, fix);
    submit(fix, "a", "crash alpha");
    until_idle(fix, 1);
    assert_int_equal(fix->refused, 1);
    assert_int_equal(fix->done, 1);
    assert_int_equal(pipeline_stats(fix->pipeline)->refused, 1);
    assert_int_equal(fix->troubles.n, 1);
    assert_non_null(strstr(fix->troubles.v[0], gone));
    assert_non_null(strstr(fix->troubles.v[0], "No such file or directory"));
}

static void
test_broken_replay_gives_its_reason(void **state)
{
    struct fixture *fix = *state;

    make_pipeline(fix, 1, NULL);
    submit(fix, "a", "broken");
    until_idle(fix, 1);
    assert_int_equal(fix->ends.n, 1);
    assert_string_equal(fix->ends.v[0], "broken no such program");
    assert_int_equal(pipeline_stats(fix->pipeline)->broken, 1);
}

static void
test_worker_that_dies_twice_makes_the_input_untriageable(void **state)
{
    struct fixture *fix = *state;

    make_pipeline(fix, 2, NULL);
    submit(fix, "a", "die");
    submit(fix, "b", "crash beta");
    until_idle(fix, 1);
    assert_int_equal(count_ends(fix, "queued "), 1);
    assert_int_equal(count_ends(fix, "untriageable "), 1);
    assert_int_equal(count_ends(fix, "triaged "), 1);
    assert_int_equal(pipeline_stats(fix->pipeline)->worker_deaths, 2);
    assert_int_equal(pipeline_stats(fix->pipeline)->untriageable, 1);
    assert_int_equal(fix->troubles.n, 2);
    assert_non_null(strstr(fix->troubles.v[0], "; it is tried once more"));
    assert_non_null(strstr(fix->troubles.v[1], "; the input is kept as untriageable"));
    assert_store(fix, 2, 0, 1);
}

static void
test_answer_that_is_garbage_counts_as_a_death(void **state)
{
    struct fixture *fix = *state;

    make_pipeline(fix, 1, NULL);
    submit(fix, "a", "garbage");
    until_idle(fix, 1);
    assert_int_equal(pipeline_stats(fix->pipeline)->untriageable, 1);
    assert_non_null(strstr(fix->troubles.v[0], "the worker answered: not JSON at byte"));
    assert_store(fix, 1, 0, 0);
}

static void
test_scribe_may_be_killed_again_and_again(void **state)
{
    struct fixture *fix = *state;
    enum { FILES = 120, KINDS = 7 };
    int restarts = 0;

    make_pipeline(fix, 2, NULL);
    for (int i = 0; i < FILES; i++) {
        AUTO(mem_free) char *name = mem_printf("f%d", i);
        AUTO(mem_free) char *text = mem_printf("crash bug%d%*s", i % KINDS, i + 1, "");
        submit(fix, name, text);
    }
    while (fix->idles == 0 && fix->failed.code == 0) {
        int64_t before = pipeline_stats(fix->pipeline)->scribe_restarts;
        fix->kill_scribe_after = 20;
        while (fix->idles == 0 && fix->failed.code == 0 &&
               pipeline_stats(fix->pipeline)->scribe_restarts == before) {
            (void)sd_event_run(fix->event, 50000);
        }
        restarts++;
    }
    assert_int_equal(fix->failed.code, 0);
    assert_true(restarts > 3);
    assert_int_equal(fix->done, FILES);
    assert_int_equal(pipeline_stats(fix->pipeline)->worker_deaths, 0);
    assert_store(fix, FILES, 0, KINDS);
}

static void
test_scribe_that_cannot_work_fails_the_pipeline(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = fs_join(fix->folder, "program");

    assert_int_equal(fs_write(program, "#!/bin/sh\nexit 9\n", 17, 0755, NULL), 0);
    make_pipeline(fix, 1, program);
    until_idle(fix, 1);
    assert_int_equal(fix->failed.code, -EIO);
    assert_string_equal(
        fix->failed.msg,
        "the process that writes the database died 5 times without an answer, "
        "the last time by exit status 9; `nightjar db check` tells the state of "
        "the database");
}

static void
test_store_that_is_gone_fails_the_pipeline(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *db = fs_join(fix->state, "nightjar.db");

    assert_int_equal(fs_remove(db, NULL), 0);
    make_pipeline(fix, 1, NULL);
    submit(fix, "a", "crash alpha");
    until_idle(fix, 1);
    assert_int_equal(fix->failed.code, -ENOENT);
    assert_int_equal(fix->done, 0);
}

static void
test_stop_finishes_what_runs_and_leaves_the_rest_queued(void **state)
{
    struct fixture *fix = *state;

    make_pipeline(fix, 1, NULL);
    submit(fix, "a", "slow a");
    submit(fix, "b", "slow b");
    submit(fix, "c", "slow c");
    int64_t end = clock_mono_ms() + WAIT_MS;
    while (pipeline_stats(fix->pipeline)->running == 0 && clock_mono_ms() < end) {
        (void)sd_event_run(fix->event, 50000);
    }
    pipeline_stop(fix->pipeline);
    until_idle(fix, 1);
    assert_int_equal(fix->ends.n, 1);
    assert_int_equal(pipeline_stats(fix->pipeline)->queued, 2);
    assert_int_equal(most_handed(fix, "queued"), 0);
    assert_store(fix, 3, 2, 0);
}

static void
test_stop_refuses_what_the_scribe_has_not_got(void **state)
{
    struct fixture *fix = *state;

    make_pipeline(fix, 1, NULL);
    submit(fix, "a", "crash alpha");
    pipeline_stop(fix->pipeline);
    until_idle(fix, 1);
    assert_int_equal(fix->canceled, 1);
    assert_int_equal(fix->done, 0);
    assert_int_equal(pipeline_stats(fix->pipeline)->submitted, 0);
    assert_store(fix, 0, 0, 0);
}

static void
test_next_run_goes_on_with_what_was_queued(void **state)
{
    struct fixture *fix = *state;

    make_pipeline(fix, 0, NULL); /* takes files into the ledger and runs nothing */
    submit(fix, "a", "crash alpha");
    submit(fix, "b", "crash beta");
    until_idle(fix, 1);
    assert_int_equal(fix->done, 2);
    assert_int_equal(fix->ends.n, 0);
    assert_int_equal(pipeline_stats(fix->pipeline)->queued, 2);
    pipeline_free(STEAL(fix->pipeline));
    make_pipeline(fix, 2, NULL);
    until_idle(fix, 2);
    assert_int_equal(fix->bugs.n, 2);
    assert_store(fix, 2, 0, 2);
}

static void
test_rows_of_others_are_found(void **state)
{
    struct fixture *fix = *state;
    AUTO(store_close) struct store *store = NULL;
    AUTO(mem_free) char *path = put(fix, "a", "crash alpha");
    const struct intake_item item = {.path = path, .target = 1, .source = "api"};
    struct intake_result result;

    make_pipeline(fix, 1, NULL);
    until_idle(fix, 1);
    assert_int_equal(store_open(fix->state, DB_WRITE, &store, &fix->err), 0);
    assert_int_equal(store_intake(store, &item, 1, &result, &fix->err), 0);
    assert_int_equal(result.code, 0);
    until_idle(fix, 2);
    assert_int_equal(fix->bugs.n, 1);
}

static void
test_campaign_and_workers_are_stored(void **state)
{
    struct fixture *fix = *state;
    AUTO(store_close) struct store *store = NULL;
    int64_t n = 0;

    make_pipeline(fix, 1, NULL);
    pipeline_tell(fix->pipeline,
                  json_pack("{s:s,s:{s:s}}", "op", "campaign", "begin", "for", "1m"));
    pipeline_tell(fix->pipeline, json_pack("{s:s,s:s,s:s,s:s,s:s,s:i}", "op", "worker",
                                           "name", "t-1", "target", "t", "engine",
                                           "aflpp", "state", "running", "execs", 9));
    pipeline_tell(fix->pipeline,
                  json_pack("{s:s,s:s}", "op", "campaign", "end", "finished"));
    until_idle(fix, 1);
    assert_int_equal(fix->failed.code, 0);
    assert_int_equal(store_open(fix->state, DB_READ, &store, &fix->err), 0);
    assert_int_equal(
        db_int(store_db(store), &n, &fix->err,
               "SELECT count(*) FROM worker JOIN campaign ON campaign.id = "
               "worker.campaign WHERE worker.execs = 9 AND campaign.how = 'finished'",
               ""),
        0);
    assert_int_equal(n, 1);
}

static void
test_target_without_a_name_is_refused(void **state)
{
    struct fixture *fix = *state;
    const struct record_settings settings = {0};
    const struct build_list none = {.n = 0};

    make_pipeline(fix, 1, NULL);
    assert_int_equal(pipeline_target(fix->pipeline, "", &none, &settings, &fix->err),
                     -EINVAL);
    assert_string_equal(fix->err.msg, "a target needs a name: --target NAME");
}

static void
test_too_many_jobs_are_refused(void **state)
{
    struct fixture *fix = *state;
    const struct pipeline_config config = {
        .event = fix->event, .state = fix->state, .jobs = 1000};

    assert_int_equal(pipeline_new(&config, &fix->pipeline, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "1000 triage workers at a time are too many: at most 256");
    assert_null(fix->pipeline);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_crash_behind_a_slow_one_goes_to_who_is_free),
        TEST(test_crash_behind_a_death_is_handed_out_again),
        TEST(test_files_become_bugs),
        TEST(test_a_crash_does_not_wait_for_a_minimization),
        TEST(test_idle_comes_at_once_when_there_is_nothing_to_do),
        TEST(test_refused_file_is_told_and_fails_nothing),
        TEST(test_broken_replay_gives_its_reason),
        TEST(test_worker_that_dies_twice_makes_the_input_untriageable),
        TEST(test_answer_that_is_garbage_counts_as_a_death),
        TEST(test_scribe_may_be_killed_again_and_again),
        TEST(test_scribe_that_cannot_work_fails_the_pipeline),
        TEST(test_store_that_is_gone_fails_the_pipeline),
        TEST(test_stop_finishes_what_runs_and_leaves_the_rest_queued),
        TEST(test_stop_refuses_what_the_scribe_has_not_got),
        TEST(test_next_run_goes_on_with_what_was_queued),
        TEST(test_rows_of_others_are_found),
        TEST(test_campaign_and_workers_are_stored),
        TEST(test_target_without_a_name_is_refused),
        TEST(test_too_many_jobs_are_refused),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    if (argc > 3 && strcmp(argv[1], "scribe") == 0) {
        return scribe_main(argv[3]);
    }
    if (argc > 1 && strcmp(argv[1], "triage-worker") == 0) {
        return fake_worker();
    }
    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
