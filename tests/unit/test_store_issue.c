#include "tests/unit/store_fixture.h"

#include "base/clock.h"
#include "triage/issue.h"

static int
note(void *user, int64_t bug, const char *key, struct err *err)
{
    (void)err;
    buf_addf(user, "%lld:%s ", (long long)bug, key);
    return 0;
}

static void
put(struct fixture *fix, int64_t bug, const char *sink, const char *key, const char *as,
    int64_t until)
{
    AUTO(mem_free) char *copy = mem_strdup(key);
    struct issue_row row = {.key = copy, .until = until};

    (void)snprintf(row.state, sizeof(row.state), "%s", as);
    must(fix, store_put_issue(fix->store, bug, sink, &row, &fix->err));
}

static int64_t
created(struct fixture *fix, const char *sink, int64_t since)
{
    int64_t n = -1;

    must(fix, store_issues_since(fix->store, sink, since, &n, &fix->err));
    return n;
}

static void
test_the_last_word_of_each_sink_counts(void **state)
{
    struct fixture *fix = *state;
    AUTO(issue_clear) struct issue_row none = {0};
    AUTO(issue_clear) struct issue_row ours = {0};
    AUTO(issue_clear) struct issue_row theirs = {0};
    int64_t bug = triage(fix, "a", &(struct said){0}).bug;

    must(fix, store_issue(fix->store, bug, "ours", &none, &fix->err));
    assert_null(none.key);
    put(fix, bug, "ours", "12", "filed", 0);
    put(fix, bug, "theirs", "SEC-1", "filed", 99);
    put(fix, bug, "ours", "12", "closed", 0);
    must(fix, store_issue(fix->store, bug, "ours", &ours, &fix->err));
    must(fix, store_issue(fix->store, bug, "theirs", &theirs, &fix->err));
    assert_string_equal(ours.key, "12");
    assert_string_equal(ours.state, "closed");
    assert_int_equal(ours.until, 0);
    assert_string_equal(theirs.key, "SEC-1");
    assert_int_equal(theirs.until, 99);
    assert_clean(fix);
}

static void
test_an_issue_is_new_once(void **state)
{
    struct fixture *fix = *state;
    int64_t first = triage(fix, "a", &(struct said){0}).bug;
    int64_t second = triage(fix, "b", &(struct said){.frames = {"other", "main"}}).bug;
    int64_t future = clock_wall_ms() + 60000;

    put(fix, first, "ours", "1", "filed", 0);
    put(fix, first, "ours", "1", "closed", 0);
    put(fix, first, "ours", "1", "filed", 0);
    put(fix, first, "theirs", "1", "filed", 0);
    put(fix, second, "ours", "9", "digest", 0);
    assert_int_equal(created(fix, "ours", 0), 1);
    put(fix, second, "ours", "2", "filed", 0); /* out of the digest */
    assert_int_equal(created(fix, "ours", 0), 2);
    assert_int_equal(created(fix, "theirs", 0), 1);
    assert_int_equal(created(fix, "ours", future), 0);
}

static void
test_a_digest_holds_each_bug_once(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf seen = BUF_INIT;
    AUTO(buf_clear) struct buf wanted = BUF_INIT;
    int64_t first = triage(fix, "a", &(struct said){0}).bug;
    int64_t second = triage(fix, "b", &(struct said){.frames = {"other", "main"}}).bug;

    put(fix, second, "ours", "9", "digest", 0);
    put(fix, first, "ours", "9", "digest", 0);
    put(fix, second, "ours", "9", "digest", 0);
    must(fix, store_issues_digest(fix->store, "ours", 0, note, &seen, &fix->err));
    buf_addf(&wanted, "%lld:9 %lld:9 ", (long long)first, (long long)second);
    assert_int_equal(strlen(buf_str(&seen)), wanted.len);
    buf_clear(&seen);
    must(fix, store_issues_digest(fix->store, "theirs", 0, note, &seen, &fix->err));
    assert_string_equal(buf_str(&seen), "");
}

static void
test_what_is_withheld_is_due_in_its_time_unless_it_is_gone(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf early = BUF_INIT;
    AUTO(buf_clear) struct buf late = BUF_INIT;
    AUTO(buf_clear) struct buf wanted = BUF_INIT;
    int64_t first = triage(fix, "a", &(struct said){0}).bug;
    int64_t second = triage(fix, "b", &(struct said){.frames = {"other", "main"}}).bug;

    put(fix, first, "ours", "1", "filed", 500);
    put(fix, first, "ours", "1", "closed", 500);
    put(fix, second, "ours", "2", "filed", 500);
    put(fix, second, "ours", "2", "gone", 500);
    must(fix, store_issues_due(fix->store, "ours", 499, note, &early, &fix->err));
    assert_string_equal(buf_str(&early), "");
    must(fix, store_issues_due(fix->store, "ours", 500, note, &late, &fix->err));
    buf_addf(&wanted, "%lld:1 ", (long long)first);
    assert_string_equal(buf_str(&late), buf_str(&wanted));
    put(fix, first, "ours", "1", "closed", 0);
    buf_clear(&late);
    must(fix, store_issues_due(fix->store, "ours", 500, note, &late, &fix->err));
    assert_string_equal(buf_str(&late), "");
}

static void
test_a_sink_that_nobody_named_has_no_mark(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *mark = NULL;

    assert_int_equal(store_sink_key(fix->store, "ours", &mark, &fix->err), -ENODATA);
    assert_string_equal(fix->err.msg, "there is no sink 'ours'");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_last_word_of_each_sink_counts),
        TEST(test_an_issue_is_new_once),
        TEST(test_a_digest_holds_each_bug_once),
        TEST(test_what_is_withheld_is_due_in_its_time_unless_it_is_gone),
        TEST(test_a_sink_that_nobody_named_has_no_mark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
