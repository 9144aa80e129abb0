#include "tests/unit/unit.h"

#include <string.h>

#include "orchestrator/gate/affected.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_diff_names_its_sources),
        cmocka_unit_test(test_lines_of_a_hunk_are_no_headers),
        cmocka_unit_test(test_what_is_no_source_may_touch_everything),
        cmocka_unit_test(test_a_list_of_names_will_do),
        cmocka_unit_test(test_an_empty_diff_touches_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
