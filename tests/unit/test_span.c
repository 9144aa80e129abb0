#include "tests/unit/unit.h"

#include "base/mem.h"
#include "triage/parse/span.h"

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
test_parts_stay_within_the_span(void **state)
{
    struct span s = span_of("abc");

    (void)state;
    assert_int_equal(span_from(s, 9).len, 0);
    assert_int_equal(span_to(s, 9).len, 3);
    assert_true(span_is(span_from(s, 1), "bc"));
    assert_true(span_is(span_to(s, SPAN_NONE), "abc"));
}

static void
test_find_from_both_ends(void **state)
{
    struct span s = span_of("a::b::c");

    (void)state;
    assert_int_equal(span_find(s, "::"), 1);
    assert_int_equal(span_rfind(s, "::"), 4);
    assert_true(span_rfind(s, "::::") == SPAN_NONE);
    assert_true(span_rfind((struct span){"", 0}, "x") == SPAN_NONE);
    assert_int_equal(span_find_nocase(span_of("xx PANIC: y"), "panic: "), 3);
}

static void
test_eat_hex_needs_a_digit_and_saturates(void **state)
{
    struct span none = span_of("0x");
    struct span wide = span_of("0x1ffffffffffffffff,");
    uint64_t value = 7;

    (void)state;
    assert_false(span_eat_hex(&none, &value));
    assert_int_equal(value, 7);
    assert_true(span_eat_hex(&wide, &value));
    assert_true(value == UINT64_MAX);
    assert_true(span_is(wide, ","));
}

static void
test_eat_digits_saturates(void **state)
{
    struct span s = span_of("99999999999999999999999 x");
    uint64_t value = 0;

    (void)state;
    assert_true(span_eat_digits(&s, &value));
    assert_true(value == UINT64_MAX);
    assert_true(span_is(s, " x"));
}

static void
test_base_knows_both_slashes(void **state)
{
    (void)state;
    assert_true(span_is(span_base(span_of("/a/b.c")), "b.c"));
    assert_true(span_is(span_base(span_of("C:\\a\\b.c")), "b.c"));
    assert_true(span_is(span_base(span_of("b.c")), "b.c"));
}

static void
test_dup_cleans_and_cuts_between_characters(void **state)
{
    AUTO(mem_free) char *cut = span_dup(span_of("gr\xc3\xb6\xc3\x9f"), 3);
    AUTO(mem_free) char *clean = span_dup(span_of("a\xff\x1b[b\n\tc"), 64);
    AUTO(mem_free) char *plain = span_dup(span_of("abcdef"), 4);
    AUTO(mem_free) char *none = span_dup(span_of(""), 4);
    AUTO(mem_free) char *control = span_dup(span_of("\x01\x02"), 4);

    (void)state;
    assert_string_equal(cut, "gr");
    assert_string_equal(clean, "a\xef\xbf\xbd[bc");
    assert_string_equal(plain, "abcd");
    assert_null(none);
    assert_null(control);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_parts_stay_within_the_span),
        TEST(test_find_from_both_ends),
        TEST(test_eat_hex_needs_a_digit_and_saturates),
        TEST(test_eat_digits_saturates),
        TEST(test_base_knows_both_slashes),
        TEST(test_dup_cleans_and_cuts_between_characters),
    };

    return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
