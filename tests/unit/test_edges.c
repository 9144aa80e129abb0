#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/gate/edges.h"
#include "tests/unit/programs.h"

static char folder[] = "/tmp/nightjar-test-edges.XXXXXX";

/* Lines: changed() 5 to 11, other() from 12. */
static const char source[] =
    "#include <stddef.h>\n"
    "volatile int sink;\n"
    "int LLVMFuzzerTestOneInput(const unsigned char *, size_t);\n"
    "int changed(int);\nint changed(int x)\n{\n"
    "    if (x == 3) {\n        sink = 4;\n    }\n"
    "    return sink;\n}\n"
    "int LLVMFuzzerTestOneInput(const unsigned char *d, "
    "size_t n)\n{\n"
    "    if (n > 1 && d[0] == 'C') {\n"
    "        return changed(d[1]) * 0;\n    }\n"
    "    return 0;\n}\n";

static int
setup_all(void **state)
{
    AUTO(mem_free) char *path = NULL;

    (void)state;
    assert_non_null(mkdtemp(folder));
    program_sources(folder);
    path = fs_join(folder, "fuzz.c");
    assert_int_equal(fs_write(path, source, strlen(source), 0644, NULL), 0);
    program_sh(folder, "mkdir -p deep\n"
                       "clang-14 -g -O0 -fsanitize=fuzzer -pie -fPIE fuzz.c -o deep/pie\n"
                       "clang-14 -g -O0 -fsanitize=fuzzer -no-pie fuzz.c -o deep/plain\n"
                       "gcc -g cmd.c -o deep/none\n");
    return 0;
}

static int
remove_all(void **state)
{
    (void)state;
    return fs_remove(folder, NULL);
}

static void
read_diff(const char *text, struct change *out)
{
    change_read(text, strlen(text), out);
}

#define SAID(function, file, start, line)                                          \
    function "\n  Filename: " file "\n  Function start filename: " file            \
             "\n  Function start line: " start "\n  Function start address: 0x1\n" \
             "  Line: " line "\n  Column: 1\n"

/* f() begins at 10 and g() at 20 of a.c; h() of other.c has g() inlined. */
static const char said[] =
    SAID("f", "/src/a.c", "10", "12") "\n" SAID("g", "/src/a.c", "20", "25") "\n" SAID(
        "h", "/src/other.c", "1", "2") "\n" SAID("g", "/src/a.c", "20", "22")
        SAID("h", "/src/other.c", "1", "3") "\n" SAID("??", "??", "0", "0") "\n";
enum { SAID_EDGES = 5 };

static void
expect(const char *diff, const char *marks)
{
    AUTO(change_clear) struct change change = {0};
    AUTO(edges_clear) struct edges edges = {0};
    struct err err = ERR_INIT;
    size_t wanted = 0;

    read_diff(diff, &change);
    assert_int_equal(edges_read(said, strlen(said), &change, SAID_EDGES, &edges, &err),
                     0);
    assert_int_equal(edges.n, SAID_EDGES);
    for (size_t i = 0; i < SAID_EDGES; i++) {
        assert_int_equal(edges.changed[i], marks[i] == 'x');
        wanted += marks[i] == 'x';
    }
    assert_int_equal(edges.n_changed, wanted);
}

static void
test_edges_of_the_functions_that_a_hunk_touches(void **state)
{
    (void)state;
    expect("--- a/a.c\n+++ b/a.c\n@@ -14 +14 @@\n-a\n+b\n", "x....");
    expect("--- a/a.c\n+++ b/a.c\n@@ -24 +24 @@\n-a\n+b\n", ".x.x.");
    expect("--- a/a.c\n+++ b/a.c\n@@ -18,4 +18,4 @@\n-a\n-a\n-a\n-a\n+b\n+b\n+b\n+b\n",
           "xx.x.");
    expect("--- a/other.c\n+++ b/other.c\n@@ -9 +9 @@\n-a\n+b\n", "..xx.");
    expect("--- a/third.c\n+++ b/third.c\n@@ -9 +9 @@\n-a\n+b\n", ".....");
}

static void
test_what_stands_before_all_functions_is_every_functions(void **state)
{
    (void)state;
    expect("--- a/a.c\n+++ b/a.c\n@@ -2 +2 @@\n-a\n+b\n", "xx.x.");
    expect("a.c\n", "xx.x."); /* no lines are known */
}

static void
test_lines_that_go_are_those_around_them(void **state)
{
    (void)state;
    expect("--- a/a.c\n+++ b/a.c\n@@ -15,2 +14,0 @@\n-a\n-b\n", "x....");
}

static void
test_an_answer_of_another_length_is_none(void **state)
{
    AUTO(change_clear) struct change change = {0};
    AUTO(edges_clear) struct edges edges = {0};
    struct err err = ERR_INIT;

    (void)state;
    read_diff("a.c\n", &change);
    assert_int_equal(edges_read(said, strlen(said), &change, 4, &edges, &err), -EBADMSG);
    assert_string_equal(err.msg, "llvm-symbolizer told of 5 addresses, not of 4");
    assert_null(edges.changed);
    assert_int_equal(edges_read("", 0, &change, 1, &edges, &err), -EBADMSG);
}

static void
changed_in(const char *name)
{
    AUTO(mem_free) char *path = fs_join(folder, name);
    AUTO(change_clear) struct change change = {0};
    AUTO(edges_clear) struct edges some = {0};
    AUTO(edges_clear) struct edges all = {0};
    struct err err = ERR_INIT;

    read_diff("--- a/fuzz.c\n+++ b/fuzz.c\n@@ -8 +8 @@\n-a\n+b\n", &change);
    int rc = edges_of_change(path, &change, SANDBOX_NONE, &some, &err);
    if (rc < 0) {
        fail_msg("%s", err.msg);
    }
    change_clear(&change);
    read_diff("fuzz.c\n", &change);
    assert_int_equal(edges_of_change(path, &change, SANDBOX_NONE, &all, &err), 0);
    assert_int_equal(all.n_changed, all.n);
    assert_true(some.n_changed > 1 && some.n_changed < all.n);
}

static void
test_a_program_tells_its_edges_wherever_it_is_loaded(void **state)
{
    (void)state;
    changed_in("deep/pie");
    changed_in("deep/plain");
}

static void
test_a_program_without_a_table_tells_nothing(void **state)
{
    AUTO(mem_free) char *path = fs_join(folder, "deep/none");
    AUTO(mem_free) uint64_t *addresses = NULL;
    struct err err = ERR_INIT;
    size_t n = 0;

    (void)state;
    assert_int_equal(edges_addresses(path, &addresses, &n, &err), -ENODATA);
    assert_int_equal(edges_addresses("/nowhere", &addresses, &n, &err), -ENODATA);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges_of_the_functions_that_a_hunk_touches),
        cmocka_unit_test(test_what_stands_before_all_functions_is_every_functions),
        cmocka_unit_test(test_lines_that_go_are_those_around_them),
        cmocka_unit_test(test_an_answer_of_another_length_is_none),
        cmocka_unit_test(test_a_program_tells_its_edges_wherever_it_is_loaded),
        cmocka_unit_test(test_a_program_without_a_table_tells_nothing),
    };

    return cmocka_run_group_tests(tests, setup_all, remove_all);
}
