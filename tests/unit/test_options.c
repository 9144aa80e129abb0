#include "tests/unit/unit.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/options.h"

struct fixture {
    struct strv user, env;
};

static int
setup(void **state)
{
    *state = mem_alloc(sizeof(struct fixture));
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    strv_clear(&fix->user);
    strv_clear(&fix->env);
    mem_free(fix);
    return 0;
}

/* Whether a variable holds an option, whole. */
static bool
has(const struct fixture *fix, const char *name, const char *option)
{
    const char *value = options_variable(&fix->env, name);
    AUTO(strv_clear) struct strv words = {0};

    assert_non_null(value);
    options_split(value, &words);
    return strv_has(&words, option);
}

static void
test_split_respects_quotes(void **state)
{
    static const char text[] = "a=1:b='x:y z',c=\"p,q\" d=2\t:::e";
    static const char *const want[] = {"a=1", "b='x:y z'", "c=\"p,q\"", "d=2", "e"};
    struct fixture *fix = *state;

    options_split(text, &fix->env);
    assert_int_equal(fix->env.n, COUNT(want));
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_string_equal(fix->env.v[i], want[i]);
    }
}

static void
test_split_ends_at_an_open_quote(void **state)
{
    struct fixture *fix = *state;

    options_split("a='b:c", &fix->env);
    assert_int_equal(fix->env.n, 1);
    assert_string_equal(fix->env.v[0], "a='b:c");
}

static void
test_put_replaces_only_its_own_key(void **state)
{
    struct fixture *fix = *state;

    options_put(&fix->env, "exitcode=1");
    options_put(&fix->env, "exit=2");
    options_put(&fix->env, "exitcode=3");
    assert_int_equal(fix->env.n, 2);
    assert_string_equal(fix->env.v[0], "exitcode=3");
    assert_string_equal(fix->env.v[1], "exit=2");
}

static void
test_replay_sets_what_reports_need(void **state)
{
    static const char *const all[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
                                      "MSAN_OPTIONS", "TSAN_OPTIONS"};
    struct fixture *fix = *state;

    options_environment(OPTIONS_REPLAY, &fix->user, 64 << 20, &fix->env);
    for (size_t i = 0; i < COUNT(all); i++) {
        assert_string_equal(options_name(i), all[i]);
        assert_true(has(fix, all[i], "symbolize=0"));
        assert_true(has(fix, all[i], "exitcode=77"));
        assert_true(has(fix, all[i], "handle_abort=1"));
    }
    assert_null(options_name(COUNT(all)));
    assert_true(has(fix, "ASAN_OPTIONS", "redzone=64"));
    assert_true(has(fix, "ASAN_OPTIONS", "detect_leaks=1"));
    assert_true(has(fix, "ASAN_OPTIONS", "hard_rss_limit_mb=64"));
    assert_true(has(fix, "MSAN_OPTIONS", "hard_rss_limit_mb=64"));
    assert_false(has(fix, "UBSAN_OPTIONS", "hard_rss_limit_mb=64"));
    assert_true(has(fix, "UBSAN_OPTIONS", "print_stacktrace=1"));
    assert_true(has(fix, "UBSAN_OPTIONS", "halt_on_error=1"));
}

static void
test_the_user_wins_option_by_option(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->user, "ASAN_OPTIONS=detect_leaks=0:redzone=16,quarantine_size_mb=1");
    options_environment(OPTIONS_REPLAY, &fix->user, 0, &fix->env);
    assert_true(has(fix, "ASAN_OPTIONS", "detect_leaks=0"));
    assert_false(has(fix, "ASAN_OPTIONS", "detect_leaks=1"));
    assert_true(has(fix, "ASAN_OPTIONS", "redzone=16"));
    assert_true(has(fix, "ASAN_OPTIONS", "quarantine_size_mb=1"));
    assert_true(has(fix, "ASAN_OPTIONS", "handle_segv=1"));
    assert_true(has(fix, "UBSAN_OPTIONS", "print_stacktrace=1"));
}

static void
test_the_user_cannot_send_the_report_away(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->user,
             "ASAN_OPTIONS=log_path=/tmp/x:symbolize=1:stack_trace_format='%p':"
             "log_to_syslog=1:coverage=1");
    options_environment(OPTIONS_REPLAY, &fix->user, 0, &fix->env);
    const char *value = options_variable(&fix->env, "ASAN_OPTIONS");
    assert_null(strstr(value, "log_path"));
    assert_null(strstr(value, "stack_trace_format='%p'"));
    assert_true(has(fix, "ASAN_OPTIONS", "stack_trace_format='    #%n %p  (%m+%o)'"));
    assert_null(strstr(value, "syslog"));
    assert_null(strstr(value, "coverage"));
    assert_null(strstr(value, "symbolize=1"));
    assert_true(has(fix, "ASAN_OPTIONS", "symbolize=0"));
}

/* afl-fuzz 4.04c looks for these very texts and refuses to start without them. */
static void
test_afl_gets_what_it_insists_on(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->user, "ASAN_OPTIONS=abort_on_error=0:symbolize=1");
    options_environment(OPTIONS_AFL, &fix->user, 0, &fix->env);
    assert_true(has(fix, "ASAN_OPTIONS", "abort_on_error=1"));
    assert_true(has(fix, "ASAN_OPTIONS", "symbolize=0"));
    assert_true(has(fix, "ASAN_OPTIONS", "detect_leaks=0"));
    assert_true(has(fix, "MSAN_OPTIONS", "exit_code=86"));
    assert_true(has(fix, "MSAN_OPTIONS", "symbolize=0"));
    assert_null(options_variable(&fix->env, "TSAN_OPTIONS"));
}

static void
test_is_sanitizer_wants_the_whole_name(void **state)
{
    (void)state;
    assert_true(options_is_sanitizer("ASAN_OPTIONS="));
    assert_true(options_is_sanitizer("TSAN_OPTIONS=a=1"));
    assert_false(options_is_sanitizer("ASAN_OPTIONS"));
    assert_false(options_is_sanitizer("ASAN_OPTIONS_X=1"));
    assert_false(options_is_sanitizer("PATH=/bin"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_split_respects_quotes),
        TEST(test_split_ends_at_an_open_quote),
        TEST(test_put_replaces_only_its_own_key),
        TEST(test_replay_sets_what_reports_need),
        TEST(test_the_user_wins_option_by_option),
        TEST(test_the_user_cannot_send_the_report_away),
        TEST(test_afl_gets_what_it_insists_on),
        TEST(test_is_sanitizer_wants_the_whole_name),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
