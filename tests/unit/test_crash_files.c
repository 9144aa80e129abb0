/* AFL++ trees, libFuzzer folders and what lies between, as real files. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/corpus/crash_files.h"

#define SHA "da39a3ee5e6b4b0d3255bfef95601890afd80709"

struct fixture {
    char *root;
    struct crash_files files;
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
    mem_free(fix);
    return 0;
}

static void
put(const struct fixture *fix, const char *name, const char *text)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);
    AUTO(mem_free) char *folder = mem_dup(path, (size_t)(fs_base(path) - path));

    assert_int_equal(fs_mkdirs(folder, 0755, NULL), 0);
    assert_int_equal(fs_write(path, text, strlen(text), 0644, NULL), 0);
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
    };

    return cmocka_run_group_tests_name("crash_files", tests, NULL, NULL);
}
