#include "tests/unit/unit.h"

#include <string.h>

#include "base/mem.h"
#include "orchestrator/corpus/dictionary.h"

/* What becomes of one line, and what is said of it (NULL: nothing). */
static void
assert_line(const char *line, const char *expected, const char *said)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    AUTO(strv_clear) struct strv notes = {0};
    size_t entries = 0;

    dictionary_repair("d", line, strlen(line), &out, &entries, &notes);
    assert_string_equal(buf_str(&out), expected);
    assert_int_equal(entries, expected[0] == '\0' ? 0 : 1);
    assert_int_equal(notes.n, said == NULL ? 0 : 1);
    if (said != NULL) {
        AUTO(mem_free) char *note = mem_printf("d:1: %s", said);
        assert_string_equal(notes.v[0], note);
    }
}

static void
test_what_both_engines_read_stays(void **state)
{
    (void)state;
    assert_line("\"abc\"", "\"abc\"\n", NULL);
    assert_line("kw=\"a\\\"b\\\\c\\x00\\xfF\"", "kw=\"a\\\"b\\\\c\\x00\\xFF\"\n", NULL);
    assert_line("kw@2=\"a\"", "kw@2=\"a\"\n", NULL);
    assert_line("  kw=\"a\"  \r", "kw=\"a\"\n", NULL);
    assert_line("# \"no\"", "", NULL);
    assert_line("   ", "", NULL);
}

static void
test_quotes_are_repaired(void **state)
{
    (void)state;
    assert_line("kw=abc", "kw=\"abc\"\n", "the value had no quotes");
    assert_line("a b", "\"a b\"\n", "the value had no quotes");
    assert_line("==", "\"==\"\n", "the value had no quotes");
    assert_line("\"abc", "\"abc\"\n", "the closing quote was missing");
    assert_line("\"a\"b\"", "\"a\\\"b\"\n", "a quote within the value was escaped");
    assert_line("\"a\" # x", "\"a\"\n", "a comment behind the value was left out");
    assert_line("a-b=\"c\"", "\"c\"\n",
                "what stood before the value is no name, and was left out");
}

static void
test_escapes_are_repaired(void **state)
{
    (void)state;
    assert_line("\"a\\n\"", "\"a\\x0A\"\n", "an escape of C was written as \\xNN");
    assert_line("\"a\\0\"", "\"a\\x00\"\n", "an escape of C was written as \\xNN");
    assert_line("\"a\\q\"", "\"a\\\\q\"\n", "a lone backslash was doubled");
    assert_line("\"\\xg1\"", "\"\\\\xg1\"\n", "a lone backslash was doubled");
    assert_line("\"\xc3\xa4\"", "\"\\xC3\\xA4\"\n",
                "a byte that is not printable was written as \\xNN");
}

static void
test_what_an_engine_refuses_is_left_out(void **state)
{
    char longer[DICTIONARY_VALUE_MAX + 4];

    (void)state;
    assert_line("kw=\"\"", "", "an empty value was left out");
    memset(longer, 'a', sizeof(longer));
    longer[0] = '"';
    longer[sizeof(longer) - 2] = '"';
    longer[sizeof(longer) - 1] = '\0';
    assert_line(longer, "", "a value of more than 128 bytes was left out");
}

static void
test_lines_are_numbered_and_notes_bounded(void **state)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(buf_clear) struct buf out = BUF_INIT;
    AUTO(strv_clear) struct strv notes = {0};
    size_t entries = 0;

    (void)state;
    buf_adds(&text, "# x\n\"a\"\n");
    for (int i = 0; i < DICTIONARY_NOTES_MAX + 5; i++) {
        buf_adds(&text, "b\n");
    }
    dictionary_repair("d\n", buf_str(&text), text.len, &out, &entries, &notes);
    assert_int_equal(entries, DICTIONARY_NOTES_MAX + 6);
    assert_int_equal(notes.n, DICTIONARY_NOTES_MAX + 1);
    assert_string_equal(notes.v[0], "d\\x0a:3: the value had no quotes");
    assert_string_equal(notes.v[DICTIONARY_NOTES_MAX],
                        "d\\x0a: 5 further lines were repaired or left out");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_both_engines_read_stays),
        cmocka_unit_test(test_quotes_are_repaired),
        cmocka_unit_test(test_escapes_are_repaired),
        cmocka_unit_test(test_what_an_engine_refuses_is_left_out),
        cmocka_unit_test(test_lines_are_numbered_and_notes_bounded),
    };

    return cmocka_run_group_tests_name("dictionary", tests, NULL, NULL);
}
