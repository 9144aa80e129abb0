#include "tests/unit/store_fixture.h"

static int
list_similar(void *user, const struct similar_bug *similar, struct err *err)
{
    struct buf *out = user;

    (void)err;
    buf_addf(out, "%s %.2f%s %s\n  %s\n", similar->name, similar->score,
             similar->cluster ? " cluster" : "", similar->title, similar->why);
    return 0;
}

static void
assert_suggested(struct fixture *fix, int64_t bug, const char *wanted)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    must(fix, store_similar(fix->store, bug, list_similar, &out, &fix->err));
    assert_string_equal(buf_str(&out), wanted);
}

static void
test_similar_bugs_are_suggested_best_first_and_say_why(void **state)
{
    struct fixture *fix = *state;
    const struct said rows[] = {{.frames = {"read_chunk", "load", "main"}},
                                {.frames = {"read_chunk", "load2", "main"}},
                                {.write = true, .frames = {"read_chunk", "load", "main"}},
                                {.frames = {"other", "thing", "main"}}};
    static const char *const texts[] = {"1", "2", "3", "4"};

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(triage(fix, texts[i], &rows[i]).bug, i + 1);
    }
    assert_suggested(
        fix, 1,
        "NJ-3 1.00 cluster Heap-buffer-overflow WRITE 4 in read_chunk\n"
        "  2 frames in the same order, of 2 in NJ-1 and 2 in NJ-3; the crash type "
        "differs: Heap-buffer-overflow READ 4 and Heap-buffer-overflow WRITE 4\n"
        "NJ-2 0.51 Heap-buffer-overflow READ 4 in read_chunk\n"
        "  1 frame in the same order, of 2 in NJ-1 and 2 in NJ-2; the crash type is the "
        "same\n");
    assert_suggested(fix, 4, "");
    execute(fix, "UPDATE bug SET state = 'duplicate', duplicate_of = 1 WHERE id = 3");
    assert_suggested(
        fix, 1,
        "NJ-2 0.51 Heap-buffer-overflow READ 4 in read_chunk\n"
        "  1 frame in the same order, of 2 in NJ-1 and 2 in NJ-2; the crash type is the "
        "same\n");
}

static void
test_similar_follows_what_stands_for_the_bug(void **state)
{
    struct fixture *fix = *state;
    const struct said small = {.frames = {"f", "g", "main"}};
    const struct said other = {.frames = {"f", "h", "main"}};

    (void)triage(fix, "1", &small);
    (void)triage(fix, "2", &other);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug_frame"), 4);
    must(fix, store_frames_put(fix->store, 1, "main\nNULL\ng\n", &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM bug_frame WHERE bug = 1"), 1);
    assert_suggested(fix, 2, "");
}

static void
test_similar_to_nothing_is_an_error(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf out = BUF_INIT;

    assert_int_equal(store_similar(fix->store, 9, list_similar, &out, &fix->err),
                     -ENODATA);
    assert_string_equal(fix->err.msg,
                        "there is no bug NJ-9 here (nightjar bugs lists them)");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_similar_bugs_are_suggested_best_first_and_say_why),
        TEST(test_similar_follows_what_stands_for_the_bug),
        TEST(test_similar_to_nothing_is_an_error),
    };

    return cmocka_run_group_tests_name("store_similar", tests, NULL, NULL);
}
