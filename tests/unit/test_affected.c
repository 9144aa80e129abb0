#include "tests/unit/store_fixture.h"

#include "orchestrator/gate/affected.h"
#include "tests/unit/programs.h"

static void
read_text(const char *text, struct change *out)
{
    change_read(text, strlen(text), out);
}

static void
test_a_diff_names_its_sources(void **state)
{
    AUTO(change_clear) struct change change = {0};

    (void)state;
    read_text(
        "diff --git a/src/x.c b/src/x.c\n"
        "--- a/src/x.c\n+++ b/src/x.c\n@@ -1 +1 @@\n-a\n+b\n"
        "diff --git a/doc.md b/doc.md\n--- a/doc.md\n+++ b/doc.md\n"
        "@@ -1 +1 @@\n-a\n+b\n"
        "diff --git a/new.h b/new.h\n--- /dev/null\n+++ b/new.h\n@@ -0,0 +1 @@\n+b\n",
        &change);
    assert_true(change.known);
    assert_false(change.beyond);
    assert_int_equal(change.files.n, 2);
    assert_string_equal(change.files.v[0], "src/x.c");
    assert_string_equal(change.files.v[1], "new.h");
}

static void
test_a_diff_says_which_lines(void **state)
{
    AUTO(change_clear) struct change change = {0};

    (void)state;
    read_text("--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-a\n+b\n@@ -9,0 +10,2 @@\n+b\n+c\n"
              "--- a/doc.md\n+++ b/doc.md\n@@ -1 +1 @@\n-a\n+b\n"
              "--- a/y.c\n+++ b/y.c\n@@ -5,2 +4,0 @@\n-a\n-b\n",
              &change);
    assert_int_equal(change.n_hunks, 3);
    assert_int_equal(change.hunks[1].file, 0);
    assert_int_equal(change.hunks[1].from, 10);
    assert_int_equal(change.hunks[1].to, 11);
    assert_int_equal(change.hunks[2].file, 1);
    assert_int_equal(change.hunks[2].from, 4);
    assert_int_equal(change.hunks[2].to, 5);
}

static void
test_a_diff_of_more_lines_than_are_kept_says_none(void **state)
{
    AUTO(change_clear) struct change change = {0};
    AUTO(buf_clear) struct buf text = BUF_INIT;

    (void)state;
    buf_adds(&text, "--- a/x.c\n+++ b/x.c\n");
    for (int i = 1; i <= CHANGE_HUNKS_MAX + 5; i++) {
        buf_addf(&text, "@@ -%d +%d @@\n-a\n+b\n", i, i);
    }
    read_text(buf_str(&text), &change);
    assert_int_equal(change.files.n, 1);
    assert_int_equal(change.n_hunks, 0);
}

/* What a change says within its lines is no header, else it could hide a file. */
static void
test_lines_of_a_hunk_are_no_headers(void **state)
{
    AUTO(change_clear) struct change change = {0};

    (void)state;
    read_text(
        "--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n--- a/y.c\n-@@ -1 +1 @@\n+++ b/y.c\n"
        "+z\n\\ No newline at end of file\n--- a/w.c\n+++ b/w.c\n@@ -1 +1 @@\n-a\n+b\n",
        &change);
    assert_int_equal(change.files.n, 2);
    assert_string_equal(change.files.v[0], "x.c");
    assert_string_equal(change.files.v[1], "w.c");
}

static void
test_what_is_no_source_may_touch_everything(void **state)
{
    static const char *const texts[] = {
        "--- a/Makefile\n+++ b/Makefile\n@@ -1 +1 @@\n-a\n+b\n",
        "diff --git a/x b/x\nBinary files a/x and b/x differ\n",
        ("diff --git a/x.c b/y.in\nsimilarity index 100%\nrename from x.c\nrename to "
         "y.in\n"),
        "x.c\nCMakeLists.cmake\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        AUTO(change_clear) struct change change = {0};
        read_text(texts[i], &change);
        assert_true(change.beyond);
    }
}

static void
test_a_list_of_names_will_do(void **state)
{
    AUTO(change_clear) struct change change = {0};

    (void)state;
    read_text("src/x.c\nREADME.md\nsrc/x.c\n", &change);
    assert_false(change.beyond);
    assert_int_equal(change.files.n, 1);
}

static void
test_an_empty_diff_touches_nothing(void **state)
{
    AUTO(change_clear) struct change change = {0};

    (void)state;
    read_text("", &change);
    assert_true(change.known);
    assert_int_equal(change.files.n, 0);
    assert_false(change.beyond);
}

/* Of macros and types nothing is listed: what no debug information names may count. */
static void
test_a_header_that_nothing_lists_is_not_ruled_out(void **state)
{
    void *fixture = NULL;
    assert_int_equal(setup(&fixture), 0);
    struct fixture *fix = fixture;
    AUTO(change_clear) struct change header = {0};
    AUTO(change_clear) struct change source = {0};
    AUTO(mem_free) char *said = NULL;
    AUTO(mem_free) char *said_too = NULL;
    struct target head = {.name = fix->folder};

    (void)state;
    program_sources(fix->folder);
    program_sh(fix->folder, "gcc -g cmd.c -o plain");
    head.builds[BUILD_LIBFUZZER] = fs_join(fix->folder, "plain");
    read_text("include/limits.h\n", &header);
    read_text("other.c\n", &source);
    assert_int_equal(affected(fix->store, &head, NULL, &header, &said, &fix->err), 1);
    assert_string_equal(said, "nothing tells whether it includes include/limits.h");
    assert_int_equal(affected(fix->store, &head, NULL, &source, &said_too, &fix->err), 0);
    mem_free(head.builds[BUILD_LIBFUZZER]);
    assert_int_equal(teardown(&fixture), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_diff_names_its_sources),
        cmocka_unit_test(test_a_diff_says_which_lines),
        cmocka_unit_test(test_a_diff_of_more_lines_than_are_kept_says_none),
        cmocka_unit_test(test_lines_of_a_hunk_are_no_headers),
        cmocka_unit_test(test_what_is_no_source_may_touch_everything),
        cmocka_unit_test(test_a_list_of_names_will_do),
        cmocka_unit_test(test_a_header_that_nothing_lists_is_not_ruled_out),
        cmocka_unit_test(test_an_empty_diff_touches_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
