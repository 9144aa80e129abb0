#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "orchestrator/gate/slo.h"

enum { NOW_DAY = 1000 };
#define NOW (NOW_DAY * SLO_DAY_MS)

/* A bug of which days are told from now on: negative ones are past. */
static struct bug_life
seen(int64_t bug, enum severity severity, double day)
{
    return (struct bug_life){.bug = bug,
                             .severity = severity,
                             .filed = NOW + (int64_t)(day * (double)SLO_DAY_MS)};
}

static struct life_change
changed(double day, const char *to)
{
    struct life_change change = {.at = NOW + (int64_t)(day * (double)SLO_DAY_MS)};

    (void)snprintf(change.to, sizeof(change.to), "%s", to);
    return change;
}

static void
assert_near(double got, double wanted, double within)
{
    if (!(fabs(got - wanted) <= within)) {
        fail_msg("%.6f, not %.6f", got, wanted);
    }
}

/* Tolerating 1 critical for 7 days, 2 high for 14, 1 medium for 28 and 2 low for 28 is
 * 70 + 140 + 56 + 28 points. */
static void
test_budget_is_derived_from_what_is_tolerated(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    struct slo slo;

    (void)state;
    slo_of(&policy, NULL, 0, NULL, NOW, &slo);
    assert_near(slo.budget, 294, 0);
    assert_near(slo.spent, 0, 0);
    assert_near(slo.burn, 0, 0);
    assert_true(isinf(slo.days_left) && isinf(slo.days_rolling));
}

struct scene {
    struct life_change fixed_a, fixed_b;
    struct bug_life lives[6];
};

static void
set_scene(struct scene *scene)
{
    *scene = (struct scene){
        .fixed_a = changed(-25, "fixed"),
        .fixed_b = changed(-2, "fixed"),
        .lives = {seen(1, SEVERITY_CRITICAL, -40), seen(2, SEVERITY_CRITICAL, -6),
                  seen(3, SEVERITY_HIGH, -20), seen(4, SEVERITY_MEDIUM, -30),
                  seen(5, SEVERITY_LOW, -3), seen(6, SEVERITY_CRITICAL, 0)}};
    scene->lives[0].changes = &scene->fixed_a;
    scene->lives[0].n = 1;
    scene->lives[1].changes = &scene->fixed_b;
    scene->lives[1].n = 1;
}

/* A critical one that left the window but for 3 days (30), one open for 4 (40), a high
 * one open for 20 (100), a medium one for the whole window (56), a low one for 3 (1.5).
 */
static void
test_spent_is_what_was_open_in_the_window(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    struct scene scene;
    struct slo slo;

    (void)state;
    set_scene(&scene);
    slo_of(&policy, scene.lives, 5, NULL, NOW, &slo);
    assert_near(slo.spent, 227.5, 1e-9);
    assert_near(slo.spent / slo.budget, 0.774, 0.0005);
    assert_near(slo.per_day, 7.5, 1e-9);
    assert_near(slo.burn, 0.71, 0.005);
    assert_int_equal(slo.open[SEVERITY_CRITICAL], 0);
    assert_int_equal(slo.open[SEVERITY_HIGH], 1);
    assert_int_equal(slo.n_worst, 3);
    assert_int_equal(slo.worst[0].bug, 3);
    assert_int_equal(slo.worst[2].bug, 5);
}

static void
test_a_new_critical_bug_burns_faster(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    struct scene scene;
    struct slo slo;

    (void)state;
    set_scene(&scene);
    slo_of(&policy, scene.lives, 6, NULL, NOW, &slo);
    assert_near(slo.per_day, 17.5, 1e-9);
    assert_near(slo.burn, 1.67, 0.005);
    assert_near(slo.days_left, 3.8, 0.05);
    /* what leaves the window meanwhile: a point of 10 a day for 3 days, of 2 for all */
    assert_true(slo.days_rolling > slo.days_left);
    assert_int_equal(slo.worst[0].bug, 6);
}

static void
test_an_exhausted_budget_has_no_days_left(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    struct bug_life lives[4];
    struct slo slo;

    (void)state;
    for (size_t i = 0; i < COUNT(lives); i++) {
        lives[i] = seen((int64_t)i + 1, SEVERITY_CRITICAL, -10);
    }
    slo_of(&policy, lives, COUNT(lives), NULL, NOW, &slo);
    assert_near(slo.spent, 400, 1e-9);
    assert_near(slo.days_left, 0, 0);
    assert_near(slo.days_rolling, 0, 0);
}

static void
test_backlog_counts_half_for_a_window(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    struct bug_life old = seen(1, SEVERITY_HIGH, -10);
    struct slo slo;

    (void)state;
    old.backlog = true;
    slo_of(&policy, &old, 1, NULL, NOW, &slo);
    assert_near(slo.spent, 25, 1e-9);
    assert_near(slo.per_day, 2.5, 1e-9);
    assert_int_equal(slo.found, 0);
    old = seen(1, SEVERITY_HIGH, -30); /* 26 days at half, 2 in full */
    old.backlog = true;
    slo_of(&policy, &old, 1, NULL, NOW, &slo);
    assert_near(slo.spent, 26 * 2.5 + 2 * 5, 1e-9);
    assert_near(slo.per_day, 5, 1e-9);
}

static void
test_an_accepted_risk_goes_on_costing_and_no_bug_does_not(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    struct life_change change = changed(-8, "wontfix");
    struct bug_life life = seen(1, SEVERITY_MEDIUM, -10);
    struct slo slo;

    (void)state;
    life.changes = &change;
    life.n = 1;
    slo_of(&policy, &life, 1, NULL, NOW, &slo);
    assert_near(slo.spent, 20, 1e-9);
    change = changed(-8, "ignored");
    slo_of(&policy, &life, 1, NULL, NOW, &slo);
    assert_near(slo.spent, 4, 1e-9);
    assert_near(slo.per_day, 0, 0);
}

static void
test_what_comes_back_is_open_again(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    struct life_change changes[] = {changed(-9, "fixing"), changed(-8, "fixed"),
                                    changed(-1, "regressed")};
    struct bug_life life = seen(1, SEVERITY_HIGH, -10);
    struct slo slo;

    (void)state;
    life.changes = changes;
    life.n = COUNT(changes);
    slo_of(&policy, &life, 1, NULL, NOW, &slo);
    assert_near(slo.spent, 2 * 5 + 1 * 5, 1e-9);
    assert_int_equal(slo.open[SEVERITY_HIGH], 1);
}

/* Ten critical bugs are due: 8 fixed in time, one on the ninth day, one open: 80 % of
 * 99 %, so what may be missed is missed twenty times. */
static void
test_patches_are_counted_at_the_deadline(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    struct life_change changes[9];
    struct bug_life lives[11];
    struct slo slo;

    (void)state;
    for (size_t i = 0; i < COUNT(lives); i++) {
        lives[i] = seen((int64_t)i + 1, SEVERITY_CRITICAL, -20);
    }
    for (size_t i = 0; i < COUNT(changes); i++) {
        changes[i] = changed(i < 8 ? -15 : -11, "fixed");
        lives[i].changes = &changes[i];
        lives[i].n = 1;
    }
    lives[10] = seen(11, SEVERITY_CRITICAL, -6); /* not due yet */
    slo_of(&policy, lives, COUNT(lives), NULL, NOW, &slo);
    assert_int_equal(slo.due[SEVERITY_CRITICAL], 10);
    assert_int_equal(slo.met[SEVERITY_CRITICAL], 8);
    assert_near(slo.patch_burn, 20, 1e-6);
    assert_int_equal(slo.fixed, 9);
    assert_int_equal(slo.found, 11);
    assert_near(slo.to_fix.median, 5.0 * (double)SLO_DAY_MS, 1);
    assert_int_equal(slo.oldest_open_ms[SEVERITY_CRITICAL], 20 * SLO_DAY_MS);
    lives[9].backlog = true; /* what others found has no deadline */
    slo_of(&policy, lives, COUNT(lives), NULL, NOW, &slo);
    assert_int_equal(slo.due[SEVERITY_CRITICAL], 9);
}

/* Found after 2, 3, 5, 6 and 200 hours: the mean says 43.2, the median 5. */
static void
test_a_spread_is_not_a_mean(void **state)
{
    double hours[] = {200, 3, 5, 2, 6};
    double ten[] = {10, 9, 8, 7, 6, 5, 4, 3, 2, 1};
    double two[] = {4, 2};

    (void)state;
    struct spread spread = spread_of(hours, COUNT(hours));
    assert_int_equal(spread.n, 5);
    assert_near(spread.mean, 43.2, 1e-9);
    assert_near(spread.median, 5, 0);
    assert_near(spread.p90, 200, 0);
    assert_near(spread_of(ten, COUNT(ten)).p90, 9, 0);
    assert_near(spread_of(two, COUNT(two)).median, 3, 0);
    assert_int_equal(spread_of(NULL, 0).n, 0);
}

static void
test_messages_are_in_time_or_not(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    struct bug_life lives[] = {seen(1, SEVERITY_LOW, -1), seen(2, SEVERITY_LOW, -1),
                               seen(3, SEVERITY_LOW, -1)};
    struct slo slo;

    (void)state;
    for (size_t i = 0; i < COUNT(lives); i++) {
        lives[i].campaign = NOW - 5 * SLO_DAY_MS;
        lives[i].written = NOW - SLO_DAY_MS;
    }
    lives[0].told = lives[0].written + 2000;
    lives[1].told = lives[1].written + policy.notify_ms + 1;
    slo_of(&policy, lives, COUNT(lives), NULL, NOW, &slo);
    assert_int_equal(slo.notify_n, 2);
    assert_int_equal(slo.notify_met, 1);
    assert_int_equal(slo.since_campaign.n, 3);
    assert_near(slo.since_campaign.median, 4.0 * (double)SLO_DAY_MS, 1);
}

/* Garwood's table: 0: 0 to 3.00; 2: 0.355 to 6.30; 10: 5.43 to 16.96. */
static void
test_incidents_have_a_range(void **state)
{
    static const struct {
        int64_t n;
        double low, high;
    } rows[] = {{0, 0, 2.996}, {2, 0.355, 6.296}, {10, 5.425, 16.962}};
    const struct slo_policy policy = slo_policy_default();
    struct bug_life lives[] = {seen(1, SEVERITY_HIGH, -1), seen(2, SEVERITY_MEDIUM, -1),
                               seen(3, SEVERITY_HIGH, -1), seen(4, SEVERITY_HIGH, -40)};
    struct slo slo;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        double low = 0;
        double high = 0;
        slo_poisson(rows[i].n, &low, &high);
        assert_near(low, rows[i].low, 0.001);
        assert_near(high, rows[i].high, 0.001);
    }
    lives[0].released = lives[1].released = lives[3].released = true;
    slo_of(&policy, lives, COUNT(lives), NULL, NOW, &slo);
    assert_int_equal(slo.incidents, 1);
}

/* Eight workers for 28 days: three hours without any, and two days with one dead. */
static void
test_control_health_and_capacity_are_two_objectives(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    const int64_t minute = NOW / CONTROL_SLICE_MS;
    const int64_t window = 28 * 1440;
    const int64_t of_eight = 8 * (int64_t)CONTROL_SLICE_MS;
    struct slo_control control = {0};
    int64_t bad = 0;

    (void)state;
    for (int64_t at = 0; at < window; at += CONTROL_RUN_MAX) {
        bool outage = at >= 6000 && at < 6000 + 180;
        bool one_dead = at >= 12000 && at < 12000 + 2 * 1440;
        const struct control_run run = {.cause = outage ? "no_worker" : "",
                                        .began = minute - window + at,
                                        .slices = CONTROL_RUN_MAX,
                                        .scheduled_ms = CONTROL_RUN_MAX * of_eight,
                                        .productive_ms = CONTROL_RUN_MAX *
                                                         (outage     ? 0
                                                          : one_dead ? of_eight / 8 * 7
                                                                     : of_eight)};
        slo_control_add(&policy, &run, minute - window, minute, &bad, &control);
    }
    slo_control_decide(&policy, &control);
    assert_int_equal(control.scheduled_ms, INT64_C(19353600000));
    assert_int_equal(control.scheduled_ms - control.productive_ms, INT64_C(259200000));
    assert_near(control.capacity, 0.9866, 0.00005);
    assert_near(control.capacity_spent, 1.34, 0.005);
    assert_near(control.health, 0.9955, 0.00005);
    assert_near(control.health_spent, 4.46, 0.005);
    assert_int_equal(control.bad, 180);
    assert_int_equal(control.fault_minutes[0], 180);
    assert_int_equal(control.outages, 1);
}

static void
test_a_run_counts_as_far_as_it_lies_in_the_window(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    const struct control_run run = {.cause = "disk",
                                    .began = 100,
                                    .slices = 60,
                                    .scheduled_ms = 60000,
                                    .productive_ms = 30000};
    struct slo_control control = {0};
    int64_t bad = 0;

    (void)state;
    slo_control_add(&policy, &run, 130, 150, &bad, &control);
    assert_int_equal(control.bad, 20);
    assert_int_equal(control.scheduled_ms, 20000);
    assert_int_equal(control.productive_ms, 10000);
    assert_int_equal(control.outages, 0);
    slo_control_add(&policy, &run, 200, 300, &bad, &control);
    assert_int_equal(control.bad, 20);
}

/* An outage of the control is an incident as well; without any slice nothing is wrong. */
static void
test_outages_are_incidents(void **state)
{
    const struct slo_policy policy = slo_policy_default();
    const struct slo_control outages = {.good = 10, .bad = 60, .outages = 1};
    struct slo slo;

    (void)state;
    slo_of(&policy, NULL, 0, &outages, NOW, &slo);
    assert_int_equal(slo.incidents, 1);
    assert_int_equal(slo.incidents_control, 1);
    slo_of(&policy, NULL, 0, NULL, NOW, &slo);
    assert_near(slo.control.health, 1, 0);
    assert_near(slo.control.capacity_spent, 0, 0);
}

static void
test_budget_has_states(void **state)
{
    static const struct {
        double spent;
        const char *state;
    } rows[] = {{0, "ok"},    {146, "ok"},  {147, "half"},      {264, "half"},
                {265, "low"}, {293, "low"}, {294, "exhausted"}, {500, "exhausted"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct slo slo = {.budget = 294, .spent = rows[i].spent};
        assert_string_equal(slo_budget_state(&slo), rows[i].state);
    }
}

/* --- services --- */

/* The worked example, whose bugs are of two services and of none. */
static void
test_services_have_budgets_of_their_own(void **state)
{
    static char images[] = "images", texts[] = "texts", png[] = "png1", xml[] = "xml",
                zip[] = "zip";
    static char *const targets[] = {png, png, xml, zip, png};
    struct slo_policy policy = slo_policy_default();
    struct slo_service services[] = {
        {.name = images, .tolerated = {[SEVERITY_CRITICAL] = 1}}, {.name = texts}};
    AUTO(slo_parts_clear) struct slo_parts parts = {0};
    struct scene scene;
    struct slo slo;

    (void)state;
    strv_add(&services[0].targets, "gif");
    strv_add(&services[0].targets, "png*");
    strv_add(&services[1].targets, "x?l");
    set_scene(&scene);
    for (size_t i = 0; i < COUNT(targets); i++) {
        scene.lives[i].target = targets[i];
    }
    slo_parts_of(&policy, scene.lives, 5, NOW, &parts);
    assert_int_equal(parts.n, 0);
    policy.services = (struct slo_services){services, COUNT(services)};
    slo_parts_of(&policy, scene.lives, 5, NOW, &parts);
    assert_int_equal(parts.n, 3);
    assert_string_equal(parts.v[0].name, "images");
    assert_near(parts.v[0].slo.budget, 70, 0);
    assert_near(parts.v[0].slo.spent, 71.5, 1e-9);
    assert_string_equal(slo_budget_state(&parts.v[0].slo), "exhausted");
    assert_near(parts.v[1].slo.budget, 0, 0); /* none is tolerated, and one is there */
    assert_near(parts.v[1].slo.spent, 100, 1e-9);
    assert_true(slo_exhausted(&parts.v[1].slo));
    assert_string_equal(parts.v[2].name, "other");
    assert_near(parts.v[2].slo.budget, 294, 0);
    assert_near(parts.v[2].slo.spent, 56, 1e-9);
    assert_int_equal(slo_part_of(&policy, "gif"), 0);
    assert_int_equal(slo_part_of(&policy, "giff"), 2);
    const struct slo_policy whole = slo_policy_whole(&policy);
    slo_of(&whole, scene.lives, 5, NULL, NOW, &slo);
    assert_near(slo.budget, 364, 0);
    assert_near(slo.spent, 227.5, 1e-9); /* that of its parts together */
    strv_clear(&services[0].targets);
    strv_clear(&services[1].targets);
}

static void
test_nothing_tolerated_and_nothing_there_is_ok(void **state)
{
    const struct slo slo = {0};

    (void)state;
    assert_false(slo_exhausted(&slo));
    assert_string_equal(slo_budget_state(&slo), "ok");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget_is_derived_from_what_is_tolerated),
        cmocka_unit_test(test_spent_is_what_was_open_in_the_window),
        cmocka_unit_test(test_a_new_critical_bug_burns_faster),
        cmocka_unit_test(test_an_exhausted_budget_has_no_days_left),
        cmocka_unit_test(test_backlog_counts_half_for_a_window),
        cmocka_unit_test(test_an_accepted_risk_goes_on_costing_and_no_bug_does_not),
        cmocka_unit_test(test_what_comes_back_is_open_again),
        cmocka_unit_test(test_patches_are_counted_at_the_deadline),
        cmocka_unit_test(test_a_spread_is_not_a_mean),
        cmocka_unit_test(test_messages_are_in_time_or_not),
        cmocka_unit_test(test_incidents_have_a_range),
        cmocka_unit_test(test_control_health_and_capacity_are_two_objectives),
        cmocka_unit_test(test_a_run_counts_as_far_as_it_lies_in_the_window),
        cmocka_unit_test(test_outages_are_incidents),
        cmocka_unit_test(test_budget_has_states),
        cmocka_unit_test(test_services_have_budgets_of_their_own),
        cmocka_unit_test(test_nothing_tolerated_and_nothing_there_is_ok),
    };

    return cmocka_run_group_tests_name("slo", tests, NULL, NULL);
}
