#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "triage/known.h"

struct fixture {
    struct known *known;
    struct command command;
    struct record record;
};

static int
setup(void **state)
{
    AUTO(strv_clear) struct strv argv = {0};
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->known = known_new();
    strv_add(&argv, "/bin/true");
    assert_int_equal(command_from_argv(&argv, &fix->command, NULL), 0);
    fix->record.severity_score = 5.0;
    (void)snprintf(fix->record.hash_major, sizeof(fix->record.hash_major), "aa");
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    known_free(fix->known);
    command_clear(&fix->command);
    mem_free(fix);
    return 0;
}

static bool
covers(const struct fixture *fix, int64_t bytes)
{
    return known_covers(fix->known, &fix->command, &fix->record, bytes);
}

static void
test_a_signature_is_known_once_it_was_added(void **state)
{
    struct fixture *fix = *state;

    assert_false(covers(fix, 100));
    known_add(fix->known, &fix->command, &fix->record, 100);
    assert_true(covers(fix, 100));
    (void)snprintf(fix->record.hash_major, sizeof(fix->record.hash_major), "bb");
    assert_false(covers(fix, 100));
}

static void
test_what_may_stand_for_the_bug_is_not_covered(void **state)
{
    struct fixture *fix = *state;

    known_add(fix->known, &fix->command, &fix->record, 800);
    assert_true(covers(fix, 701));
    assert_false(covers(fix, 700));
    fix->record.severity_score = 5.2;
    assert_false(covers(fix, 900));
    known_add(fix->known, &fix->command, &fix->record, 900);
    assert_true(covers(fix, 900));
    fix->record.severity_score = 3.0;
    assert_true(covers(fix, 900));
}

static void
test_another_command_is_another_target(void **state)
{
    struct fixture *fix = *state;

    known_add(fix->known, &fix->command, &fix->record, 100);
    strv_add(&fix->command.argv, "--flag");
    assert_false(covers(fix, 100));
}

static void
test_the_oldest_gives_way(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i <= KNOWN_MAX; i++) {
        (void)snprintf(fix->record.hash_major, sizeof(fix->record.hash_major), "%d", i);
        known_add(fix->known, &fix->command, &fix->record, 100);
        assert_true(covers(fix, 100));
    }
    (void)snprintf(fix->record.hash_major, sizeof(fix->record.hash_major), "0");
    assert_false(covers(fix, 100));
}

static void
test_news_are_told_once_and_learnt_by_others(void **state)
{
    struct fixture *fix = *state;
    AUTO(known_free) struct known *other = known_new();

    known_add(fix->known, &fix->command, &fix->record, 800);
    AUTO(json_decref) json_t *news = known_news(fix->known);
    AUTO(json_decref) json_t *none = known_news(fix->known);
    assert_int_equal(json_array_size(news), 1);
    assert_int_equal(json_array_size(none), 0);
    assert_false(known_covers(other, &fix->command, &fix->record, 800));
    known_learn(other, news);
    assert_true(known_covers(other, &fix->command, &fix->record, 800));
    assert_false(known_covers(other, &fix->command, &fix->record, 700));
    fix->record.severity_score = 5.2;
    assert_false(known_covers(other, &fix->command, &fix->record, 800));
    AUTO(json_decref) json_t *passed_on = known_news(other);
    assert_int_equal(json_array_size(passed_on), 0);
}

static void
test_many_news_come_in_turns(void **state)
{
    struct fixture *fix = *state;
    size_t told = 0;

    for (int i = 0; i < 2 * KNOWN_NEWS_MAX + 1; i++) {
        (void)snprintf(fix->record.hash_major, sizeof(fix->record.hash_major), "%d", i);
        known_add(fix->known, &fix->command, &fix->record, 100);
    }
    for (int i = 0; i < 3; i++) {
        AUTO(json_decref) json_t *news = known_news(fix->known);
        assert_true(json_array_size(news) <= KNOWN_NEWS_MAX);
        told += json_array_size(news);
    }
    assert_int_equal(told, 2 * KNOWN_NEWS_MAX + 1);
}

static void
test_malformed_news_teach_nothing(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "[7]",
        "[{}]",
        "[{\"major\":\"aa\",\"score\":9,\"bytes\":1}]",
        "[{\"major\":\"aa\",\"bytes\":1,\"command\":{\"argv\":7}}]"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        AUTO(json_decref) json_t *news = NULL;
        assert_int_equal(json_parse(bad[i], strlen(bad[i]), &news, NULL), 0);
        known_learn(fix->known, news);
        assert_false(covers(fix, 100));
    }
    known_learn(fix->known, NULL);
    known_add(fix->known, &fix->command, &fix->record, 100);
    AUTO(json_decref) json_t *news = known_news(fix->known);
    json_t *item = json_array_get(news, 0);
    json_put(item, "major", json_string("0123456789012345678901234567890123456789a"));
    known_learn(fix->known, news); /* longer than any */
    AUTO(json_decref) json_t *none = known_news(fix->known);
    assert_int_equal(json_array_size(none), 0);
}

static void
test_smaller_is_by_an_eighth(void **state)
{
    (void)state;
    assert_true(known_is_smaller(7, 8));
    assert_false(known_is_smaller(8, 8));
    assert_true(known_is_smaller(3, 4));
    assert_false(known_is_smaller(15, 16));
    assert_true(known_is_smaller(14, 16));
    assert_true(known_is_smaller(0, 1));
    assert_false(known_is_smaller(9, 8));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_signature_is_known_once_it_was_added),
        TEST(test_what_may_stand_for_the_bug_is_not_covered),
        TEST(test_another_command_is_another_target),
        TEST(test_the_oldest_gives_way),
        TEST(test_news_are_told_once_and_learnt_by_others),
        TEST(test_many_news_come_in_turns),
        TEST(test_malformed_news_teach_nothing),
        cmocka_unit_test(test_smaller_is_by_an_eighth),
    };

    return cmocka_run_group_tests_name("known", tests, NULL, NULL);
}
