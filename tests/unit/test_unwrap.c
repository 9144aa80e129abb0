#include "tests/unit/unit.h"

#include <string.h>

#include "base/mem.h"
#include "triage/parse/unwrap.h"

static int
setup(void **state)
{
    *state = NULL;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    return 0;
}

static void
assert_unwrapped(const char *text, const char *wanted)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    bool wrapped = unwrap_text(text, strlen(text), &out);

    assert_string_equal(wrapped ? buf_str(&out) : "(bare)", wanted);
}

static void
test_a_bare_text_stays(void **state)
{
    (void)state;
    assert_unwrapped("", "(bare)");
    assert_unwrapped("\n\n", "(bare)");
    assert_unwrapped("==1==ERROR: x\n    #0 0x1 in f\n    #1 0x2 in g\n", "(bare)");
    assert_unwrapped("a: b\nc: d\n", "(bare)");
    /* one line shows no prefix, and two words no mark of one */
    assert_unwrapped("12: terminate called\n", "(bare)");
    assert_unwrapped("the cat\nthe dog\n", "(bare)");
    /* the program's own unfinished line before the headline */
    assert_unwrapped("reading: ==1==ERROR: x\nREAD\n    #0 0x1 in f\n", "(bare)");
    /* the report is bare, whatever else is quoted */
    assert_unwrapped("#0 0x1 in f\n> #0 0x2 in g\n> #1 0x3 in h\n> #2 0x4\n", "(bare)");
}

static void
test_prefixes_go_whatever_their_digits(void **state)
{
    (void)state;
    assert_unwrapped("2026-01-02T03:04:05.6Z ==1==ERROR: x\n"
                     "2026-01-02T03:04:05.123Z     #0 0x1 in f\n"
                     "2026-01-02T03:04:06.1Z     #1 0x2 in g\n"
                     "2026-01-02T03:04:06.1Z\n",
                     "==1==ERROR: x\n    #0 0x1 in f\n    #1 0x2 in g\n\n");
    assert_unwrapped(" 9: thread 'main' panicked\n 9: why\n10: where\n",
                     "thread 'main' panicked\nwhy\nwhere\n");
    /* others' lines stay */
    assert_unwrapped("begin\na | ==1==ERROR: x\na |   #0 0x1\na |   #1 0x2\nb | no\n",
                     "begin\n==1==ERROR: x\n  #0 0x1\n  #1 0x2\nb | no\n");
    /* as many blanks go as all lines have */
    assert_unwrapped("[e]  #0 0x1\n[e]   #1 0x2\n[e]   #2 0x3\n[e]\n",
                     "#0 0x1\n #1 0x2\n #2 0x3\n\n");
}

static void
test_what_all_lines_share_goes(void **state)
{
    (void)state;
    assert_unwrapped("x | free(): invalid pointer\nx | Aborted\n",
                     "free(): invalid pointer\nAborted\n");
    /* but Valgrind's number does not */
    assert_unwrapped("x | ==12== Invalid read\nx | ==12==    at 0x1: f\n",
                     "==12== Invalid read\n==12==    at 0x1: f\n");
    assert_unwrapped("==12== Invalid read\n==12==    at 0x1: f (a:1)\n", "(bare)");
    assert_unwrapped("  a\n\n    b\n", "a\n\n  b\n");
}

static void
test_messages_of_json_lines(void **state)
{
    (void)state;
    assert_unwrapped("{\"log\":\"one \\u001b[31mred\\n\",\"stream\":\"stderr\"}\n"
                     "{\"log\":\"begun, \"}\n{\"log\":\"\\\"ended\\\"\\tso\\n\"}\n",
                     "one red\nbegun, \"ended\"\tso\n");
    assert_unwrapped("start\n{\"level\":\"x\",\"msg\": \"a\\u00e9\\u20ac\\ud83d\"}\n"
                     "{\"level\":1}\n",
                     "start\na\xc3\xa9\xe2\x82\xac?\n{\"level\":1}\n");
    /* cut anywhere */
    assert_unwrapped("{\"log\":\"a\\\"}", "a\"}");
    assert_unwrapped("{\"log\":\"a\\u00\"}", "a");
    assert_unwrapped("{\"log\":1}\n", "(bare)");
    assert_unwrapped("{\"other\":\"x\"}\n", "(bare)");
}

static void
test_terminal_escapes_go(void **state)
{
    (void)state;
    assert_unwrapped("\033[1;31mred\033[0m \033(Bx\033]0;title\ay\033]0;t\033\\z\033",
                     "red xyz");
    assert_unwrapped("a\033]0;never ended\nb\n", "a\nb\n");
}

/* Nothing that a line holds makes the work more than linear; see also the bench. */
static void
test_many_signs_in_one_line(void **state)
{
    static char text[1 << 20];
    AUTO(buf_clear) struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i + 4 < sizeof(text); i += 4) {
        memcpy(text + i, "x#0 ", 4);
    }
    assert_false(unwrap_text(text, sizeof(text), &out));
    memset(text, '\033', sizeof(text));
    assert_true(unwrap_text(text, sizeof(text), &out));
    assert_int_equal(out.len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_bare_text_stays),
        TEST(test_prefixes_go_whatever_their_digits),
        TEST(test_what_all_lines_share_goes),
        TEST(test_messages_of_json_lines),
        TEST(test_terminal_escapes_go),
        TEST(test_many_signs_in_one_line),
    };

    return cmocka_run_group_tests_name("unwrap", tests, NULL, NULL);
}
