#include "tests/unit/unit.h"

#include <string.h>

#include "base/mem.h"
#include "orchestrator/supervise/state.h"

static const struct engine_policy policy = {.start_ms = 1000,
                                            .frozen_ms = 1000,
                                            .grace_ms = 1000,
                                            .quick_ms = 10000,
                                            .loop_limit = 4,
                                            .backoff_ms = 1000,
                                            .backoff_max_ms = 5000,
                                            .cool_ms = 1000,
                                            .cool_max_ms = 6000,
                                            .shallow_ms = 30000};

struct fixture {
    struct machine machine;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    machine_init(&fix->machine, &policy, 42);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    mem_free(*state);
    return 0;
}

/* A run long enough and far enough not to count as a quick failure. */
static const struct worker_end good_end = {60000, true, 7};

/* --- the whole table, written down a second time --- */

#define P WORKER_PAUSED
#define S WORKER_STARTING
#define R WORKER_RUNNING
#define Z WORKER_FROZEN
#define L WORKER_SLOW
#define B WORKER_BACKOFF
#define Q WORKER_QUARANTINED
#define T WORKER_PLATEAUED
#define F WORKER_FINISHED
#define D WORKER_DEAD

/* For each state the next one by event, in the order of enum worker_event: GO ALIVE
 * SILENT BELOW_SPEED AT_SPEED NO_NEWS NEWS YIELD STOP OVERDUE WAITED UNSTARTABLE ENDED
 * FOUND REPAIRED FAILED HOPELESS. */
static const enum worker_state next[WORKER_STATES][WORKER_EVENTS] = {
    [P] = {S, P, P, P, P, P, P, P, F, P, P, P, P, P, P, P, Q},
    [S] = {S, R, Z, S, S, S, S, P, F, S, S, D, B, B, B, B, Q},
    [R] = {R, R, Z, L, R, T, R, P, F, R, R, R, B, B, B, B, Q},
    [L] = {L, L, Z, L, R, T, L, P, F, L, L, L, B, B, B, B, Q},
    [T] = {T, T, Z, T, T, T, R, P, F, T, T, T, B, B, B, B, Q},
    [Z] = {Z, Z, Z, Z, Z, Z, Z, Z, F, Z, Z, Z, B, B, B, B, B},
    [B] = {B, B, B, B, B, B, B, B, F, B, P, B, B, B, B, B, B},
    [Q] = {Q, Q, Q, Q, Q, Q, Q, Q, Q, Q, Q, Q, Q, Q, Q, Q, Q},
    [F] = {F, F, F, F, F, F, F, F, F, F, F, F, F, F, F, F, F},
    [D] = {D, D, D, D, D, D, D, D, D, D, D, D, D, D, D, D, D},
};

/* What must be done on the way; 0 where nothing happens. */
static unsigned
actions_of(enum worker_state from, enum worker_event event)
{
    enum worker_state to = next[from][event];

    if (event == WORKER_OVERDUE) {
        return from == P || from == Z || from == F ? WORKER_DO_KILL : 0;
    }
    if (from == to) {
        return 0;
    }
    if (event == WORKER_GO) {
        return WORKER_DO_START;
    }
    if (event == WORKER_SILENT) {
        return WORKER_DO_KILL | WORKER_DO_SAY;
    }
    if (event == WORKER_YIELD || event == WORKER_STOP) {
        return from == B ? 0 : WORKER_DO_ASK;
    }
    if (to == B) {
        bool quiet = event == WORKER_FOUND || event == WORKER_REPAIRED;
        return quiet ? WORKER_DO_WAIT : WORKER_DO_WAIT | WORKER_DO_SAY;
    }
    return to == Q || to == D ? WORKER_DO_SAY : 0;
}

static void
assert_cell(struct machine *machine, enum worker_state from, enum worker_event event)
{
    machine_init(machine, &policy, 42);
    machine->state = from;
    unsigned actions = machine_feed(machine, event, &good_end);
    if (machine->state != next[from][event] || actions != actions_of(from, event)) {
        fail_msg("state %s, event %d: became %s with actions %x", worker_state_name(from),
                 (int)event, worker_state_name(machine->state), actions);
    }
}

static void
test_every_cell_of_the_table(void **state)
{
    struct fixture *fix = *state;

    for (int from = 0; from < WORKER_STATES; from++) {
        for (int event = 0; event < WORKER_EVENTS; event++) {
            assert_cell(&fix->machine, (enum worker_state)from, (enum worker_event)event);
        }
    }
}

static void
test_events_without_an_end_need_none(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(machine_feed(&fix->machine, WORKER_GO, NULL), WORKER_DO_START);
    assert_int_equal(machine_feed(&fix->machine, WORKER_ALIVE, NULL), 0);
    assert_int_equal(fix->machine.state, WORKER_RUNNING);
}

/* --- policy --- */

static void
fail_once(struct machine *machine, int64_t ran_ms, bool was_ready)
{
    const struct worker_end end = {ran_ms, was_ready, 0};

    machine->state = WORKER_RUNNING;
    (void)machine_feed(machine, WORKER_FAILED, &end);
}

static void
assert_between(int64_t value, int64_t least, int64_t most)
{
    if (value < least || value > most) {
        fail_msg("%lld is not within %lld..%lld", (long long)value, (long long)least,
                 (long long)most);
    }
}

static void
test_backoff_doubles_and_is_spread_by_a_quarter(void **state)
{
    struct fixture *fix = *state;

    fail_once(&fix->machine, 10, true);
    assert_between(fix->machine.wait_ms, 1000, 1250);
    fail_once(&fix->machine, 10, true);
    assert_between(fix->machine.wait_ms, 2000, 2500);
    fail_once(&fix->machine, 10, true);
    assert_between(fix->machine.wait_ms, 4000, 5000);
}

static void
test_waits_differ_between_workers(void **state)
{
    struct fixture *fix = *state;
    struct machine other;

    machine_init(&other, &policy, 43);
    fail_once(&fix->machine, 10, true);
    fail_once(&other, 10, true);
    assert_int_not_equal(fix->machine.wait_ms, other.wait_ms);
}

static void
test_so_many_quick_failures_quarantine(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < 3; i++) {
        fail_once(&fix->machine, 10, true);
        assert_int_equal(fix->machine.state, WORKER_BACKOFF);
    }
    fail_once(&fix->machine, 10, true);
    assert_int_equal(fix->machine.state, WORKER_QUARANTINED);
}

static void
test_a_long_run_forgives_failures(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < 3; i++) {
        fail_once(&fix->machine, 10, true);
    }
    fail_once(&fix->machine, 10000, true);
    assert_int_equal(fix->machine.state, WORKER_BACKOFF);
    assert_int_equal(fix->machine.bad_ends, 1);
}

static void
test_a_long_start_forgives_nothing(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < 4; i++) {
        fail_once(&fix->machine, 60000, false);
    }
    assert_int_equal(fix->machine.state, WORKER_QUARANTINED);
}

static void
test_a_frozen_worker_counts_as_failed(void **state)
{
    struct fixture *fix = *state;
    const struct worker_end end = {500, false, 0};

    fix->machine.state = WORKER_FROZEN;
    (void)machine_feed(&fix->machine, WORKER_HOPELESS, &end);
    assert_int_equal(fix->machine.state, WORKER_BACKOFF);
    assert_int_equal(fix->machine.bad_ends, 1);
}

static void
find_once(struct machine *machine, int64_t ran_ms, uint64_t key)
{
    const struct worker_end end = {ran_ms, true, key};

    machine->state = WORKER_RUNNING;
    (void)machine_feed(machine, WORKER_FOUND, &end);
}

static void
test_the_same_shallow_find_cools_longer(void **state)
{
    struct fixture *fix = *state;

    find_once(&fix->machine, 200, 5);
    assert_between(fix->machine.wait_ms, 1000, 1250);
    find_once(&fix->machine, 200, 5);
    assert_between(fix->machine.wait_ms, 2000, 2500);
    find_once(&fix->machine, 200, 5);
    assert_between(fix->machine.wait_ms, 4000, 5000);
    find_once(&fix->machine, 200, 5);
    assert_between(fix->machine.wait_ms, 6000, 7500);
    find_once(&fix->machine, 200, 6); /* another find */
    assert_between(fix->machine.wait_ms, 1000, 1250);
    find_once(&fix->machine, 200, 6);
    find_once(&fix->machine, 30000, 6); /* a deep one */
    assert_between(fix->machine.wait_ms, 1000, 1250);
}

static void
test_finds_are_no_failures(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < 3; i++) {
        fail_once(&fix->machine, 10, true);
    }
    find_once(&fix->machine, 10, 5);
    fail_once(&fix->machine, 10, true);
    assert_int_equal(fix->machine.state, WORKER_BACKOFF);
}

static void
test_waits_never_overflow(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < 1000; i++) {
        find_once(&fix->machine, 10, 5);
        assert_between(fix->machine.wait_ms, 1000, 7500);
    }
}

static void
test_words_are_the_design_s(void **state)
{
    static const char words[] =
        "starting running frozen slow backoff quarantined plateaued paused finished dead";
    char all[200] = "";
    size_t at = 0;

    (void)state;
    for (int i = 0; i < WORKER_STATES; i++) {
        at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i == 0 ? "" : " ",
                               worker_state_name((enum worker_state)i));
    }
    assert_string_equal(all, words);
}

static void
test_busy_and_final_states_are_disjoint(void **state)
{
    int busy = 0;
    int final = 0;

    (void)state;
    for (int i = 0; i < WORKER_STATES; i++) {
        bool is_busy = worker_state_busy((enum worker_state)i);
        bool is_final = worker_state_final((enum worker_state)i);
        assert_false(is_busy && is_final);
        busy += is_busy;
        final += is_final;
    }
    assert_int_equal(busy, 5);
    assert_int_equal(final, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_cell_of_the_table),
        TEST(test_events_without_an_end_need_none),
        TEST(test_backoff_doubles_and_is_spread_by_a_quarter),
        TEST(test_waits_differ_between_workers),
        TEST(test_so_many_quick_failures_quarantine),
        TEST(test_a_long_run_forgives_failures),
        TEST(test_a_long_start_forgives_nothing),
        TEST(test_a_frozen_worker_counts_as_failed),
        TEST(test_the_same_shallow_find_cools_longer),
        TEST(test_finds_are_no_failures),
        TEST(test_waits_never_overflow),
        TEST(test_words_are_the_design_s),
        TEST(test_busy_and_final_states_are_disjoint),
    };

    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
