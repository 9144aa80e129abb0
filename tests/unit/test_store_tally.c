#include "tests/unit/store_fixture.h"

#include "base/clock.h"
#include "triage/store/tally.h"

/* The sum of the counters of a name; `label` NULL, or "\"le\":\"60\"". */
static int64_t
counted(struct fixture *fix, const char *name, const char *label)
{
    int64_t sum = -1;

    must(fix, db_int(store_db(fix->store), &sum, &fix->err,
                     "SELECT coalesce(sum(value), 0) FROM counter"
                     " WHERE name = ?1 AND instr(labels, ?2) > 0",
                     "tt", name, label == NULL ? "{" : label));
    return sum;
}

static void
test_values_go_into_buckets_and_a_sum(void **state)
{
    struct fixture *fix = *state;
    const char *const labels[] = {"severity", "high", NULL};
    static const double values[] = {30, 60, 61, 8000000, -5};

    for (size_t i = 0; i < COUNT(values); i++) {
        must(fix,
             store_observe(fix->store, &histogram_fix, labels, values[i], &fix->err));
    }
    assert_int_equal(counted(fix, "bug_fix_bucket", "\"le\":\"60\""), 2);
    assert_int_equal(counted(fix, "bug_fix_bucket", "\"le\":\"300\""), 1);
    assert_int_equal(counted(fix, "bug_fix_bucket", "\"le\":\"+Inf\""), 1);
    assert_int_equal(counted(fix, "bug_fix_bucket", NULL), 4);
    assert_int_equal(counted(fix, "bug_fix_sum", NULL), INT64_C(8000151000));
}

static void
move(struct fixture *fix, int64_t bug, const char *to)
{
    const struct event event = {
        .kind = "bug.state", .subject = "bug", .subject_id = bug, .to = to};

    must(fix, store_event(fix->store, &event, &fix->err));
}

/* From when it was filed; from when it came back, the second time. */
static void
test_fixes_and_returns_are_counted(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};

    (void)triage(fix, "a", &said);
    execute(fix, "UPDATE bug SET filed = filed - 100000000");
    move(fix, 1, "fixing");
    assert_int_equal(counted(fix, "bugs_fixed_total", NULL), 0);
    move(fix, 1, "fixed");
    assert_int_equal(
        counted(fix, "bugs_fixed_total", "{\"target\":\"t\",\"severity\":\"medium\"}"),
        1);
    assert_int_equal(counted(fix, "bug_fix_bucket", "\"le\":\"259200\""), 1);
    move(fix, 1, "regressed");
    assert_int_equal(counted(fix, "bugs_regressed_total", NULL), 1);
    move(fix, 1, "fixed");
    assert_int_equal(counted(fix, "bugs_fixed_total", NULL), 2);
    assert_int_equal(counted(fix, "bug_fix_bucket", "\"le\":\"60\""), 1);
}

static void
test_backlog_is_no_measure_of_detection_or_fixing(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};

    (void)give_backlog(fix, "a", "a");
    (void)triage_next(fix, &said);
    move(fix, 1, "fixed");
    assert_int_equal(counted(fix, "bugs_detected_total", NULL), 0);
    assert_int_equal(counted(fix, "bug_detection_bucket", NULL), 0);
    assert_int_equal(counted(fix, "bug_fix_bucket", NULL), 0);
    assert_int_equal(counted(fix, "triage_duration_bucket", "\"ingest\""), 0);
    assert_int_equal(counted(fix, "triage_duration_bucket", "\"triage\""), 1);
}

/* A file that a campaign's worker wrote: found so long after the campaign began. */
static void
test_detection_is_measured_by_three_clocks(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    AUTO(json_decref) json_t *arguments = json_object();
    int64_t campaign = 0;

    (void)triage(fix, "brought by a person", &said);
    assert_int_equal(counted(fix, "bug_detection_bucket", NULL), 0);
    must(fix, store_campaign_begin(fix->store, arguments, &campaign, &fix->err));
    execute(fix, "UPDATE campaign SET started = started - 1000000");
    const struct said other = {.frames = {"x", "y", "main"}};
    (void)triage(fix, "found", &other);
    assert_int_equal(counted(fix, "bug_detection_bucket", NULL), 3);
    assert_int_equal(
        counted(fix, "bug_detection_bucket", "\"clock\":\"campaign\",\"le\":\"3600\""),
        1);
    assert_int_equal(
        counted(fix, "bug_detection_bucket", "\"clock\":\"cpu\",\"le\":\"60\""), 1);
    assert_int_equal(
        counted(fix, "bug_detection_bucket", "\"clock\":\"pipeline\",\"le\":\"60\""), 1);
}

static void
happen(struct fixture *fix, const char *kind, const char *subject, const char *to,
       const char *key, json_t *value)
{
    AUTO(json_decref) json_t *detail = json_object();
    const struct event event = {
        .kind = kind, .subject = subject, .subject_id = 1, .to = to, .detail = detail};

    json_put(detail, key, value);
    must(fix, store_event(fix->store, &event, &fix->err));
}

static void
test_events_count(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};

    (void)triage(fix, "a", &said);
    happen(fix, "bug.deadline", "bug", "missed", "severity", json_string("high"));
    happen(fix, "bug.incident", "bug", "incident", "severity", json_string("critical"));
    happen(fix, "target.outage", "target", "outage", "minutes", json_integer(60));
    happen(fix, "target.outage", "target", "ok", "minutes", json_integer(0));
    happen(fix, "gate.verdict", "gate", "fail", "duration_ms", json_integer(700));
    happen(fix, "gate.verdict", "gate", "pass", "x", json_null());
    assert_int_equal(counted(fix, "bug_patch_deadline_total",
                             "{\"severity\":\"high\",\"result\":\"missed\"}"),
                     1);
    assert_int_equal(
        counted(fix, "incidents_total", "{\"severity\":\"critical\",\"kind\":\"vuln\"}"),
        1);
    assert_int_equal(counted(fix, "incidents_total", "\"control\""), 1);
    assert_int_equal(counted(fix, "gate_runs_total", "{\"verdict\":\"fail\"}"), 1);
    assert_int_equal(counted(fix, "gate_runs_total", NULL), 2);
    assert_int_equal(counted(fix, "gate_duration_bucket", "\"le\":\"1\""), 1);
    assert_int_equal(counted(fix, "gate_duration_bucket", NULL), 1);
}

/* Who looks again tells nothing again. */
static void
test_a_change_is_told_once(void **state)
{
    struct fixture *fix = *state;
    static const char *const seen[] = {"ok", "ok", "half", "half", "ok", "half"};
    struct event event = {.kind = "budget.state", .subject = "budget"};

    for (size_t i = 0; i < COUNT(seen); i++) {
        event.to = seen[i];
        must(fix, store_event_change(fix->store, &event, "ok", &fix->err));
    }
    assert_int_equal(
        number(fix, "SELECT count(*) FROM event WHERE kind = 'budget.state'"), 3);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE from_state = 'ok'"
                                 " AND to_state = 'half'"),
                     2);
    event.kind = "bug.incident";
    event.to = "incident";
    must(fix, store_event_first(fix->store, &event, &fix->err));
    event.to = "another";
    must(fix, store_event_first(fix->store, &event, &fix->err));
    assert_int_equal(
        number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.incident'"), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values_go_into_buckets_and_a_sum),
        TEST(test_fixes_and_returns_are_counted),
        TEST(test_backlog_is_no_measure_of_detection_or_fixing),
        TEST(test_detection_is_measured_by_three_clocks),
        TEST(test_events_count),
        TEST(test_a_change_is_told_once),
    };

    return cmocka_run_group_tests_name("store_tally", tests, NULL, NULL);
}
