#include "tests/unit/unit.h"

#include "triage/histogram.h"

/* A bound is in its own bucket, as Prometheus' "less or equal" has it. */
static void
test_values_fall_into_buckets(void **state)
{
    const struct histogram *fix = &histogram_fix;

    (void)state;
    assert_int_equal(histogram_bucket(fix, 0), 0);
    assert_int_equal(histogram_bucket(fix, 60), 0);
    assert_int_equal(histogram_bucket(fix, 60.5), 1);
    assert_int_equal(histogram_bucket(fix, 7776000), fix->n - 1);
    assert_int_equal(histogram_bucket(fix, 7776001), fix->n);
}

static void
test_bounds_ascend_and_have_names(void **state)
{
    char le[HISTOGRAM_LE_MAX];

    (void)state;
    for (size_t i = 0; histogram_at(i) != NULL; i++) {
        const struct histogram *one = histogram_at(i);
        assert_true(one->n > 0 && one->n <= HISTOGRAM_BOUNDS_MAX);
        for (size_t k = 1; k < one->n; k++) {
            assert_true(one->bounds[k - 1] < one->bounds[k]);
        }
        histogram_le(one, one->n, le);
        assert_string_equal(le, "+Inf");
    }
    histogram_le(&histogram_triage, 0, le);
    assert_string_equal(le, "0.1");
    histogram_le(&histogram_detection, 10, le);
    assert_string_equal(le, "7776000");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_fall_into_buckets),
        cmocka_unit_test(test_bounds_ascend_and_have_names),
    };

    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
