#include "tests/unit/store_fixture.h"

#include "triage/coverage.h"

static bool
put_both(struct fixture *fix, int64_t lines, int64_t regions, int64_t inputs,
         const char *corpus)
{
    struct coverage_file file = {(char[]){"/src/t.c"}, {1000, lines, 9, 8, 99, regions}};
    struct coverage one = {.total = {1000, lines, 9, 8, 99, regions},
                           .files = &file,
                           .n = 1,
                           .inputs = inputs,
                           .build_id = (char[]){"aa"}};
    bool alarm = false;

    (void)snprintf(one.corpus, sizeof(one.corpus), "%s", corpus);
    must(fix, coverage_put(fix->store, fix->target, &one, &alarm, &fix->err));
    return alarm;
}

static bool
put(struct fixture *fix, int64_t lines, int64_t inputs, const char *corpus)
{
    return put_both(fix, lines, 60, inputs, corpus);
}

static int
count_trouble(void *user, const char *target, const char *coverage, const char *disk,
              struct err *err)
{
    (void)err;
    assert_string_equal(target, "t");
    assert_string_equal(coverage, "dropped");
    assert_string_equal(disk, "ok");
    *(int *)user += 1;
    return 0;
}

static int
troubles(struct fixture *fix)
{
    int n = 0;

    must(fix, store_target_troubles(fix->store, count_trouble, &n, &fix->err));
    return n;
}

static void
test_drop_of_regions_alone_is_an_alarm(void **state)
{
    struct fixture *fix = *state;

    assert_false(put_both(fix, 500, 60, 10, "a"));
    assert_false(put_both(fix, 500, 54, 10, "a")); /* exactly a tenth */
    assert_true(put_both(fix, 500, 48, 10, "a"));
    assert_false(put_both(fix, 500, 60, 10, "a"));
}

static int
note_one(void *user, const struct coverage *one, struct err *err)
{
    (void)err;
    buf_addf(user, "%lld ", (long long)one->total.lines_covered);
    return 0;
}

static int
note_file(void *user, const struct coverage_file *file, struct err *err)
{
    (void)err;
    buf_addf(user, "%s %lld", file->name, (long long)file->counts.lines_covered);
    return 0;
}

static void
test_history_and_files_are_kept(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf seen = BUF_INIT;

    (void)put(fix, 500, 10, "a");
    (void)put(fix, 501, 11, "b");
    must(fix, coverage_history(fix->store, fix->target, note_one, &seen, &fix->err));
    must(fix, coverage_last_files(fix->store, fix->target, note_file, &seen, &fix->err));
    assert_string_equal(buf_str(&seen), "500 501 /src/t.c 501");
}

static void
test_drop_of_more_than_a_tenth_is_an_alarm(void **state)
{
    struct fixture *fix = *state;

    assert_false(put(fix, 500, 10, "a"));
    assert_false(put(fix, 450, 10, "a")); /* exactly a tenth */
    assert_int_equal(troubles(fix), 0);
    assert_true(put(fix, 404, 10, "a"));
    assert_int_equal(troubles(fix), 1);
    assert_true(put(fix, 404, 10, "a")); /* it stays so */
    assert_int_equal(
        number(fix, "SELECT count(*) FROM event WHERE kind = 'target.coverage'"), 1);
    assert_false(put(fix, 500, 10, "a"));
    assert_int_equal(troubles(fix), 0);
    assert_int_equal(number(fix, "SELECT count(*) FROM coverage_file"), 5);
    assert_clean(fix);
}

static void
test_smaller_corpus_is_no_alarm(void **state)
{
    struct fixture *fix = *state;

    assert_false(put(fix, 500, 10, "a"));
    assert_false(put(fix, 100, 5, "b"));
    assert_false(put(fix, 300, 10, "c"));
    assert_true(put(fix, 200, 12, "d")); /* larger, and yet it reaches less */
}

static void
test_last_is_the_newest(void **state)
{
    struct fixture *fix = *state;
    AUTO(coverage_clear) struct coverage last = {0};

    assert_int_equal(coverage_last(fix->store, fix->target, &last, &fix->err), 0);
    (void)put(fix, 500, 10, "a");
    (void)put(fix, 501, 11, "b");
    assert_int_equal(coverage_last(fix->store, fix->target, &last, &fix->err), 1);
    assert_int_equal(last.total.lines_covered, 501);
    assert_int_equal(last.inputs, 11);
    assert_string_equal(last.corpus, "b");
    assert_string_equal(last.build_id, "aa");
}

#define SUMMARY                                                          \
    "{\"lines\":{\"count\":4,\"covered\":3},\"functions\":{\"count\":2," \
    "\"covered\":1},\"regions\":{\"count\":9,\"covered\":8}}"

static int
read_text(const char *text, struct coverage *out, struct err *err)
{
    return coverage_read(text, strlen(text), out, err);
}

static void
test_export_is_read(void **state)
{
    AUTO(coverage_clear) struct coverage got = {0};
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(read_text("{\"data\":[{\"files\":[{\"filename\":\"/s/a\\u001b.c\","
                               "\"summary\":" SUMMARY "}],\"totals\":" SUMMARY "}]}",
                               &got, &err),
                     0);
    assert_int_equal(got.n, 1);
    assert_string_equal(got.files[0].name, "/s/a\\x1b.c");
    assert_int_equal(got.files[0].counts.lines_covered, 3);
    assert_int_equal(got.total.regions, 9);
}

static void
test_nonsense_is_no_export(void **state)
{
    static const char *const wrong[] = {
        "", "[]", "{\"data\":[{\"files\":[],\"totals\":{}}]}",
        "{\"data\":[{\"files\":[1],\"totals\":" SUMMARY "}]}",
        "{\"data\":[{\"files\":[],\"totals\":{\"lines\":{\"count\":1,\"covered\":2}}}]}"};

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        AUTO(coverage_clear) struct coverage got = {0};
        struct err err = ERR_INIT;
        assert_int_equal(read_text(wrong[i], &got, &err), -EBADMSG);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_drop_of_more_than_a_tenth_is_an_alarm),
        TEST(test_smaller_corpus_is_no_alarm),
        TEST(test_last_is_the_newest),
        TEST(test_drop_of_regions_alone_is_an_alarm),
        TEST(test_history_and_files_are_kept),
        cmocka_unit_test(test_export_is_read),
        cmocka_unit_test(test_nonsense_is_no_export),
    };

    return cmocka_run_group_tests_name("store_coverage", tests, NULL, NULL);
}
