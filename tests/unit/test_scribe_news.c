#include "tests/unit/unit.h"

#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/supervise/scribe_news.h"
#include "triage/known.h"

static int
setup(void **state)
{
    *state = mem_alloc(sizeof(struct scribe_news));
    return 0;
}

static int
teardown(void **state)
{
    scribe_news_clear(*state);
    mem_free(*state);
    return 0;
}

static void
tell(struct scribe_news *news, int from, int to)
{
    AUTO(json_decref) json_t *told = json_array();

    for (int i = from; i < to; i++) {
        (void)json_array_append_new(told, json_integer(i));
    }
    scribe_news_take(news, told);
}

/* What a worker's next request says: how many news, and the first; -1: nothing. */
static int
given(struct scribe_news *news, const char *folder, int *first)
{
    AUTO(json_decref) json_t *request = json_object();

    scribe_news_give(news, folder, request);
    const json_t *known = json_object_get(request, "known");
    *first = (int)json_integer_value(json_array_get(known, 0));
    return known == NULL ? -1 : (int)json_array_size(known);
}

static void
test_each_worker_is_told_everything_once(void **state)
{
    struct scribe_news *news = *state;
    int first = 0;

    assert_int_equal(given(news, "/a", &first), -1);
    tell(news, 0, 3);
    assert_int_equal(given(news, "/a", &first), 3);
    assert_int_equal(given(news, "/a", &first), -1);
    tell(news, 3, 4);
    assert_int_equal(given(news, "/a", &first), 1);
    assert_int_equal(first, 3);
    assert_int_equal(given(news, "/b", &first), 4);
    assert_int_equal(first, 0);
}

static void
test_old_news_go(void **state)
{
    struct scribe_news *news = *state;
    int first = 0;

    for (int i = 0; i < SCRIBE_NEWS_MAX + 7; i++) {
        tell(news, i, i + 1);
    }
    assert_int_equal(given(news, "/a", &first), SCRIBE_NEWS_MAX);
    assert_int_equal(first, 7);
}

static void
test_what_a_worker_tells_is_bounded(void **state)
{
    struct scribe_news *news = *state;
    AUTO(json_decref) json_t *large = json_array();
    AUTO(mem_free) char *text = mem_printf("%*s", SCRIBE_NEWS_BYTES, "");
    int first = 0;

    (void)json_array_append_new(large, json_string(text));
    scribe_news_take(news, large);
    scribe_news_take(news, NULL);
    scribe_news_take(news, json_array_get(large, 0));
    assert_int_equal(given(news, "/a", &first), -1);
    tell(news, 0, 10 * KNOWN_NEWS_MAX);
    assert_int_equal(given(news, "/a", &first), KNOWN_NEWS_MAX);
}

static void
test_workers_beyond_all_bounds_are_told_nothing(void **state)
{
    struct scribe_news *news = *state;
    int first = 0;

    for (int i = 0; i < SCRIBE_NEWS_READERS_MAX; i++) {
        AUTO(mem_free) char *folder = mem_printf("/%d", i);
        assert_int_equal(given(news, folder, &first), -1);
    }
    tell(news, 0, 1);
    assert_int_equal(given(news, "/one too many", &first), -1);
    assert_int_equal(given(news, "/0", &first), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_worker_is_told_everything_once),
        TEST(test_old_news_go),
        TEST(test_what_a_worker_tells_is_bounded),
        TEST(test_workers_beyond_all_bounds_are_told_nothing),
    };

    return cmocka_run_group_tests_name("scribe_news", tests, NULL, NULL);
}
