#include "tests/unit/unit.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

static int
setup(void **state)
{
    *state = mem_alloc(sizeof(struct buf));
    return 0;
}

static int
teardown(void **state)
{
    buf_clear(*state);
    mem_free(*state);
    return 0;
}

static void
test_empty_buffer_is_a_string(void **state)
{
    struct buf *buf = *state;

    assert_string_equal(buf_str(buf), "");
    buf_drop(buf, 0);
    buf_cut(buf, 0);
    buf_add(buf, NULL, 0);
    assert_string_equal(buf_str(buf), "");
}

static void
test_add_grows_and_ends_with_nul(void **state)
{
    struct buf *buf = *state;

    for (int i = 0; i < 1000; i++) {
        buf_adds(buf, "ab");
        buf_addc(buf, 'c');
    }
    assert_int_equal(buf->len, 3000);
    assert_int_equal(strlen(buf_str(buf)), 3000);
    assert_false(buf->truncated);
}

static void
test_add_keeps_nul_bytes(void **state)
{
    struct buf *buf = *state;

    buf_add(buf, "a\0b", 3);
    assert_int_equal(buf->len, 3);
    assert_memory_equal(buf->data, "a\0b\0", 4);
}

static void
test_bound_cuts_and_says_so(void **state)
{
    struct buf *buf = *state;

    buf->max = 5;
    assert_int_equal(buf_room(buf), 5);
    buf_adds(buf, "abc");
    assert_false(buf->truncated);
    buf_adds(buf, "defgh");
    assert_string_equal(buf_str(buf), "abcde");
    assert_true(buf->truncated);
    assert_int_equal(buf_room(buf), 0);
    buf_addf(buf, "%d", 1);
    assert_string_equal(buf_str(buf), "abcde");
}

static void
test_bound_below_what_is_there_leaves_no_room(void **state)
{
    struct buf *buf = *state;

    buf_adds(buf, "abcdef");
    buf->max = 3;
    buf_addc(buf, 'x');
    assert_string_equal(buf_str(buf), "abcdef");
    assert_true(buf->truncated);
}

static void
test_largest_bound_does_not_overflow(void **state)
{
    struct buf *buf = *state;

    buf->max = SIZE_MAX;
    buf_adds(buf, "abc");
    assert_string_equal(buf_str(buf), "abc");
}

static void
test_addf_takes_text_of_any_length(void **state)
{
    struct buf *buf = *state;

    buf_addf(buf, "%0511d",
             1); /* the longest that fits the small buffer, then one more */
    assert_int_equal(buf->len, 511);
    buf_addf(buf, "%0512d", 1);
    assert_int_equal(buf->len, 1023);
    buf_addf(buf, "%05000d", 1);
    assert_int_equal(buf->len, 6023);
    assert_int_equal(strlen(buf_str(buf)), 6023);
}

static void
test_drop_and_cut_take_from_both_ends(void **state)
{
    struct buf *buf = *state;

    buf_adds(buf, "abcdef");
    buf_drop(buf, 2);
    assert_string_equal(buf_str(buf), "cdef");
    buf_cut(buf, 3);
    assert_string_equal(buf_str(buf), "cde");
    buf_drop(buf, 3);
    assert_string_equal(buf_str(buf), "");
}

static void
test_steal_leaves_a_fresh_buffer(void **state)
{
    struct buf *buf = *state;

    buf->max = 2;
    buf_adds(buf, "abc");
    AUTO(mem_free) char *text = buf_steal(buf);
    AUTO(mem_free) char *none = buf_steal(buf);
    assert_string_equal(text, "ab");
    assert_string_equal(none, "");
    assert_false(buf->truncated);
    assert_int_equal(buf->len, 0);
    buf_adds(buf, "xyz");
    assert_string_equal(buf_str(buf), "xy");
}

static void
test_strv_serves_as_argument_vector(void **state)
{
    (void)state;
    AUTO(strv_clear) struct strv list = {NULL, 0};
    AUTO(strv_clear) struct strv all = {NULL, 0};

    assert_null(list.v);
    for (int i = 0; i < 100; i++) {
        strv_addf(&list, "n%d", i);
        assert_null(list.v[list.n]);
    }
    strv_add_all(&all, &list);
    strv_add_all(&all, &list);
    assert_int_equal(all.n, 200);
    assert_string_equal(all.v[199], "n99");
    assert_true(strv_has(&all, "n42"));
    assert_false(strv_has(&all, "n100"));
    strv_clear(&list);
    assert_int_equal(list.n, 0);
    assert_null(list.v);
    strv_add(&list, "again");
    assert_string_equal(list.v[0], "again");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_empty_buffer_is_a_string),
        TEST(test_add_grows_and_ends_with_nul),
        TEST(test_add_keeps_nul_bytes),
        TEST(test_bound_cuts_and_says_so),
        TEST(test_bound_below_what_is_there_leaves_no_room),
        TEST(test_largest_bound_does_not_overflow),
        TEST(test_addf_takes_text_of_any_length),
        TEST(test_drop_and_cut_take_from_both_ends),
        TEST(test_steal_leaves_a_fresh_buffer),
        TEST(test_strv_serves_as_argument_vector),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
