#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "orchestrator/target.h"
#include "tests/unit/programs.h"

static char kit[] = "/tmp/nightjar-test-target.XXXXXX";

struct fixture {
    struct target_list list;
    struct target *target;
    struct command command;
    struct err err;
};

static int
build_kit(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(kit));
    program_sources(kit);
    program_sh(
        kit,
        "export AFL_QUIET=1\n"
        "clang-14 -fsanitize=fuzzer,address in.c -o libfuzzer\n"
        "clang-14 -fsanitize=address in.c main.c -o sanitizer\n"
        "clang-14 -fprofile-instr-generate in.c main.c -o coverage\n"
        "afl-clang-fast -fsanitize=fuzzer in.c -o afl\n"
        "gcc in.c main.c -o release\n"
        "cp sanitizer not-executable && chmod 644 not-executable\n"
        "printf '#!/bin/sh\\n# LLVMFuzzerTestOneInput\\n' >script && chmod +x script\n");
    return 0;
}

static int
remove_kit(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    return fs_remove(kit, &err);
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    *state = fix;
    fix->target = target_list_add(&fix->list, "t");
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    command_clear(&fix->command);
    target_list_clear(&fix->list);
    mem_free(fix);
    return 0;
}

static void
give(struct fixture *fix, enum build_kind kind, const char *program)
{
    fix->target->builds[kind] = fs_join(kit, program);
}

/* The argument vector, its program without the folder, in one line. */
static void
assert_command(struct fixture *fix, enum input_mode mode, const char *want)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;

    assert_int_equal(target_command(fix->target, &fix->command, &fix->err), 0);
    assert_int_equal(fix->command.argv.v[0][0], '/');
    buf_adds(&line, fs_base(fix->command.argv.v[0]));
    for (size_t i = 1; i < fix->command.argv.n; i++) {
        buf_addf(&line, " %s", fix->command.argv.v[i]);
    }
    assert_string_equal(buf_str(&line), want);
    assert_int_equal(fix->command.mode, mode);
}

static void
test_names_are_safe_as_folders_and_arguments(void **state)
{
    static const char *const good[] = {"a", "stb_truetype", "x.y@z-1", "_", "@a", "0"};
    static const char *const bad[] = {"",    ".",   "..", ".a",  "-a",   "a/b",
                                      "a b", "a\n", "ä",  "a;b", "$(x)", "a\\b"};
    AUTO(mem_free) char *longest = mem_alloc(TARGET_NAME_MAX + 2);

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(target_name_valid(good[i]));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(target_name_valid(bad[i]));
    }
    memset(longest, 'a', TARGET_NAME_MAX);
    assert_true(target_name_valid(longest));
    longest[TARGET_NAME_MAX] = 'a';
    assert_false(target_name_valid(longest));
}

static void
test_new_targets_have_defaults(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fix->target->timeout_ms, 25000);
    assert_int_equal(fix->target->memory_bytes, INT64_C(2560) << 20);
    assert_ptr_equal(target_list_find(&fix->list, "t"), fix->target);
    assert_null(target_list_find(&fix->list, "u"));
    for (int i = 0; i < 100; i++) {
        AUTO(mem_free) char *name = mem_printf("n%d", i);
        (void)target_list_add(&fix->list, name);
    }
    assert_string_equal(target_list_find(&fix->list, "n99")->name, "n99");
    assert_string_equal(target_list_find(&fix->list, "t")->name, "t");
}

static void
test_environment_merges_sanitizer_options_only(void **state)
{
    struct fixture *fix = *state;
    const struct strv *env = &fix->target->env;

    target_set_env(fix->target, "ASAN_OPTIONS", "a=1");
    target_set_env(fix->target, "A", "1");
    target_set_env(fix->target, "ASAN_OPTIONS", "a=2:b=3");
    target_set_env(fix->target, "A", "2");
    target_set_env(fix->target, "UBSAN_OPTIONS", "");
    target_set_env(fix->target, "UBSAN_OPTIONS", "x=1");
    assert_int_equal(env->n, 3);
    assert_string_equal(env->v[0], "ASAN_OPTIONS=a=1:a=2:b=3");
    assert_string_equal(env->v[1], "A=2");
    assert_string_equal(env->v[2], "UBSAN_OPTIONS=x=1");
}

static void
test_replay_prefers_the_sanitizer_build(void **state)
{
    struct fixture *fix = *state;

    fix->target->in_process = true;
    give(fix, BUILD_AFL, "afl");
    assert_command(fix, INPUT_ARGUMENT, "afl @@");
    assert_false(fix->command.asan);
    give(fix, BUILD_LIBFUZZER, "libfuzzer");
    strv_add(&fix->target->libfuzzer,
             "-max_len=4"); /* would cut an input: not for replays */
    assert_command(fix, INPUT_LIBFUZZER, "libfuzzer");
    assert_true(fix->command.asan);
    give(fix, BUILD_SANITIZER, "sanitizer");
    assert_command(fix, INPUT_ARGUMENT, "sanitizer @@");
    assert_true(fix->command.asan);
}

static void
test_builds_come_in_the_order_of_replays(void **state)
{
    static const char *const kinds[] = {"sanitizer", "libfuzzer", "afl", "release"};
    struct fixture *fix = *state;
    AUTO(build_list_clear) struct build_list builds = {0};

    fix->target->in_process = true;
    give(fix, BUILD_RELEASE, "release");
    assert_command(fix, INPUT_ARGUMENT, "release @@");
    give(fix, BUILD_AFL, "afl");
    give(fix, BUILD_CMPLOG, "afl"); /* one program for both is one build */
    give(fix, BUILD_LIBFUZZER, "libfuzzer");
    give(fix, BUILD_SANITIZER, "sanitizer");
    give(fix, BUILD_COVERAGE, "coverage");
    assert_int_equal(target_builds(fix->target, &builds, &fix->err), 0);
    assert_int_equal(builds.n, COUNT(kinds));
    for (size_t i = 0; i < COUNT(kinds); i++) {
        assert_string_equal(builds.v[i].kind, kinds[i]);
    }
    assert_true(builds.v[0].command.asan);
    assert_int_equal(builds.v[1].command.mode, INPUT_LIBFUZZER);
    assert_false(builds.v[3].command.asan);
}

static void
test_builds_that_cannot_run_are_left_out(void **state)
{
    struct fixture *fix = *state;
    AUTO(build_list_clear) struct build_list builds = {0};

    give(fix, BUILD_SANITIZER, "sanitizer");
    give(fix, BUILD_RELEASE, "not-executable");
    assert_int_equal(target_builds(fix->target, &builds, &fix->err), 0);
    assert_int_equal(builds.n, 1);
}

static void
test_command_line_targets_keep_their_arguments(void **state)
{
    struct fixture *fix = *state;

    give(fix, BUILD_SANITIZER, "sanitizer");
    assert_command(fix, INPUT_STDIN, "sanitizer");
    strv_add(&fix->target->args, "-a");
    assert_command(fix, INPUT_STDIN, "sanitizer -a");
    strv_add(&fix->target->args, "--in=@@");
    assert_command(fix, INPUT_ARGUMENT, "sanitizer -a --in=@@");
}

static void
test_command_carries_limits_environment_and_files(void **state)
{
    struct fixture *fix = *state;

    give(fix, BUILD_SANITIZER, "sanitizer");
    fix->target->timeout_ms = 1234;
    fix->target->memory_bytes = 99;
    target_set_env(fix->target, "A", "1");
    strv_add(&fix->target->args, "/etc/passwd");
    strv_add(&fix->target->args, "/no/such/file");
    strv_add(&fix->target->read, "/usr/share");
    assert_command(fix, INPUT_STDIN, "sanitizer /etc/passwd /no/such/file");
    assert_int_equal(fix->command.timeout_ms, 1234);
    assert_int_equal(fix->command.memory_bytes, 99);
    assert_string_equal(fix->command.env.v[0], "A=1");
    assert_int_equal(fix->command.read.n, 2);
    assert_string_equal(fix->command.read.v[0], "/usr/share");
    assert_string_equal(fix->command.read.v[1], "/etc/passwd");
}

static void
test_scripts_limit_their_memory_themselves(void **state)
{
    struct fixture *fix = *state;

    fix->target->in_process = true;
    give(fix, BUILD_LIBFUZZER, "script");
    assert_command(fix, INPUT_LIBFUZZER, "script");
    assert_true(fix->command.asan);
}

static void
test_what_cannot_be_replayed_is_said(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *mode = mem_printf("target 't': '%s/not-executable' cannot be run: it is not "
                            "executable: chmod +x it",
                            kit);
    AUTO(mem_free)
    char *gone = mem_printf("target 't': open '%s/gone': No such file or directory", kit);

    assert_int_equal(target_command(fix->target, &fix->command, &fix->err), -ENOEXEC);
    assert_string_equal(
        fix->err.msg,
        "target 't' has no build to run: give builds: in nightjar.yaml, or discover it "
        "in a folder with out:");
    give(fix, BUILD_COVERAGE, "coverage");
    assert_int_equal(target_command(fix->target, &fix->command, &fix->err), -ENOEXEC);
    assert_string_equal(fix->err.msg,
                        "target 't' has only a coverage build, which reports no bug: "
                        "build it with a sanitizer too");
    give(fix, BUILD_SANITIZER, "not-executable");
    assert_int_equal(target_command(fix->target, &fix->command, &fix->err), -ENOEXEC);
    assert_string_equal(fix->err.msg, mode);
    mem_free(fix->target->builds[BUILD_SANITIZER]);
    give(fix, BUILD_SANITIZER, "gone");
    assert_int_equal(target_command(fix->target, &fix->command, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, gone);
}

static void
test_complete_fills_in_what_follows(void **state)
{
    struct fixture *fix = *state;

    give(fix, BUILD_CMPLOG, "afl");
    fix->target->in_process = true;
    target_complete(fix->target);
    assert_string_equal(fix->target->builds[BUILD_AFL],
                        fix->target->builds[BUILD_CMPLOG]);
    assert_true(fix->target->in_process);
    strv_add(&fix->target->args, "@@");
    target_complete(fix->target);
    assert_false(fix->target->in_process);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names_are_safe_as_folders_and_arguments),
        TEST(test_new_targets_have_defaults),
        TEST(test_environment_merges_sanitizer_options_only),
        TEST(test_replay_prefers_the_sanitizer_build),
        TEST(test_builds_come_in_the_order_of_replays),
        TEST(test_builds_that_cannot_run_are_left_out),
        TEST(test_command_line_targets_keep_their_arguments),
        TEST(test_command_carries_limits_environment_and_files),
        TEST(test_scripts_limit_their_memory_themselves),
        TEST(test_what_cannot_be_replayed_is_said),
        TEST(test_complete_fills_in_what_follows),
    };

    return cmocka_run_group_tests_name("target", tests, build_kit, remove_kit);
}
