#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/late.h"

static void
test_functions_are_found(void **state)
{
    double (*cosine)(double) = NULL;
    const struct late_symbol symbols[] = {{"cos", &cosine}};
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(late_load("libm.so.6", symbols, COUNT(symbols), &err), 0);
    assert_true(cosine(0) > 0.99);
    assert_int_equal(late_load("libm.so.6", symbols, COUNT(symbols), &err), 0);
}

static void
test_what_is_missing_is_named(void **state)
{
    void *function = NULL;
    const struct late_symbol symbols[] = {{"no_such_function", &function}};
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(late_load("libno-such.so.1", symbols, 1, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "libno-such.so.1 cannot be loaded: "));
    assert_int_equal(late_load("libm.so.6", symbols, 1, &err), -ENOENT);
    assert_string_equal(
        err.msg, "libm.so.6 has no no_such_function: another version of it is needed");
    assert_null(function);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_are_found),
        cmocka_unit_test(test_what_is_missing_is_named),
    };

    return cmocka_run_group_tests_name("late", tests, NULL, NULL);
}
