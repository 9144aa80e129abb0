/* AFL++ trees, libFuzzer folders and what lies between, as real files. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/corpus/afl_tree.h"
#include "orchestrator/corpus/crash_files.h"
#include "triage/options.h"

#define SHA "da39a3ee5e6b4b0d3255bfef95601890afd80709"

struct fixture {
    char *root;
    struct crash_files files;
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
    crash_files_clear(&fix->files);
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
collect(struct fixture *fix, const char *name)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);

    crash_files_collect(&fix->files, path);
}

/* The paths below the root, joined by blanks. */
static void
assert_paths(const struct fixture *fix, const struct strv *list, const char *wanted)
{
    AUTO(buf_clear) struct buf got = BUF_INIT;

    for (size_t i = 0; i < list->n; i++) {
        assert_memory_equal(list->v[i], fix->root, strlen(fix->root));
        buf_addf(&got, "%s%s", i == 0 ? "" : " ", list->v[i] + strlen(fix->root) + 1);
    }
    assert_string_equal(buf_str(&got), wanted);
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

/* --- what is what --- */

static void
test_plain_folder_gives_every_file_below_it(void **state)
{
    struct fixture *fix = *state;

    put(fix, "in/b", "1");
    put(fix, "in/.hidden", "2");
    put(fix, "in/a/deep/c", "3");
    collect(fix, "in/");
    assert_int_equal(fix->files.n, 1);
    assert_int_equal(fix->files.v[0].kind, CRASH_PLAIN);
    assert_paths(fix, &fix->files.v[0].files, "in/.hidden in/b in/a/deep/c");
    assert_int_equal(fix->files.problems.n, 0);
    assert_int_equal(fix->files.notes.n, 0);
}

static void
test_names_may_be_any_bytes(void **state)
{
    struct fixture *fix = *state;

    put(fix, "in/a\nb\033[31m;$(id)\xff", "1");
    collect(fix, "in");
    assert_paths(fix, &fix->files.v[0].files, "in/a\nb\033[31m;$(id)\xff");
}

static void
test_links_and_pipes_are_left_out_and_named(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *link = fs_join(fix->root, "in/link");
    AUTO(mem_free) char *fifo = fs_join(fix->root, "in/fifo");
    AUTO(mem_free)
    char *wanted = mem_printf(
        "left out of '%s/in': 2 links, pipes or devices ('fifo', 'link')", fix->root);

    put(fix, "in/a", "1");
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    collect(fix, "in");
    assert_paths(fix, &fix->files.v[0].files, "in/a");
    assert_int_equal(fix->files.notes.n, 1);
    assert_string_equal(fix->files.notes.v[0], wanted);
}

static void
test_single_file_is_taken_as_it_is(void **state)
{
    struct fixture *fix = *state;

    put(fix, "README.txt", "1");
    collect(fix, "README.txt");
    assert_int_equal(crash_files_count(&fix->files), 1);
    assert_paths(fix, &fix->files.v[0].files, "README.txt");
}

static void
test_missing_path_is_a_problem_not_a_failure(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *wanted =
        mem_printf("cannot find '%s/nothing': No such file or directory", fix->root);

    put(fix, "in/a", "1");
    collect(fix, "nothing");
    collect(fix, "in");
    assert_int_equal(fix->files.problems.n, 1);
    assert_string_equal(fix->files.problems.v[0], wanted);
    assert_int_equal(crash_files_count(&fix->files), 1);
}

static void
test_state_folder_is_left_out(void **state)
{
    struct fixture *fix = *state;

    put(fix, "in/a", "1");
    put(fix, "in/.nightjar/nightjar.db", "x");
    put(fix, "in/.nightjar/blobs/ab/abcd", "x");
    collect(fix, "in");
    assert_paths(fix, &fix->files.v[0].files, "in/a");
}

static void
put_instance(const struct fixture *fix, const char *name)
{
    static const char *const files[] = {"fuzzer_setup",
                                        "fuzzer_stats",
                                        "queue/id:000000",
                                        "crashes/README.txt",
                                        "crashes/id:000000,a",
                                        "crashes/id:000001,b",
                                        "crashes.2026-01/id:000000,old",
                                        "hangs/id:000000,h"};

    for (size_t i = 0; i < COUNT(files); i++) {
        AUTO(mem_free) char *path = mem_printf("%s/%s", name, files[i]);
        put(fix, path, "x");
    }
}

static void
test_instance_gives_crashes_then_older_ones_and_hangs_apart(void **state)
{
    struct fixture *fix = *state;

    put_instance(fix, "out/default");
    collect(fix, "out/default");
    assert_int_equal(fix->files.n, 1);
    assert_int_equal(fix->files.v[0].kind, CRASH_AFL);
    assert_paths(fix, &fix->files.v[0].instances, "out/default");
    assert_paths(fix, &fix->files.v[0].files,
                 "out/default/crashes/id:000000,a out/default/crashes/id:000001,b "
                 "out/default/crashes.2026-01/id:000000,old");
    assert_paths(fix, &fix->files.v[0].hangs, "out/default/hangs/id:000000,h");
    assert_int_equal(fix->files.notes.n, 0);
}

static void
test_tree_is_one_group_with_its_main_instance_first(void **state)
{
    struct fixture *fix = *state;

    put_instance(fix, "out/asan");
    put_instance(fix, "out/main");
    put(fix, "out/main/is_main_node", "");
    put(fix, "out/hub/queue/id:000000", "not a crash");
    put(fix, "out/notes.txt", "not a crash");
    collect(fix, "out");
    assert_int_equal(fix->files.n, 1);
    assert_paths(fix, &fix->files.v[0].instances, "out/main out/asan");
    assert_int_equal(fix->files.v[0].files.n, 6);
    assert_int_equal(fix->files.v[0].hangs.n, 2);
}

static void
test_part_of_an_instance_belongs_to_it(void **state)
{
    struct fixture *fix = *state;

    put_instance(fix, "out/default");
    collect(fix, "out/default/crashes");
    collect(fix, "out/default/crashes.2026-01/id:000000,old");
    collect(fix, "out/default/hangs");
    assert_int_equal(fix->files.n, 1);
    assert_int_equal(fix->files.v[0].kind, CRASH_AFL);
    assert_paths(fix, &fix->files.v[0].instances, "out/default");
    assert_paths(fix, &fix->files.v[0].files,
                 "out/default/crashes/id:000000,a out/default/crashes/id:000001,b "
                 "out/default/crashes.2026-01/id:000000,old");
    assert_paths(fix, &fix->files.v[0].hangs, "out/default/hangs/id:000000,h");
}

static void
test_folder_named_crashes_is_plain_without_an_instance_above(void **state)
{
    struct fixture *fix = *state;

    put(fix, "crashes/README.txt", "x");
    collect(fix, "crashes");
    assert_int_equal(fix->files.v[0].kind, CRASH_PLAIN);
    assert_int_equal(fix->files.v[0].files.n, 1);
}

static void
test_trees_below_a_plain_folder_are_found(void **state)
{
    struct fixture *fix = *state;

    put(fix, "all/x", "1");
    put_instance(fix, "all/png/default");
    put(fix, "all/jpg/crash-" SHA, "1");
    collect(fix, "all");
    assert_int_equal(fix->files.n, 3);
    assert_int_equal(fix->files.v[0].kind, CRASH_PLAIN);
    assert_paths(fix, &fix->files.v[0].files, "all/x");
    assert_int_equal(fix->files.v[1].kind, CRASH_LIBFUZZER);
    assert_int_equal(fix->files.v[2].kind, CRASH_AFL);
}

static void
test_libfuzzer_folder_gives_its_artifacts_alone(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *slow = mem_printf("left out of '%s/w': 1 slow units of libFuzzer, which "
                            "are no crashes ('slow-unit-" SHA "')",
                            fix->root);

    put(fix, "w/crash-" SHA, "1");
    put(fix, "w/png-timeout-" SHA, "1");
    put(fix, "w/slow-unit-" SHA, "1");
    put(fix, "w/fuzz-0.log", "1");
    put(fix, "w/corpus/seed", "1");
    collect(fix, "w");
    assert_int_equal(fix->files.v[0].kind, CRASH_LIBFUZZER);
    assert_paths(fix, &fix->files.v[0].files, "w/crash-" SHA " w/png-timeout-" SHA);
    assert_int_equal(fix->files.notes.n, 2);
    assert_string_equal(fix->files.notes.v[0], slow);
    assert_non_null(strstr(fix->files.notes.v[1], "2 beside libFuzzer's artifacts"));
    assert_non_null(strstr(fix->files.notes.v[1], "('corpus', 'fuzz-0.log')"));
}

static void
test_artifact_names(void **state)
{
    bool slow = false;

    (void)state;
    assert_true(crash_files_is_artifact("crash-" SHA, &slow));
    assert_false(slow);
    assert_true(crash_files_is_artifact("slow-unit-" SHA, &slow));
    assert_true(slow);
    assert_true(crash_files_is_artifact("fuzz_png-oom-" SHA, NULL));
    assert_true(crash_files_is_artifact("a.leak-" SHA, NULL));
    assert_false(crash_files_is_artifact(SHA, NULL));
    assert_false(crash_files_is_artifact("-" SHA, NULL));
    assert_false(crash_files_is_artifact("notacrash-" SHA, NULL));
    assert_false(crash_files_is_artifact("crash-1", NULL));
    assert_false(crash_files_is_artifact("crash-" SHA "x", NULL));
    assert_false(crash_files_is_artifact("crash_" SHA, NULL));
}

static void
test_unreadable_folder_is_a_problem(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *locked = fs_join(fix->root, "in/locked");
    AUTO(mem_free)
    char *wanted =
        mem_printf("cannot read folder '%s/in/locked': Permission denied", fix->root);

    if (geteuid() == 0) { /* root reads everything: become somebody who does not */
        assert_int_equal(chmod(fix->root, 0755), 0);
    }
    put(fix, "in/a", "1");
    put(fix, "in/locked/b", "1");
    assert_int_equal(chmod(locked, 0), 0);
    uid_t self = geteuid();
    if (self == 0) {
        assert_int_equal(seteuid(65534), 0);
    }
    collect(fix, "in");
    assert_int_equal(seteuid(self), 0);
    assert_int_equal(chmod(locked, 0755), 0);
    assert_int_equal(fix->files.problems.n, 1);
    assert_string_equal(fix->files.problems.v[0], wanted);
    assert_paths(fix, &fix->files.v[0].files, "in/a");
}

/* --- words --- */

static void
test_split_reads_words_as_a_shell_does(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(afl_split("a 'b c'  \"d\\\"e $x\" f\\ g 'it'\"'\"'s' ''\nnext",
                               &fix->words, &fix->err),
                     0);
    assert_words(&fix->words, "[a] [b c] [d\"e $x] [f g] [it's] []");
}

static void
test_split_keeps_a_quoted_newline(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(afl_split("'a\nb' c", &fix->words, &fix->err), 0);
    assert_words(&fix->words, "[a\nb] [c]");
}

static void
test_split_refuses_an_open_quote(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(afl_split("a 'b", &fix->words, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "a ' is not closed");
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_folder_gives_every_file_below_it),
        TEST(test_names_may_be_any_bytes),
        TEST(test_links_and_pipes_are_left_out_and_named),
        TEST(test_single_file_is_taken_as_it_is),
        TEST(test_missing_path_is_a_problem_not_a_failure),
        TEST(test_state_folder_is_left_out),
        TEST(test_instance_gives_crashes_then_older_ones_and_hangs_apart),
        TEST(test_tree_is_one_group_with_its_main_instance_first),
        TEST(test_part_of_an_instance_belongs_to_it),
        TEST(test_folder_named_crashes_is_plain_without_an_instance_above),
        TEST(test_trees_below_a_plain_folder_are_found),
        TEST(test_libfuzzer_folder_gives_its_artifacts_alone),
        TEST(test_artifact_names),
        TEST(test_unreadable_folder_is_a_problem),
        TEST(test_split_reads_words_as_a_shell_does),
        TEST(test_split_keeps_a_quoted_newline),
        TEST(test_split_refuses_an_open_quote),
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
    };

    return cmocka_run_group_tests_name("afl_tree", tests, NULL, NULL);
}
