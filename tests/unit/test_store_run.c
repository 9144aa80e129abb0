#include "tests/unit/store_fixture.h"

static struct worker_row
row_of(struct fixture *fix, const char *state, int64_t execs)
{
    return (struct worker_row){.name = "t-aflpp-1",
                               .target = fix->target,
                               .engine = "aflpp",
                               .state = state,
                               .pid = 77,
                               .restarts = 1,
                               .execs = execs,
                               .execs_per_sec = 12.5,
                               .edges = 40,
                               .edges_known = 99,
                               .stability = execs > 80 ? 0.5 : -1,
                               .corpus = 9,
                               .productive_ms = execs,
                               .reason =
                                   strcmp(state, "backoff") == 0 ? "it died" : NULL};
}

static int64_t
begin(struct fixture *fix)
{
    AUTO(json_decref) json_t *arguments = json_object();
    int64_t id = 0;

    json_put(arguments, "for_ms", json_integer(1000));
    must(fix, store_campaign_begin(fix->store, arguments, &id, &fix->err));
    return id;
}

static int
list_worker(void *user, const struct worker_row *row, const char *target, int64_t updated,
            struct err *err)
{
    struct buf *out = user;

    (void)err;
    buf_addf(out, "%s %s %s %s %lld %.1f %lld %.1f %s%s\n", row->name, target,
             row->engine, row->state, (long long)row->execs, row->execs_per_sec,
             (long long)row->edges_known, row->stability,
             row->reason == NULL ? "-" : row->reason, updated > 0 ? "" : "?");
    return 0;
}

static void
test_campaign_begins_and_ends_once(void **state)
{
    struct fixture *fix = *state;
    int64_t id = begin(fix);

    must(fix, store_campaign_end(fix->store, id, "finished", &fix->err));
    must(fix, store_campaign_end(fix->store, id, "interrupted", &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM campaign WHERE how = 'finished'"),
                     1);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE subject = 'campaign'"),
                     2);
    assert_clean(fix);
}

static void
test_worker_changes_are_events_and_repeats_are_none(void **state)
{
    struct fixture *fix = *state;
    static const char *const states[] = {"starting", "running", "running", "backoff",
                                         "running"};
    int64_t id = begin(fix);
    AUTO(buf_clear) struct buf out = BUF_INIT;

    for (size_t i = 0; i < COUNT(states); i++) {
        struct worker_row row = row_of(fix, states[i], (int64_t)i * 100);
        must(fix, store_put_worker(fix->store, id, &row, &fix->err));
    }
    assert_int_equal(
        number(fix, "SELECT count(*) FROM event WHERE kind = 'worker.state'"), 4);
    must(fix, store_workers(fix->store, list_worker, &out, &fix->err));
    assert_string_equal(buf_str(&out), "t-aflpp-1 t aflpp running 400 12.5 99 0.5 -\n");
    buf_cut(&out, 0);
    struct worker_row silent = row_of(fix, "running", 1);
    must(fix, store_put_worker(fix->store, id, &silent, &fix->err));
    must(fix, store_workers(fix->store, list_worker, &out, &fix->err));
    assert_string_equal(buf_str(&out), "t-aflpp-1 t aflpp running 1 12.5 99 -1.0 -\n");
    assert_clean(fix);
}

static void
test_worker_totals_only_grow(void **state)
{
    struct fixture *fix = *state;
    static const int64_t execs[] = {100, 250, 250, 30, 60};
    int64_t id = begin(fix);

    for (size_t i = 0; i < COUNT(execs); i++) { /* 30: the number began anew */
        struct worker_row row = row_of(fix, "running", execs[i]);
        must(fix, store_put_worker(fix->store, id, &row, &fix->err));
    }
    assert_int_equal(number(fix, "SELECT value FROM counter WHERE name ="
                                 " 'worker_executions_total' AND labels ="
                                 " '{\"target\":\"t\",\"engine\":\"aflpp\"}'"),
                     310);
    assert_int_equal(
        number(fix, "SELECT value FROM counter WHERE name = 'worker_restarts_total'"), 1);
    /* another campaign counts from nothing, even if its first number is larger */
    struct worker_row row = row_of(fix, "running", 90);
    must(fix, store_put_worker(fix->store, begin(fix), &row, &fix->err));
    assert_int_equal(
        number(fix, "SELECT value FROM counter WHERE name = 'worker_executions_total'"),
        400);
}

static void
test_worker_with_a_word_that_is_no_state_is_refused(void **state)
{
    struct fixture *fix = *state;
    struct worker_row row = row_of(fix, "idle", 1);
    int64_t id = begin(fix);

    assert_int_equal(store_put_worker(fix->store, id, &row, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "'idle' is no state of a worker");
    row = row_of(fix, "running", 1);
    row.name = "";
    assert_int_equal(store_put_worker(fix->store, id, &row, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "the name of a worker has 1 to 512 bytes");
    row = row_of(fix, "running", 1);
    row.target = 99;
    assert_int_equal(store_put_worker(fix->store, id, &row, &fix->err), -EEXIST);
    assert_int_equal(number(fix, "SELECT count(*) FROM worker"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_campaign_begins_and_ends_once),
        TEST(test_worker_changes_are_events_and_repeats_are_none),
        TEST(test_worker_totals_only_grow),
        TEST(test_worker_with_a_word_that_is_no_state_is_refused),
    };

    return cmocka_run_group_tests_name("store_run", tests, NULL, NULL);
}
