#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
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
test_set_records_code_and_text(void **state)
{
    struct err *err = *state;

    assert_int_equal(err_set(err, -EINVAL, "'%s' is not %d", "x", 7), -EINVAL);
    assert_int_equal(err->code, -EINVAL);
    assert_string_equal(err->msg, "'x' is not 7");
}

static void
test_every_function_takes_no_err(void **state)
{
    (void)state;
    errno = ENOENT;
    assert_int_equal(err_sys(NULL, "open"), -ENOENT);
    assert_int_equal(err_set(NULL, -EIO, "x"), -EIO);
    assert_int_equal(err_wrap(NULL, -EIO, "x"), -EIO);
}

static void
test_sys_appends_the_reason(void **state)
{
    struct err *err = *state;

    errno = ENOENT;
    assert_int_equal(err_sys(err, "open '%s'", "f"), -ENOENT);
    assert_string_equal(err->msg, "open 'f': No such file or directory");
}

static void
test_sys_without_errno_is_never_success(void **state)
{
    struct err *err = *state;

    errno = 0;
    assert_int_equal(err_sys(err, "read"), -EIO);
    assert_int_equal(err->code, -EIO);
    assert_string_equal(err->msg, "read: Input/output error");
}

static void
test_wrap_puts_the_place_before_the_message(void **state)
{
    struct err *err = *state;

    (void)err_set(err, -EINVAL, "bad number");
    assert_int_equal(err_wrap(err, -ERANGE, "'%s'", "a.yaml"), -ERANGE);
    assert_int_equal(err->code, -ERANGE);
    assert_string_equal(err->msg, "'a.yaml': bad number");
}

static void
test_set_may_use_the_old_message(void **state)
{
    struct err *err = *state;

    (void)err_set(err, -EIO, "disk gone");
    (void)err_set(err, -EIO, "<%s> <%s>", err->msg, err->msg);
    assert_string_equal(err->msg, "<disk gone> <disk gone>");
}

static void
test_long_text_is_cut_and_says_so(void **state)
{
    struct err *err = *state;
    char text[3000];

    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    (void)err_set(err, -EINVAL, "%s", text);
    assert_int_equal(strlen(err->msg), ERR_MSG_MAX - 1);
    assert_string_equal(err->msg + ERR_MSG_MAX - 5, "a...");
}

static void
test_cut_never_splits_a_character(void **state)
{
    struct err *err = *state;
    char text[1200];

    for (size_t i = 0; i + 3 < sizeof(text); i += 3) {
        memcpy(text + i, "\xe2\x82\xac", 4); /* the euro sign, three bytes */
    }
    for (int shift = 0; shift < 3; shift++) {
        (void)err_set(err, -EINVAL, "%.*s%s", shift, "ab", text);
        size_t len = strlen(err->msg);
        assert_string_equal(err->msg + len - 3, "...");
        assert_int_equal((len - 3 - (size_t)shift) % 3, 0);
    }
}

static void
test_wrap_keeps_what_went_wrong_before_where(void **state)
{
    struct err *err = *state;
    char where[2000];

    memset(where, 'w', sizeof(where));
    where[sizeof(where) - 1] = '\0';
    (void)err_set(err, -EINVAL, "the reason");
    (void)err_wrap(err, -EINVAL, "%s", where);
    assert_non_null(strstr(err->msg, "w...: the reason"));
}

static void
test_sys_keeps_the_reason_of_a_long_text(void **state)
{
    struct err *err = *state;
    char where[2000];

    memset(where, 'w', sizeof(where));
    where[sizeof(where) - 1] = '\0';
    errno = EACCES;
    (void)err_sys(err, "%s", where);
    assert_non_null(strstr(err->msg, "w...: Permission denied"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_set_records_code_and_text),
        TEST(test_every_function_takes_no_err),
        TEST(test_sys_appends_the_reason),
        TEST(test_sys_without_errno_is_never_success),
        TEST(test_wrap_puts_the_place_before_the_message),
        TEST(test_set_may_use_the_old_message),
        TEST(test_long_text_is_cut_and_says_so),
        TEST(test_cut_never_splits_a_character),
        TEST(test_wrap_keeps_what_went_wrong_before_where),
        TEST(test_sys_keeps_the_reason_of_a_long_text),
    };

    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
