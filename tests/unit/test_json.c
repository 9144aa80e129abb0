#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static int
setup(void **state)
{
    *state = mem_alloc(sizeof(struct err));
    return 0;
}

static int
teardown(void **state)
{
    mem_free(*state);
    return 0;
}

static void
assert_line(json_t *value, const char *want)
{
    AUTO(json_decref) json_t *owned = value;
    AUTO(mem_free) char *line = json_line(owned);

    assert_string_equal(line, want);
}

static void
test_text_of_any_bytes_becomes_a_string(void **state)
{
    (void)state;
    assert_line(json_text("a\xff\033[1m\tb\nc"), "\"a\xef\xbf\xbd[1m\\tb\\nc\"");
    assert_line(json_text_n("a\0b", 3), "\"ab\"");
    assert_line(json_text_n("", 0), "\"\"");
    assert_line(json_text(NULL), "null");
}

static void
test_names_round_trip(void **state)
{
    (void)state;
    assert_line(json_name("a\\b\n\xff"), "\"a\\\\\\\\b\\\\x0a\\\\xff\"");
    assert_line(json_name(NULL), "null");
}

/* 64 MiB is the bound of a buffer; what is cut there must still be UTF-8, or jansson
 * answers NULL. */
static void
test_text_beyond_all_bounds_is_still_a_string(void **state)
{
    size_t len = (size_t)BUF_MAX_DEFAULT / 3 + 100;
    AUTO(mem_free) char *text = mem_alloc(len);

    (void)state;
    memset(text, 0xff, len);
    AUTO(json_decref) json_t *value = json_text_n(text, len);
    assert_non_null(value);
    assert_int_equal(json_string_length(value), (size_t)BUF_MAX_DEFAULT / 3 * 3);
}

static void
test_lists_of_strings_go_both_ways(void **state)
{
    struct err *err = *state;
    AUTO(strv_clear) struct strv list = {NULL, 0};
    AUTO(strv_clear) struct strv back = {NULL, 0};
    AUTO(json_decref) json_t *object = json_object();
    AUTO(json_decref) json_t *mixed = NULL;

    strv_add(&list, "a\xff");
    strv_add(&list, "b");
    json_put(object, "list", json_strv(&list));
    json_get_strv(object, "list", &back);
    assert_int_equal(back.n, 2);
    assert_string_equal(back.v[0], "a\xef\xbf\xbd");
    assert_int_equal(json_parse("{\"list\":[1,\"x\",null]}", 21, &mixed, err), 0);
    json_get_strv(mixed, "list", &back);
    json_get_strv(mixed, "none", &back);
    assert_int_equal(back.n, 3);
    assert_string_equal(back.v[2], "x");
}

static void
test_missing_and_wrong_fields_read_as_the_default(void **state)
{
    static const char text[] = "{\"s\":\"x\",\"i\":7,\"r\":1.5,\"b\":true,\"n\":null}";
    struct err *err = *state;
    AUTO(json_decref) json_t *o = NULL;

    assert_int_equal(json_parse(text, strlen(text), &o, err), 0);
    assert_string_equal(json_get_str(o, "s", "?"), "x");
    assert_string_equal(json_get_str(o, "i", "?"), "?");
    assert_null(json_get_str(o, "none", NULL));
    assert_int_equal(json_get_int(o, "i", -1), 7);
    assert_int_equal(json_get_int(o, "r", -1), -1);
    assert_true(json_get_real(o, "r", 0) > 1.4);
    assert_true(json_get_real(o, "i", 0) > 6.9);
    assert_true(json_get_real(o, "s", -1) < 0);
    assert_true(json_get_bool(o, "b", false));
    assert_true(json_get_bool(o, "n", true));
    assert_int_equal(json_get_int(NULL, "i", 3), 3);
    assert_int_equal(json_get_int(json_true(), "i", 3), 3);
}

static void
test_line_keeps_the_order_of_keys(void **state)
{
    json_t *object = json_object();

    (void)state;
    json_put(object, "z", json_integer(1));
    json_put(object, "a", json_text("x\ny"));
    assert_line(object, "{\"z\":1,\"a\":\"x\\ny\"}");
}

static void
test_parse_says_where(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "not JSON at byte 0: '[' or '{' expected near end of file"},
        {"{\"a\":1,\"a\":2}", "not JSON at byte 10: duplicate object key near '\"a\"'"},
        {"{} x", "not JSON at byte 4: end of file expected near 'x'"},
        {"\"\xff\"", "not JSON at byte 1: unable to decode byte 0xff near '\"'"},
    };
    struct err *err = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *out = NULL;
        assert_int_equal(json_parse(cases[i].text, strlen(cases[i].text), &out, err),
                         -EBADMSG);
        assert_null(out);
        if (i > 0) { /* jansson's words for an empty text differ between versions */
            assert_string_equal(err->msg, cases[i].want);
        }
    }
}

static void
test_parse_survives_hostile_depth(void **state)
{
    struct err *err = *state;
    AUTO(mem_free) char *deep = mem_alloc(1 << 20);
    json_t *out = NULL;

    memset(deep, '[', 1 << 20);
    assert_int_equal(json_parse(deep, 1 << 20, &out, err), -EBADMSG);
    assert_null(out);
}

static void
test_print_is_one_line(void **state)
{
    char text[64] = "";
    FILE *file = fmemopen(text, sizeof(text), "w");

    (void)state;
    AUTO(json_decref) json_t *value = json_text("a\nb");
    json_print(file, value);
    (void)fclose(file);
    assert_string_equal(text, "\"a\\nb\"\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_text_of_any_bytes_becomes_a_string),
        TEST(test_names_round_trip),
        TEST(test_text_beyond_all_bounds_is_still_a_string),
        TEST(test_lists_of_strings_go_both_ways),
        TEST(test_missing_and_wrong_fields_read_as_the_default),
        TEST(test_line_keeps_the_order_of_keys),
        TEST(test_parse_says_where),
        TEST(test_parse_survives_hostile_depth),
        TEST(test_print_is_one_line),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
