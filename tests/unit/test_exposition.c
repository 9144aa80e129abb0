#include "tests/unit/unit.h"

#include "orchestrator/publish/exposition.h"

static void
fill(struct metrics *metrics)
{
    struct metric *jobs =
        metrics_family(metrics, METRIC_GAUGE, "nightjar_jobs", "Jobs now.");
    struct metric *runs =
        metrics_family(metrics, METRIC_COUNTER, "nightjar_runs_total", "Runs so far.");

    metric_add(jobs, NULL, 2.5);
    metric_add(runs, METRIC_LABELS("target", "a\"b\\c\nd", "engine", "aflpp"), 1);
    metric_add(runs, METRIC_LABELS("target", "a\"b\\c\nd", "engine", "aflpp"), 2);
    metric_add(runs, METRIC_LABELS("target", "png"), 0);
}

static void
assert_printed(enum exposition format, const char *expected)
{
    AUTO(metrics_clear) struct metrics metrics = {0};
    AUTO(buf_clear) struct buf text = BUF_INIT;

    fill(&metrics);
    exposition_print(&metrics, format, &text);
    assert_string_equal(buf_str(&text), expected);
}

static void
test_print_prometheus(void **state)
{
    (void)state;
    assert_printed(EXPOSITION_PROMETHEUS,
                   "# HELP nightjar_jobs Jobs now.\n"
                   "# TYPE nightjar_jobs gauge\n"
                   "nightjar_jobs 2.5\n"
                   "# HELP nightjar_runs_total Runs so far.\n"
                   "# TYPE nightjar_runs_total counter\n"
                   "nightjar_runs_total{target=\"a\\\"b\\\\c\\nd\",engine=\"aflpp\"} 3\n"
                   "nightjar_runs_total{target=\"png\"} 0\n");
}

static void
test_print_openmetrics_names_families_without_total(void **state)
{
    (void)state;
    assert_printed(EXPOSITION_OPENMETRICS,
                   "# HELP nightjar_jobs Jobs now.\n"
                   "# TYPE nightjar_jobs gauge\n"
                   "nightjar_jobs 2.5\n"
                   "# HELP nightjar_runs Runs so far.\n"
                   "# TYPE nightjar_runs counter\n"
                   "nightjar_runs_total{target=\"a\\\"b\\\\c\\nd\",engine=\"aflpp\"} 3\n"
                   "nightjar_runs_total{target=\"png\"} 0\n"
                   "# EOF\n");
}

static void
test_raise_keeps_the_largest(void **state)
{
    AUTO(metrics_clear) struct metrics metrics = {0};
    struct metric *edges =
        metrics_family(&metrics, METRIC_GAUGE, "nightjar_edges", "Edges.");

    (void)state;
    metric_raise(edges, METRIC_LABELS("target", "png"), 7);
    metric_raise(edges, METRIC_LABELS("target", "png"), 3);
    assert_int_equal(edges->n, 1);
    assert_true(edges->samples[0].value == 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print_prometheus),
        cmocka_unit_test(test_print_openmetrics_names_families_without_total),
        cmocka_unit_test(test_raise_keeps_the_largest),
    };

    return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
