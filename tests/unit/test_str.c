#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"

struct fixture {
    struct buf out;
    struct err err;
};

static int
setup(void **state)
{
    *state = mem_alloc(sizeof(struct fixture));
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    buf_clear(&fix->out);
    mem_free(fix);
    return 0;
}

#define U_FFFD "\xef\xbf\xbd"

static const char *
clean(struct fixture *fix, const char *text)
{
    buf_cut(&fix->out, 0);
    str_clean(&fix->out, text, strlen(text));
    return buf_str(&fix->out);
}

static const char *
name(struct fixture *fix, const char *text)
{
    buf_cut(&fix->out, 0);
    str_name(&fix->out, text, strlen(text));
    return buf_str(&fix->out);
}

static void
test_starts_and_ends_at_the_edges(void **state)
{
    (void)state;
    assert_true(str_starts("abc", ""));
    assert_true(str_starts("abc", "abc"));
    assert_false(str_starts("ab", "abc"));
    assert_true(str_ends("abc", "bc"));
    assert_true(str_ends("abc", ""));
    assert_false(str_ends("c", "bc"));
}

static void
test_clean_keeps_text_and_drops_controls(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(clean(fix, "a\tb\nc \\ \xc3\xa4 \xf0\x9f\x98\x80"),
                        "a\tb\nc \\ \xc3\xa4 \xf0\x9f\x98\x80");
    assert_string_equal(clean(fix, "\033[31mred\033[0m\r\x7f\x01"), "[31mred[0m");
    assert_string_equal(clean(fix, "c1 \xc2\x9b"
                                   "31m \xc2\xa0"),
                        "c1 31m \xc2\xa0");
}

static void
test_clean_replaces_each_invalid_byte(void **state)
{
    static const char *const invalid[] = {
        "\x80",             /* a continuation alone */
        "\xc0\xaf",         /* overlong, two bytes */
        "\xe0\x80\xaf",     /* overlong, three */
        "\xf0\x80\x80\xaf", /* overlong, four */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* beyond U+10FFFF */
        "\xf8\x88\x80\x80", /* no lead byte at all, continuations behind it */
        "\xff",
        "\xe2\x82", /* cut short */
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(invalid); i++) {
        AUTO(buf_clear) struct buf want = BUF_INIT;
        size_t bad = 99;
        for (size_t k = 0; k < strlen(invalid[i]); k++) {
            buf_adds(&want, U_FFFD);
        }
        assert_string_equal(clean(fix, invalid[i]), buf_str(&want));
        assert_false(str_is_utf8(invalid[i], strlen(invalid[i]), &bad));
        assert_int_equal(bad, 0);
    }
    assert_true(str_is_utf8("a\xed\x9f\xbf\xf4\x8f\xbf\xbf", 8, NULL));
}

static void
test_clean_drops_nul_bytes(void **state)
{
    struct fixture *fix = *state;

    str_clean(&fix->out, "a\0b", 3);
    assert_string_equal(buf_str(&fix->out), "ab");
}

/* A bound that cuts within a character would make JSON of the whole text impossible. */
static void
test_bound_never_cuts_within_a_character(void **state)
{
    struct fixture *fix = *state;

    for (size_t max = 1; max < 20; max++) {
        AUTO(buf_clear) struct buf cleaned = {.max = max};
        AUTO(buf_clear) struct buf named = {.max = max};
        str_clean(&cleaned, "a\xe2\x82\xac\xff\xf0\x9f\x98\x80zzzzzzzzzzzzzzz", 24);
        str_name(&named, "\xff\xe2\x82\xac\x01\\zzzzzzzzzzzzzzz", 20);
        assert_true(str_is_utf8(buf_str(&cleaned), cleaned.len, NULL));
        assert_true(str_is_utf8(buf_str(&named), named.len, NULL));
        AUTO(mem_free) char *back = NULL;
        assert_int_equal(str_unname(buf_str(&named), &back, &fix->err), 0);
    }
}

static void
test_clean_is_linear(void **state)
{
    AUTO(mem_free) char *text = mem_alloc(8 << 20);
    struct fixture *fix = *state;

    for (size_t i = 0; i < 8 << 20; i++) {
        text[i] = (char)(i * 7919);
    }
    int64_t start = clock_mono_ms();
    str_clean(&fix->out, text, 8 << 20);
    assert_true(clock_mono_ms() - start < 5000);
    assert_true(fix->out.len > 8 << 20);
}

static void
test_name_shows_what_is_not_printable(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(name(fix, "a\nb\\c\033\xff\xc3\xa4\xc2\x9b"),
                        "a\\x0ab\\\\c\\x1b\\xff\xc3\xa4\\xc2\\x9b");
}

/* What reorders or hides text: a name with it reads as another one. */
static void
test_name_shows_what_deceives(void **state)
{
    static const char deceptive[] =
        "a\xe2\x80\xae\xe2\x80\x8b\xef\xbb\xbf\xc2\xad\xe2\x80\xa8"
        "\xf3\xa0\x80\x81z";
    struct fixture *fix = *state;
    AUTO(mem_free) char *back = NULL;

    str_name(&fix->out, deceptive, sizeof(deceptive) - 1);
    assert_string_equal(buf_str(&fix->out),
                        "a\\xe2\\x80\\xae\\xe2\\x80\\x8b\\xef\\xbb\\xbf\\xc2\\xad"
                        "\\xe2\\x80\\xa8\\xf3\\xa0\\x80\\x81z");
    assert_int_equal(str_unname(buf_str(&fix->out), &back, NULL), 0);
    assert_string_equal(back, deceptive);
}

static void
test_visible_keeps_backslashes_and_other_scripts(void **state)
{
    struct fixture *fix = *state;
    static const char text[] = "C:\\x \xc3\xa4\xe6\xbc\xa2\xd7\xa9\n\033\xff";

    str_visible(&fix->out, text, sizeof(text) - 1);
    assert_string_equal(buf_str(&fix->out),
                        "C:\\x \xc3\xa4\xe6\xbc\xa2\xd7\xa9\\x0a\\x1b\\xff");
}

static void
test_every_byte_round_trips_as_a_name(void **state)
{
    struct fixture *fix = *state;

    for (int first = 1; first < 256; first++) {
        for (int second = 1; second < 256; second++) {
            const char bytes[] = {'x', (char)first, (char)second, '\0'};
            AUTO(mem_free) char *back = NULL;
            const char *shown = name(fix, bytes);
            assert_true(str_is_utf8(shown, strlen(shown), NULL));
            assert_int_equal(str_unname(shown, &back, &fix->err), 0);
            assert_string_equal(back, bytes);
        }
    }
}

static void
test_unname_refuses_malformed_escapes(void **state)
{
    static const char *const bad[] = {"\\",    "a\\q",  "\\x",  "\\x1",
                                      "\\xg1", "\\x1g", "\\x00"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        char *out = NULL;
        AUTO(mem_free)
        char *want =
            mem_printf("'%s': a backslash stands before neither \\ nor xNN", bad[i]);
        assert_int_equal(str_unname(bad[i], &out, &fix->err), -EINVAL);
        assert_null(out);
        assert_string_equal(fix->err.msg, want);
    }
}

static void
test_shell_quotes_only_what_needs_it(void **state)
{
    static const struct {
        const char *word, *want;
    } cases[] = {
        {"", "''"},
        {"plain-1.2_/x=@%+:,", "plain-1.2_/x=@%+:,"},
        {"two words", "'two words'"},
        {"it's", "'it'\\''s'"},
        {"$(rm -rf /);`x`", "'$(rm -rf /);`x`'"},
        {"~root", "'~root'"},
        {"\xc3\xa4", "'\xc3\xa4'"},
        {"a\nb%", "\"$(printf 'a\\012b%%')\""},
        {"\033[2J\xff'\\", "\"$(printf '\\033[2J\\377\\047\\134')\""},
        {"a%\n", "$'a%\\012'"},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_cut(&fix->out, 0);
        str_shell(&fix->out, cases[i].word);
        assert_string_equal(buf_str(&fix->out), cases[i].want);
    }
}

/* Real shells must give the bytes back. */
static void
assert_shell_prints(struct fixture *fix, const char *shell, const char *word)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;
    AUTO(strv_clear) struct strv argv = {0};
    struct proc_spec spec = PROC_SPEC_INIT;
    AUTO(proc_run_clear) struct proc_run run = {0};

    buf_adds(&line, "printf %s ");
    str_shell(&line, word);
    buf_adds(&line, " ''");
    strv_add(&argv, shell);
    strv_add(&argv, "-c");
    strv_add(&argv, buf_str(&line));
    spec.argv = argv.v;
    assert_int_equal(proc_run(&spec, 20000, &run, &fix->err), 0);
    assert_string_equal(buf_str(&run.output), word);
}

static void
test_shell_round_trips_through_shells(void **state)
{
    struct fixture *fix = *state;
    char every[256];

    for (int i = 1; i < 256; i++) {
        every[i - 1] = (char)i;
    }
    every[255] = '\0';
    assert_shell_prints(fix, "sh", every);
    assert_shell_prints(fix, "bash", every);
    assert_shell_prints(fix, "bash", "ends in a newline\n");
}

/* The words, each in brackets. */
static void
assert_split(struct fixture *fix, const char *text, const char *want)
{
    AUTO(strv_clear) struct strv words = {NULL, 0};
    struct err err = ERR_INIT;

    assert_int_equal(str_shell_split(text, &words, &err), 0);
    buf_cut(&fix->out, 0);
    for (size_t i = 0; i < words.n; i++) {
        buf_addf(&fix->out, "[%s]", words.v[i]);
    }
    assert_string_equal(buf_str(&fix->out), want);
}

static void
test_shell_split_reads_words_as_a_shell_does(void **state)
{
    struct fixture *fix = *state;

    assert_split(fix, "a 'b c'  \"d\\\"e $x\" f\\ g 'it'\"'\"'s' ''\nnext",
                 "[a][b c][d\"e $x][f g][it's][]");
    assert_split(fix, "'a\nb' c", "[a\nb][c]");
    assert_split(fix, "", "");
}

static void
test_shell_split_refuses_an_open_quote(void **state)
{
    AUTO(strv_clear) struct strv words = {NULL, 0};
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(str_shell_split("a 'b", &words, &err), -EINVAL);
    assert_string_equal(err.msg, "a ' is not closed");
}

static void
test_duration_reads_every_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"0", 0},         {"90", 90000},
                 {"250ms", 250},   {"90s", 90000},
                 {"10m", 600000},  {"10min", 600000},
                 {"8h", 28800000}, {"2d", 172800000},
                 {"007s", 7000},   {"3650d", INT64_C(315360000000)}};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t ms = -1;
        assert_int_equal(str_duration(cases[i].text, &ms, &fix->err), 0);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void
test_duration_refuses_the_rest(void **state)
{
    static const char *const bad[] = {"",    "s",    "-1s", "+1s", " 1s",
                                      "1 s", "1.5h", "1w",  "10M", "1s2"};
    struct fixture *fix = *state;
    int64_t ms = -1;

    for (size_t i = 0; i < COUNT(bad); i++) {
        AUTO(mem_free)
        char *want = mem_printf("'%s' is not a duration: write 90s, 10m or 8h", bad[i]);
        assert_int_equal(str_duration(bad[i], &ms, &fix->err), -EINVAL);
        assert_string_equal(fix->err.msg, want);
    }
    assert_int_equal(str_duration("3651d", &ms, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "'3651d' is too long: durations end at ten years");
    assert_int_equal(str_duration("99999999999999999999s", &ms, &fix->err), -EINVAL);
    assert_int_equal(ms, -1);
}

static void
test_size_reads_every_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {{"0", 0},
                 {"64k", 65536},
                 {"64K", 65536},
                 {"64KiB", 65536},
                 {"512M", 536870912},
                 {"2G", INT64_C(2147483648)},
                 {"1T", INT64_C(1) << 40},
                 {"7B", 7},
                 {"1048576T", INT64_C(1) << 60}};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t bytes = -1;
        assert_int_equal(str_size(cases[i].text, &bytes, &fix->err), 0);
        assert_int_equal(bytes, cases[i].bytes);
    }
}

static void
test_size_refuses_the_rest(void **state)
{
    struct fixture *fix = *state;
    int64_t bytes = -1;

    assert_int_equal(str_size("12 Mb", &bytes, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "'12 Mb' is not a size: write 64k, 512M or 2G");
    assert_int_equal(str_size("1048577T", &bytes, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "'1048577T' is too large: sizes end at 2^60 bytes");
    assert_int_equal(bytes, -1);
}

static void
test_number_is_strict(void **state)
{
    static const char *const bad[] = {"",  " 5",  "+5", "5 ", "0x5",
                                      "-", "--5", "11", "-4", "9999999999999999999"};
    struct fixture *fix = *state;
    int64_t number = 77;

    for (size_t i = 0; i < COUNT(bad); i++) {
        AUTO(mem_free)
        char *want = mem_printf("jobs '%s' is not a number from -3 to 10", bad[i]);
        assert_int_equal(str_number("jobs", bad[i], -3, 10, &number, &fix->err), -EINVAL);
        assert_string_equal(fix->err.msg, want);
    }
    assert_int_equal(number, 77);
    assert_int_equal(str_number("jobs", "-3", -3, 10, &number, &fix->err), 0);
    assert_int_equal(number, -3);
}

static void
test_durations_read_well(void **state)
{
    static const struct {
        int64_t ms;
        const char *want;
    } cases[] = {{0, "0 ms"},           {850, "850 ms"},        {12999, "12 s"},
                 {60000, "1 min"},      {200000, "3 min 20 s"}, {7500000, "2 h 5 min"},
                 {273600000, "3 d 4 h"}};
    char out[40];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        str_duration_show(out, sizeof(out), cases[i].ms);
        assert_string_equal(out, cases[i].want);
    }
}

static void
test_bytes_read_well(void **state)
{
    static const struct {
        int64_t bytes;
        const char *want;
    } cases[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1228, "1.2 KiB"},
                 {1048575, "1.0 MiB"},
                 {3565158, "3.4 MiB"},
                 {INT64_C(1) << 60, "1048576.0 TiB"}};
    char out[40];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        str_bytes_show(out, sizeof(out), cases[i].bytes);
        assert_string_equal(out, cases[i].want);
    }
}

static void
test_suggest_finds_typing_errors_only(void **state)
{
    static const char *const words[] = {"timeout", "memory", "dictionary",
                                        "env",     "out",    NULL};

    (void)state;
    assert_string_equal(str_suggest("tiemout", words), "timeout");
    assert_string_equal(str_suggest("Memory", words), "memory");
    assert_string_equal(str_suggest("dict", words), "dictionary");
    assert_string_equal(str_suggest("evn", words), "env");
    assert_null(str_suggest("x", words));
    assert_null(str_suggest("", words));
    assert_null(str_suggest("colour", words));
    assert_null(str_suggest(
        "a-word-of-more-than-sixty-four-letters-that-nobody-could-have-meant-here",
        words));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_starts_and_ends_at_the_edges),
        TEST(test_clean_keeps_text_and_drops_controls),
        TEST(test_clean_replaces_each_invalid_byte),
        TEST(test_clean_drops_nul_bytes),
        TEST(test_bound_never_cuts_within_a_character),
        TEST(test_clean_is_linear),
        TEST(test_name_shows_what_is_not_printable),
        TEST(test_name_shows_what_deceives),
        TEST(test_visible_keeps_backslashes_and_other_scripts),
        TEST(test_every_byte_round_trips_as_a_name),
        TEST(test_unname_refuses_malformed_escapes),
        TEST(test_shell_quotes_only_what_needs_it),
        TEST(test_shell_round_trips_through_shells),
        TEST(test_shell_split_reads_words_as_a_shell_does),
        TEST(test_shell_split_refuses_an_open_quote),
        TEST(test_duration_reads_every_unit),
        TEST(test_duration_refuses_the_rest),
        TEST(test_size_reads_every_unit),
        TEST(test_size_refuses_the_rest),
        TEST(test_number_is_strict),
        TEST(test_durations_read_well),
        TEST(test_bytes_read_well),
        TEST(test_suggest_finds_typing_errors_only),
    };

    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
