#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "triage/gdb_mi.h"

struct fixture {
    struct gdb_mi line;
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

    gdb_mi_clear(&fix->line);
    mem_free(fix);
    return 0;
}

static int
parse(struct fixture *fix, const char *text)
{
    gdb_mi_clear(&fix->line);
    return gdb_mi_parse(text, strlen(text), &fix->line, &fix->err);
}

static void
assert_value(struct fixture *fix, const char *text, const char *wanted)
{
    assert_int_equal(parse(fix, text), 0);
    AUTO(mem_free)
    char *got = json_dumps(fix->line.value, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(got, wanted);
}

static void
assert_wrong(struct fixture *fix, const char *text, const char *wanted)
{
    assert_int_equal(parse(fix, text), -EBADMSG);
    assert_null(fix->line.value);
    assert_string_equal(fix->err.msg, wanted);
}

static void
test_parse_reads_results(void **state)
{
    struct fixture *fix = *state;

    assert_value(fix, "^done", "{}");
    assert_int_equal(fix->line.kind, GDB_MI_RESULT);
    assert_int_equal(fix->line.token, -1);
    assert_value(fix, "12^done,value=\"11\"", "{\"value\":\"11\"}");
    assert_int_equal(fix->line.token, 12);
    assert_string_equal(fix->line.class_name, "done");
    assert_value(fix, "^error,msg=\"No registers.\"", "{\"msg\":\"No registers.\"}");
    assert_string_equal(fix->line.class_name, "error");
}

static void
test_parse_reads_tuples_and_lists(void **state)
{
    struct fixture *fix = *state;

    assert_value(
        fix, "7^done,stack=[frame={level=\"0\",args=[]},frame={level=\"1\"}],n=\"2\"",
        "{\"stack\":[{\"level\":\"0\",\"args\":[]},{\"level\":\"1\"}],\"n\":\"2\"}");
    assert_value(fix, "^done,a=[\"x\",\"y\"],b={},c=[[{}],{}]",
                 "{\"a\":[\"x\",\"y\"],\"b\":{},\"c\":[[{}],{}]}");
    assert_value(fix, "^done,a=\"1\",a=\"2\"", "{\"a\":\"2\"}");
    assert_value(fix, "*stopped,reason=\"exited\"", "{\"reason\":\"exited\"}");
    assert_int_equal(fix->line.kind, GDB_MI_ASYNC);
}

static void
test_parse_reads_escapes_and_cleans(void **state)
{
    struct fixture *fix = *state;

    assert_value(fix, "~\"a\\tb\\n\\\"c\\\\ \\303\\266\"",
                 "\"a\\tb\\n\\\"c\\\\ \xc3\xb6\"");
    assert_int_equal(fix->line.kind, GDB_MI_STREAM);
    assert_value(fix, "&\"\\033[1m\\e[0m\\377\\q\"", "\"[1m[0m\xef\xbf\xbdq\"");
    assert_value(fix, "@\"\\1234\\0\"", "\"S4\"");
}

static void
test_parse_leaves_other_lines_alone(void **state)
{
    static const char *const lines[] = {"",
                                        "(gdb) ",
                                        "a program's own line",
                                        "12",
                                        "12~\"no stream has a token\"",
                                        "{\"json\":1}"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_int_equal(parse(fix, lines[i]), 0);
        assert_int_equal(fix->line.kind, GDB_MI_OTHER);
        assert_null(fix->line.value);
        assert_int_equal(fix->line.token, -1);
    }
}

static void
test_parse_says_what_is_wrong(void **state)
{
    struct fixture *fix = *state;

    assert_wrong(fix, "^", "gdb/MI: no class at byte 1");
    assert_wrong(fix, "^done,", "gdb/MI: no name and '=' at byte 6");
    assert_wrong(fix, "^done,a", "gdb/MI: no name and '=' at byte 7");
    assert_wrong(fix, "^done,a=", "gdb/MI: no value at byte 8");
    assert_wrong(fix, "^done,a=b", "gdb/MI: no value at byte 8");
    assert_wrong(fix, "^done,a=\"b", "gdb/MI: a string without an end at byte 10");
    assert_wrong(fix, "^done,a=\"b\\", "gdb/MI: a string without an end at byte 11");
    assert_wrong(fix, "^done,a=\"b\"c", "gdb/MI: no ',' between values at byte 11");
    assert_wrong(fix, "^done,a={", "gdb/MI: no name and '=' at byte 9");
    assert_wrong(fix, "^done,a={b=\"1\"",
                 "gdb/MI: a tuple or list without an end at byte 14");
    assert_wrong(fix, "^done,a=[\"1\"}", "gdb/MI: no ',' between values at byte 12");
    assert_wrong(fix, "^done,a={\"1\"}", "gdb/MI: no name and '=' at byte 9");
    assert_wrong(fix, "~x", "gdb/MI: no string at byte 1");
    assert_wrong(fix, "~\"x\"y", "gdb/MI: more behind a string at byte 4");
}

/* A line of `unit` repeated; new string. */
static char *
repeated(const char *head, const char *unit, size_t times)
{
    AUTO(buf_clear) struct buf text = {.max = (size_t)GDB_MI_LINE_MAX + 100};

    buf_adds(&text, head);
    for (size_t i = 0; i < times; i++) {
        buf_adds(&text, unit);
    }
    return buf_steal(&text);
}

static void
test_parse_is_bounded(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *deep = repeated("^done", ",a=[", 1);
    AUTO(mem_free) char *nested = repeated("^done,a=", "[", 100000);
    AUTO(mem_free) char *many = repeated("^done", ",a=\"\"", GDB_MI_VALUES_MAX + 1);
    AUTO(mem_free) char *lengthy = repeated("~\"", "0123456789abcdef", 1 << 20);
    AUTO(mem_free) char *name = repeated("^", "n", 1000);

    assert_wrong(fix, deep, "gdb/MI: no name and '=' at byte 9");
    assert_wrong(fix, nested, "gdb/MI: more than GDB_MI_DEPTH_MAX levels at byte 23");
    assert_int_equal(parse(fix, many), -EBADMSG);
    assert_non_null(strstr(fix->err.msg, "more than GDB_MI_VALUES_MAX values"));
    assert_wrong(fix, lengthy, "gdb/MI: more than GDB_MI_LINE_MAX bytes at byte 0");
    assert_int_equal(parse(fix, name), 0);
    assert_int_equal(strlen(fix->line.class_name), GDB_MI_NAME_MAX - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_parse_reads_results),
        TEST(test_parse_reads_tuples_and_lists),
        TEST(test_parse_reads_escapes_and_cleans),
        TEST(test_parse_leaves_other_lines_alone),
        TEST(test_parse_says_what_is_wrong),
        TEST(test_parse_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
