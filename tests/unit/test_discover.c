#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "orchestrator/target.h"
#include "tests/unit/programs.h"

static char kit[] =
    "/tmp/nightjar-test-kit.XXXXXX"; /* compiled once, copied by each test */

struct fixture {
    char *root;
    struct target_list list;
    struct strv notes;
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
        "clang-14 -fsanitize=fuzzer,undefined in.c -o libfuzzer-ubsan\n"
        "clang-14 -fsanitize=address in.c main.c -o sanitizer\n"
        "clang-14 -fsanitize=address cmd.c -o cmd-sanitizer\n"
        "clang-14 -fprofile-instr-generate -fcoverage-mapping in.c main.c -o coverage\n"
        "gcc in.c main.c -o plain-entry\n"
        "gcc cmd.c -o plain\n"
        "afl-clang-fast -fsanitize=fuzzer in.c -o afl\n"
        "afl-clang-fast cmd.c -o cmd-afl\n"
        "AFL_LLVM_CMPLOG=1 afl-clang-fast cmd.c -o cmd-cmplog\n"
        "printf '#!/bin/sh\\n# LLVMFuzzerTestOneInput\\n' >script && chmod +x script\n"
        "printf seed >seed && zip -q seed.zip seed\n");
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
    char name[] = "/tmp/nightjar-test-discover.XXXXXX";

    *state = fix;
    fix->root = mem_strdup(mkdtemp(name));
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;
    int rc = fs_remove(fix->root, &fix->err);

    mem_free(fix->root);
    target_list_clear(&fix->list);
    strv_clear(&fix->notes);
    mem_free(fix);
    return rc;
}

/* Put a file of the kit at root/name. */
static void
put(struct fixture *fix, const char *from, const char *name)
{
    AUTO(mem_free) char *source = fs_join(kit, from);
    AUTO(mem_free) char *path = fs_join(fix->root, name);
    AUTO(mem_free) char *folder = mem_dup(path, (size_t)(fs_base(path) - path));
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    struct stat st;

    assert_int_equal(fs_mkdirs(folder, 0755, &fix->err), 0);
    assert_int_equal(stat(source, &st), 0);
    assert_int_equal(fs_read(source, 64 << 20, &bytes, &fix->err), 0);
    assert_int_equal(fs_write(path, bytes.data, bytes.len, st.st_mode & 0777, &fix->err),
                     0);
}

static void
write_text(struct fixture *fix, const char *name, const char *text)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);

    assert_int_equal(fs_write(path, text, strlen(text), 0644, &fix->err), 0);
}

static int
discover(struct fixture *fix)
{
    return target_discover_notes(fix->root, &fix->list, &fix->notes, &fix->err);
}

static const struct target *
only(struct fixture *fix)
{
    assert_int_equal(fix->list.n, 1);
    return fix->list.v[0];
}

/* A path below root, or NULL for NULL. */
static void
assert_path(struct fixture *fix, const char *got, const char *want)
{
    AUTO(mem_free) char *whole = want == NULL ? NULL : fs_join(fix->root, want);

    if (want == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, whole);
    }
}

static void
test_variants_of_one_name_are_one_target(void **state)
{
    struct fixture *fix = *state;

    put(fix, "afl", "afl/foo");
    put(fix, "sanitizer", "address/foo");
    put(fix, "libfuzzer", "libfuzzer/foo");
    put(fix, "coverage", "coverage/foo");
    put(fix, "seed.zip", "address/foo_seed_corpus.zip");
    put(fix, "seed.zip", "afl/foo_seed_corpus.zip");
    put(fix, "seed", "afl/foo.dict");
    assert_int_equal(discover(fix), 0);
    const struct target *t = only(fix);
    assert_string_equal(t->name, "foo");
    assert_path(fix, t->builds[BUILD_AFL], "afl/foo");
    assert_path(fix, t->builds[BUILD_CMPLOG], NULL);
    assert_path(fix, t->builds[BUILD_SANITIZER], "address/foo");
    assert_path(fix, t->builds[BUILD_LIBFUZZER], "libfuzzer/foo");
    assert_path(fix, t->builds[BUILD_COVERAGE], "coverage/foo");
    assert_true(t->in_process);
    assert_int_equal(t->seeds.n, 1);
    assert_path(fix, t->seeds.v[0], "address/foo_seed_corpus.zip");
    assert_path(fix, t->dictionary, "afl/foo.dict");
    assert_int_equal(fix->notes.n, 0);
}

static void
test_command_line_targets_need_a_yaml(void **state)
{
    struct fixture *fix = *state;

    put(fix, "cmd-afl", "afl/tool");
    put(fix, "cmd-sanitizer", "address/tool");
    put(fix, "cmd-cmplog", "cmplog/tool");
    assert_int_equal(discover(fix), -ENOENT);
    assert_int_equal(fix->notes.n, 3);
    assert_string_equal(fix->notes.v[0],
                        "address/tool: no LLVMFuzzerTestOneInput in it; to fuzz it as a "
                        "command-line program give it a tool.yaml with args: [\"@@\"]");
    strv_clear(&fix->notes);
    const char yaml[] = "name: tool\nargs: [-a, '@@']\ntimeout: 3s\n";
    write_text(fix, "afl/tool.yaml", yaml);
    write_text(fix, "address/tool.yaml", yaml);
    write_text(fix, "cmplog/tool.yaml", yaml);
    assert_int_equal(discover(fix), 0);
    const struct target *t = only(fix);
    assert_path(fix, t->builds[BUILD_AFL], "afl/tool");
    assert_path(fix, t->builds[BUILD_CMPLOG], "cmplog/tool");
    assert_path(fix, t->builds[BUILD_SANITIZER], "address/tool");
    assert_false(t->in_process);
    assert_int_equal(t->args.n, 2);
    assert_string_equal(t->args.v[1], "@@");
    assert_int_equal(t->timeout_ms, 3000);
}

static void
test_plain_programs_count_as_what_is_shipped(void **state)
{
    struct fixture *fix = *state;

    put(fix, "sanitizer", "address/foo");
    put(fix, "plain", "release/foo");
    put(fix, "plain", "other/foo");
    assert_int_equal(discover(fix), 0);
    const struct target *t = only(fix);
    assert_path(fix, t->builds[BUILD_SANITIZER], "address/foo");
    assert_path(fix, t->builds[BUILD_RELEASE], "release/foo");
    assert_int_equal(fix->notes.n, 1);
    assert_string_equal(fix->notes.v[0], "other/foo: it has neither AFL++, libFuzzer, a "
                                         "sanitizer nor coverage in it");
}

static void
test_nothing_found_says_what_was_looked_at(void **state)
{
    struct fixture *fix = *state;

    put(fix, "plain", "tool");
    put(fix, "plain-entry", "bare");
    put(fix, "libfuzzer", "foo.v2");
    put(fix, "libfuzzer", "bad name\n");
    put(fix, "libfuzzer", "llvm-symbolizer");
    write_text(fix, "README", "text\n");
    assert_int_equal(discover(fix), -ENOENT);
    AUTO(mem_free)
    char *want = mem_printf(
        "no fuzz target below '%s' (6 files, 5 programs)"
        "; bad name\\x0a: names of targets are letters, digits and _-.@"
        "; bare: it has neither AFL++, libFuzzer, a sanitizer nor coverage in it"
        "; foo.v2: targets have no extension such as '.v2'"
        "; llvm-symbolizer: a tool, by its name"
        "; tool: no LLVMFuzzerTestOneInput in it; to fuzz it as a command-line program "
        "give it a "
        "tool.yaml with args: [\"@@\"]",
        fix->root);
    assert_string_equal(fix->err.msg, want);
    assert_int_equal(fix->list.n, 0);
}

static void
test_missing_folders_and_files_are_said(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *none = fs_join(fix->root, "none");
    AUTO(mem_free)
    char *want =
        mem_printf("'%s' is not a folder of fuzz targets: it does not exist", none);

    assert_int_equal(target_discover(none, &fix->list, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, want);
    assert_int_equal(target_discover("/dev/null", &fix->list, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg,
                        "'/dev/null' is not a folder of fuzz targets: it is a file");
}

static void
test_rules_of_names(void **state)
{
    struct fixture *fix = *state;

    put(fix, "libfuzzer",
        "a.b@c-d_e.par"); /* .par and .exe are no extension to OSS-Fuzz */
    put(fix, "libfuzzer", "x.exe");
    put(fix, "cmd-sanitizer", "my_fuzzer"); /* by its name alone */
    put(fix, "script", "jvm");
    put(fix, "libfuzzer", "lib.so");
    put(fix, "libfuzzer", "lib.so.1");
    put(fix, "libfuzzer", "__extra_build/y");
    put(fix, "libfuzzer", ".hidden/z");
    put(fix, "libfuzzer", ".z");
    put(fix, "libfuzzer", "-n");
    put(fix, "libfuzzer", "jazzer_driver");
    assert_int_equal(discover(fix), 0);
    AUTO(buf_clear) struct buf names = BUF_INIT;
    for (size_t i = 0; i < fix->list.n; i++) {
        buf_addf(&names, "%s ", fix->list.v[i]->name);
    }
    assert_string_equal(buf_str(&names), "a.b@c-d_e jvm my_fuzzer x ");
    assert_path(fix, target_list_find(&fix->list, "jvm")->builds[BUILD_LIBFUZZER], "jvm");
    assert_true(target_list_find(&fix->list, "jvm")->in_process);
}

static void
test_links_to_programs_are_programs(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *link = fs_join(fix->root, "second");
    AUTO(mem_free) char *loop = fs_join(fix->root, "loop");

    put(fix, "libfuzzer", "first");
    assert_int_equal(symlink("first", link), 0);
    assert_int_equal(symlink(".", loop), 0);
    assert_int_equal(discover(fix), 0);
    assert_int_equal(fix->list.n, 2);
    assert_path(fix, fix->list.v[1]->builds[BUILD_LIBFUZZER], "second");
}

static void
test_of_two_builds_of_a_kind_asan_stays(void **state)
{
    struct fixture *fix = *state;

    put(fix, "libfuzzer-ubsan", "a/foo");
    put(fix, "libfuzzer", "b/foo");
    put(fix, "libfuzzer", "c/foo");
    assert_int_equal(discover(fix), 0);
    assert_path(fix, only(fix)->builds[BUILD_LIBFUZZER], "b/foo");
    AUTO(mem_free)
    char *ubsan =
        mem_printf("a/foo: 'foo' has another libfuzzer build, %s/b/foo", fix->root);
    AUTO(mem_free)
    char *second =
        mem_printf("c/foo: 'foo' has another libfuzzer build, %s/b/foo", fix->root);
    assert_int_equal(fix->notes.n, 2);
    assert_string_equal(fix->notes.v[0], ubsan);
    assert_string_equal(fix->notes.v[1], second);
}

static void
test_cmplog_alone_serves_as_afl(void **state)
{
    struct fixture *fix = *state;

    put(fix, "cmd-cmplog", "cmplog/tool");
    write_text(fix, "cmplog/tool.yaml", "args: ['@@']\n");
    assert_int_equal(discover(fix), 0);
    assert_path(fix, only(fix)->builds[BUILD_AFL], "cmplog/tool");
    /* until a real one is found in a further folder */
    put(fix, "cmd-afl", "afl/tool");
    write_text(fix, "afl/tool.yaml", "args: ['@@']\n");
    assert_int_equal(discover(fix), 0);
    assert_path(fix, only(fix)->builds[BUILD_AFL], "afl/tool");
    assert_path(fix, only(fix)->builds[BUILD_CMPLOG], "cmplog/tool");
    assert_int_equal(fix->notes.n, 0);
}

static void
test_oss_fuzz_notes_of_afl_builds_count(void **state)
{
    struct fixture *fix = *state;

    put(fix, "afl", "foo");
    put(fix, "seed", "afl_cmplog.txt");
    put(fix, "seed", "afl++.dict");
    assert_int_equal(discover(fix), 0);
    assert_path(fix, only(fix)->builds[BUILD_AFL], "foo");
    assert_path(fix, only(fix)->builds[BUILD_CMPLOG], "foo");
    assert_path(fix, only(fix)->dictionary, "afl++.dict");
}

static void
test_bad_yaml_stops_with_its_place(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *want = mem_printf(
        "%s/foo.yaml:2:1: unknown key 'tiemout' (did you mean 'timeout'?)", fix->root);

    put(fix, "libfuzzer", "foo");
    write_text(fix, "foo.yaml", "name: foo\ntiemout: 5s\n");
    assert_int_equal(discover(fix), -EINVAL);
    assert_string_equal(fix->err.msg, want);
}

static void
test_yaml_seeds_may_be_missing_beside_the_archive_only(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *want = mem_printf(
        "%s/foo.yaml:1:9: seeds: there is no 'corpora/foo' (looked for %s/corpora/foo)",
        fix->root, fix->root);

    put(fix, "libfuzzer", "foo");
    write_text(fix, "foo.yaml", "seeds: [corpora/foo]\n");
    assert_int_equal(discover(fix), -EINVAL);
    assert_string_equal(fix->err.msg, want);
    put(fix, "seed.zip", "foo_seed_corpus.zip");
    assert_int_equal(discover(fix), 0);
    assert_path(fix, only(fix)->seeds.v[0], "foo_seed_corpus.zip");
}

static void
test_a_known_name_needs_no_entry_point(void **state)
{
    struct fixture *fix = *state;

    put(fix, "cmd-afl", "tool");
    (void)target_list_add(&fix->list, "tool");
    assert_int_equal(discover(fix), 0);
    assert_path(fix, only(fix)->builds[BUILD_AFL], "tool");
    assert_false(only(fix)->in_process);
}

static void
test_unreadable_options_stop_no_discovery(void **state)
{
    struct fixture *fix = *state;

    put(fix, "libfuzzer", "foo");
    write_text(fix, "foo.options", "broken\n");
    assert_int_equal(discover(fix), 0);
    assert_int_equal(only(fix)->libfuzzer.n, 0);
}

/* --- one binary --- */

static int
from_binary(struct fixture *fix, const char *name, const char *arg, const char *seed)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);
    AUTO(strv_clear) struct strv args = {NULL, 0};
    AUTO(strv_clear) struct strv seeds = {NULL, 0};

    if (arg != NULL) {
        strv_add(&args, arg);
    }
    if (seed != NULL) {
        strv_add(&seeds, seed);
    }
    return target_from_binary(path, &args, &seeds, &fix->list, &fix->err);
}

static void
test_binary_is_a_target_by_itself(void **state)
{
    struct fixture *fix = *state;

    put(fix, "cmd-afl", "my tool.v2");
    put(fix, "seed", "my_tool.v2.dict");
    assert_int_equal(from_binary(fix, "my tool.v2", "@@", fix->root), 0);
    const struct target *t = only(fix);
    assert_string_equal(t->name, "my_tool.v2");
    assert_path(fix, t->builds[BUILD_AFL], "my tool.v2");
    assert_path(fix, t->dictionary, "my_tool.v2.dict");
    assert_string_equal(t->args.v[0], "@@");
    assert_string_equal(t->seeds.v[0], fix->root);
    assert_false(t->in_process);
}

static void
test_binary_takes_what_lies_beside_it(void **state)
{
    struct fixture *fix = *state;

    put(fix, "afl", "afl/foo");
    put(fix, "libfuzzer", "libfuzzer/foo");
    put(fix, "seed.zip", "libfuzzer/foo_seed_corpus.zip");
    write_text(fix, "libfuzzer/foo.options", "[libfuzzer]\nmax_len = 9\n");
    assert_int_equal(from_binary(fix, "libfuzzer/foo", "-seed=1", NULL), 0);
    assert_int_equal(from_binary(fix, "afl/foo", NULL, NULL),
                     0); /* a second build of it */
    const struct target *t = only(fix);
    assert_path(fix, t->builds[BUILD_AFL], "afl/foo");
    assert_path(fix, t->seeds.v[0], "libfuzzer/foo_seed_corpus.zip");
    assert_int_equal(t->libfuzzer.n, 2);
    assert_string_equal(t->libfuzzer.v[0], "-max_len=9");
    assert_string_equal(t->libfuzzer.v[1], "-seed=1");
    assert_true(t->in_process);
    put(fix, "afl", "other/foo");
    AUTO(mem_free)
    char *want =
        mem_printf("'%s/afl/foo' and '%s/other/foo' are both the afl build of 'foo'",
                   fix->root, fix->root);
    assert_int_equal(from_binary(fix, "other/foo", NULL, NULL), -EINVAL);
    assert_string_equal(fix->err.msg, want);
}

static void
test_binary_without_an_engine_is_refused_with_the_cure(void **state)
{
    static const struct {
        const char *program, *why;
    } cases[] = {
        {"plain", "it was built by a plain compiler"},
        {"cmd-sanitizer", "it has a sanitizer and no engine"},
        {"coverage", "it is a coverage build"},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(mem_free)
        char *want = mem_printf(
            "'%s/%s' is not instrumented for fuzzing (%s): build it with afl-clang-fast "
            "(CC=afl-clang-fast AFL_USE_ASAN=1), or a fuzz target with clang "
            "-fsanitize=fuzzer,address",
            fix->root, cases[i].program, cases[i].why);
        put(fix, cases[i].program, cases[i].program);
        assert_int_equal(from_binary(fix, cases[i].program, NULL, NULL), -ENOEXEC);
        assert_string_equal(fix->err.msg, want);
    }
    AUTO(mem_free)
    char *text = mem_printf(
        "'%s/seed' cannot be fuzzed: it is neither an ELF program nor a script",
        fix->root);
    put(fix, "seed", "seed");
    assert_int_equal(from_binary(fix, "seed", NULL, NULL), -ENOEXEC);
    assert_string_equal(fix->err.msg, text);
    assert_int_equal(from_binary(fix, "none", NULL, NULL), -ENOENT);
    assert_int_equal(fix->list.n, 0);
}

static void
test_binary_with_missing_seeds_is_refused(void **state)
{
    struct fixture *fix = *state;

    put(fix, "afl", "foo");
    assert_int_equal(from_binary(fix, "foo", NULL, "/no/seeds"), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "there are no seeds '/no/seeds': name a folder, a file or an "
                        "archive, or leave it out");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_variants_of_one_name_are_one_target),
        TEST(test_command_line_targets_need_a_yaml),
        TEST(test_plain_programs_count_as_what_is_shipped),
        TEST(test_nothing_found_says_what_was_looked_at),
        TEST(test_missing_folders_and_files_are_said),
        TEST(test_rules_of_names),
        TEST(test_links_to_programs_are_programs),
        TEST(test_of_two_builds_of_a_kind_asan_stays),
        TEST(test_cmplog_alone_serves_as_afl),
        TEST(test_oss_fuzz_notes_of_afl_builds_count),
        TEST(test_bad_yaml_stops_with_its_place),
        TEST(test_yaml_seeds_may_be_missing_beside_the_archive_only),
        TEST(test_a_known_name_needs_no_entry_point),
        TEST(test_unreadable_options_stop_no_discovery),
        TEST(test_binary_is_a_target_by_itself),
        TEST(test_binary_takes_what_lies_beside_it),
        TEST(test_binary_without_an_engine_is_refused_with_the_cure),
        TEST(test_binary_with_missing_seeds_is_refused),
    };

    log_set_level(LOG_ERROR); /* what is passed over */
    return cmocka_run_group_tests_name("discover", tests, build_kit, remove_kit);
}
