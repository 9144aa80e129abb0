/* What AFL++ left behind, as real files. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/corpus/afl_tree.h"
#include "triage/options.h"

struct fixture {
    char *root;
    struct afl_setup setup;
    struct command command;
    struct strv words;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char folder[] = "/tmp/nightjar-tree.XXXXXX";

    assert_non_null(mkdtemp(folder));
    fix->root = mem_strdup(folder);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    (void)fs_remove(fix->root, NULL);
    mem_free(fix->root);
    afl_setup_clear(&fix->setup);
    command_clear(&fix->command);
    strv_clear(&fix->words);
    mem_free(fix);
    return 0;
}

static void
put_mode(const struct fixture *fix, const char *name, const char *text, mode_t mode)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);
    AUTO(mem_free) char *folder = mem_dup(path, (size_t)(fs_base(path) - path));
    struct err err = ERR_INIT;

    assert_int_equal(fs_mkdirs(folder, 0755, &err), 0);
    assert_int_equal(fs_write(path, text, strlen(text), mode, &err), 0);
}

static void
put(const struct fixture *fix, const char *name, const char *text)
{
    put_mode(fix, name, text, 0644);
}

static void
assert_words(const struct strv *list, const char *wanted)
{
    AUTO(buf_clear) struct buf got = BUF_INIT;

    for (size_t i = 0; i < list->n; i++) {
        buf_addf(&got, "%s[%s]", i == 0 ? "" : " ", list->v[i]);
    }
    assert_string_equal(buf_str(&got), wanted);
}

/* --- what an instance tells --- */

static int
read_instance(struct fixture *fix, const char *name)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);

    return afl_setup_read(path, &fix->setup, &fix->err);
}

static void
test_setup_is_split_at_the_dashes(void **state)
{
    struct fixture *fix = *state;

    put(fix, "o/d/fuzzer_setup",
        "# environment variables:\nAFL_NO_UI=1\nAFL_TARGET_ENV=A=1 B='2 3'\n# command "
        "line:\n"
        "'afl-fuzz' '-i' 'in' '-o' 'o' '-t' '200+' '--' './t' '--opt' 'it'\"'\"'s' "
        "'@@'\n");
    assert_int_equal(read_instance(fix, "o/d"), 0);
    assert_words(&fix->setup.argv, "[./t] [--opt] [it's] [@@]");
    assert_words(&fix->setup.env, "[AFL_NO_UI=1] [AFL_TARGET_ENV=A=1 B='2 3']");
    assert_string_equal(fix->setup.output, "o");
    assert_int_equal(fix->setup.timeout_ms, 200);
    assert_null(fix->setup.input_file);
}

static void
test_setup_without_dashes_ends_at_the_first_word_that_is_no_option(void **state)
{
    struct fixture *fix = *state;

    put(fix, "o/d/fuzzer_setup",
        "# environment variables:\n# command line:\n"
        "'afl-fuzz' '-D' '-iin' '-o' 'o' '-f' 'x y' '-Q' './t' '-o' '@@'\n");
    assert_int_equal(read_instance(fix, "o/d"), 0);
    assert_words(&fix->setup.argv, "[./t] [-o] [@@]");
    assert_string_equal(fix->setup.output, "o");
    assert_string_equal(fix->setup.input_file, "x y");
}

static void
test_cmdline_decides_where_an_option_is_unknown(void **state)
{
    struct fixture *fix = *state;

    put(fix, "o/d/fuzzer_setup",
        "# environment variables:\n# command line:\n'afl-fuzz' '-o' 'o' '-q' 'new' './t' "
        "'@@'\n");
    put(fix, "o/d/cmdline", "./t\n@@\n");
    assert_int_equal(read_instance(fix, "o/d"), 0);
    assert_words(&fix->setup.argv, "[./t] [@@]");
}

static void
test_cmdline_serves_alone(void **state)
{
    struct fixture *fix = *state;

    put(fix, "o/d/cmdline", "/usr/bin/t\n-x\n@@\n");
    assert_int_equal(read_instance(fix, "o/d"), 0);
    assert_words(&fix->setup.argv, "[/usr/bin/t] [-x] [@@]");
}

static void
test_stats_serve_for_an_old_afl(void **state)
{
    struct fixture *fix = *state;

    put(fix, "o/fuzzer_stats",
        "start_time        : 1\nexec_timeout      : 40\nafl_version       : 2.52b\n"
        "command_line      : afl-fuzz -i in -o o ./t -a @@\n");
    assert_int_equal(read_instance(fix, "o"), 0);
    assert_words(&fix->setup.argv, "[./t] [-a] [@@]");
    assert_int_equal(fix->setup.timeout_ms, 40);
}

static void
test_instance_that_tells_nothing_names_the_cure(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *wanted = mem_printf(
        "'%s/o/d' does not tell which program was fuzzed: '%s/o/d/fuzzer_setup': a ' "
        "is not closed; give it: nightjar triage PATH -- ./target @@",
        fix->root, fix->root);

    put(fix, "o/d/fuzzer_setup", "# command line:\n'afl-fuzz' '--' './t");
    assert_int_equal(read_instance(fix, "o/d"), -ENODATA);
    assert_string_equal(fix->err.msg, wanted);
    assert_null(fix->setup.source);
}

/* --- the command --- */

static int
command_of(struct fixture *fix, const char *name)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);
    int rc = afl_setup_read(path, &fix->setup, &fix->err);

    return rc < 0 ? rc : afl_setup_command(&fix->setup, path, &fix->command, &fix->err);
}

static void
put_setup(const struct fixture *fix, const char *instance, const char *environment,
          const char *line)
{
    AUTO(mem_free) char *path = mem_printf("%s/fuzzer_setup", instance);
    AUTO(mem_free)
    char *text = mem_printf("# environment variables:\n%s# command line:\n%s\n",
                            environment, line);

    put(fix, path, text);
}

static void
test_program_is_found_where_afl_was_started(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = fs_join(fix->root, "job/bin/t");
    AUTO(mem_free) char *config = fs_join(fix->root, "job/t.cfg");

    put_mode(fix, "job/bin/t", "#!/bin/sh\n", 0755);
    put(fix, "job/t.cfg", "x");
    put_setup(
        fix, "job/res/out/d", "",
        "'afl-fuzz' '-i' 'in' '-o' './res/out/' '-M' 'd' '--' 'bin/t' '-c' 't.cfg' '@@'");
    assert_int_equal(command_of(fix, "job/res/out/d"), 0);
    assert_string_equal(fix->command.argv.v[0], program);
    assert_string_equal(fix->command.argv.v[2], config);
    assert_int_equal(fix->command.mode, INPUT_ARGUMENT);
    assert_int_equal(fix->command.timeout_ms, AFL_TIMEOUT_MIN_MS);
}

static void
test_program_is_found_above_a_tree_that_was_moved(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = fs_join(fix->root, "t");

    put_mode(fix, "t", "#!/bin/sh\n", 0755);
    put_setup(fix, "renamed/d", "", "'afl-fuzz' '-i' 'in' '-o' 'out' '--' './t'");
    assert_int_equal(command_of(fix, "renamed/d"), 0);
    assert_string_equal(fix->command.argv.v[0], program);
    assert_int_equal(fix->command.mode, INPUT_STDIN);
}

static void
test_program_that_is_gone_names_every_place_and_the_cure(void **state)
{
    struct fixture *fix = *state;

    put_setup(fix, "job/out/d", "",
              "'afl-fuzz' '-i' 'in' '-o' 'out' '--' './gone/t' '@@'");
    assert_int_equal(command_of(fix, "job/out/d"), -ENOENT);
    AUTO(mem_free)
    char *begin = mem_printf("the fuzzed program './gone/t' (from %s/job/out/d/"
                             "fuzzer_setup) is not here, looked at: %s/job/gone/t, ",
                             fix->root, fix->root);
    assert_memory_equal(fix->err.msg, begin, strlen(begin));
    assert_non_null(
        strstr(fix->err.msg, "; say where it is: nightjar triage PATH -- /path/to/t @@"));
}

static void
test_fixed_input_file_becomes_the_placeholder(void **state)
{
    struct fixture *fix = *state;

    put_mode(fix, "t", "#!/bin/sh\n", 0755);
    put_setup(fix, "out/d", "",
              "'afl-fuzz' '-o' 'out' '-f' '/dev/shm/x' '--' './t' '-r' '/dev/shm/x'");
    assert_int_equal(command_of(fix, "out/d"), 0);
    assert_string_equal(fix->command.argv.v[2], "@@");
}

static void
test_fixed_input_file_out_of_sight_is_refused(void **state)
{
    struct fixture *fix = *state;

    put_mode(fix, "t", "#!/bin/sh\n", 0755);
    put_setup(fix, "out/d", "", "'afl-fuzz' '-o' 'out' '-f' '/dev/shm/x' '--' './t'");
    assert_int_equal(command_of(fix, "out/d"), -ENOTSUP);
    assert_string_equal(
        fix->err.msg,
        "the target read its input from the fixed file '/dev/shm/x' (-f), which a "
        "replay cannot provide; give a command with @@: nightjar triage PATH -- "
        "./target @@");
}

static void
test_unicorn_is_refused(void **state)
{
    struct fixture *fix = *state;

    put_mode(fix, "t", "#!/bin/sh\n", 0755);
    put_setup(fix, "out/d", "", "'afl-fuzz' '-o' 'out' '-U' '--' './t' '@@'");
    assert_int_equal(command_of(fix, "out/d"), -ENOTSUP);
}

static void
test_environment_of_the_target_is_carried_over(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *preload = fs_join(fix->root, "libx.so");

    put_mode(fix, "t", "#!/bin/sh\n", 0755);
    put(fix, "libx.so", "x");
    put_setup(fix, "out/d",
              "AFL_NO_UI=1\nAFL_PRELOAD=./libx.so\nAFL_TARGET_ENV=A=1 B='2 3'\n"
              "AFL_HANG_TMOUT=3000\nGCONV_PATH=/x\n",
              "'afl-fuzz' '-o' 'out' '-t' '100' '--' './t' '@@'");
    assert_int_equal(command_of(fix, "out/d"), 0);
    assert_string_equal(options_variable(&fix->command.env, "A"), "1");
    assert_string_equal(options_variable(&fix->command.env, "B"), "2 3");
    assert_string_equal(options_variable(&fix->command.env, "GCONV_PATH"), "/x");
    assert_string_equal(options_variable(&fix->command.env, "LD_PRELOAD"), preload);
    assert_null(options_variable(&fix->command.env, "AFL_NO_UI"));
    assert_true(strv_has(&fix->command.read, preload));
    assert_int_equal(fix->command.timeout_ms, 15000);
}

static void
test_tree_takes_the_build_that_tells_most(void **state)
{
    struct fixture *fix = *state;
    AUTO(strv_clear) struct strv instances = {0};
    AUTO(mem_free) char *plain = fs_join(fix->root, "out/a");
    AUTO(mem_free) char *asan = fs_join(fix->root, "out/b");
    AUTO(mem_free) char *gone = fs_join(fix->root, "out/c");
    AUTO(mem_free) char *source = NULL;
    AUTO(mem_free) char *wanted = fs_join(fix->root, "out/b/fuzzer_setup");

    put_setup(fix, "out/a", "", "'afl-fuzz' '-o' 'out' '--' '/bin/true' '@@'");
    put_mode(fix, "t.asan", "#!/bin/sh\n",
             0755); /* what a script starts may well be ASan */
    put_setup(fix, "out/b", "", "'afl-fuzz' '-o' 'out' '--' './t.asan' '@@'");
    put_setup(fix, "out/c", "", "'afl-fuzz' '-o' 'out' '--' './gone' '@@'");
    strv_add(&instances, gone);
    strv_add(&instances, plain);
    strv_add(&instances, asan);
    assert_int_equal(afl_tree_command(&instances, &fix->command, &source, &fix->err), 0);
    assert_string_equal(fs_base(fix->command.argv.v[0]), "t.asan");
    assert_string_equal(source, wanted);
}

static void
test_tree_without_a_usable_instance_gives_the_first_reason(void **state)
{
    struct fixture *fix = *state;
    AUTO(strv_clear) struct strv instances = {0};
    AUTO(mem_free) char *gone = fs_join(fix->root, "out/c");

    put_setup(fix, "out/c", "", "'afl-fuzz' '-o' 'out' '--' './gone' '@@'");
    strv_add(&instances, gone);
    assert_int_equal(afl_tree_command(&instances, &fix->command, NULL, &fix->err),
                     -ENOENT);
    assert_non_null(strstr(fix->err.msg, "the fuzzed program './gone'"));
}

/* --- when it was found --- */

static int64_t
found_at(const struct fixture *fix, const char *name, int64_t mtime_s)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);
    const struct timespec times[2] = {{.tv_sec = mtime_s}, {.tv_sec = mtime_s}};

    put_mode(fix, name, "x", 0644);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    return afl_found_at(path);
}

static void
test_time_of_a_copied_crash_is_that_of_its_name(void **state)
{
    struct fixture *fix = *state;

    put_mode(fix, "i/fuzzer_stats",
             "start_time        : 1700000000\nlast_update       : 1700009000\n", 0644);
    assert_int_equal(
        found_at(fix, "i/crashes/id:0,sig:06,src:0,time:61500,execs:9", 1800000000),
        1700000061500);
    assert_int_equal(found_at(fix, "i/hangs/id:1,src:0,time:7", 1800000000),
                     1700000000007);
    /* of an afl-fuzz that was resumed the file knows better */
    assert_int_equal(found_at(fix, "i/crashes/id:2,sig:06,src:0,time:1", 1700005000), 0);
}

static void
test_time_is_the_files_own_where_nothing_tells(void **state)
{
    struct fixture *fix = *state;

    put_mode(fix, "i/fuzzer_stats", "start_time : 1700000000\nlast_update : 1700009000\n",
             0644);
    put_mode(fix, "bad/fuzzer_stats", "start_time : soon\n", 0644);
    assert_int_equal(found_at(fix, "i/crashes/id:0,sig:06", 1800000000), 0);
    assert_int_equal(found_at(fix, "i/crashes/id:0,time:,x", 1800000000), 0);
    assert_int_equal(
        found_at(fix, "i/crashes/id:0,time:99999999999999999999", 1800000000), 0);
    assert_int_equal(found_at(fix, "i/crashes.2020/id:0,time:5", 1800000000), 0);
    assert_int_equal(found_at(fix, "other/crashes/id:0,time:5", 1800000000), 0);
    assert_int_equal(found_at(fix, "bad/crashes/id:0,time:5", 1800000000), 0);
    assert_int_equal(afl_found_at("id:0,time:5"), 0);
    assert_int_equal(afl_found_at("/gone/crashes/id:0,time:5"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_setup_is_split_at_the_dashes),
        TEST(test_setup_without_dashes_ends_at_the_first_word_that_is_no_option),
        TEST(test_cmdline_decides_where_an_option_is_unknown),
        TEST(test_cmdline_serves_alone),
        TEST(test_stats_serve_for_an_old_afl),
        TEST(test_instance_that_tells_nothing_names_the_cure),
        TEST(test_program_is_found_where_afl_was_started),
        TEST(test_program_is_found_above_a_tree_that_was_moved),
        TEST(test_program_that_is_gone_names_every_place_and_the_cure),
        TEST(test_fixed_input_file_becomes_the_placeholder),
        TEST(test_fixed_input_file_out_of_sight_is_refused),
        TEST(test_unicorn_is_refused),
        TEST(test_environment_of_the_target_is_carried_over),
        TEST(test_tree_takes_the_build_that_tells_most),
        TEST(test_tree_without_a_usable_instance_gives_the_first_reason),
        TEST(test_time_of_a_copied_crash_is_that_of_its_name),
        TEST(test_time_is_the_files_own_where_nothing_tells),
    };

    return cmocka_run_group_tests_name("afl_tree", tests, NULL, NULL);
}
