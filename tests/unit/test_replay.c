#include "tests/unit/victim.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "triage/replay.h"

static const char source[] =
    "#include <dirent.h>\n#include <fcntl.h>\n#include <signal.h>\n#include <stdio.h>\n"
    "#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>\n#include "
    "<sys/mman.h>\n"
    "#include <sys/stat.h>\n#include <unistd.h>\n"
    "__attribute__((noinline)) void overflow(int n)\n"
    "{ volatile char *p = malloc(8); p[n] = 1; free((void *)p); }\n"
    "__attribute__((noinline)) void saw_it(void) { overflow(9); }\n"
    "__attribute__((noinline)) void spin(void) { for (;;) __asm__ volatile(\"\"); }\n"
    "static char *volatile leaked;\n"
    "static void alone(const char *name) { DIR *d = opendir(\".\"); struct dirent *e; "
    "int n = 0;\n"
    "  while ((e = readdir(d))) n++; closedir(d);\n"
    "  if (n == 3 && !strcmp(strrchr(name, '/'), \"/input\") && !access(\"input\", R_OK "
    "| W_OK))\n"
    "    saw_it(); }\n"
    "int main(int c, char **v) {\n"
    "  char b[64] = \"\"; int fd = c > 1 ? open(v[1], O_RDONLY) : 0; read(fd, b, 63);\n"
    "  switch (b[0]) {\n"
    "  case 'C': overflow(8); break;\n"
    "  case 'A': abort();\n"
    "  case 'S': *(volatile int *)0 = 1; break;\n"
    "  case 'F': raise(SIGFPE); break;\n"
    "  case 'H': spin();\n"
    "  case 'K': fork(); spin();\n"
    "  case 'P': for (;;) puts(\"on and on\");\n"
    "  case 'X': for (int i = 0; i < 9; i++) close(i); overflow(8); break;\n"
    "  case 'D': unlink(v[1]); rmdir(\".\"); overflow(8); break;\n"
    "  case 'W': fd = open(v[1], O_WRONLY | O_TRUNC); write(fd, \"gone\", 4); "
    "mkdir(\"d\", 0700);\n"
    "            close(open(\"d/f\", O_CREAT | O_WRONLY, 0600)); chmod(\"d\", 0); return "
    "0;\n"
    "  case 'M': for (;;) { leaked = malloc(1 << 20); memset(leaked, 1, 1 << 20); "
    "usleep(500); }\n"
    "  case 'L': leaked = malloc(100); leaked = 0; return 0;\n"
    "  case 'E': return 1;\n"
    "  case 'T': raise(SIGTERM); break;\n"
    "  case '9': raise(SIGKILL); break;\n"
    "  case 'J': printf(\"{\\\"job\\\":1}\\n\\x1b[2J\\xff\\n\"); fflush(stdout); "
    "overflow(8); break;\n"
    "  case 'V': alone(v[1]); break;\n"
    "  case 'N': fprintf(stderr, \"==1==ERROR: OddSanitizer: odd\\n\"); return 3;\n"
    "  case 'Z': for (;;) { if (fork() == 0) for (;;) pause(); usleep(100); }\n"
    "  }\n  return 0;\n}\n";

static const char fuzz_source[] =
    "#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "volatile char *volatile keep;\n"
    "__attribute__((noinline)) void overflow(int n)\n"
    "{ keep = malloc(8); keep[n] = 1; free((void *)keep); }\n"
    "__attribute__((noinline)) void hang(void) { for (;;) __asm__ volatile(\"\"); }\n"
    "int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {\n"
    "  if (n == 0) return 0;\n"
    "  if (d[0] == 'C') overflow(8);\n"
    "  if (d[0] == 'H') hang();\n"
    "  if (d[0] == 'L') { keep = malloc(9); keep = 0; }\n"
    "  if (d[0] == 'E') exit(0);\n"
    "  if (d[0] == 'M') for (;;) { keep = malloc(1 << 24); memset((char *)keep, 1, 1 << "
    "24); }\n"
    "  return 0; }\n";

static char *the_folder, *asan, *plain, *fuzzer, *scratch;
static enum sandbox_rung rung;
static struct runner *runner; /* of the runs in sandboxes that last */
static bool lasting, fresh;   /* whether they are used, and how a run begins in them */
static struct symbolizer *symbolizer;

struct fixture {
    struct command command;
    struct record_options options;
    struct replay_config config;
    struct replay_run run;
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
    fuzzer = victim_build(the_folder, "fuzzer", fuzz_source, VICTIM_LIBFUZZER);
    if (sandbox_choose(SANDBOX_AUTO, &rung, NULL, &err) < 0 ||
        replay_scratch(&scratch, &err) < 0 ||
        symbolizer_new(NULL, NULL, &symbolizer, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    const struct runner_config config = {.scratch = scratch};
    assert_int_equal(runner_new(&config, &runner, &err), 0);
    return 0;
}

static int
unbuild(void **state)
{
    (void)state;
    symbolizer_free(symbolizer);
    runner_free(runner);
    (void)fs_remove(the_folder, NULL);
    (void)fs_remove(scratch, NULL);
    mem_free(the_folder);
    mem_free(asan);
    mem_free(plain);
    mem_free(fuzzer);
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
                                         .scratch = scratch,
                                         .runner = lasting ? runner : NULL,
                                         .fresh = fresh};
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
    replay_run_clear(&fix->run);
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
once(struct fixture *fix, const char *input)
{
    replay_run_clear(&fix->run);
    if (replay_once(&fix->config, input, strlen(input), &fix->run, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
}

static void
expect(struct fixture *fix, enum replay_outcome outcome)
{
    if (fix->run.outcome != outcome) {
        fail_msg("%s in place of %s: %s\n%s", replay_outcome_name(fix->run.outcome),
                 replay_outcome_name(outcome),
                 fix->run.reason == NULL ? "" : fix->run.reason,
                 buf_str(&fix->run.report));
    }
    bool has = outcome == REPLAY_CRASH || outcome == REPLAY_TIMEOUT;
    assert_int_equal(fix->run.record != NULL, has);
}

static void
expect_crash(struct fixture *fix, const char *type, const char *state)
{
    expect(fix, REPLAY_CRASH);
    assert_string_equal(fix->run.record->crash_type, type);
    if (state != NULL) {
        assert_string_equal(fix->run.record->crash_state, state);
    }
}

static void
test_a_crash_is_parsed_and_named(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    once(fix, "C");
    expect_crash(fix, "Heap-buffer-overflow\nWRITE 1", "overflow\n");
    assert_int_equal(strlen(fix->run.record->hash_major), 40);
    assert_non_null(strstr(buf_str(&fix->run.report), "ERROR: AddressSanitizer"));
    once(fix, "hello");
    expect(fix, REPLAY_CLEAN);
    assert_null(fix->run.reason);
    assert_int_equal(fix->run.status, 0);
}

static void
test_standard_input_serves_too(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, NULL);
    assert_int_equal(fix->command.mode, INPUT_STDIN);
    once(fix, "C");
    expect_crash(fix, "Heap-buffer-overflow\nWRITE 1", "overflow\n");
}

static void
test_the_input_is_alone_in_its_folder(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    once(fix, "V");
    expect_crash(fix, "Heap-buffer-overflow\nWRITE 1", "overflow\nsaw_it\nalone\n");
}

static void
test_every_rung_runs(void **state)
{
    static const enum sandbox_rung rungs[] = {SANDBOX_BWRAP, SANDBOX_LANDLOCK,
                                              SANDBOX_NONE};
    struct fixture *fix = *state;
    int ran = 0;

    for (size_t i = 0; i < COUNT(rungs); i++) {
        if (sandbox_choose(rungs[i], &fix->config.rung, NULL, &fix->err) < 0) {
            print_message("# no rung %s here: %s\n", sandbox_rung_name(rungs[i]),
                          fix->err.msg);
            continue;
        }
        ran++;
        use(fix, asan, "@@");
        once(fix, "V");
        expect_crash(fix, "Heap-buffer-overflow\nWRITE 1", NULL);
        use(fix, plain, NULL);
        once(fix, "S");
        expect_crash(fix, "UNKNOWN", NULL);
        fix->command.timeout_ms = 500;
        once(fix, "K");
        expect(fix, REPLAY_TIMEOUT);
    }
    assert_true(ran >= 2);
}

static void
test_signals_without_a_report(void **state)
{
    static const struct {
        const char *input, *type;
    } cases[] = {{"S", "UNKNOWN"}, {"A", "Abrt"}, {"F", "Floating-point-exception"}};
    struct fixture *fix = *state;

    use(fix, plain, "@@");
    for (size_t i = 0; i < COUNT(cases); i++) {
        once(fix, cases[i].input);
        expect_crash(fix, cases[i].type, NULL);
    }
    once(fix, "T");
    expect(fix, REPLAY_CLEAN);
    once(fix, "9");
    expect(fix, REPLAY_BROKEN);
    assert_string_equal(
        fix->run.reason,
        "something else than nightjar ended it by signal 9 (KILL); the kernel does "
        "so when the machine's memory is out");
    once(fix, "E");
    expect(fix, REPLAY_CLEAN);
}

static void
test_signals_with_a_sanitizer(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    once(fix, "A");
    expect_crash(fix, "Abrt", NULL);
    once(fix, "S");
    expect_crash(fix, "Null-dereference WRITE", NULL);
}

static void
test_a_hang_has_a_stack(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    fix->command.timeout_ms = 1000;
    once(fix, "H");
    expect(fix, REPLAY_TIMEOUT);
    assert_string_equal(fix->run.record->crash_type, "Timeout");
    assert_true(fix->run.record->n_frames > 1);
    assert_string_equal(fix->run.record->frames[0].function, "spin");
    assert_true(fix->run.record->samples > 1);
    assert_in_range(fix->run.wall_ms, 1000, 4000 + 2000);
    use(fix, plain, "@@"); /* no sanitizer is there to print it */
    fix->command.timeout_ms = 1000;
    once(fix, "H");
    expect(fix, REPLAY_TIMEOUT);
    assert_string_equal(fix->run.record->crash_type, "Timeout");
    assert_string_equal(fix->run.record->frames[0].function, "spin");
    assert_string_equal(fix->run.record->frames[1].function, "main");
    assert_true(fix->run.record->samples > 1);
}

static void
test_limits_that_do_not_count_are_clean(void **state)
{
    struct fixture *fix = *state;

    fix->options.ooms_and_hangs = false;
    use(fix, plain, "@@");
    fix->command.timeout_ms = 300;
    once(fix, "H");
    expect(fix, REPLAY_CLEAN);
    assert_string_equal(fix->run.reason,
                        "it ran into its time limit of 300 ms, which does not "
                        "count here (ooms_and_hangs: no)");
}

static void
test_forks_and_endless_output_end(void **state)
{
    struct fixture *fix = *state;
    int64_t start = clock_mono_ms();

    use(fix, plain, "@@");
    fix->command.timeout_ms = 500;
    once(fix, "K");
    expect(fix, REPLAY_TIMEOUT);
    once(fix, "P");
    expect(fix, REPLAY_TIMEOUT);
    assert_in_range(fix->run.report.len, COMMAND_OUTPUT_MAX, COMMAND_OUTPUT_MAX + 4096);
    assert_in_range(clock_mono_ms() - start, 0, 20000);
}

/* A slow one, for the sake of this machine: it comes to the sandbox's limit of processes.
 */
static void
test_a_fork_bomb_is_kept(void **state)
{
    struct fixture *fix = *state;

    use(fix, plain, "@@");
    once(fix, "Z");
    expect(fix, REPLAY_UNPARSED);
    assert_string_equal(
        fix->run.reason,
        "nightjar sandbox: the command had too many processes, and was ended");
}

static bool
has_function(const struct record *record, const char *name)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        if (record->frames[i].function != NULL &&
            strcmp(record->frames[i].function, name) == 0) {
            return true;
        }
    }
    return false;
}

static void
test_memory_is_bounded(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    fix->command.memory_bytes = 200 << 20;
    once(fix, "M");
    expect_crash(fix, "Out-of-memory", NULL);
    assert_true(has_function(fix->run.record, "main"));
    use(fix, plain, "@@");
    fix->command.memory_bytes = 200 << 20;
    once(fix, "M");
    expect_crash(fix, "Out-of-memory", NULL);
    assert_int_equal(fix->run.record->samples, 3);
    assert_true(has_function(fix->run.record, "main"));
}

static void
test_a_lost_report_is_not_a_lost_crash(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    once(fix, "X");
    expect(fix, REPLAY_UNPARSED);
    assert_string_equal(
        fix->run.reason,
        "it ended with exit status 77, a sanitizer's, but printed no report");
    use(fix, plain, "@@");
    once(fix, "N");
    expect(fix, REPLAY_UNPARSED);
    assert_string_equal(fix->run.reason,
                        "it ended with exit status 3 and printed 'Sanitizer: ', "
                        "but no parser knows its report");
}

static void
test_the_target_may_ruin_its_input(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    once(fix, "D");
    expect_crash(fix, "Heap-buffer-overflow\nWRITE 1", "overflow\n");
    once(fix, "W");
    expect(fix, REPLAY_CLEAN);
    once(fix, "V");
    expect_crash(fix, "Heap-buffer-overflow\nWRITE 1", "overflow\nsaw_it\nalone\n");
}

static void
test_leaks_are_found_and_can_be_turned_off(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    once(fix, "L");
    expect_crash(fix, "Direct-leak", NULL);
    strv_add(&fix->command.env, "ASAN_OPTIONS=detect_leaks=0");
    once(fix, "L");
    expect(fix, REPLAY_CLEAN);
}

static void
test_libfuzzer_targets(void **state)
{
    struct fixture *fix = *state;

    use(fix, fuzzer, NULL);
    assert_int_equal(fix->command.mode, INPUT_LIBFUZZER);
    once(fix, "C");
    expect(fix, REPLAY_CRASH);
    assert_string_equal(fix->run.record->crash_type, "Heap-buffer-overflow\nWRITE 1");
    once(fix, "x");
    expect(fix, REPLAY_CLEAN);
    once(fix, "");
    expect(fix, REPLAY_CLEAN);
    once(fix, "L");
    expect_crash(fix, "Direct-leak", NULL);
    once(fix, "E");
    expect_crash(fix, "Unexpected-exit", NULL);
    fix->command.memory_bytes = 256 << 20;
    once(fix, "M");
    expect_crash(fix, "Out-of-memory", NULL);
    fix->command.timeout_ms = 1000;
    once(fix, "H");
    expect(fix, REPLAY_TIMEOUT);
    assert_non_null(strstr(buf_str(&fix->run.report), "ERROR: libFuzzer: timeout"));
}

static void
test_what_never_ran_is_broken(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *script = fs_join(the_folder, "script");
    AUTO(mem_free) char *lost = fs_join(the_folder, "lost");

    use(fix, plain, "@@");
    mem_free(fix->command.argv.v[0]);
    fix->command.argv.v[0] = mem_strdup(lost);
    once(fix, "x");
    expect(fix, REPLAY_BROKEN);
    assert_non_null(strstr(fix->run.reason, "/lost'"));

    victim_write(the_folder, "script", "#!/nowhere/interpreter\n", 0755);
    use(fix, script, NULL);
    once(fix, "x");
    expect(fix, REPLAY_BROKEN);
    if (fix->config.runner != NULL) { /* else bubblewrap says it in its own words */
        assert_non_null(strstr(fix->run.reason, "is there, but its interpreter is not"));
    }

    victim_write(the_folder, "script", "#!/bin/sh\nexec /nowhere/program\n", 0755);
    use(fix, script, NULL);
    once(fix, "x");
    expect(fix, REPLAY_BROKEN);
    assert_non_null(strstr(fix->run.reason, "/nowhere/program"));

    use(fix, fuzzer, "-no_such_flag_but_fine=1");
    once(fix, "x");
    expect(fix, REPLAY_CLEAN); /* libFuzzer warns, and goes on */
}

/* A program may print whatever it likes, and be well. */
static void
test_words_of_a_clean_run_are_no_crash(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *script = fs_join(the_folder, "talker");

    victim_write(the_folder, "talker",
                 "#!/bin/sh\necho 'Segmentation fault'\nexit $(cat \"$1\")\n", 0755);
    use(fix, script, "@@");
    once(fix, "0");
    expect(fix, REPLAY_CLEAN);
    once(fix, "1");
    expect_crash(fix, "UNKNOWN", "NULL");
}

static void
test_a_missing_library_is_broken(void **state)
{
    struct fixture *fix = *state;
    static const char *const library[] = {"gcc", "-w", "-shared", "-fPIC", NULL};
    AUTO(mem_free)
    char *gone =
        victim_build(the_folder, "libgone.so", "int gone(void) { return 3; }", library);
    AUTO(mem_free) char *where = mem_printf("-L%s", the_folder);
    const char *const flags[] = {"gcc", "-w",     "-Wl,--no-as-needed",
                                 where, "-lgone", NULL};
    AUTO(mem_free)
    char *program =
        victim_build(the_folder, "needy", "int main(void) { return 0; }", flags);

    (void)unlink(gone);
    use(fix, program, "@@");
    once(fix, "x");
    expect(fix, REPLAY_BROKEN);
    assert_non_null(strstr(fix->run.reason, "error while loading shared libraries: "));
}

static void
test_hostile_output_is_kept_as_bytes(void **state)
{
    struct fixture *fix = *state;

    use(fix, asan, "@@");
    once(fix, "J");
    expect_crash(fix, "Heap-buffer-overflow\nWRITE 1", "overflow\n");
    assert_int_equal(memcmp(buf_str(&fix->run.report), "{\"job\":1}\n\x1b[2J\xff\n", 16),
                     0);
}

static void
test_a_bad_pattern_is_our_error(void **state)
{
    struct fixture *fix = *state;
    AUTO(strv_clear) struct strv patterns = {0};

    strv_add(&patterns, "(");
    fix->options.ignore_frames = &patterns;
    use(fix, asan, "@@");
    assert_int_equal(replay_once(&fix->config, "C", 1, &fix->run, &fix->err), -EINVAL);
    assert_null(fix->run.record);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_crash_is_parsed_and_named),
        TEST(test_standard_input_serves_too),
        TEST(test_the_input_is_alone_in_its_folder),
        TEST(test_every_rung_runs),
        TEST(test_signals_without_a_report),
        TEST(test_signals_with_a_sanitizer),
        TEST(test_a_hang_has_a_stack),
        TEST(test_limits_that_do_not_count_are_clean),
        TEST(test_forks_and_endless_output_end),
        TEST(test_a_fork_bomb_is_kept),
        TEST(test_memory_is_bounded),
        TEST(test_a_lost_report_is_not_a_lost_crash),
        TEST(test_the_target_may_ruin_its_input),
        TEST(test_leaks_are_found_and_can_be_turned_off),
        TEST(test_libfuzzer_targets),
        TEST(test_what_never_ran_is_broken),
        TEST(test_words_of_a_clean_run_are_no_crash),
        TEST(test_a_missing_library_is_broken),
        TEST(test_hostile_output_is_kept_as_bytes),
        TEST(test_a_bad_pattern_is_our_error),
    };

    int failed = cmocka_run_group_tests_name("alone", tests, build, unbuild);
    lasting = true;
    failed +=
        cmocka_run_group_tests_name("forked in a lasting sandbox", tests, build, unbuild);
    fresh = true;
    failed +=
        cmocka_run_group_tests_name("fresh in a lasting sandbox", tests, build, unbuild);
    return failed;
}
