#include "tests/unit/unit.h"

#include "triage/rate.h"

/* Known values: Wilson's interval as R's prop.test(k, n, correct = FALSE) and
 * statsmodels' proportion_confint(method = "wilson") give it. */
static void
test_known_intervals(void **state)
{
    static const struct {
        int k, n;
        double low, high;
    } cases[] = {
        {0, 1, 0.0, 0.793451},         {1, 1, 0.206549, 1.0},
        {3, 3, 0.438503, 1.0},         {0, 10, 0.0, 0.277533},
        {10, 10, 0.722467, 1.0},       {5, 10, 0.236593, 0.763407},
        {2, 10, 0.056682, 0.509838},   {1, 10, 0.017876, 0.404150},
        {50, 100, 0.403832, 0.596168}, {0, 0, 0.0, 1.0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rate rate = rate_of(cases[i].k, cases[i].n);
        assert_float_equal(rate.low, cases[i].low, 1e-5);
        assert_float_equal(rate.high, cases[i].high, 1e-5);
    }
}

static void
test_an_interval_holds_its_rate_and_narrows(void **state)
{
    (void)state;
    for (int n = 1; n <= 100; n++) {
        for (int k = 0; k <= n; k++) {
            struct rate rate = rate_of(k, n);
            struct rate more = rate_of(2 * k, 2 * n);
            double p = (double)k / n;
            assert_true(rate.low >= 0.0 && rate.low <= p);
            assert_true(rate.high >= p && rate.high <= 1.0);
            assert_true(more.high - more.low < rate.high - rate.low);
        }
    }
}

static void
test_rates_in_words(void **state)
{
    static const struct {
        int k, n;
        const char *text;
    } cases[] = {
        {3, 3, "3 of 3 runs, at least 44 % with 95 % confidence"},
        {1, 1, "1 of 1 run, at least 21 % with 95 % confidence"},
        {2, 10, "2 of 10 runs, 6 % to 51 % with 95 % confidence"},
        {0, 10, "0 of 10 runs, at most 28 % with 95 % confidence"},
        {0, 1, "0 of 1 run, at most 79 % with 95 % confidence"},
        {0, 0, "never run"},
    };
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        rate_show(text, sizeof(text), cases[i].k, cases[i].n);
        assert_string_equal(text, cases[i].text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_intervals),
        cmocka_unit_test(test_an_interval_holds_its_rate_and_narrows),
        cmocka_unit_test(test_rates_in_words),
    };

    return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
