#include "tests/unit/unit.h"

#include <string.h>

#include "base/str.h"
#include "orchestrator/publish/catalog.h"

static void
test_names_follow_the_conventions(void **state)
{
    (void)state;
    for (size_t i = 0; i < METRICS; i++) {
        const struct metric_kind *kind = catalog_row((enum metric_id)i);
        assert_non_null(kind->name);
        assert_true(str_starts(kind->name, "nightjar_"));
        assert_int_equal(strspn(kind->name, "abcdefghijklmnopqrstuvwxyz_"),
                         strlen(kind->name));
        assert_int_equal(str_ends(kind->name, "_total"), kind->type == METRIC_COUNTER);
        assert_int_equal(kind->shape != NULL, kind->type == METRIC_HISTOGRAM);
        assert_true(str_ends(kind->help, ".") && strchr(kind->help, '\n') == NULL);
        assert_true(kind->group < METRIC_GROUPS);
    }
}

/* In OpenMetrics a counter's family goes without _total: then, too, each is another. */
static void
test_names_differ_without_total(void **state)
{
    (void)state;
    for (size_t i = 0; i < METRICS; i++) {
        const char *one = catalog_row((enum metric_id)i)->name;
        size_t len = strlen(one) - (str_ends(one, "_total") ? strlen("_total") : 0);
        for (size_t k = 0; k < METRICS; k++) {
            const char *two = catalog_row((enum metric_id)k)->name;
            if (i != k && strncmp(one, two, len) == 0 &&
                (two[len] == '\0' || strcmp(two + len, "_total") == 0)) {
                fail_msg("%s and %s", one, two);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_follow_the_conventions),
        cmocka_unit_test(test_names_differ_without_total),
    };

    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
