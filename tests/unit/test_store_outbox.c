#include "tests/unit/store_fixture.h"

#include "base/clock.h"
#include "triage/outbox.h"

/* What was visited, in order: "NJ subject:kind" of each. */
struct seen {
    struct buf text;
    int64_t id;
};

static int
see(void *user, const struct outbox_row *row, struct err *err)
{
    struct seen *seen = user;

    (void)err;
    seen->id = row->id;
    buf_addf(&seen->text, "%s%lld:%s", seen->text.len == 0 ? "" : " ",
             (long long)row->subject_id, row->to);
    return 0;
}

static void
put_sinks(struct fixture *fix, const char *first, const char *second)
{
    const struct sink_row rows[] = {{first, "webhook"}, {second, "slack"}};

    must(fix, store_put_sinks(fix->store, rows, second == NULL ? 1 : 2, &fix->err));
}

static void
happen(struct fixture *fix, int64_t bug, const char *to)
{
    const struct event event = {
        .kind = "gate.verdict", .subject = "gate", .subject_id = bug, .to = to};

    must(fix, store_event(fix->store, &event, &fix->err));
}

/* The next message of "ops" that is due now, or "". */
static char *
due(struct fixture *fix, int64_t *id)
{
    struct seen seen = {.text = BUF_INIT};
    int rc = store_outbox_due(fix->store, "ops", clock_wall_ms(), see, &seen, &fix->err);

    must(fix, rc);
    assert_int_equal(rc, seen.text.len > 0 ? 1 : 0);
    *id = seen.id;
    char *text = mem_strdup(buf_str(&seen.text));
    buf_clear(&seen.text);
    return text;
}

static int64_t
assert_due(struct fixture *fix, const char *expected)
{
    int64_t id = 0;
    AUTO(mem_free) char *text = due(fix, &id);

    assert_string_equal(text, expected);
    return id;
}

static void
tried(struct fixture *fix, int64_t id, const char *state, int64_t next_try)
{
    const struct outbox_tried what = {
        .state = state, .next_try = next_try, .error = "because"};

    must(fix, store_outbox_tried(fix->store, id, &what, &fix->err));
}

static void
test_a_sink_is_told_what_happens_after_it_was_named(void **state)
{
    struct fixture *fix = *state;

    happen(fix, 1, "before");
    put_sinks(fix, "ops", NULL);
    happen(fix, 1, "after");
    tried(fix, assert_due(fix, "1:after"), "sent", 0);
    (void)assert_due(fix, "");
}

static void
test_naming_it_again_changes_nothing(void **state)
{
    struct fixture *fix = *state;

    put_sinks(fix, "ops", NULL);
    happen(fix, 1, "a");
    put_sinks(fix, "ops", "chat");
    (void)assert_due(fix, "1:a");
}

static void
test_a_sink_that_is_no_longer_named_keeps_what_waits(void **state)
{
    struct fixture *fix = *state;

    put_sinks(fix, "ops", NULL);
    happen(fix, 1, "a");
    put_sinks(fix, "chat", NULL);
    happen(fix, 1, "unheard");
    put_sinks(fix, "ops", "chat");
    happen(fix, 1, "b");
    tried(fix, assert_due(fix, "1:a"), "sent", 0);
    tried(fix, assert_due(fix, "1:b"), "sent", 0);
    (void)assert_due(fix, "");
    assert_int_equal(store_check(fix->store, false, NULL, NULL, &fix->err), 0);
}

/* Two messages about one bug never change places; another bug's does not wait for them.
 */
static void
test_a_later_message_waits_for_an_earlier_one_of_its_subject(void **state)
{
    struct fixture *fix = *state;
    int64_t later = clock_wall_ms() + 3600 * 1000;

    put_sinks(fix, "ops", NULL);
    happen(fix, 1, "a");
    happen(fix, 1, "b");
    happen(fix, 2, "c");
    int64_t first = assert_due(fix, "1:a");
    tried(fix, first, "pending", later);
    tried(fix, assert_due(fix, "2:c"), "sent", 0);
    (void)assert_due(fix, "");
    int64_t next = 0;
    must(fix, store_outbox_next_try(fix->store, "ops", &next, &fix->err));
    assert_true(next <= later);
    tried(fix, first, "dead", 0);
    tried(fix, assert_due(fix, "1:b"), "sent", 0);
}

static void
test_dead_messages_are_listed_tried_again_and_dropped(void **state)
{
    struct fixture *fix = *state;
    struct seen seen = {.text = BUF_INIT};
    int64_t changed = 0;

    put_sinks(fix, "ops", NULL);
    happen(fix, 1, "a");
    happen(fix, 2, "b");
    tried(fix, assert_due(fix, "1:a"), "dead", 0);
    must(fix, store_outbox(fix->store, NULL, 100, see, &seen, &fix->err));
    assert_string_equal(buf_str(&seen.text), "1:a 2:b");
    buf_clear(&seen.text);
    must(fix, store_outbox_again(fix->store, 1, NULL, &changed, &fix->err));
    assert_int_equal(changed, 1);
    (void)assert_due(fix, "1:a");
    must(fix, store_outbox_drop(fix->store, 0, "ops", &changed, &fix->err));
    assert_int_equal(changed, 2);
    (void)assert_due(fix, "");
    assert_int_equal(store_outbox_drop(fix->store, 7, NULL, &changed, &fix->err),
                     -ENODATA);
    assert_string_equal(fix->err.msg, "no message 7 waits: nightjar outbox lists them");
    assert_int_equal(store_outbox_again(fix->store, 0, "opps", &changed, &fix->err),
                     -ENODATA);
    assert_string_equal(fix->err.msg,
                        "there is no sink 'opps': nightjar outbox lists them");
}

static int
count_sink(void *user, const struct sink_counts *counts, struct err *err)
{
    (void)err;
    buf_addf(user, "%s %s %d %lld %lld %d;", counts->name, counts->kind, counts->active,
             (long long)counts->pending, (long long)counts->dead, counts->oldest > 0);
    return 0;
}

static void
test_sinks_are_counted(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf text = BUF_INIT;

    put_sinks(fix, "ops", "chat");
    happen(fix, 1, "a");
    happen(fix, 2, "b");
    tried(fix, assert_due(fix, "1:a"), "dead", 0);
    put_sinks(fix, "ops", NULL);
    must(fix, store_sinks(fix->store, count_sink, &text, &fix->err));
    assert_string_equal(buf_str(&text), "chat slack 0 2 0 1;ops webhook 1 1 1 1;");
}

/* What was to be tried in two days was written by a clock that is two days ahead. */
static void
test_a_clock_that_was_set_back_holds_up_nothing(void **state)
{
    struct fixture *fix = *state;
    int64_t now = clock_wall_ms();
    int64_t next = 0;

    put_sinks(fix, "ops", NULL);
    happen(fix, 1, "pass");
    must(fix, db_run(store_db(fix->store), &fix->err, "UPDATE outbox SET next_try = ?1",
                     "i", now + 60000));
    (void)assert_due(fix, "");
    must(fix, store_outbox_next_try(fix->store, "ops", &next, &fix->err));
    assert_int_equal(next, now + 60000);
    must(fix, db_run(store_db(fix->store), &fix->err, "UPDATE outbox SET next_try = ?1",
                     "i", now + 48 * (int64_t)OUTBOX_WAIT_MAX_MS));
    must(fix, store_outbox_next_try(fix->store, "ops", &next, &fix->err));
    assert_true(next <= clock_wall_ms());
    (void)assert_due(fix, "1:pass");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_sink_is_told_what_happens_after_it_was_named),
        TEST(test_naming_it_again_changes_nothing),
        TEST(test_a_sink_that_is_no_longer_named_keeps_what_waits),
        TEST(test_a_later_message_waits_for_an_earlier_one_of_its_subject),
        TEST(test_dead_messages_are_listed_tried_again_and_dropped),
        TEST(test_a_clock_that_was_set_back_holds_up_nothing),
        TEST(test_sinks_are_counted),
    };

    return cmocka_run_group_tests_name("store_outbox", tests, NULL, NULL);
}
