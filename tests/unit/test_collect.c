#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/publish/collect.h"
#include "orchestrator/publish/exposition.h"
#include "orchestrator/version.h"

struct fixture {
    char folder[64];
    struct store *store;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    (void)snprintf(fix->folder, sizeof(fix->folder), "/tmp/nightjar-collect-XXXXXX");
    if (mkdtemp(fix->folder) == NULL ||
        store_open(fix->folder, DB_CREATE, &fix->store, &fix->err) < 0) {
        return -1;
    }
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    store_close(fix->store);
    int rc = fs_remove(fix->folder, &fix->err);
    mem_free(fix);
    return rc;
}

static void
put_worker(struct fixture *fix, const char *target, const char *name,
           const char *worker_state, int64_t execs)
{
    AUTO(command_clear) struct command command = {.timeout_ms = 1000};
    const struct record_settings settings = {0};
    AUTO(json_decref) json_t *arguments = json_object();
    int64_t campaign = 0;
    struct worker_row row = {.name = name,
                             .engine = "aflpp",
                             .state = worker_state,
                             .pid = 1,
                             .execs = execs,
                             .execs_per_sec = 250.5,
                             .edges = 40,
                             .corpus = 7,
                             .edges_known = 99,
                             .stability = execs >= 1000 ? 0.75 : 0.5,
                             .productive_ms = 1500};

    strv_add(&command.argv, "/bin/true");
    assert_int_equal(
        store_put_target(fix->store, target, &command, &settings, &row.target, &fix->err),
        0);
    assert_int_equal(store_campaign_begin(fix->store, arguments, &campaign, &fix->err),
                     0);
    assert_int_equal(store_put_worker(fix->store, campaign, &row, &fix->err), 0);
}

static void
assert_text_has(struct fixture *fix, const char *line)
{
    AUTO(metrics_clear) struct metrics metrics = {0};
    AUTO(buf_clear) struct buf text = BUF_INIT;

    const struct slo_policy slo = slo_policy_default();
    const struct gate_waivers none = {0};
    const struct collect_policy policy = {&slo, &none};
    assert_int_equal(collect_metrics(fix->store, &policy, &metrics, &fix->err), 0);
    exposition_print(&metrics, EXPOSITION_PROMETHEUS, &text);
    if (strstr(buf_str(&text), line) == NULL) {
        print_error("not in the text: %s\n%s", line, buf_str(&text));
    }
    assert_non_null(strstr(buf_str(&text), line));
}

static void
test_collect_starts_with_zeroes_and_help(void **state)
{
    struct fixture *fix = *state;

    assert_text_has(fix,
                    "# HELP nightjar_crash_inputs Distinct crashing inputs by state.\n"
                    "# TYPE nightjar_crash_inputs gauge\n"
                    "nightjar_crash_inputs{state=\"queued\"} 0\n");
    assert_text_has(fix, "nightjar_build_info{version=\"" NIGHTJAR_VERSION "\"} 1\n");
}

static void
test_collect_sums_workers_of_a_target(void **state)
{
    struct fixture *fix = *state;

    put_worker(fix, "png", "png-aflpp-1", "running", 1000);
    put_worker(fix, "png", "png-aflpp-2", "paused", 500);
    assert_text_has(
        fix, "# TYPE nightjar_worker_executions_total counter\n"
             "nightjar_worker_executions_total{target=\"png\",engine=\"aflpp\"} 1500\n");
    assert_text_has(
        fix, "nightjar_workers{target=\"png\",engine=\"aflpp\",state=\"running\"} 1\n");
    assert_text_has(
        fix, "nightjar_workers{target=\"png\",engine=\"aflpp\",state=\"dead\"} 0\n");
    assert_text_has(
        fix, "nightjar_worker_executions_per_second{target=\"png\",engine=\"aflpp\"} "
             "250.5\n");
    assert_text_has(fix, "nightjar_coverage_edges{target=\"png\"} 40\n");
    assert_text_has(fix, "nightjar_coverage_edges_known{target=\"png\"} 99\n");
    assert_text_has(fix, "nightjar_stability_ratio{target=\"png\"} 0.5\n");
    assert_text_has(fix, "nightjar_fuzz_seconds_total{target=\"png\"} 0\n");
}

/* increase() misses what a series was born with */
static void
test_totals_are_there_before_they_count(void **state)
{
    struct fixture *fix = *state;

    put_worker(fix, "png", "png-aflpp-1", "running", 1000);
    assert_text_has(fix, "# TYPE nightjar_crashes_total counter\n"
                         "nightjar_crashes_total{target=\"png\",kind=\"crash\","
                         "result=\"new\"} 0\n");
    assert_text_has(
        fix, "nightjar_bugs_detected_total{target=\"png\",severity=\"critical\"} 0\n");
    assert_text_has(fix, "nightjar_bugs{target=\"png\",severity=\"high\","
                         "state=\"regressed\"} 0\n");
    assert_text_has(
        fix, "nightjar_worker_restarts_total{target=\"png\",engine=\"libfuzzer\"} 0\n");
}

static void
test_totals_survive_a_worker_that_begins_anew(void **state)
{
    struct fixture *fix = *state;

    put_worker(fix, "png", "png-aflpp-1", "running", 1000);
    put_worker(fix, "png", "png-aflpp-1", "running", 30);
    assert_text_has(
        fix, "nightjar_worker_executions_total{target=\"png\",engine=\"aflpp\"} 1030\n");
}

static void
test_the_breach_budget_is_published(void **state)
{
    struct fixture *fix = *state;

    assert_text_has(fix, "nightjar_breach_budget_points 294\n");
    assert_text_has(fix, "nightjar_breach_budget_remaining_ratio 1\n");
    assert_text_has(fix, "nightjar_bug_patch_deadlines{severity=\"critical\","
                         "result=\"missed\"} 0\n");
}

static void
test_labels_are_escaped(void **state)
{
    struct fixture *fix = *state;

    put_worker(fix, "a\"b\\c\nd", "odd-aflpp-1", "running", 1);
    /* the store escapes names (\\ and \x0a), the text format escapes once more */
    assert_text_has(fix,
                    "nightjar_coverage_edges{target=\"a\\\"b\\\\\\\\c\\\\x0ad\"} 40\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_collect_starts_with_zeroes_and_help),
        TEST(test_collect_sums_workers_of_a_target),
        TEST(test_totals_are_there_before_they_count),
        TEST(test_totals_survive_a_worker_that_begins_anew),
        TEST(test_the_breach_budget_is_published),
        TEST(test_labels_are_escaped),
    };

    return cmocka_run_group_tests_name("collect", tests, NULL, NULL);
}
