#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "triage/codeowners.h"

static int
setup(void **state)
{
    (void)state;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    return 0;
}

static void
assert_matches(const char *pattern, const char *path)
{
    if (!codeowners_match(pattern, path)) {
        fail_msg("'%s' should match '%s'", pattern, path);
    }
}

static void
assert_misses(const char *pattern, const char *path)
{
    if (codeowners_match(pattern, path)) {
        fail_msg("'%s' should not match '%s'", pattern, path);
    }
}

static void
test_names_match_at_any_depth(void **state)
{
    (void)state;
    assert_matches("*", "a.c");
    assert_matches("*", "lib/deep/a.c");
    assert_matches("*.js", "web/a.js");
    assert_misses("*.js", "web/a.jsx");
    assert_matches("a?c", "lib/abc");
    assert_misses("a?c", "lib/ac");
    assert_matches("apps/", "apps/a.c");
    assert_matches("apps/", "lib/apps/deep/a.c");
    assert_misses("apps/", "lib/apps"); /* a file */
    assert_matches("apps", "lib/apps/a.c");
}

static void
test_a_slash_anchors(void **state)
{
    (void)state;
    assert_matches("/build/logs/", "build/logs/deep/a");
    assert_misses("/build/logs/", "lib/build/logs/a");
    assert_matches("/scripts", "scripts/a");
    assert_misses("/scripts", "lib/scripts/a");
    assert_matches("src/a.c", "src/a.c");
    assert_misses("src/a.c", "lib/src/a.c");
    assert_matches("/lib/*.c", "lib/a.c");
    assert_misses("/lib/*.c", "lib/deep/a.c");
}

/* GitHub's, not gitignore's. */
static void
test_a_star_at_the_end_stays_in_its_folder(void **state)
{
    (void)state;
    assert_matches("docs/*", "docs/a.md");
    assert_misses("docs/*", "docs/deep/a.md");
    assert_misses("docs/*", "docs");
}

static void
test_two_stars_are_any_folders(void **state)
{
    (void)state;
    assert_matches("**/logs", "logs/a");
    assert_matches("**/logs", "very/deeply/logs/nested/a");
    assert_misses("**/logs", "very/log/a");
    assert_matches("/a/**/z.c", "a/z.c");
    assert_matches("/a/**/z.c", "a/b/c/z.c");
    assert_matches("/a/**", "a/b/c");
    assert_misses("/a/**", "b/a");
    assert_matches("a/**/b/**/c", "a/b/x/b/y/c");
    assert_misses("a/**/b/**/c", "a/c/b");
}

static void
test_a_backslash_takes_away_the_meaning(void **state)
{
    (void)state;
    assert_matches("/a\\ b", "a b");
    assert_matches("/a\\*b", "a*b");
    assert_misses("/a\\*b", "axxb");
}

static void
test_hostile_patterns_take_no_time(void **state)
{
    AUTO(buf_clear) struct buf pattern = BUF_INIT;
    AUTO(buf_clear) struct buf path = BUF_INIT;

    (void)state;
    for (int i = 0; i < 200; i++) {
        buf_adds(&pattern, "**/*a*/");
    }
    for (int i = 0; i < 2000; i++) {
        buf_adds(&path, "aa/");
    }
    buf_adds(&path, "b");
    buf_adds(&pattern, "c");
    assert_misses(buf_str(&pattern), buf_str(&path));
}

static int
note(void *user, int line, const char *pattern, const char *owners, struct err *err)
{
    struct buf *out = user;

    (void)err;
    buf_addf(out, "%d:%s:%s;", line, pattern, owners);
    return 0;
}

static void
test_lines_are_a_pattern_and_its_owners(void **state)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(codeowners_read("# all\n*  @a\t@org/b # them\r\n\n /lib/\n"
                                     "a\\ b x@y.z\n!no @a\n[ab] @a\nlast @z",
                                     note, &out, &err),
                     0);
    assert_string_equal(buf_str(&out), "2:*:@a @org/b;4:/lib/:;5:a\\ b:x@y.z;8:last:@z;");
}

static void
test_too_much_is_refused(void **state)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(buf_clear) struct buf out = BUF_INIT;
    struct err err = ERR_INIT;

    (void)state;
    for (int i = 0; i <= CODEOWNERS_RULES_MAX; i++) {
        buf_adds(&text, "\n");
    }
    assert_int_equal(codeowners_read(buf_str(&text), note, &out, &err), -E2BIG);
    assert_string_equal(err.msg, "more than 20000 lines");
    buf_clear(&text);
    for (int i = 0; i <= CODEOWNERS_PATTERN_MAX; i++) {
        buf_addc(&text, 'x');
    }
    assert_int_equal(codeowners_read(buf_str(&text), note, &out, &err), 0);
    assert_int_equal(out.len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names_match_at_any_depth),
        TEST(test_a_slash_anchors),
        TEST(test_a_star_at_the_end_stays_in_its_folder),
        TEST(test_two_stars_are_any_folders),
        TEST(test_a_backslash_takes_away_the_meaning),
        TEST(test_hostile_patterns_take_no_time),
        TEST(test_lines_are_a_pattern_and_its_owners),
        TEST(test_too_much_is_refused),
    };

    return cmocka_run_group_tests_name("codeowners", tests, NULL, NULL);
}
