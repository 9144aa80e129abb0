#include "tests/unit/store_fixture.h"

static const struct event verdict = {
    .kind = "gate.verdict", .subject = "gate", .to = "fail"};

static void
test_event_goes_to_the_outbox_of_every_sink(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};

    must(fix, store_event(fix->store, &verdict, &fix->err)); /* before there is a sink */
    execute(fix, "INSERT INTO sink(name, kind, config, since, created)"
                 " VALUES('a', 'webhook', '{}', 1, 1), ('b', 'webhook', '{}', 1, 1)");
    must(fix, store_event(fix->store, &verdict, &fix->err));
    (void)triage(fix, "input", &said);
    assert_int_equal(number(fix, "SELECT count(*) FROM outbox WHERE state = 'pending'"),
                     4);
    assert_int_equal(number(fix, "SELECT count(DISTINCT event) FROM outbox"), 2);
    assert_int_equal(number(fix,
                            "SELECT count(*) FROM outbox o JOIN event e ON e.id = o.event"
                            " WHERE e.kind = 'bug.new'"),
                     2);
    assert_clean(fix);
}

/* A thousand broken replays are one message. */
static void
test_crash_events_stay_in_the_log(void **state)
{
    struct fixture *fix = *state;
    const struct said broken = {.outcome = "broken", .reason = "no loader"};

    execute(fix, "INSERT INTO sink(name, kind, config, since, created)"
                 " VALUES('a', 'webhook', '{}', 0, 1)");
    (void)triage(fix, "a", &broken);
    (void)triage(fix, "b", &broken);
    (void)triage(fix, "c", &broken);
    assert_int_equal(number(fix, "SELECT count(*) FROM event"), 4);
    assert_int_equal(number(fix, "SELECT count(*) FROM outbox"), 1);
    assert_clean(fix);
}

static void
test_event_carries_actor_and_detail(void **state)
{
    struct fixture *fix = *state;
    AUTO(json_decref) json_t *detail = json_object();
    struct event event = verdict;

    json_put(detail, "why", json_text("\033\xff"));
    event.detail = detail;
    event.actor = "alice";
    must(fix, store_event(fix->store, &event, &fix->err));
    assert_int_equal(number(fix,
                            "SELECT actor = 'alice' AND json_extract(detail, '$.why') ="
                            " char(65533) FROM event"),
                     1);
    must(fix, store_event(fix->store, &verdict, &fix->err));
    assert_int_equal(number(fix, "SELECT actor = 'nightjar' AND detail IS NULL FROM event"
                                 " WHERE id = 2"),
                     1);
    event.kind = "";
    assert_int_equal(store_event(fix->store, &event, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "an event needs a kind and a subject");
}

/* What cannot be told is not done: the bug and its event are one transaction. */
static void
test_bug_without_outbox_row_is_no_bug(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    AUTO(job_clear) struct job job = {0};
    AUTO(json_decref) json_t *answer = NULL;
    struct job_outcome outcome;

    execute(fix, "INSERT INTO sink(name, kind, config, since, created)"
                 " VALUES('a', 'webhook', '{}', 0, 1);"
                 "CREATE TEMP TRIGGER stuck BEFORE INSERT ON outbox BEGIN"
                 " SELECT RAISE(ABORT, 'stuck'); END");
    (void)give(fix, "a", "aaaa");
    assert_int_equal(next_job(fix, 0, &job), 1);
    answer = answer_of(&job, &said);
    assert_int_equal(store_finish_job(fix->store, &job, answer, &outcome, &fix->err),
                     -EEXIST);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug"), 0);
    assert_int_equal(number(fix, "SELECT count(*) FROM event"), 0);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE state = 'queued'"), 1);
    execute(fix, "DROP TRIGGER stuck");
    must(fix, store_finish_job(fix->store, &job, answer, &outcome, &fix->err));
    assert_true(outcome.bug_is_new);
    assert_clean(fix);
}

static int
list_counter(void *user, const char *name, const char *labels, int64_t value,
             struct err *err)
{
    struct buf *out = user;

    (void)err;
    if (strstr(name, "_duration_") == NULL) { /* test_store_tally.c */
        buf_addf(out, "%s%s=%lld\n", name, labels, (long long)value);
    }
    return 0;
}

static void
test_counters_are_listed_with_their_labels(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {.k = 1, .n = 3, .other = 1};
    AUTO(buf_clear) struct buf out = BUF_INIT;

    fix->target = put_target(fix, "a \"b\"", "/bin/true");
    (void)triage(fix, "x", &said);
    must(fix, store_counters(fix->store, list_counter, &out, &fix->err));
    assert_string_equal(
        buf_str(&out),
        "bugs_detected_total{\"target\":\"a \\\"b\\\"\",\"severity\":\"medium\"}=1\n"
        "crash_files_total{\"target\":\"a \\\"b\\\"\",\"source\":\"triage\","
        "\"result\":\"new\"}=1\n"
        "crashes_total{\"target\":\"a "
        "\\\"b\\\"\",\"kind\":\"crash\",\"result\":\"new\"}=1\n"
        "reproducer_runs_total{\"target\":\"a \\\"b\\\"\",\"result\":\"clean\"}=1\n"
        "reproducer_runs_total{\"target\":\"a \\\"b\\\"\",\"result\":\"crash\"}=1\n"
        "reproducer_runs_total{\"target\":\"a \\\"b\\\"\",\"result\":\"different\"}=1\n");
}

#define SINK                                               \
    "INSERT INTO sink(name, kind, config, since, created)" \
    " VALUES('a', 'webhook', '{}', 0, 1)"

/* No alert for what others found before, until it is found here. */
static void
test_backlog_is_told_to_no_sink_until_a_fresh_crash_joins(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    const struct said worse = {.type = "Heap-buffer-overflow\nREAD 8"};
    AUTO(bug_clear) struct bug bug = {0};

    execute(fix, SINK);
    (void)give_backlog(fix, "a", "aaaa");
    assert_true(triage_next(fix, &said).bug_is_new);
    (void)give_backlog(fix, "b", "bb");
    (void)triage_next(fix, &worse);
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_true(bug.backlog);
    assert_int_equal(number(fix, "SELECT count(*) FROM outbox"), 0);
    assert_int_equal(number(fix, "SELECT count(*) FROM counter"
                                 " WHERE name = 'bugs_detected_total'"),
                     0);
    assert_clean(fix);
    (void)triage(fix, "fresh", &said);
    bug_clear(&bug);
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_false(bug.backlog);
    assert_int_equal(
        number(fix, "SELECT e.kind = 'bug.backlog' AND e.from_state = 'backlog'"
                    " AND e.to_state = 'fresh' AND json_extract(e.detail, '$.title') ="
                    " 'Heap-buffer-overflow READ 8 in parse'"
                    " FROM outbox o JOIN event e ON e.id = o.event"),
        1);
    assert_int_equal(number(fix, "SELECT sum(value) FROM counter"
                                 " WHERE name = 'bugs_detected_total'"),
                     1);
    assert_clean(fix);
}

static void
test_bytes_of_the_backlog_that_are_found_again_are_fresh(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};

    execute(fix, SINK);
    (void)give_backlog(fix, "a", "aaaa");
    (void)give_backlog(fix, "b", "bbbb");
    assert_int_equal(give(fix, "c", "bbbb"), 2); /* while it waits */
    (void)triage_next(fix, &said);
    assert_int_equal(number(fix, "SELECT backlog FROM bug"), 1);
    assert_int_equal(give_backlog(fix, "d", "aaaa"), 1);
    assert_int_equal(number(fix, "SELECT backlog FROM bug"), 1);
    assert_int_equal(give(fix, "e", "aaaa"), 1);
    assert_int_equal(number(fix, "SELECT backlog FROM bug"), 0);
    assert_int_equal(number(fix, "SELECT count(*) FROM outbox"), 1);
    (void)triage_next(fix, &said);
    assert_int_equal(number(fix, "SELECT count(*) FROM outbox"), 1);
    assert_clean(fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_event_goes_to_the_outbox_of_every_sink),
        TEST(test_crash_events_stay_in_the_log),
        TEST(test_event_carries_actor_and_detail),
        TEST(test_backlog_is_told_to_no_sink_until_a_fresh_crash_joins),
        TEST(test_bytes_of_the_backlog_that_are_found_again_are_fresh),
        TEST(test_bug_without_outbox_row_is_no_bug),
        TEST(test_counters_are_listed_with_their_labels),
    };

    return cmocka_run_group_tests_name("store_event", tests, NULL, NULL);
}
