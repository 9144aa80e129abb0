#include "tests/unit/unit.h"

#include "orchestrator/supervise/minute.h"

enum { TICK = 200, TICKS = CONTROL_SLICE_MS / TICK, MINUTE = 29000000 };

#define WALL ((int64_t)MINUTE * CONTROL_SLICE_MS + 1234)

/* A worker that does the same for a whole minute, a million executions of which `grows`
 * says that they come. */
static void
watch(struct minute *minute, size_t worker, enum worker_state state, bool grows)
{
    struct minute_look look = {.worker = worker,
                               .state = state,
                               .has_job = true,
                               .steady = true,
                               .execs = 5,
                               .edges = 40};

    for (int i = 0; i < TICKS; i++) {
        look.execs += grows ? 1000 : 0;
        minute_look(minute, &look, TICK);
    }
}

static struct control_slice
slice_of(const struct minute *minute)
{
    struct control_slice slice = {0};

    assert_true(minute_slice(minute, 0, WALL, CONTROL_SLICE_MS, &slice));
    return slice;
}

static void
test_a_minute_of_running_workers_is_good(void **state)
{
    AUTO(minute_free) struct minute *minute = minute_new(2, 1, 2);

    (void)state;
    watch(minute, 0, WORKER_RUNNING, true);
    watch(minute, 1, WORKER_PLATEAUED, true);
    struct control_slice slice = slice_of(minute);
    assert_int_equal(slice.minute, MINUTE);
    assert_true(slice.counts);
    assert_string_equal(slice.cause, "");
    assert_int_equal(slice.scheduled_ms, 2 * CONTROL_SLICE_MS);
    assert_int_equal(slice.productive_ms, 2 * CONTROL_SLICE_MS);
    assert_int_equal(slice.n_faults, 0);
}

/* Alive is not enough. */
static void
test_a_worker_proves_that_it_fuzzes(void **state)
{
    AUTO(minute_free) struct minute *stalled = minute_new(1, 1, 1);
    AUTO(minute_free) struct minute *blind = minute_new(1, 1, 1);
    AUTO(minute_free) struct minute *quiet = minute_new(1, 1, 1);
    AUTO(minute_free) struct minute *calibrating = minute_new(1, 1, 1);
    struct minute_look look = {.state = WORKER_RUNNING, .has_job = true, .steady = true};

    (void)state;
    watch(stalled, 0, WORKER_RUNNING, false);
    assert_string_equal(slice_of(stalled).cause, "stalled");
    assert_int_equal(slice_of(stalled).faults[0].ms, CONTROL_SLICE_MS);
    for (int i = 0; i < TICKS; i++) {
        look.execs++;
        minute_look(blind, &look, TICK);
    }
    assert_string_equal(slice_of(blind).cause, "zero_coverage");
    /* one whose engine speaks up only now and then is watched by its worker */
    look = (struct minute_look){.state = WORKER_RUNNING, .has_job = true, .edges = 1};
    minute_look(quiet, &look, CONTROL_SLICE_MS);
    assert_string_equal(slice_of(quiet).cause, "");
    watch(calibrating, 0, WORKER_STARTING, false);
    assert_string_equal(slice_of(calibrating).cause, "");
}

static void
test_each_state_has_its_cause(void **state)
{
    static const struct {
        enum worker_state state;
        const char *cause;
    } rows[] = {{WORKER_FROZEN, "stalled"},    {WORKER_SLOW, "slow"},
                {WORKER_BACKOFF, "no_worker"}, {WORKER_PAUSED, "no_worker"},
                {WORKER_QUARANTINED, "build"}, {WORKER_DEAD, "build"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(minute_free) struct minute *minute = minute_new(1, 1, 1);
        watch(minute, 0, rows[i].state, true);
        assert_string_equal(slice_of(minute).cause, rows[i].cause);
        assert_int_equal(slice_of(minute).productive_ms, 0);
    }
}

/* One dead of four is no outage of the target, and is missing in the capacity. */
static void
test_half_of_the_workers_are_enough(void **state)
{
    AUTO(minute_free) struct minute *minute = minute_new(4, 1, 4);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        watch(minute, i, i == 0 ? WORKER_DEAD : WORKER_RUNNING, true);
    }
    assert_string_equal(slice_of(minute).cause, "");
    assert_int_equal(slice_of(minute).productive_ms, 3 * CONTROL_SLICE_MS);
    assert_int_equal(slice_of(minute).scheduled_ms, 4 * CONTROL_SLICE_MS);
    minute_next(minute);
    for (size_t i = 0; i < 4; i++) {
        watch(minute, i, i < 3 ? WORKER_FROZEN : WORKER_RUNNING, true);
    }
    assert_string_equal(slice_of(minute).cause, "stalled");
}

/* Who waits for its turn is not meant to fuzz; who is given up is missed for its share.
 */
static void
test_turns_are_not_outages(void **state)
{
    AUTO(minute_free) struct minute *minute = minute_new(4, 2, 2);
    struct minute_look look = {.target = 1, .state = WORKER_PAUSED, .steady = true};
    struct control_slice slice = {0};

    (void)state;
    for (int i = 0; i < TICKS; i++) {
        minute_look(minute, &look, TICK);
    }
    assert_false(minute_slice(minute, 1, WALL, CONTROL_SLICE_MS, &slice));
    look.state = WORKER_QUARANTINED;
    for (int i = 0; i < TICKS; i++) {
        minute_look(minute, &look, TICK);
    }
    assert_true(minute_slice(minute, 1, WALL, CONTROL_SLICE_MS, &slice));
    assert_int_equal(slice.scheduled_ms, CONTROL_SLICE_MS / 2);
    assert_string_equal(slice.cause, "build");
}

static void
test_a_held_target_is_down_for_its_disk(void **state)
{
    AUTO(minute_free) struct minute *minute = minute_new(1, 1, 1);
    struct minute_look look = {.state = WORKER_PAUSED, .held = true, .steady = true};

    (void)state;
    for (int i = 0; i < TICKS; i++) {
        minute_look(minute, &look, TICK);
    }
    assert_string_equal(slice_of(minute).cause, "disk");
}

static void
test_a_short_rest_is_no_slice(void **state)
{
    AUTO(minute_free) struct minute *minute = minute_new(1, 1, 1);
    struct control_slice slice = {0};
    struct minute_look look = {.state = WORKER_RUNNING, .has_job = true, .edges = 1};

    (void)state;
    minute_look(minute, &look, 9000);
    assert_true(minute_slice(minute, 0, WALL, MINUTE_REST_MS - 1, &slice));
    assert_false(slice.counts);
    assert_int_equal(slice.scheduled_ms, 9000);
    assert_true(minute_slice(minute, 0, WALL, MINUTE_REST_MS, &slice));
    assert_true(slice.counts);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_minute_of_running_workers_is_good),
        cmocka_unit_test(test_a_worker_proves_that_it_fuzzes),
        cmocka_unit_test(test_each_state_has_its_cause),
        cmocka_unit_test(test_half_of_the_workers_are_enough),
        cmocka_unit_test(test_turns_are_not_outages),
        cmocka_unit_test(test_a_held_target_is_down_for_its_disk),
        cmocka_unit_test(test_a_short_rest_is_no_slice),
    };

    return cmocka_run_group_tests_name("minute", tests, NULL, NULL);
}
