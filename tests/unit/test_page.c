#include "tests/unit/unit.h"

#include <string.h>

#include "base/str.h"
#include "orchestrator/cmd/page.h"

struct fixture {
    struct page page;
    struct buf out;
};

static struct fixture the_fixture;

static int
setup(void **state)
{
    the_fixture = (struct fixture){0};
    *state = &the_fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    page_clear(&fix->page);
    buf_clear(&fix->out);
    return 0;
}

/* Everything that a terminal, a reader or a tracker could be misled by. */
static const char hostile[] =
    "a\033[31m\x9b\xc2\x9b\r\n\a`x``y`|<script>&lt;@me #12 !3 http://e.x www.e.x "
    "![i](u) [l](u) **b** _c_ \xe2\x80\xae"
    "evil\xe2\x80\x8b\xff";

static void
put_everything(struct page *page, const char *text)
{
    page_title(page, text);
    page_heading(page, text);
    page_fact(page, "key", text, STYLE_BAD);
    page_text(page, text);
    page_item(page, text);
    page_block(page);
    page_line(page, text, STYLE_DIM);
    page_line(page, text, STYLE_WHOLE);
    page_block_end(page);
}

static void
assert_no_control(const struct buf *out)
{
    const char *text = buf_str(out);

    assert_true(str_is_utf8(text, out->len, NULL));
    for (size_t i = 0; i < out->len; i++) {
        assert_true(text[i] == '\n' ||
                    ((unsigned char)text[i] >= 0x20 && text[i] != 0x7f));
    }
    assert_null(strstr(text, "\xe2\x80\xae"));
    assert_null(strstr(text, "\xe2\x80\x8b"));
    assert_null(strstr(text, "\xc2\x9b"));
}

static void
test_terminal_shows_hostile_bytes_as_text(void **state)
{
    struct fixture *fix = *state;

    page_terminal(&fix->page, &fix->out, 0, false);
    put_everything(&fix->page, hostile);
    assert_no_control(&fix->out);
    assert_non_null(
        strstr(buf_str(&fix->out), "a\\x1b[31m\\x9b\\xc2\\x9b\\x0d\\x0a\\x07`"));
    assert_non_null(
        strstr(buf_str(&fix->out), "\\xe2\\x80\\xaeevil\\xe2\\x80\\x8b\\xff"));
}

static void
test_terminal_colours_only_when_told(void **state)
{
    struct fixture *fix = *state;

    page_terminal(&fix->page, &fix->out, 80, true);
    page_fact(&fix->page, "severity", "high", STYLE_BAD);
    page_line(&fix->page, "plain", STYLE_PLAIN);
    assert_string_equal(buf_str(&fix->out), "  severity         \033[31;1mhigh\033[0m\n"
                                            "  plain\n");
}

static void
test_terminal_wraps_prose_and_cuts_lines(void **state)
{
    struct fixture *fix = *state;

    page_terminal(&fix->page, &fix->out, 30, false);
    page_text(&fix->page, "one two three four five six seven eight");
    page_item(&fix->page, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b");
    page_line(&fix->page, "0123456789012345678901234567890123456789", STYLE_PLAIN);
    page_line(&fix->page, "0123456789012345678901234567890123456789", STYLE_WHOLE);
    assert_string_equal(buf_str(&fix->out),
                        "  one two three four five six\n"
                        "  seven eight\n"
                        "  - aaaaaaaaaaaaaaaaaaaaaaaaaa\n"
                        "    aaaaaaaaaaaa b\n"
                        "  0123456789012...890123456789\n"
                        "  0123456789012345678901234567890123456789\n");
}

static void
test_an_empty_fact_is_left_out(void **state)
{
    struct fixture *fix = *state;

    page_terminal(&fix->page, &fix->out, 0, false);
    page_fact(&fix->page, "where", "", STYLE_PLAIN);
    assert_int_equal(fix->out.len, 0);
}

static void
test_markdown_escapes_what_would_act(void **state)
{
    struct fixture *fix = *state;

    page_markdown(&fix->page, &fix->out);
    page_text(&fix->page, hostile);
    assert_no_control(&fix->out);
    /* U+2060 stands behind what would refer to something */
    assert_string_equal(
        buf_str(&fix->out),
        "a\\\\x1b\\[31m\\\\x9b\\\\xc2\\\\x9b\\\\x0d\\\\x0a\\\\x07\\`x\\`\\`y\\`\\|\\<"
        "script>"
        "\\&\xe2\x81\xa0lt;\\@\xe2\x81\xa0me #\xe2\x81\xa0"
        "12 !\xe2\x81\xa0"
        "3 http:\xe2\x81\xa0//e.x www\xe2\x81\xa0.e.x !\xe2\x81\xa0\\[i\\](u) \\[l\\](u) "
        "\\*\\*b\\*\\* \\_c\\_ \\\\xe2\\\\x80\\\\xaeevil\\\\xe2\\\\x80\\\\x8b\\\\xff\n");
}

static void
test_markdown_begins_no_list_or_heading(void **state)
{
    struct fixture *fix = *state;

    page_markdown(&fix->page, &fix->out);
    page_text(&fix->page, "# a");
    page_text(&fix->page, "- b-c");
    page_text(&fix->page, "+ d");
    page_text(&fix->page, "=== e");
    assert_string_equal(buf_str(&fix->out),
                        "\\#\xe2\x81\xa0 a\n\n\\- b-c\n\n\\+ d\n\n\\=== e\n");
}

static void
test_markdown_fence_outlasts_any_backticks(void **state)
{
    struct fixture *fix = *state;

    page_markdown(&fix->page, &fix->out);
    page_heading(&fix->page, "Stack");
    page_block(&fix->page);
    page_line(&fix->page, "````` </details>", STYLE_PLAIN);
    page_line(&fix->page, "x ``` y", STYLE_PLAIN);
    page_block_end(&fix->page);
    page_block(&fix->page);
    page_line(&fix->page, "second", STYLE_PLAIN);
    page_block_end(&fix->page);
    assert_string_equal(buf_str(&fix->out),
                        "### Stack\n\n"
                        "``````\n````` </details>\nx ``` y\n``````\n\n"
                        "```\nsecond\n```\n");
}

static void
test_cut_keeps_both_ends(void **state)
{
    struct fixture *fix = *state;

    page_cut(&fix->out, "namespace::very_long_name::method", 20);
    assert_string_equal(buf_str(&fix->out), "namespace...::method");
    buf_clear(&fix->out);
    page_cut(&fix->out, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc", 5);
    assert_string_equal(buf_str(&fix->out), "\xc3\xa4...\xc3\xbc");
    buf_clear(&fix->out);
    page_cut(&fix->out, "short", 5);
    assert_string_equal(buf_str(&fix->out), "short");
    buf_clear(&fix->out);
    page_cut(&fix->out, "short", 2);
    assert_string_equal(buf_str(&fix->out), "sh");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_terminal_shows_hostile_bytes_as_text),
        TEST(test_terminal_colours_only_when_told),
        TEST(test_terminal_wraps_prose_and_cuts_lines),
        TEST(test_an_empty_fact_is_left_out),
        TEST(test_markdown_escapes_what_would_act),
        TEST(test_markdown_begins_no_list_or_heading),
        TEST(test_markdown_fence_outlasts_any_backticks),
        TEST(test_cut_keeps_both_ends),
    };

    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
