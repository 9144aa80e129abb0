#include "tests/unit/unit.h"

#include "triage/parse/words.h"

static int
setup(void **state)
{
    static const struct word list[] = {
        {"he", 1}, {"she", 2}, {"his", 4}, {"hers", 8}, {"ERROR: ", 16}};

    *state = words_new(list, COUNT(list));
    return 0;
}

static int
teardown(void **state)
{
    words_free(*state);
    return 0;
}

static uint64_t
scan(void **state, const char *text)
{
    return words_scan(*state, span_of(text));
}

static void
test_scan_finds_words_within_and_across_each_other(void **state)
{
    assert_int_equal(scan(state, "ushers"), 1 | 2 | 8);
    assert_int_equal(scan(state, "this"), 4);
    assert_int_equal(scan(state, "h e r s"), 0);
    assert_int_equal(scan(state, ""), 0);
}

static void
test_scan_ignores_case(void **state)
{
    assert_int_equal(scan(state, "SHE Error: x"), 1 | 2 | 16);
}

static void
test_scan_takes_any_byte(void **state)
{
    static const char bytes[] = "\0\xff\xfe h\0e she\0";

    assert_int_equal(words_scan(*state, (struct span){bytes, sizeof(bytes) - 1}), 1 | 2);
}

static void
test_first_tells_where_the_word_ends(void **state)
{
    assert_int_equal(words_first(*state, span_of("xx his she"), 4), 6);
    assert_int_equal(words_first(*state, span_of("xx his she"), 2), 10);
    assert_true(words_first(*state, span_of("xx his"), 8) == SPAN_NONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_scan_finds_words_within_and_across_each_other),
        TEST(test_scan_ignores_case),
        TEST(test_scan_takes_any_byte),
        TEST(test_first_tells_where_the_word_ends),
    };

    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
