#include "tests/unit/victim.h"

#include <string.h>

#include "triage/repeat.h"

static const char source[] =
    "#include <fcntl.h>\n#include <stdlib.h>\n#include <time.h>\n#include <unistd.h>\n"
    "__attribute__((noinline)) void overflow(int n)\n"
    "{ volatile char *p = malloc(8); p[n] = 1; free((void *)p); }\n"
    "__attribute__((noinline)) void other(int n)\n"
    "{ volatile char *p = malloc(8); free((void *)p); p[n & 7] = 1; }\n"
    "__attribute__((noinline)) void spin(void) { for (;;) __asm__ volatile(\"\"); }\n"
    "static int coin(void) { int fd = open(\"/dev/urandom\", O_RDONLY); char c = 0;\n"
    "  read(fd, &c, 1); close(fd); return c & 1; }\n"
    "static void burn(double s)\n"
    "{ while (clock() < s * CLOCKS_PER_SEC) __asm__ volatile(\"\"); }\n"
    "__attribute__((noinline)) void far(volatile char *p, volatile char *q)\n"
    "{ q[0] = 1; p[208] = 1; free((void *)p); free((void *)q); }\n"
    "__attribute__((noinline)) void wild(size_t at) { *(volatile char *)at = 1; }\n"
    "int main(int c, char **v) {\n"
    "  char b[64] = \"\"; int fd = c > 1 ? open(v[1], O_RDONLY) : 0; read(fd, b, 63);\n"
    "  switch (b[0]) {\n"
    "  case 'C': overflow(8); break;\n"
    "  case 'H': spin();\n"
    "  case 'B': burn(1.4); break;\n"
    "  case 'F': far(malloc(100), malloc(100)); break;\n"
    "  case 'W': wild(coin() ? 0x4141414148 : 0x500000000000); break;\n"
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
test_a_hang_still_runs_at_twice_the_limit(void **state)
{
    struct fixture *fix = *state;

    use(fix, plain, "@@");
    fix->command.timeout_ms = 300;
    many(fix, "H", 10);
    assert_int_equal(fix->result.crashed, 2);
    assert_int_equal(fix->result.runs, 2);
    assert_int_equal(fix->result.best.outcome, REPLAY_TIMEOUT);
    assert_string_equal(fix->result.best.reason,
                        "still running after 2 times its limit of 300 ms");
    many(fix, "H", 1); /* one run alone confirms nothing */
    assert_int_equal(fix->result.runs, 1);
    assert_int_equal(fix->result.best.outcome, REPLAY_TIMEOUT);
    assert_null(fix->result.best.reason);
}

static void
test_what_ends_between_the_limits_is_slow(void **state)
{
    struct fixture *fix = *state;

    use(fix, plain, "@@");
    fix->command.timeout_ms = 1000;
    many(fix, "B", 10); /* 1.4 s of processor time */
    assert_int_equal(fix->result.crashed, 0);
    assert_int_equal(fix->result.other, 0);
    assert_int_equal(fix->result.runs, 2);
    assert_int_equal(fix->result.best.outcome, REPLAY_CLEAN);
    assert_non_null(strstr(fix->result.best.reason,
                           "slow, no hang: it was stopped after 1 s, its limit, and ends "
                           "by itself after "));
}

/* The neighbour is hit in the default layout, and nobody sees it. */
static void
test_a_larger_red_zone_finds_what_hides(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    many(fix, "F", 10);
    assert_int_equal(fix->result.best.outcome, REPLAY_CRASH);
    assert_string_equal(fix->result.best.record->crash_type,
                        "Heap-buffer-overflow\nWRITE 1");
    assert_string_equal(fix->result.best.record->replay_options,
                        "ASAN_OPTIONS=redzone=256");
    assert_int_equal(fix->result.crashed, 3);
    assert_int_equal(fix->result.runs, 3);
    /* who asks for a layout gets that one */
    strv_add(&fix->command.env, "ASAN_OPTIONS=redzone=64");
    many(fix, "F", 10);
    assert_int_equal(fix->result.best.outcome, REPLAY_CLEAN);
    assert_int_equal(fix->result.runs, 10);
}

/* Which of two faults comes, and whether ASan's check or the write itself faults, is
 * chance; what stands for the input is not. */
static void
test_the_worst_that_was_shown_stands_for_a_signature(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    for (int i = 0; i < 3; i++) {
        many(fix, "W", 12);
        assert_int_equal(fix->result.crashed, fix->result.runs);
        assert_string_equal(fix->result.best.record->crash_type, "UNKNOWN WRITE");
        assert_string_equal(fix->result.best.record->class_name, "DestAv");
    }
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

/* Two errors, one of them by the toss of a coin. */
static void
test_of_frequent_crashes_the_worst_stands_for_the_input(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    do { /* three of a kind at the beginning end it early: once in four */
        many(fix, "2", 12);
    } while (fix->result.other < 3 || fix->result.crashed < 3);
    assert_int_equal(fix->result.runs, 12);
    assert_int_equal(fix->result.crashed + fix->result.other, 12);
    assert_string_equal(fix->result.best.record->crash_type,
                        "Heap-use-after-free\nWRITE 1");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_three_equal_crashes_decide),
        TEST(test_a_hang_still_runs_at_twice_the_limit),
        TEST(test_what_ends_between_the_limits_is_slow),
        TEST(test_a_larger_red_zone_finds_what_hides),
        TEST(test_the_worst_that_was_shown_stands_for_a_signature),
        TEST(test_a_broken_replay_is_not_repeated),
        TEST(test_a_flaky_crash_is_counted),
        TEST(test_of_frequent_crashes_the_worst_stands_for_the_input),
    };

    return cmocka_run_group_tests_name("repeat", tests, build, unbuild);
}
