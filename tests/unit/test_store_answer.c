#include "tests/unit/store_fixture.h"

#include "triage/worker.h"

static const struct job job = {.kind = JOB_TRIAGE, .id = 7, .crash = 1};

static int
no_setup(void **state)
{
    *state = NULL;
    return 0;
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup(name, no_setup)

/* A good answer with one field set to the JSON text; NULL takes the field away. */
static json_t *
changed(const char *key, const char *value)
{
    const struct said said = {.report = "text"};
    json_t *answer = answer_of(&job, &said);

    if (value == NULL) {
        assert_int_equal(json_object_del(answer, key), 0);
    } else {
        json_t *new = NULL;
        assert_int_equal(json_parse(value, strlen(value), &new, NULL), 0);
        json_put(answer, key, new);
    }
    return answer;
}

static void
test_good_answer_is_taken(void **state)
{
    const struct said said = {
        .k = 1, .n = 3, .other = 2, .report = "a\033[2Jb", .reason = "c\007d"};
    AUTO(json_decref) json_t *object = answer_of(&job, &said);
    AUTO(store_answer_clear) struct answer answer = {0};
    struct err err = ERR_INIT;

    (void)state;
    /* the worker cleans its texts; one that was taken over may not */
    json_put(object, "report", json_string("a\033[2Jb"));
    assert_int_equal(store_answer_read(&job, object, &answer, &err), 0);
    assert_int_equal(answer.outcome, OUTCOME_CRASH);
    assert_int_equal(answer.k, 1);
    assert_int_equal(answer.n, 3);
    assert_int_equal(answer.other, 2);
    assert_string_equal(buf_str(&answer.report), "a[2Jb");
    assert_string_equal(answer.reason, "cd");
    assert_string_equal(answer.record->crash_type, "Heap-buffer-overflow\nREAD 4");
}

static void
test_each_malformed_field_is_refused_by_name(void **state)
{
    static const struct {
        const char *key, *value, *wanted;
    } rows[] = {
        {"job", "8", "'job' is not 7"},
        {"job", NULL, "'job' is not 7"},
        {"job", "\"7\"", "'job' is not 7"},
        {"outcome", NULL, "'outcome' is none of crash clean timeout broken unparsed"},
        {"outcome", "\"won\"",
         "'outcome' is none of crash clean timeout broken unparsed"},
        {"outcome", "\"clean\"", "outcome 'clean' with a record"},
        {"outcome", "\"unparsed\"", "outcome 'unparsed' with a record"},
        {"record", "null", "outcome 'crash' without a record"},
        {"record", NULL, "outcome 'crash' without a record"},
        {"record", "[1]", "outcome 'crash' without a record"},
        {"n", "-1", "'n' is not a number from 0 to 100"},
        {"n", "101", "'n' is not a number from 0 to 100"},
        {"n", "3.5", "'n' is not a number from 0 to 100"},
        {"k", "4", "'k' is not a number from 0 to 3"},
        {"k", "0", "outcome 'crash', but no run showed it"},
        {"other", "1", "'other' is not a number from 0 to 0"},
        {"report", "{}", "'report' is not text"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(json_decref) json_t *object = changed(rows[i].key, rows[i].value);
        AUTO(store_answer_clear) struct answer answer = {0};
        struct err err = ERR_INIT;
        assert_int_equal(store_answer_read(&job, object, &answer, &err), -EBADMSG);
        assert_string_equal(err.msg, rows[i].wanted);
        assert_null(answer.record);
    }
}

static void
test_record_with_a_wrong_field_is_refused(void **state)
{
    AUTO(json_decref) json_t *object = changed("k", "3");
    AUTO(store_answer_clear) struct answer answer = {0};
    struct err err = ERR_INIT;

    (void)state;
    json_put(json_object_get(object, "record"), "severity", json_string("huge"));
    assert_true(store_answer_read(&job, object, &answer, &err) < 0);
    assert_non_null(strstr(err.msg, "'record': "));
}

static void
test_endless_report_is_refused_and_long_reason_cut(void **state)
{
    AUTO(mem_free) char *text = mem_alloc(4 * WORKER_REPORT_MAX + 2);
    AUTO(json_decref) json_t *object = changed("k", "3");
    AUTO(store_answer_clear) struct answer answer = {0};
    struct err err = ERR_INIT;

    (void)state;
    memset(text, 'x', 4 * WORKER_REPORT_MAX + 1);
    json_put(object, "reason", json_string(text));
    assert_int_equal(store_answer_read(&job, object, &answer, &err), 0);
    assert_int_equal(strlen(answer.reason), STORE_REASON_MAX);
    json_put(object, "report", json_string(text));
    assert_int_equal(store_answer_read(&job, object, &answer, &err), -EBADMSG);
    assert_string_equal(err.msg, "'report' has more than 1228800 bytes");
}

static void
test_error_is_an_answer_by_itself(void **state)
{
    AUTO(json_decref) json_t *object = json_object();
    AUTO(store_answer_clear) struct answer answer = {0};
    struct err err = ERR_INIT;

    (void)state;
    json_put(object, "job", json_integer(7));
    json_put(object, "error", json_string("no \033memory"));
    assert_int_equal(store_answer_read(&job, object, &answer, &err), 0);
    assert_string_equal(answer.error, "no memory");
}

static void
test_minimization_needs_its_size(void **state)
{
    const struct job small = {.kind = JOB_MINIMIZE, .id = 7, .crash = 1, .bug = 1};
    AUTO(json_decref) json_t *object = changed("k", "3");
    AUTO(store_answer_clear) struct answer answer = {0};
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(store_answer_read(&small, object, &answer, &err), -EBADMSG);
    assert_string_equal(err.msg, "'bytes' is not a number from 0 to 134217728");
    json_put(object, "bytes", json_integer(12));
    json_put(object, "finished", json_true());
    assert_int_equal(store_answer_read(&small, object, &answer, &err), 0);
    assert_int_equal(answer.bytes, 12);
    assert_true(answer.finished);
}

static void
test_reproducibility_has_the_designs_words(void **state)
{
    (void)state;
    assert_string_equal(store_reproducibility(3, 3), "reliable");
    assert_string_equal(store_reproducibility(1, 3), "flaky");
    assert_string_equal(store_reproducibility(0, 3), "unreproducible");
    assert_string_equal(store_reproducibility(0, 0), "unknown");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_good_answer_is_taken),
        TEST(test_each_malformed_field_is_refused_by_name),
        TEST(test_record_with_a_wrong_field_is_refused),
        TEST(test_endless_report_is_refused_and_long_reason_cut),
        TEST(test_error_is_an_answer_by_itself),
        TEST(test_minimization_needs_its_size),
        TEST(test_reproducibility_has_the_designs_words),
    };

    return cmocka_run_group_tests_name("store_answer", tests, NULL, NULL);
}
