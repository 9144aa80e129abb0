#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

static int
setup(void **state)
{
    (void)state;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    return 0;
}

static void
test_monotonic_never_goes_back(void **state)
{
    int64_t last = clock_mono_ms();

    (void)state;
    assert_true(last > 0);
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_mono_ms();
        assert_true(now >= last);
        last = now;
    }
}

static void
test_wall_is_later_than_this_test(void **state)
{
    (void)state;
    assert_true(clock_wall_ms() > INT64_C(1700000000000));
}

static void
test_iso_is_utc(void **state)
{
    static const struct {
        int64_t ms;
        const char *want;
    } cases[] = {{0, "1970-01-01T00:00:00Z"},
                 {INT64_C(1795456554999), "2026-11-23T17:55:54Z"},
                 {INT64_C(951782400000), "2000-02-29T00:00:00Z"},
                 {INT64_C(253402300799000), "9999-12-31T23:59:59Z"}};
    char out[CLOCK_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        clock_iso(out, cases[i].ms);
        assert_string_equal(out, cases[i].want);
    }
}

static void
test_iso_takes_any_number(void **state)
{
    char out[CLOCK_TEXT_MAX];

    (void)state;
    clock_iso(out, INT64_MAX);
    assert_true(strlen(out) < CLOCK_TEXT_MAX);
    clock_iso(out, INT64_MIN);
    assert_true(strlen(out) < CLOCK_TEXT_MAX);
    clock_iso(out, -1000);
    assert_string_equal(out, "1969-12-31T23:59:59Z");
}

static void
test_file_time_of_any_size_can_be_reckoned_with(void **state)
{
    const struct timespec late = {.tv_sec = INT64_MAX, .tv_nsec = 999999999};
    const struct timespec early = {.tv_sec = INT64_MIN};
    const struct timespec plain = {.tv_sec = 1, .tv_nsec = 2000000};

    (void)state;
    assert_int_equal(clock_file_ms(&plain), 1002);
    assert_true(clock_file_ms(&late) > clock_wall_ms());
    assert_true(clock_file_ms(&late) - clock_file_ms(&early) > 0);
    assert_true(clock_wall_ms() - clock_file_ms(&early) > 0);
}

static void
assert_read(const char *text, const char *wanted)
{
    char shown[CLOCK_TEXT_MAX];
    int64_t at = -1;

    assert_int_equal(clock_read(text, &at, NULL), 0);
    clock_iso(shown, at);
    assert_string_equal(shown, wanted);
}

static void
test_read_takes_what_people_and_git_write(void **state)
{
    (void)state;
    assert_read("2026-11-23T17:55:54Z", "2026-11-23T17:55:54Z");
    assert_read("2026-11-23", "2026-11-23T00:00:00Z");
    assert_read("2026-11-23 17:55", "2026-11-23T17:55:00Z");
    assert_read("2026-11-23T01:00:00+02:00", "2026-11-22T23:00:00Z");
    assert_read("2026-11-23 17:55:54 -0130", "2026-11-23T19:25:54Z");
    assert_read("@1795456554", "2026-11-23T17:55:54Z");
}

static void
test_read_refuses_the_rest(void **state)
{
    static const char *const bad[] = {
        "",  "yesterday",          "2026-13-01", "2026-11-23x",
        "@", "@99999999999999999", "1969-12-31", "2026-11-23T17:55+99:00"};
    struct err err = ERR_INIT;
    int64_t at = -1;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(clock_read(bad[i], &at, &err), -EINVAL);
    }
    assert_int_equal(clock_read("tomorrow\x1b", &at, &err), -EINVAL);
    assert_string_equal(err.msg, "'tomorrow\\x1b' is no time such as "
                                 "2026-11-23T17:55:54Z or 2026-11-23");
    assert_int_equal(at, -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_time_of_any_size_can_be_reckoned_with),
        TEST(test_monotonic_never_goes_back),
        TEST(test_wall_is_later_than_this_test),
        TEST(test_iso_is_utc),
        TEST(test_iso_takes_any_number),
        TEST(test_read_takes_what_people_and_git_write),
        TEST(test_read_refuses_the_rest),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
