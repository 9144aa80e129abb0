#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "triage/answered.h"

struct fixture {
    struct answered *answered;
    struct record record;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->answered = answered_new();
    fix->record.crash_type = mem_strdup("Heap-buffer-overflow\nREAD 4");
    fix->record.class_name = "heap-buffer-overflow(read)";
    fix->record.severity_score = 5.0;
    (void)snprintf(fix->record.hash_minor, sizeof(fix->record.hash_minor), "aa");
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    answered_free(fix->answered);
    mem_free(fix->record.crash_type);
    mem_free(fix);
    return 0;
}

static int64_t
found(const struct fixture *fix, int64_t scope)
{
    return answered_find(fix->answered, scope, &fix->record);
}

static int64_t
scope_of(const struct fixture *fix, const char *text)
{
    AUTO(json_decref) json_t *request = NULL;

    assert_int_equal(json_parse(text, strlen(text), &request, NULL), 0);
    return answered_scope(fix->answered, request);
}

static void
test_the_last_job_that_said_the_same_is_found(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(found(fix, 1), 0);
    answered_add(fix->answered, 1, &fix->record, 7);
    assert_int_equal(found(fix, 1), 7);
    assert_int_equal(found(fix, 2), 0);
    answered_add(fix->answered, 1, &fix->record, 9);
    assert_int_equal(found(fix, 1), 9);
}

static void
test_what_is_filed_differently_is_not_the_same(void **state)
{
    struct fixture *fix = *state;

    answered_add(fix->answered, 1, &fix->record, 7);
    fix->record.severity_score = 5.8;
    assert_int_equal(found(fix, 1), 0);
    fix->record.severity_score = 5.0;
    fix->record.class_name = "SourceAv";
    assert_int_equal(found(fix, 1), 0);
    fix->record.class_name = "heap-buffer-overflow(read)";
    fix->record.hash_minor[0] = 'b';
    assert_int_equal(found(fix, 1), 0);
    fix->record.hash_minor[0] = 'a';
    assert_int_equal(found(fix, 1), 7);
    mem_free(fix->record.crash_type);
    fix->record.crash_type = mem_strdup("Heap-buffer-overflow\nREAD 8");
    assert_int_equal(found(fix, 1), 0);
}

static void
test_a_scope_is_all_but_the_input(void **state)
{
    struct fixture *fix = *state;
    int64_t one = scope_of(fix, "{\"job\":1,\"input\":\"/a\",\"command\":{\"argv\":[1]},"
                                "\"runs\":10,\"source\":\"afl\"}");

    assert_int_equal(scope_of(fix,
                              "{\"runs\":10,\"job\":2,\"whole\":true,\"input\":\"/b\","
                              "\"source\":\"afl\",\"command\":{\"argv\":[1]}}"),
                     one);
    assert_int_not_equal(scope_of(fix, "{\"command\":{\"argv\":[1]},\"runs\":10,"
                                       "\"source\":\"triage\"}"),
                         one);
    assert_int_not_equal(
        scope_of(fix, "{\"command\":{\"argv\":[2]},\"runs\":10,\"source\":\"afl\"}"),
        one);
}

static void
test_the_oldest_give_way(void **state)
{
    struct fixture *fix = *state;
    int64_t first = scope_of(fix, "{\"runs\":0}");

    for (int i = 0; i < ANSWERED_MAX + 1; i++) {
        (void)snprintf(fix->record.hash_minor, sizeof(fix->record.hash_minor), "%d", i);
        answered_add(fix->answered, first, &fix->record, 100 + i);
    }
    assert_int_equal(found(fix, first), 100 + ANSWERED_MAX);
    (void)snprintf(fix->record.hash_minor, sizeof(fix->record.hash_minor), "0");
    assert_int_equal(found(fix, first), 0);
    for (int i = 1; i <= ANSWERED_SCOPES_MAX; i++) {
        AUTO(mem_free) char *request = mem_printf("{\"runs\":%d}", i);
        assert_int_not_equal(scope_of(fix, request), first);
    }
    assert_int_not_equal(scope_of(fix, "{\"runs\":0}"), first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_last_job_that_said_the_same_is_found),
        TEST(test_what_is_filed_differently_is_not_the_same),
        TEST(test_a_scope_is_all_but_the_input),
        TEST(test_the_oldest_give_way),
    };

    return cmocka_run_group_tests_name("answered", tests, NULL, NULL);
}
