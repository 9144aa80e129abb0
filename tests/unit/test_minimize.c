#include "tests/unit/victim.h"

#include <errno.h>
#include <string.h>

#include "triage/minimize.h"
#include "triage/symbolize.h"

/* Two bugs: `wanted` for "BUG" anywhere behind an even number of bytes and before "!";
 * `decoy` for any input of less than 8 bytes that begins with B; and a counter of runs in
 * a file, for what is flaky. */
static const char source[] =
    "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
    "__attribute__((noinline)) void wanted(int n)\n"
    "{ volatile char *p = malloc(8); p[n] = 1; free((void *)p); }\n"
    "__attribute__((noinline)) void decoy(int n)\n"
    "{ volatile char *p = malloc(8); free((void *)p); p[n] = 1; }\n"
    "int main(int c, char **v) {\n"
    "  static char b[1 << 16]; int n = read(0, b, sizeof(b) - 1);\n"
    "  if (n == 0) return 0;\n"
    "  if (b[0] == 'S') for (;;) pause();\n"
    "  char *bug = strstr(b, \"BUG\");\n"
    "  if (bug && strchr(bug, '!')) wanted(8);\n"
    "  if (n < 20 && memchr(b, 'B', n)) decoy(3);\n"
    "  return 0;\n}\n";

static char *the_folder, *program, *scratch;
static enum sandbox_rung rung;

struct fixture {
    struct command command;
    struct record_options options;
    struct replay_config config;
    struct shrink_limits limits;
    struct minimize_result result;
    int reports;
    struct err err;
};

static int
build(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    the_folder = victim_folder();
    program = victim_build(the_folder, "victim", source, VICTIM_CLANG_ASAN);
    if (sandbox_choose(SANDBOX_AUTO, &rung, NULL, &err) < 0 ||
        replay_scratch(&scratch, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    return 0;
}

static int
unbuild(void **state)
{
    (void)state;
    (void)fs_remove(the_folder, NULL);
    (void)fs_remove(scratch, NULL);
    mem_free(the_folder);
    mem_free(program);
    mem_free(scratch);
    return 0;
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    AUTO(strv_clear) struct strv argv = {0};

    strv_add(&argv, program);
    if (command_from_argv(&argv, &fix->command, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    fix->command.timeout_ms = 20000;
    fix->options = (struct record_options)RECORD_OPTIONS_INIT;
    fix->options.ooms_and_hangs = true;
    fix->config = (struct replay_config){.rung = rung,
                                         .command = &fix->command,
                                         .options = &fix->options,
                                         .scratch = scratch};
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    minimize_result_clear(&fix->result);
    command_clear(&fix->command);
    mem_free(fix);
    return 0;
}

static int
run(struct fixture *fix, const char *input, const char *major)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    buf_adds(&bytes, input);
    return minimize(&fix->config, &bytes, major, &fix->limits, &fix->result, &fix->err);
}

static const char original[] =
    "some words before, then BUG with (what) comes\nafter it! and more";

static void
test_the_bug_is_kept_and_the_rest_goes(void **state)
{
    struct fixture *fix = *state;

    if (run(fix, original, NULL) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    assert_true(fix->result.finished);
    assert_string_equal(buf_str(&fix->result.bytes), "BUG!");
    assert_int_equal(fix->result.progress.bytes, 4);
    assert_int_equal(fix->result.run.outcome, REPLAY_CRASH);
    assert_string_equal(fix->result.run.record->crash_type,
                        "Heap-buffer-overflow\nWRITE 1");
    assert_in_range(fix->result.progress.execs, 20, 400);
}

/* A smaller crash of another bug is near at every step: deleting "!" from "BUG!" leads to
 * it. */
static void
test_another_bug_is_never_taken(void **state)
{
    struct fixture *fix = *state;
    AUTO(replay_run_clear) struct replay_run decoy = {0};

    assert_int_equal(replay_once(&fix->config, "B", 1, &decoy, &fix->err), 0);
    assert_int_equal(decoy.outcome, REPLAY_CRASH);
    assert_int_equal(run(fix, original, NULL), 0);
    assert_string_not_equal(fix->result.run.record->hash_major, decoy.record->hash_major);
    assert_string_equal(buf_str(&fix->result.bytes), "BUG!");
    /* and when the decoy is what is wanted, it is what is kept */
    assert_int_equal(run(fix, "xxxBxxx", decoy.record->hash_major), 0);
    assert_string_equal(buf_str(&fix->result.bytes), "B");
}

/* Two bugs of one function have one signature: with names and lines, they are told apart.
 */
static void
test_another_place_of_the_same_signature_is_never_taken(void **state)
{
    static const char two_places[] =
        "#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
        "static volatile char *p;\n"
        "__attribute__((noinline)) void wrong(int which)\n{\n\n\n\n"
        "  if (which)\n    p[8] = 1;\n  p[9] = 1;\n}\n"
        "int main(void) {\n  static char b[64]; if (read(0, b, 63) == 0) return 0;\n"
        "  p = malloc(8); if (!strchr(b, 'A')) return 0;\n"
        "  wrong(strchr(b, '!') != 0);\n  return 0;\n}\n";
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *path = victim_build(the_folder, "two-places", two_places, VICTIM_CLANG_ASAN);
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(symbolizer_free) struct symbolizer *symbolizer = NULL;

    strv_add(&argv, path);
    command_clear(&fix->command);
    assert_int_equal(command_from_argv(&argv, &fix->command, &fix->err), 0);
    fix->command.timeout_ms = 20000;
    assert_int_equal(symbolizer_new(NULL, NULL, &symbolizer, &fix->err), 0);
    fix->config.symbolizer = symbolizer;
    assert_int_equal(run(fix, "some A and ! more", NULL), 0);
    assert_string_equal(buf_str(&fix->result.bytes), "A!");
    minimize_result_clear(&fix->result);
    assert_int_equal(run(fix, "some A and more", NULL), 0);
    assert_string_equal(buf_str(&fix->result.bytes), "A");
}

static void
test_what_must_stay_long_becomes_dull(void **state)
{
    /* a target that wants 12 bytes, of which one counts */
    static const char wants_length[] =
        "#include <stdlib.h>\n#include <unistd.h>\n"
        "__attribute__((noinline)) void wanted(int n)\n"
        "{ volatile char *p = malloc(8); p[n] = 1; free((void *)p); }\n"
        "int main(void) { char b[99]; if (read(0, b, 99) == 12 && b[5] == 'x') "
        "wanted(8); }\n";
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *other = victim_build(the_folder, "long", wants_length, VICTIM_CLANG_ASAN);

    mem_free(fix->command.argv.v[0]);
    fix->command.argv.v[0] = mem_strdup(other);
    assert_int_equal(run(fix,
                         "abc\x01"
                         "exfgh\xff"
                         "kl",
                         NULL),
                     0);
    assert_int_equal(fix->result.bytes.len, 12);
    assert_memory_equal(fix->result.bytes.data, "000\0000x000\00000", 12);
}

static void
test_what_does_not_crash_is_said(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(run(fix, "harmless", NULL), -ENODATA);
    assert_string_equal(fix->err.msg, "the input runs to its end without a crash");
    assert_int_equal(fix->result.bytes.len, 0);
    assert_int_equal(run(fix, original, "0000000000000000000000000000000000000000"),
                     -ENODATA);
    assert_non_null(strstr(fix->err.msg, "the input crashes with another signature: "));
    mem_free(fix->command.argv.v[0]);
    fix->command.argv.v[0] = mem_strdup("/nowhere/program");
    assert_int_equal(run(fix, original, NULL), -ENODATA);
    assert_non_null(strstr(fix->err.msg, "the input never truly ran: "));
}

static void
test_signature_and_place_are_kept(void **state)
{
    char here[] = "memory f+2";
    struct record record = {.place = here};

    (void)state;
    (void)snprintf(record.hash_major, sizeof(record.hash_major), "%s", "aa");
    assert_true(minimize_keeps(&record, "aa", "memory f+2"));
    assert_true(minimize_keeps(&record, "aa", NULL));
    assert_false(minimize_keeps(&record, "bb", "memory f+2"));
    assert_false(minimize_keeps(&record, "aa", "memory f+9"));
    assert_false(minimize_keeps(NULL, "aa", NULL));
    record.samples = 3; /* a hang */
    assert_true(minimize_keeps(&record, "aa", "memory f+9"));
    record = (struct record){.hash_major = "aa"};
    assert_false(minimize_keeps(&record, "aa", "memory f+2"));
}

static void
test_a_timeout_can_be_kept(void **state)
{
    struct fixture *fix = *state;

    fix->command.timeout_ms = 300;
    if (run(fix, "Stop", NULL) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    assert_string_equal(buf_str(&fix->result.bytes), "S");
    assert_int_equal(fix->result.run.outcome, REPLAY_TIMEOUT);
}

static void
test_limits_end_it_with_what_there_is(void **state)
{
    struct fixture *fix = *state;

    fix->limits.execs = 5;
    assert_int_equal(run(fix, original, NULL), 0);
    assert_false(fix->result.finished);
    /* asked before each trial, and the last one may take two runs */
    assert_in_range(fix->result.progress.execs, 1, 6);
    assert_non_null(strstr(buf_str(&fix->result.bytes), "BUG"));
    assert_int_equal(fix->result.run.outcome, REPLAY_CRASH);
    fix->limits = (struct shrink_limits){.wall_ms = 1};
    assert_int_equal(run(fix, original, NULL), 0);
    assert_false(fix->result.finished);
    assert_string_equal(buf_str(&fix->result.bytes), original);
}

static bool
stop_at_three(void *user, const struct shrink_progress *progress)
{
    struct fixture *fix = user;

    assert_true(progress->execs >= fix->reports);
    return ++fix->reports < 3;
}

static void
test_the_caller_may_stop_it(void **state)
{
    struct fixture *fix = *state;

    fix->limits = (struct shrink_limits){.report = stop_at_three, .user = fix};
    assert_int_equal(run(fix, original, NULL), 0);
    assert_int_equal(fix->reports, 3);
    assert_false(fix->result.finished);
}

static void
test_too_large_is_refused(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf large = {.max = MINIMIZE_INPUT_MAX + 1};

    large.data = mem_alloc(MINIMIZE_INPUT_MAX + 2);
    large.len = MINIMIZE_INPUT_MAX + 1;
    assert_int_equal(
        minimize(&fix->config, &large, NULL, &fix->limits, &fix->result, &fix->err),
        -EFBIG);
    assert_string_equal(fix->err.msg,
                        "the input has 8388609 bytes, minimization ends at 8388608");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_bug_is_kept_and_the_rest_goes),
        TEST(test_another_bug_is_never_taken),
        TEST(test_another_place_of_the_same_signature_is_never_taken),
        TEST(test_what_must_stay_long_becomes_dull),
        TEST(test_what_does_not_crash_is_said),
        TEST(test_signature_and_place_are_kept),
        TEST(test_a_timeout_can_be_kept),
        TEST(test_limits_end_it_with_what_there_is),
        TEST(test_the_caller_may_stop_it),
        TEST(test_too_large_is_refused),
    };

    return cmocka_run_group_tests_name("minimize", tests, build, unbuild);
}
