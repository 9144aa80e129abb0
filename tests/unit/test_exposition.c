#include "tests/unit/unit.h"

#include "orchestrator/publish/exposition.h"

static void
fill(struct metrics *metrics)
{
    struct metric *queue = metrics_family(metrics, METRIC_BREACH_BURN);
    struct metric *runs = metrics_family(metrics, METRIC_WORKER_RESTARTS);
    struct metric *gate = metrics_family(metrics, METRIC_GATE_DURATION);

    metric_add(queue, NULL, 2.5);
    metric_add(runs, METRIC_LABELS("target", "a\"b\\c\nd", "engine", "aflpp"), 1);
    metric_add(runs, METRIC_LABELS("target", "a\"b\\c\nd", "engine", "aflpp"), 2);
    metric_add(runs, METRIC_LABELS("target", "png"), 0);
    metric_add_bucket(gate, METRIC_LABELS("verdict", "pass"), 1, 2);
    metric_add_bucket(gate, METRIC_LABELS("verdict", "pass"), gate->kind->shape->n, 1);
    metric_add(gate, METRIC_LABELS("verdict", "pass"), 7200.5);
}

static void
assert_printed(enum exposition format, const char *restarts, const char *end)
{
    AUTO(metrics_clear) struct metrics metrics = {0};
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(buf_clear) struct buf expected = BUF_INIT;

    fill(&metrics);
    exposition_print(&metrics, format, &text);
    buf_addf(&expected,
             "# HELP %s Worker processes started again.\n"
             "# TYPE %s counter\n"
             "nightjar_worker_restarts_total{target=\"a\\\"b\\\\c\\nd\","
             "engine=\"aflpp\"} 3\n"
             "nightjar_worker_restarts_total{target=\"png\"} 0\n"
             "# HELP nightjar_breach_burn_rate Exposure over what the budget allows a "
             "day.\n"
             "# TYPE nightjar_breach_burn_rate gauge\n"
             "nightjar_breach_burn_rate 2.5\n"
             "# HELP nightjar_gate_duration_seconds How long the gate took to decide.\n"
             "# TYPE nightjar_gate_duration_seconds histogram\n",
             restarts, restarts);
    for (size_t i = 0; i <= histogram_gate.n; i++) {
        char le[HISTOGRAM_LE_MAX];
        histogram_le(&histogram_gate, i, le);
        buf_addf(&expected,
                 "nightjar_gate_duration_seconds_bucket{verdict=\"pass\",le=\"%s\"} %d\n",
                 le,
                 i == 0                 ? 0
                 : i < histogram_gate.n ? 2
                                        : 3);
    }
    buf_addf(&expected,
             "nightjar_gate_duration_seconds_sum{verdict=\"pass\"} 7200.5\n"
             "nightjar_gate_duration_seconds_count{verdict=\"pass\"} 3\n%s",
             end);
    assert_string_equal(buf_str(&text), buf_str(&expected));
}

static void
test_print_prometheus(void **state)
{
    (void)state;
    assert_printed(EXPOSITION_PROMETHEUS, "nightjar_worker_restarts_total", "");
}

static void
test_print_openmetrics_names_families_without_total(void **state)
{
    (void)state;
    assert_printed(EXPOSITION_OPENMETRICS, "nightjar_worker_restarts", "# EOF\n");
}

static void
test_raise_keeps_the_largest_and_lower_the_smallest(void **state)
{
    AUTO(metrics_clear) struct metrics metrics = {0};
    struct metric *edges = metrics_family(&metrics, METRIC_COVERAGE_EDGES);
    struct metric *oldest = metrics_family(&metrics, METRIC_BUG_OLDEST);

    (void)state;
    metric_raise(edges, METRIC_LABELS("target", "png"), 7);
    metric_raise(edges, METRIC_LABELS("target", "png"), 3);
    assert_int_equal(edges->n, 1);
    assert_true(edges->samples[0].value == 7);
    metric_add(oldest, METRIC_LABELS("target", "png"), 0);
    metric_lower(oldest, METRIC_LABELS("target", "png"), 5);
    metric_lower(oldest, METRIC_LABELS("target", "png"), 3);
    metric_lower(oldest, METRIC_LABELS("target", "png"), 9);
    assert_true(oldest->samples[0].value == 3);
}

/* Thousands of combinations are made and found again, each once. */
static void
test_samples_are_found_by_their_labels(void **state)
{
    AUTO(metrics_clear) struct metrics metrics = {0};
    struct metric *edges = metrics_family(&metrics, METRIC_COVERAGE_EDGES);

    (void)state;
    for (int i = 0; i < 6000; i++) {
        AUTO(buf_clear) struct buf name = BUF_INIT;
        buf_addf(&name, "t%d", i % 3000);
        metric_add(edges, METRIC_LABELS("target", buf_str(&name)), 1);
    }
    assert_int_equal(edges->n, 3000);
    for (size_t i = 0; i < edges->n; i++) {
        assert_true(edges->samples[i].value == 2);
    }
    /* the same words in other places are another sample */
    metric_add(edges, METRIC_LABELS("target", "ab", "kind", "c"), 1);
    metric_add(edges, METRIC_LABELS("target", "a", "kind", "bc"), 1);
    assert_int_equal(edges->n, 3002);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print_prometheus),
        cmocka_unit_test(test_print_openmetrics_names_families_without_total),
        cmocka_unit_test(test_raise_keeps_the_largest_and_lower_the_smallest),
        cmocka_unit_test(test_samples_are_found_by_their_labels),
    };

    return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
