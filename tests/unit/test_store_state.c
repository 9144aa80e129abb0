#include "tests/unit/store_fixture.h"

#include "base/clock.h"
#include "triage/digest.h"
#include "triage/life.h"

enum { HOUR_MS = 3600 * 1000 };

static const char *
state_of(struct fixture *fix, struct bug *bug)
{
    bug_clear(bug);
    must(fix, store_bug(fix->store, 1, bug, &fix->err));
    return bug->state;
}

static int
set(struct fixture *fix, const char *state, const char *reason,
    const struct bug_until *until)
{
    const struct decision decision = {.actor = "ann", .reason = reason, .until = until};

    return store_set_bug_state(fix->store, 1, state, &decision, &fix->err);
}

static int64_t
wake(struct fixture *fix)
{
    int64_t woken = -1;

    must(fix, store_wake(fix->store, &woken, &fix->err));
    return woken;
}

static void
test_accepting_a_risk_needs_a_reason_and_an_end(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};
    const struct bug_until over = {.at = 1};
    const struct bug_until crashes = {.crashes = 5};
    const struct bug_until later = {.at = clock_wall_ms() + HOUR_MS};

    (void)triage(fix, "first", &(struct said){0});
    assert_int_equal(set(fix, "wontfix", NULL, &later), -EINVAL);
    assert_int_equal(set(fix, "wontfix", "why", NULL), -EINVAL);
    assert_int_equal(set(fix, "wontfix", "why", &crashes), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "wontfix accepts a risk: it needs a reason and a time when that "
                        "is looked at again, --reason TEXT --until 2027-01-31 (or 90d)");
    assert_int_equal(set(fix, "wontfix", "why", &over), -EINVAL);
    assert_string_equal(fix->err.msg, "that time is over already");
    assert_int_equal(set(fix, "open", "why", &later), -EINVAL);
    assert_string_equal(fix->err.msg, "only ignored and wontfix last until something");
    must(fix, set(fix, "wontfix", "why", &later));
    assert_string_equal(state_of(fix, &bug), "wontfix");
    assert_int_equal(bug.until.at, later.at);
    assert_true(bug.until.worse);
    assert_int_equal(wake(fix), 0);
    execute(fix, "UPDATE bug SET until_at = 1");
    assert_int_equal(wake(fix), 1);
    assert_string_equal(state_of(fix, &bug), "open");
    assert_int_equal(bug.until.at, 0);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE to_state = 'open'"
                                 " AND actor = 'nightjar' AND json_extract(detail,"
                                 " '$.reason') = 'wontfix until 1970-01-01T00:00:00Z'"),
                     1);
    assert_clean(fix);
}

static void
test_what_is_ignored_comes_back_with_crashes_or_severity(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};
    const struct bug_until crashes = {.crashes = 1};
    const struct bug_until worse = {.worse = true};
    const struct decision ann = {.actor = "ann", .reason = "it is reached"};

    (void)triage(fix, "first", &(struct said){0});
    must(fix, set(fix, "ignored", NULL, NULL));
    assert_int_equal(wake(fix), 0);
    must(fix, set(fix, "ignored", NULL, &crashes)); /* another end of the same */
    assert_int_equal(wake(fix), 0);
    (void)triage(fix, "second", &(struct said){0});
    assert_int_equal(wake(fix), 1);
    must(fix, set(fix, "ignored", NULL, &worse));
    assert_int_equal(wake(fix), 0);
    must(fix, store_set_severity(fix->store, 1, SEVERITY_CRITICAL, &ann, &fix->err));
    assert_int_equal(wake(fix), 1);
    assert_string_equal(state_of(fix, &bug), "open");
    assert_clean(fix);
}

static void
test_times_are_kept_with_the_bug(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};
    const struct decision ann = {.actor = "ann"};
    int64_t now = clock_wall_ms();

    (void)triage(fix, "first", &(struct said){0});
    assert_string_equal(state_of(fix, &bug), "new");
    assert_int_equal(bug.acknowledged, 0);
    must(fix, store_acknowledge_bug(fix->store, 1, &ann, &fix->err));
    assert_string_equal(state_of(fix, &bug), "open");
    assert_true(bug.acknowledged >= now);
    int64_t first = bug.acknowledged;
    must(fix, set(fix, "fixing", NULL, NULL));
    assert_string_equal(state_of(fix, &bug), "fixing");
    assert_true(bug.claimed >= now);
    must(fix, store_acknowledge_bug(fix->store, 1, &ann, &fix->err));
    assert_string_equal(state_of(fix, &bug), "fixing");
    assert_int_equal(bug.acknowledged, first);
    assert_int_equal(store_acknowledge_bug(fix->store, 7, &ann, &fix->err), -ENODATA);
}

static void
test_due_is_by_severity_from_when_it_was_filed(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};
    int64_t deadlines[] = {0, 1, 2, 3, 4};

    (void)triage(fix, "first", &(struct said){0});
    assert_string_equal(state_of(fix, &bug), "new");
    assert_int_equal(bug.due, 0); /* nobody said */
    must(fix, store_put_deadlines(fix->store, deadlines, &fix->err));
    (void)state_of(fix, &bug);
    assert_int_equal(bug.due, bug.filed + (int64_t)bug.severity);
    deadlines[bug.severity] = HOUR_MS;
    must(fix, store_put_deadlines(fix->store, deadlines, &fix->err));
    (void)state_of(fix, &bug);
    assert_int_equal(bug.due, bug.filed + HOUR_MS);
    execute(fix, "UPDATE bug SET state = 'wontfix'");
    (void)state_of(fix, &bug);
    assert_true(bug.due > 0);
    execute(fix, "UPDATE bug SET state = 'fixed'");
    (void)state_of(fix, &bug);
    assert_int_equal(bug.due, 0);
    execute(fix, "UPDATE bug SET state = 'new', backlog = 1");
    (void)state_of(fix, &bug);
    assert_int_equal(bug.due, 0);
}

/* --- who only reads --- */

struct seen { /* by a reader */
    int open, ignored;
};

static int
see(void *user, const struct bug *bug, struct err *err)
{
    struct seen *seen = user;

    (void)err;
    seen->open += strcmp(bug->state, "open") == 0;
    seen->ignored += strcmp(bug->state, "ignored") == 0;
    assert_int_equal(bug->until.at != 0, strcmp(bug->state, "ignored") == 0);
    return 0;
}

static struct seen
list(struct store *store, const char *state)
{
    const struct bug_filter filter = {.at_least = SEVERITY_INFO, .state = state};
    struct err err = ERR_INIT;
    struct seen seen = {0};

    assert_int_equal(store_bugs(store, &filter, see, &seen, &err), 0);
    return seen;
}

static int
open_again(void *user, struct bug_life *life, struct err *err)
{
    (void)err;
    if (life->bug == 1) {
        assert_true(life->n > 1);
        assert_string_equal(life->changes[life->n - 1].to, "open");
        assert_int_equal(life->changes[life->n - 1].at, *(const int64_t *)user);
    } else {
        assert_string_equal(life->changes[life->n - 1].to, "ignored");
    }
    return 0;
}

/* One bug's time is over, the other's is not, and nobody has written since. */
static void
test_a_reader_sees_the_state_as_of_now(void **state)
{
    struct fixture *fix = *state;
    const struct bug_until later = {.at = clock_wall_ms() + HOUR_MS};
    const struct decision ann = {.actor = "ann", .until = &later};
    AUTO(store_close) struct store *reader = NULL;
    struct store_counts counts;
    int64_t past = clock_wall_ms() - 1500;

    (void)triage(fix, "first", &(struct said){0});
    (void)triage(fix, "second", &(struct said){.frames = {"other", "main"}});
    for (int64_t bug = 1; bug <= 2; bug++) {
        must(fix, store_set_bug_state(fix->store, bug, "ignored", &ann, &fix->err));
    }
    must(fix, db_run(store_db(fix->store), &fix->err,
                     "UPDATE bug SET until_at = ?1 WHERE id = 1", "i", past));
    must(fix, store_open(fix->state, DB_READ, &reader, &fix->err));
    assert_int_equal(list(reader, "open").open, 1);
    assert_int_equal(list(reader, "ignored").ignored, 1);
    must(fix, store_counts(reader, &counts, &fix->err));
    assert_int_equal(counts.bugs[SEVERITY_MEDIUM], 1);
    must(fix, store_lives(reader, open_again, &past, &fix->err));
    AUTO(digest_clear)
    struct digest digest = {.from = past - HOUR_MS, .to = clock_wall_ms() + 1000};
    must(fix, store_digest(reader, &digest, &fix->err));
    assert_string_equal(digest.bugs[0].state, "open");
    assert_int_equal(store_check(reader, true, print_finding, NULL, &fix->err), 0);
    /* it only looked */
    assert_int_equal(number(fix, "SELECT count(*) FROM bug WHERE state = 'ignored'"), 2);
    assert_int_equal(wake(fix), 1);
    assert_int_equal(list(reader, "open").open, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_accepting_a_risk_needs_a_reason_and_an_end),
        TEST(test_what_is_ignored_comes_back_with_crashes_or_severity),
        TEST(test_times_are_kept_with_the_bug),
        TEST(test_due_is_by_severity_from_when_it_was_filed),
        TEST(test_a_reader_sees_the_state_as_of_now),
    };

    return cmocka_run_group_tests_name("store_state", tests, NULL, NULL);
}
