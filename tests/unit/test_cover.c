#include "tests/unit/fork_server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "orchestrator/corpus/cover.h"

enum { JOBS = 2 };

struct fixture {
    char *in, *spool;
    enum sandbox_rung rung;
    struct cover_sum sum;
    struct err err;
};

static struct fixture fixture;

static int
setup(void **state)
{
    struct fixture *fix = &fixture;

    fix->in = fs_join(fork_server.folder, "in");
    fix->spool = fs_join(fork_server.folder, "spool");
    fix->rung = SANDBOX_BWRAP;
    fix->sum = (struct cover_sum){0};
    assert_int_equal(fs_mkdirs(fix->in, 0755, &fix->err), 0);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fs_remove(fix->in, NULL), 0);
    assert_int_equal(fs_remove(fix->spool, NULL), 0);
    mem_free(fix->in);
    mem_free(fix->spool);
    return 0;
}

static void
put(const struct fixture *fix, const char *name, const char *text)
{
    victim_write(fix->in, name, text, 0644);
}

static int
add(void *user, const char *path, const struct stat *st, struct err *err)
{
    return st == NULL ? -EIO : cover_add(user, path, st, err);
}

/* The names of the chosen, in the order of their bytes, with blanks between. */
static char *
solve(struct fixture *fix)
{
    AUTO(cover_close) struct cover *cover = NULL;
    AUTO(strv_clear) struct strv names = {0};
    AUTO(buf_clear) struct buf text = BUF_INIT;
    const struct cover_config config = {.command = &fork_server.command,
                                        .rung = fix->rung,
                                        .jobs = JOBS,
                                        .spool = fix->spool,
                                        .what = fix->in};
    struct measured input;
    size_t at = 0;
    uint32_t alone;

    if (cover_open(&config, &cover, &fix->err) < 0 ||
        fs_walk(fix->in, add, cover, &fix->err) < 0 ||
        cover_solve(cover, &fix->sum, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    while (cover_next(cover, &at, &input, &alone)) {
        assert_int_equal(input.kind, MEASURE_TRACE);
        strv_add(&names, fs_base(input.path));
    }
    assert_int_equal(names.n, fix->sum.kept);
    for (char c = ' '; c < 127; c++) { /* names are single letters */
        for (size_t i = 0; i < names.n; i++) {
            if (names.v[i][0] == c) {
                buf_addf(&text, "%s%s", text.len > 0 ? " " : "", names.v[i]);
            }
        }
    }
    return mem_strdup(buf_str(&text));
}

static void
assert_chosen(struct fixture *fix, const char *names)
{
    AUTO(mem_free) char *chosen = solve(fix);

    assert_string_equal(chosen, names);
}

static void
test_one_input_that_reaches_all_is_enough(void **state)
{
    struct fixture *fix = *state;

    put(fix, "1", "a");
    put(fix, "2", "b");
    put(fix, "3", "abc");
    put(fix, "4", "c");
    assert_chosen(fix, "3");
    assert_int_equal(fix->sum.inputs, 4);
    assert_int_equal(fix->sum.edges, 3);
    assert_int_equal(fix->sum.kept_edges, 3);
    assert_int_equal(fix->sum.kept_bytes, 3);
    assert_int_equal(fix->sum.unstable, 0);
    assert_int_equal(fix->sum.flaky, 0);
}

static void
test_the_smallest_of_equal_traces_stands_for_all(void **state)
{
    struct fixture *fix = *state;

    put(fix, "1", "ab....");
    put(fix, "2", "ab");
    put(fix, "3", "ba...");
    assert_chosen(fix, "2");
    assert_int_equal(fix->sum.distinct, 1);
}

static void
test_counts_of_hits_are_told_apart(void **state)
{
    struct fixture *fix = *state;

    put(fix, "1", "a");
    put(fix, "2", "aa");
    put(fix, "3", "aaaa");
    put(fix, "4", "aaaaaaa"); /* 4 to 7 are one bucket */
    assert_chosen(fix, "1 2 3");
    assert_int_equal(fix->sum.edges, 1);
    assert_int_equal(fix->sum.tuples, 3);
}

/* The greedy rule takes 1 first; 2 and 3, which it needs for x and y, reach all of it. */
static void
test_what_became_superfluous_goes_again(void **state)
{
    struct fixture *fix = *state;

    put(fix, "1", "abcd");
    put(fix, "2", "abx");
    put(fix, "3", "cdy");
    assert_chosen(fix, "2 3");
}

static void
test_offenders_are_counted_and_left_out(void **state)
{
    struct fixture *fix = *state;

    put(fix, "1", "a");
    put(fix, "2", "!b");
    put(fix, "3", "~c");
    put(fix, "4", "$d");
    put(fix, "5", "e");
    assert_chosen(fix, "1 5");
    assert_int_equal(fix->sum.kinds[MEASURE_CRASH], 1);
    assert_int_equal(fix->sum.kinds[MEASURE_HANG], 1);
    assert_int_equal(fix->sum.kinds[MEASURE_BROKEN], 1);
    assert_int_equal(fix->sum.kinds[MEASURE_TRACE], 2);
}

static void
test_unstable_edges_are_counted_and_their_witnesses_kept(void **state)
{
    struct fixture *fix = *state;

    put(fix, "1", "?");
    put(fix, "2", "??");
    put(fix, "3", "???");
    put(fix, "4", "a");
    AUTO(mem_free) char *chosen = solve(fix);
    assert_string_equal(chosen, "1 2 3 4");
    assert_int_equal(fix->sum.tuples, fix->sum.kept_tuples + fix->sum.unstable);
    assert_int_equal(fix->sum.edges, fix->sum.kept_edges + fix->sum.unstable_edges);
    assert_true(fix->sum.flaky > 0);
    assert_true(fix->sum.unstable > 0);
}

static void
test_what_was_measured_is_not_run_again(void **state)
{
    struct fixture *fix = *state;

    put(fix, "1", "a");
    put(fix, "2", "b");
    assert_chosen(fix, "1 2");
    assert_int_equal(fix->sum.known, 0);
    put(fix, "3", "ab");
    assert_chosen(fix, "3");
    assert_int_equal(fix->sum.known, 2);
    assert_int_equal(fix->sum.inputs, 3);
}

static void
test_many_inputs_make_batches(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < 300; i++) {
        char name[16];
        char text[4] = {(char)('A' + i % 26), (char)('a' + i / 26), 0, 0};
        (void)snprintf(name, sizeof(name), "%d", i);
        put(fix, name, text);
    }
    AUTO(mem_free) char *chosen = solve(fix);
    assert_non_null(chosen);
    assert_int_equal(fix->sum.inputs, 300);
    assert_int_equal(fix->sum.kinds[MEASURE_TRACE], 300);
    assert_int_equal(fix->sum.edges, 26 + 12);
    assert_int_equal(fix->sum.kept, 26);
}

static void
test_an_empty_file_is_not_run(void **state)
{
    struct fixture *fix = *state;

    put(fix, "1", "");
    put(fix, "2", "a");
    assert_chosen(fix, "2");
    assert_int_equal(fix->sum.kinds[MEASURE_REFUSED], 1);
}

static void
test_no_fork_server_is_said(void **state)
{
    struct fixture *fix = *state;
    AUTO(cover_close) struct cover *cover = NULL;
    AUTO(command_clear) struct command cat = {.timeout_ms = 300};
    const struct cover_config config = {
        .command = &cat, .rung = fix->rung, .jobs = 1, .spool = fix->spool, .what = ""};

    put(fix, "1", "a");
    strv_add(&cat.argv, "/bin/true");
    strv_add(&cat.argv, "@@");
    assert_int_equal(cover_open(&config, &cover, &fix->err), 0);
    assert_int_equal(fs_walk(fix->in, add, cover, &fix->err), 0);
    assert_int_equal(cover_solve(cover, &fix->sum, &fix->err), -ENOEXEC);
    assert_non_null(strstr(fix->err.msg, "starts no AFL++ fork server"));
}

/* Where there are no namespaces all is as it is with them. */
static void
test_landlock_is_enough(void **state)
{
    struct fixture *fix = *state;

    fix->rung = SANDBOX_LANDLOCK;
    put(fix, "1", "a");
    put(fix, "2", "ab");
    put(fix, "3", "!");
    put(fix, "4", "~");
    put(fix, "5", "c");
    assert_chosen(fix, "2 5");
    assert_int_equal(fix->sum.kinds[MEASURE_CRASH], 1);
    assert_int_equal(fix->sum.kinds[MEASURE_HANG], 1);
}

/* Nobody is killed because a target says that this is its run. */
static void
test_a_forged_pid_is_no_harm(void **state)
{
    struct fixture *fix = *state;
    char text[16];
    int status;
    pid_t victim = fork();

    if (victim == 0) {
        for (;;) {
            (void)pause();
        }
    }
    (void)snprintf(text, sizeof(text), "@%d", (int)victim);
    fix->rung = SANDBOX_LANDLOCK;
    put(fix, "1", text);
    put(fix, "2", "a");
    assert_chosen(fix, "2");
    assert_int_equal(fix->sum.kinds[MEASURE_HANG], 1);
    assert_int_equal(waitpid(victim, &status, WNOHANG), 0);
    assert_int_equal(kill(victim, SIGKILL), 0);
    assert_int_equal(waitpid(victim, &status, 0), victim);
}

#define COVER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        COVER(test_one_input_that_reaches_all_is_enough),
        COVER(test_the_smallest_of_equal_traces_stands_for_all),
        COVER(test_counts_of_hits_are_told_apart),
        COVER(test_what_became_superfluous_goes_again),
        COVER(test_offenders_are_counted_and_left_out),
        COVER(test_unstable_edges_are_counted_and_their_witnesses_kept),
        COVER(test_what_was_measured_is_not_run_again),
        COVER(test_many_inputs_make_batches),
        COVER(test_an_empty_file_is_not_run),
        COVER(test_no_fork_server_is_said),
        COVER(test_landlock_is_enough),
        COVER(test_a_forged_pid_is_no_harm),
    };

    return cmocka_run_group_tests_name("cover", tests, fork_server_build,
                                       fork_server_unbuild);
}
