#include "tests/unit/unit.h"

#include <string.h>

#include "base/mem.h"
#include "orchestrator/supervise/schedule.h"

enum { ROWS_MAX = 64 };

struct fixture {
    struct schedule_row rows[ROWS_MAX];
    struct schedule schedule;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->schedule = (struct schedule){.jobs = 2, .rows = fix->rows};
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    mem_free(*state);
    return 0;
}

/* "aal": two rows of engine 0 and one of engine 1, each on a target of its own, all
 * ready. */
static void
fill(struct fixture *fix, const char *engines, int jobs, int64_t deadline_ms)
{
    fix->schedule.n = strlen(engines);
    fix->schedule.jobs = jobs;
    fix->schedule.deadline_ms = deadline_ms;
    for (size_t i = 0; i < fix->schedule.n; i++) {
        fix->rows[i] = (struct schedule_row){
            .engine = engines[i] == 'l', .target = (int)i, .ready = true};
    }
}

static void
start(struct fixture *fix, size_t row, int64_t now, int64_t turn)
{
    fix->rows[row].holds = true;
    fix->rows[row].ready = false;
    fix->rows[row].turns++;
    fix->rows[row].turn_end_ms = turn == 0 ? 0 : now + turn;
}

static void
test_lanes_follow_the_workers_but_leave_one_to_each(void **state)
{
    struct fixture *fix = *state;

    fill(fix, "aaaaal", 2, 0);
    assert_int_equal(schedule_lanes(&fix->schedule, 0), 1);
    assert_int_equal(schedule_lanes(&fix->schedule, 1), 1);
    fill(fix, "aaaaall", 4, 0);
    assert_int_equal(schedule_lanes(&fix->schedule, 0), 3);
    assert_int_equal(schedule_lanes(&fix->schedule, 1), 1);
    fill(fix, "aaallll", 7, 0);
    assert_int_equal(schedule_lanes(&fix->schedule, 0), 3);
    assert_int_equal(schedule_lanes(&fix->schedule, 1), 4);
}

static void
test_one_job_and_one_engine_share_all(void **state)
{
    struct fixture *fix = *state;

    fill(fix, "al", 1, 0);
    assert_int_equal(schedule_lanes(&fix->schedule, 0), 1);
    assert_int_equal(schedule_lanes(&fix->schedule, 1), 1);
    fill(fix, "aaaa", 3, 0);
    assert_int_equal(schedule_lanes(&fix->schedule, 0), 3);
}

static void
test_both_engines_run_first(void **state)
{
    struct fixture *fix = *state;

    fill(fix, "aaaal", 2, 0);
    assert_int_equal(schedule_pick(&fix->schedule), 0);
    start(fix, 0, 0, 0);
    assert_int_equal(schedule_pick(&fix->schedule), 4);
    start(fix, 4, 0, 0);
    assert_int_equal(schedule_pick(&fix->schedule), -1);
}

static void
test_a_lane_with_nobody_ready_is_lent(void **state)
{
    struct fixture *fix = *state;

    fill(fix, "aal", 2, 0);
    fix->rows[2].ready = false;
    start(fix, 0, 0, 0);
    assert_int_equal(schedule_pick(&fix->schedule), 1);
}

static void
test_who_had_fewer_turns_goes_first(void **state)
{
    struct fixture *fix = *state;

    fill(fix, "aaa", 1, 0);
    fix->rows[0].turns = 2;
    fix->rows[1].turns = 1;
    fix->rows[2].turns = 1;
    fix->rows[1].used_ms = 10;
    assert_int_equal(schedule_pick(&fix->schedule), 2);
}

static void
test_another_target_goes_before_a_second_worker_of_one(void **state)
{
    struct fixture *fix = *state;

    fill(fix, "aaa", 2, 0);
    fix->rows[1].target = 0;
    start(fix, 0, 0, 0);
    assert_int_equal(schedule_pick(&fix->schedule), 2);
}

static void
test_over_and_unready_rows_are_left_out(void **state)
{
    struct fixture *fix = *state;

    fill(fix, "aaa", 2, 0);
    fix->rows[0].over = true;
    fix->rows[1].ready = false;
    assert_int_equal(schedule_pick(&fix->schedule), 2);
    fix->rows[2].over = true;
    assert_int_equal(schedule_pick(&fix->schedule), -1);
}

static void
test_no_turns_when_everybody_has_a_job(void **state)
{
    struct fixture *fix = *state;

    fill(fix, "al", 2, 60000);
    assert_int_equal(schedule_turn(&fix->schedule, 0, 0), 0);
    assert_false(schedule_sliced(&fix->schedule));
    fill(fix, "aal", 2, 60000);
    assert_int_equal(schedule_turn(&fix->schedule, 2, 0), 0); /* alone in its lane */
    assert_int_equal(schedule_turn(&fix->schedule, 0, 0), 30000);
    assert_true(schedule_sliced(&fix->schedule));
}

static void
test_turns_have_bounds(void **state)
{
    struct fixture *fix = *state;

    fill(fix, "aaaa", 1, 28800000);
    assert_int_equal(schedule_turn(&fix->schedule, 0, 0), SCHEDULE_TURN_MAX_MS);
    fill(fix, "aaaa", 1, 8000);
    assert_int_equal(schedule_turn(&fix->schedule, 0, 0), SCHEDULE_TURN_MIN_MS);
    fill(fix, "aaaa", 1, 0);
    assert_int_equal(schedule_turn(&fix->schedule, 0, 0), SCHEDULE_TURN_MAX_MS);
}

static void
test_least_time_for_everybody(void **state)
{
    struct fixture *fix = *state;

    fill(fix, "aaaaall", 2, 0);
    assert_int_equal(schedule_least_ms(&fix->schedule), 5 * SCHEDULE_TURN_MIN_MS);
    fill(fix, "aal", 1, 0);
    assert_int_equal(schedule_least_ms(&fix->schedule), 3 * SCHEDULE_TURN_MIN_MS);
    fill(fix, "al", 2, 0);
    assert_int_equal(schedule_least_ms(&fix->schedule), 0);
}

/* Play a campaign: stopping a worker takes half a second; returns the least time anybody
 * had. */
static int64_t
play(struct fixture *fix, int64_t for_ms, int64_t *alone_ms)
{
    int64_t ending[ROWS_MAX] = {0};
    int64_t ran[ROWS_MAX] = {0};
    int64_t least = INT64_MAX;

    *alone_ms = 0;
    for (int64_t now = 0; now < for_ms; now += 100) {
        bool engines[2] = {false, false};
        for (size_t i = 0; i < fix->schedule.n; i++) {
            struct schedule_row *row = &fix->rows[i];
            if (row->holds && row->turn_end_ms != 0 && now >= row->turn_end_ms + 500) {
                row->holds = false;
                row->ready = true;
                row->used_ms += now - ending[i];
            }
        }
        for (int picked; (picked = schedule_pick(&fix->schedule)) >= 0;) {
            int64_t turn = schedule_turn(&fix->schedule, (size_t)picked, now);
            start(fix, (size_t)picked, now, turn);
            ending[picked] = now;
        }
        for (size_t i = 0; i < fix->schedule.n; i++) {
            ran[i] += fix->rows[i].holds ? 100 : 0;
            engines[fix->rows[i].engine] |= fix->rows[i].holds;
        }
        *alone_ms += engines[0] && engines[1] ? 0 : 100;
    }
    for (size_t i = 0; i < fix->schedule.n; i++) {
        least = ran[i] < least ? ran[i] : least;
    }
    return least;
}

static void
test_everybody_gets_a_share_and_engines_run_side_by_side(void **state)
{
    static const struct {
        const char *engines;
        int jobs;
        int64_t for_ms, least_ms;
    } cases[] = {
        {"alalaaa", 2, 90000, 16000}, /* five of AFL++ share one job, two of libFuzzer the
                                         other */
        {"alalalalal", 2, 90000, 16000}, {"alalalalal", 4, 60000, 19000},
        {"aaaaaaaaaal", 2, 60000, 4400}, {"al", 2, 30000, 30000},
        {"alal", 2, 3600000, 1700000},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t alone = 0;
        fill(fix, cases[i].engines, cases[i].jobs, cases[i].for_ms);
        int64_t least = play(fix, cases[i].for_ms, &alone);
        if (least < cases[i].least_ms || alone > 0) {
            fail_msg("%s on %d jobs: least %lld ms, one engine alone for %lld ms",
                     cases[i].engines, cases[i].jobs, (long long)least, (long long)alone);
        }
    }
}

static void
test_many_rounds_stay_fair(void **state)
{
    struct fixture *fix = *state;
    int64_t alone = 0;

    fill(fix, "aaaaaaa", 2, 10800000);
    int64_t least = play(fix, fix->schedule.deadline_ms, &alone);
    assert_true(least > (int64_t)10800000 * 2 / 7 * 90 / 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lanes_follow_the_workers_but_leave_one_to_each),
        TEST(test_one_job_and_one_engine_share_all),
        TEST(test_both_engines_run_first),
        TEST(test_a_lane_with_nobody_ready_is_lent),
        TEST(test_who_had_fewer_turns_goes_first),
        TEST(test_another_target_goes_before_a_second_worker_of_one),
        TEST(test_over_and_unready_rows_are_left_out),
        TEST(test_no_turns_when_everybody_has_a_job),
        TEST(test_turns_have_bounds),
        TEST(test_least_time_for_everybody),
        TEST(test_everybody_gets_a_share_and_engines_run_side_by_side),
        TEST(test_many_rounds_stay_fair),
    };

    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
