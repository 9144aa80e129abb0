#include "tests/unit/store_fixture.h"

#include "triage/control.h"

enum { MINUTE = 29000000 };

static struct control_slice
slice_of(int64_t minute, const char *cause, int64_t productive_ms)
{
    return (struct control_slice){.minute = minute,
                                  .counts = true,
                                  .cause = cause,
                                  .scheduled_ms = 1000,
                                  .productive_ms = productive_ms};
}

static void
put(struct fixture *fix, int64_t minute, const char *cause, int64_t productive_ms)
{
    const struct control_slice slice = slice_of(minute, cause, productive_ms);

    must(fix, store_put_control(fix->store, fix->target, &slice, &fix->err));
}

static int
list_run(void *user, const struct control_run *run, struct err *err)
{
    (void)err;
    buf_addf(user, "%s %lld+%lld '%s' %lld/%lld\n", run->target,
             (long long)(run->began - MINUTE), (long long)run->slices, run->cause,
             (long long)run->productive_ms, (long long)run->scheduled_ms);
    return 0;
}

static void
assert_runs(struct fixture *fix, int64_t from, int64_t to, const char *wanted)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    must(fix, store_control(fix->store, MINUTE + from, MINUTE + to, list_run, &out,
                            &fix->err));
    assert_string_equal(buf_str(&out), wanted);
}

static void
test_slices_of_one_result_are_a_run(void **state)
{
    struct fixture *fix = *state;

    put(fix, MINUTE, "", 900);
    put(fix, MINUTE + 1, "", 1000);
    put(fix, MINUTE + 2, "disk", 0);
    put(fix, MINUTE + 3, "stalled", 0);
    put(fix, MINUTE + 9, "stalled", 0); /* nobody meant to fuzz in between */
    assert_runs(fix, 0, 100,
                "t 0+2 '' 1900/2000\nt 2+1 'disk' 0/1000\nt 3+1 'stalled' 0/1000\n"
                "t 9+1 'stalled' 0/1000\n");
    assert_runs(fix, 1, 3, "t 0+2 '' 1900/2000\nt 2+1 'disk' 0/1000\n");
    assert_int_equal(number(fix, "SELECT sum(value) FROM counter WHERE name ="
                                 " 'control_slices_total'"),
                     5);
    assert_int_equal(number(fix, "SELECT value FROM counter WHERE name ="
                                 " 'fuzz_milliseconds_total'"),
                     1900);
    assert_int_equal(number(fix, "SELECT value FROM counter WHERE name ="
                                 " 'fuzz_scheduled_milliseconds_total'"),
                     5000);
}

/* A scribe that dies is told again what it had written. */
static void
test_a_slice_that_is_told_twice_counts_once(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < 3; i++) {
        put(fix, MINUTE, "", 1000);
        put(fix, MINUTE + 1, "", 1000);
    }
    assert_runs(fix, 0, 9, "t 0+2 '' 2000/2000\n");
    assert_int_equal(number(fix, "SELECT value FROM counter WHERE name ="
                                 " 'control_slices_total'"),
                     2);
}

/* A day ahead, then set back: what is fuzzed on that day counts, and no minute twice. */
static void
test_a_clock_that_was_set_back_costs_no_minutes(void **state)
{
    struct fixture *fix = *state;

    put(fix, MINUTE, "", 1000);
    put(fix, MINUTE + 1440, "", 1000);
    put(fix, MINUTE + 1, "", 1000);
    put(fix, MINUTE + 2, "stalled", 0);
    put(fix, MINUTE + 1, "", 1000);
    put(fix, MINUTE + 1440, "", 1000);
    assert_runs(fix, 0, 2000,
                "t 0+2 '' 2000/2000\nt 2+1 'stalled' 0/1000\nt 1440+1 '' 1000/1000\n");
}

static void
test_a_run_ends_with_an_hour(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < CONTROL_RUN_MAX + 2; i++) {
        put(fix, MINUTE + i, "", 1000);
    }
    assert_runs(fix, 0, 100, "t 0+60 '' 60000/60000\nt 60+2 '' 2000/2000\n");
}

static void
test_what_is_too_short_for_a_slice_counts_as_time(void **state)
{
    struct fixture *fix = *state;
    struct control_slice rest = slice_of(MINUTE, "", 500);

    rest.counts = false;
    must(fix, store_put_control(fix->store, fix->target, &rest, &fix->err));
    assert_runs(fix, 0, 9, "");
    assert_int_equal(number(fix, "SELECT value FROM counter WHERE name ="
                                 " 'fuzz_milliseconds_total'"),
                     500);
}

static void
test_faults_are_counted_by_cause(void **state)
{
    struct fixture *fix = *state;
    struct control_slice slice = slice_of(MINUTE, "stalled", 100);

    slice.faults[0] = (struct control_fault){"stalled", 700};
    slice.faults[1] = (struct control_fault){"slow", 200};
    slice.n_faults = 2;
    must(fix, store_put_control(fix->store, fix->target, &slice, &fix->err));
    assert_int_equal(number(fix, "SELECT value FROM counter WHERE name ="
                                 " 'control_fault_milliseconds_total' AND labels ="
                                 " '{\"target\":\"t\",\"cause\":\"slow\"}'"),
                     200);
}

static void
test_what_cannot_be_is_refused(void **state)
{
    struct fixture *fix = *state;
    struct control_slice slices[] = {slice_of(MINUTE, "bored", 0),
                                     slice_of(MINUTE, "", 1001), slice_of(0, "", 0),
                                     slice_of(MINUTE, "", -1)};

    for (size_t i = 0; i < COUNT(slices); i++) {
        assert_int_equal(
            store_put_control(fix->store, fix->target, &slices[i], &fix->err), -EINVAL);
        assert_string_equal(fix->err.msg, "no minute of a target was like that");
    }
    const struct control_slice good = slice_of(MINUTE, "", 1);
    assert_int_equal(store_put_control(fix->store, 99, &good, &fix->err), -ENODATA);
    assert_runs(fix, 0, 9, "");
}

static void
test_cpu_is_cut_at_the_ends(void **state)
{
    struct fixture *fix = *state;
    int64_t ms = 0;

    for (int i = 0; i < 10; i++) {
        put(fix, MINUTE + i, "", 1000);
    }
    must(fix, store_control_cpu(
                  fix->store, fix->target, (int64_t)(MINUTE + 3) * CONTROL_SLICE_MS,
                  (int64_t)(MINUTE + 7) * CONTROL_SLICE_MS + 59999, &ms, &fix->err));
    assert_int_equal(ms, 4000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_slices_of_one_result_are_a_run),
        TEST(test_a_slice_that_is_told_twice_counts_once),
        TEST(test_a_clock_that_was_set_back_costs_no_minutes),
        TEST(test_a_run_ends_with_an_hour),
        TEST(test_what_is_too_short_for_a_slice_counts_as_time),
        TEST(test_faults_are_counted_by_cause),
        TEST(test_what_cannot_be_is_refused),
        TEST(test_cpu_is_cut_at_the_ends),
    };

    return cmocka_run_group_tests_name("store_control", tests, NULL, NULL);
}
