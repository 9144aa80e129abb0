#include "tests/unit/store_fixture.h"

#include "base/clock.h"
#include "orchestrator/gate/slo.h"
#include "triage/control.h"
#include "triage/outbox.h"

static void
note(struct fixture *fix, int64_t now)
{
    const struct slo_policy policy = slo_policy_default();

    must(fix, slo_note(fix->store, &policy, now, &fix->err));
}

static int64_t
events(struct fixture *fix, const char *kind, const char *to)
{
    int64_t n = -1;

    must(fix, db_int(store_db(fix->store), &n, &fix->err,
                     "SELECT count(*) FROM event WHERE kind = ?1 AND to_state = ?2", "tt",
                     kind, to));
    return n;
}

static void
put_minutes(struct fixture *fix, int64_t from, int n, const char *cause)
{
    for (int i = 0; i < n; i++) {
        const struct control_slice slice = {.minute = from + i,
                                            .counts = true,
                                            .cause = cause,
                                            .scheduled_ms = CONTROL_SLICE_MS,
                                            .productive_ms =
                                                cause[0] == '\0' ? CONTROL_SLICE_MS : 0};
        must(fix, store_put_control(fix->store, fix->target, &slice, &fix->err));
    }
}

/* At the deadline, whatever comes later, and once, however often somebody looks. */
static void
test_a_deadline_is_told_when_it_has_come(void **state)
{
    struct fixture *fix = *state;
    const struct said medium = {0};
    int64_t now = clock_wall_ms();

    (void)triage(fix, "a", &medium);
    note(fix, now + 27 * SLO_DAY_MS);
    assert_int_equal(events(fix, "bug.deadline", "missed"), 0);
    for (int i = 0; i < 3; i++) {
        note(fix, now + 29 * SLO_DAY_MS);
    }
    assert_int_equal(events(fix, "bug.deadline", "missed"), 1);
    assert_int_equal(events(fix, "bug.deadline", "met"), 0);
    assert_int_equal(
        number(fix, "SELECT value FROM counter WHERE name = 'bug_patch_deadline_total'"
                    " AND labels = '{\"severity\":\"medium\",\"result\":\"missed\"}'"),
        1);
    assert_clean(fix);
}

/* Each service's state is told for itself, with its name. */
static void
test_services_tell_of_their_budgets(void **state)
{
    struct fixture *fix = *state;
    struct slo_policy policy = slo_policy_default();
    static char name[] = "images";
    struct slo_service service = {.name = name};
    const struct said medium = {0};
    int64_t now = clock_wall_ms();

    strv_add(&service.targets, "t");
    policy.services = (struct slo_services){&service, 1};
    (void)triage(fix, "a", &medium);
    for (int i = 0; i < 2; i++) {
        must(fix, slo_note(fix->store, &policy, now + SLO_DAY_MS, &fix->err));
    }
    assert_int_equal(events(fix, "budget.state", "exhausted"), 1);
    assert_int_equal(number(fix,
                            "SELECT count(*) FROM event WHERE kind = 'budget.state'"
                            " AND subject_id = 1 AND json_extract(detail, '$.service') ="
                            " 'images'"),
                     1);
    strv_clear(&service.targets);
}

static void
test_one_that_was_met_goes_to_no_sink(void **state)
{
    struct fixture *fix = *state;
    const struct said medium = {0};
    const struct sink_row sink = {"ops", "webhook"};
    const struct event fixed = {
        .kind = "bug.state", .subject = "bug", .subject_id = 1, .to = "fixed"};
    int64_t now = clock_wall_ms();

    (void)triage(fix, "a", &medium);
    must(fix, store_event(fix->store, &fixed, &fix->err));
    must(fix, store_put_sinks(fix->store, &sink, 1, &fix->err));
    note(fix, now + 29 * SLO_DAY_MS);
    assert_int_equal(events(fix, "bug.deadline", "met"), 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM outbox"), 0);
}

/* Each state of the budget is told once, to every sink: a medium bug costs 2 a day. */
static void
test_the_budget_tells_when_its_state_changes(void **state)
{
    struct fixture *fix = *state;
    struct slo_policy policy = slo_policy_default();
    const struct sink_row sink = {"ops", "webhook"};
    const struct said medium = {0};
    int64_t now = clock_wall_ms();
    static const double days[] = {1, 4, 6, 7, 9.5, 11, 12};

    (void)triage(fix, "a", &medium);
    must(fix, store_put_sinks(fix->store, &sink, 1, &fix->err));
    memset(policy.tolerated, 0, sizeof(policy.tolerated));
    policy.tolerated[SEVERITY_MEDIUM] = 1;
    policy.deadline_ms[SEVERITY_MEDIUM] = 10 * SLO_DAY_MS; /* 20 points */
    for (size_t i = 0; i < COUNT(days); i++) {
        must(fix, slo_note(fix->store, &policy,
                           now + (int64_t)(days[i] * (double)SLO_DAY_MS), &fix->err));
    }
    assert_int_equal(
        number(fix, "SELECT count(*) FROM event WHERE kind = 'budget.state'"), 3);
    assert_int_equal(events(fix, "budget.state", "half"), 1);
    assert_int_equal(events(fix, "budget.state", "low"), 1);
    assert_int_equal(events(fix, "budget.state", "exhausted"), 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM outbox o JOIN event e"
                                 " ON e.id = o.event WHERE e.kind = 'budget.state'"),
                     3);
}

/* An hour without a good minute; over when one is good. */
static void
test_an_outage_is_told_once_and_that_it_is_over(void **state)
{
    struct fixture *fix = *state;
    int64_t now = clock_wall_ms();
    int64_t minute = now / CONTROL_SLICE_MS - 200;

    put_minutes(fix, minute, 10, "");
    put_minutes(fix, minute + 10, 59, "stalled");
    note(fix, (minute + 69) * CONTROL_SLICE_MS);
    assert_int_equal(events(fix, "target.outage", "outage"), 0);
    put_minutes(fix, minute + 69, 5, "no_worker"); /* another cause, the same outage */
    note(fix, (minute + 74) * CONTROL_SLICE_MS);
    note(fix, (minute + 74) * CONTROL_SLICE_MS);
    assert_int_equal(events(fix, "target.outage", "outage"), 1);
    put_minutes(fix, minute + 74, 1, "");
    note(fix, (minute + 75) * CONTROL_SLICE_MS);
    assert_int_equal(events(fix, "target.outage", "ok"), 1);
    assert_int_equal(
        number(fix, "SELECT sum(value) FROM counter WHERE name = 'incidents_total'"), 1);
}

/* Bad minutes of two campaigns are no hour in a row. */
static void
test_a_pause_is_no_outage(void **state)
{
    struct fixture *fix = *state;
    int64_t minute = clock_wall_ms() / CONTROL_SLICE_MS - 200;
    const struct slo_policy policy = slo_policy_default();
    struct slo slo;

    put_minutes(fix, minute, 40, "stalled");
    put_minutes(fix, minute + 50, 40, "stalled");
    note(fix, (minute + 90) * CONTROL_SLICE_MS);
    assert_int_equal(events(fix, "target.outage", "outage"), 0);
    must(fix, slo_collect(fix->store, &policy, (minute + 90) * CONTROL_SLICE_MS, &slo,
                          NULL, &fix->err));
    assert_int_equal(slo.control.bad, 80);
    assert_int_equal(slo.control.outages, 0);
    assert_int_equal(slo.incidents, 0);
}

static void
test_alerts_are_counted_once_whoever_got_them(void **state)
{
    struct fixture *fix = *state;
    const struct sink_row sinks[] = {{"ops", "webhook"}, {"chat", "slack"}};
    const struct slo_policy policy = slo_policy_default();
    const struct outbox_tried told = {.state = "sent", .told = true};
    const struct outbox_tried unwanted = {.state = "sent"};
    const struct said said = {0};
    const struct said other = {.frames = {"x", "y", "main"}};
    struct slo slo;

    must(fix, store_put_sinks(fix->store, sinks, COUNT(sinks), &fix->err));
    (void)triage(fix, "a", &said);
    (void)triage(fix, "b", &other);
    assert_int_equal(number(fix, "SELECT count(*) FROM outbox"), 4);
    for (int64_t id = 1; id <= 4; id++) { /* both of the first, none of the second */
        must(fix,
             store_outbox_tried(fix->store, id, id <= 2 ? &told : &unwanted, &fix->err));
    }
    must(fix,
         slo_collect(fix->store, &policy, clock_wall_ms() + 1, &slo, NULL, &fix->err));
    assert_int_equal(slo.alerts, 1);
    assert_int_equal(slo.alert_latency.n, 1);
    must(fix, slo_collect(fix->store, &policy, clock_wall_ms() + 8 * SLO_DAY_MS, &slo,
                          NULL, &fix->err));
    assert_int_equal(slo.alerts, 0);
    assert_int_equal(slo.alert_latency.n, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_deadline_is_told_when_it_has_come),
        TEST(test_one_that_was_met_goes_to_no_sink),
        TEST(test_services_tell_of_their_budgets),
        TEST(test_the_budget_tells_when_its_state_changes),
        TEST(test_an_outage_is_told_once_and_that_it_is_over),
        TEST(test_a_pause_is_no_outage),
        TEST(test_alerts_are_counted_once_whoever_got_them),
    };

    return cmocka_run_group_tests_name("slo_store", tests, NULL, NULL);
}
