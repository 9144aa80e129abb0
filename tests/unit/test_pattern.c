#include "tests/unit/unit.h"

#include <errno.h>

#include "base/buf.h"
#include "triage/pattern.h"

static void
test_pattern_is_tried_from_the_start(void **state)
{
    (void)state;
    assert_true(pattern_matches("pa", "parse"));
    assert_false(pattern_matches("arse", "parse"));
    assert_true(pattern_matches(".*arse$", "parse"));
    assert_false(pattern_matches("parse$", "parse_more"));
}

static void
test_pattern_check_says_where_it_is_wrong(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(pattern_check("a|b", &err), 0);
    assert_int_equal(pattern_check("a(", &err), -EINVAL);
    assert_string_equal(
        err.msg, "'a(' is no pattern: missing closing parenthesis at its character 3");
    assert_false(pattern_matches("a(", "a("));
}

/* Exponential on this text: it ends, and does not match. */
static void
test_pattern_that_explodes_ends(void **state)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        buf_addc(&text, 'a');
    }
    assert_false(pattern_matches("(a+)+b", buf_str(&text)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pattern_is_tried_from_the_start),
        cmocka_unit_test(test_pattern_check_says_where_it_is_wrong),
        cmocka_unit_test(test_pattern_that_explodes_ends),
    };

    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
