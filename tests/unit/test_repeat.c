#include "tests/unit/victim.h"

#include <string.h>

#include "triage/repeat.h"

static const char source[] =
    "#include <fcntl.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
    "__attribute__((noinline)) void overflow(int n)\n"
    "{ volatile char *p = malloc(8); p[n] = 1; free((void *)p); }\n"
    "__attribute__((noinline)) void other(int n)\n"
    "{ volatile char *p = malloc(8); free((void *)p); p[n & 7] = 1; }\n"
    "__attribute__((noinline)) void spin(void) { for (;;) __asm__ volatile(\"\"); }\n"
    "static int coin(void) { int fd = open(\"/dev/urandom\", O_RDONLY); char c = 0;\n"
    "  read(fd, &c, 1); close(fd); return c & 1; }\n"
    "int main(int c, char **v) {\n"
    "  char b[64] = \"\"; int fd = c > 1 ? open(v[1], O_RDONLY) : 0; read(fd, b, 63);\n"
    "  switch (b[0]) {\n"
    "  case 'C': overflow(8); break;\n"
    "  case 'H': spin();\n"
    "  case 'R': if (coin()) overflow(8); break;\n"
    "  case '2': if (coin()) overflow(8); else other(3); break;\n"
    "  }\n  return 0;\n}\n";

static char *the_folder, *asan, *plain, *scratch;
static enum sandbox_rung rung;
static struct symbolizer *symbolizer;

struct fixture {
    struct command command;
    struct record_options options;
    struct replay_config config;
    struct repeat_result result;
    struct err err;
};

static int
build(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    the_folder = victim_folder();
    asan = victim_build(the_folder, "victim", source, VICTIM_CLANG_ASAN);
    plain = victim_build(the_folder, "plain", source, VICTIM_PLAIN);
    if (sandbox_choose(SANDBOX_AUTO, &rung, NULL, &err) < 0 ||
        replay_scratch(&scratch, &err) < 0 ||
        symbolizer_new(NULL, NULL, &symbolizer, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    return 0;
}

static int
unbuild(void **state)
{
    (void)state;
    symbolizer_free(symbolizer);
    (void)fs_remove(the_folder, NULL);
    (void)fs_remove(scratch, NULL);
    mem_free(the_folder);
    mem_free(asan);
    mem_free(plain);
    mem_free(scratch);
    return 0;
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->options = (struct record_options)RECORD_OPTIONS_INIT;
    fix->options.ooms_and_hangs = true;
    fix->config = (struct replay_config){.rung = rung,
                                         .command = &fix->command,
                                         .options = &fix->options,
                                         .symbolizer = symbolizer,
                                         .scratch = scratch};
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *left = fs_join(scratch, "run");
    bool clean = !fs_exists(left);

    command_clear(&fix->command);
    repeat_result_clear(&fix->result);
    mem_free(fix);
    return clean ? 0 : -1; /* the folder of a run must not outlive it */
}

static void
use(struct fixture *fix, const char *program, const char *argument)
{
    AUTO(strv_clear) struct strv argv = {0};

    strv_add(&argv, program);
    if (argument != NULL) {
        strv_add(&argv, argument);
    }
    if (command_from_argv(&argv, &fix->command, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    fix->command.timeout_ms = 20000;
}

static void
many(struct fixture *fix, const char *input, int runs)
{
    repeat_result_clear(&fix->result);
    if (repeat(&fix->config, input, strlen(input), runs, &fix->result, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
}

static void
test_three_equal_crashes_decide(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    many(fix, "C", 10);
    assert_int_equal(fix->result.crashed, 3);
    assert_int_equal(fix->result.runs, 3);
    assert_int_equal(fix->result.other, 0);
    assert_int_equal(fix->result.best.outcome, REPLAY_CRASH);
    many(fix, "C", 2);
    assert_int_equal(fix->result.crashed, 2);
    assert_int_equal(fix->result.runs, 2);
    many(fix, "x", 4);
    assert_int_equal(fix->result.crashed, 0);
    assert_int_equal(fix->result.runs, 4);
    assert_int_equal(fix->result.best.outcome, REPLAY_CLEAN);
}

static void
test_a_timeout_is_confirmed_once(void **state)
{
    struct fixture *fix = *state;

    use(fix, plain, "@@");
    fix->command.timeout_ms = 300;
    many(fix, "H", 10);
    assert_int_equal(fix->result.crashed, 2);
    assert_int_equal(fix->result.runs, 2);
    assert_int_equal(fix->result.best.outcome, REPLAY_TIMEOUT);
}

static void
test_a_broken_replay_is_not_repeated(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *script = fs_join(the_folder, "script");

    victim_write(the_folder, "script", "#!/bin/sh\nexit 127\n", 0755);
    use(fix, script, NULL);
    many(fix, "x", 10);
    assert_int_equal(fix->result.runs, 1);
    assert_int_equal(fix->result.crashed, 0);
    assert_int_equal(fix->result.best.outcome, REPLAY_BROKEN);
}

/* A crash in half of the runs: 30 runs are all clean once in a thousand million. */
static void
test_a_flaky_crash_is_counted(void **state)
{
    struct fixture *fix = *state;

    use(fix, plain, "@@");
    use(fix, asan, "@@");
    many(fix, "R", 30);
    assert_int_equal(fix->result.best.outcome, REPLAY_CRASH);
    assert_in_range(fix->result.crashed, 1, fix->result.runs);
    assert_int_equal(fix->result.other, 0);
}

static void
test_the_majority_stands_for_the_input(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    do { /* three of a kind at the beginning end it early: once in four */
        many(fix, "2", 9);
    } while (fix->result.runs < 9);
    assert_int_equal(fix->result.crashed + fix->result.other, 9);
    assert_true(fix->result.crashed > fix->result.other);
    assert_true(fix->result.other > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_three_equal_crashes_decide),
        TEST(test_a_timeout_is_confirmed_once),
        TEST(test_a_broken_replay_is_not_repeated),
        TEST(test_a_flaky_crash_is_counted),
        TEST(test_the_majority_stands_for_the_input),
    };

    return cmocka_run_group_tests_name("repeat", tests, build, unbuild);
}
