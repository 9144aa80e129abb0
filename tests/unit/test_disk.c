#include "tests/unit/store_fixture.h"

#include "orchestrator/corpus/disk.h"

enum { MB = 1 << 20 };

static const struct disk_usage roomy = {.bytes = 10 * MB,
                                        .files = 100,
                                        .free_bytes = 500 * (int64_t)MB,
                                        .total_bytes = 1000 * (int64_t)MB,
                                        .free_files = 500,
                                        .total_files = 1000};

static void
test_percent_is_the_worst_of_all_limits(void **state)
{
    const struct disk_limits none = {0};
    const struct disk_limits bytes = {.budget_bytes = 20 * MB};
    const struct disk_limits files = {.budget_bytes = 20 * MB, .budget_files = 80};
    const struct disk_limits floor = {.free_bytes = 250 * (int64_t)MB};
    struct disk_usage tight = roomy;

    (void)state;
    assert_int_equal(disk_percent(&none, &roomy), 0);
    assert_int_equal(disk_percent(&bytes, &roomy), 50);
    assert_int_equal(disk_percent(&files, &roomy), 125);
    assert_int_equal(disk_percent(&floor, &roomy), 80); /* twice the floor */
    tight.free_bytes = 10 * MB; /* the hundredth that is the floor by default */
    assert_int_equal(disk_percent(&none, &tight), 100);
    tight.free_bytes = 0;
    assert_int_equal(disk_percent(&none, &tight), 120);
    tight = roomy;
    tight.free_files = 10;
    assert_int_equal(disk_percent(&none, &tight), 100);
    tight.total_files = 0; /* a file system without a table of inodes */
    tight.free_files = 0;
    assert_int_equal(disk_percent(&none, &tight), 0);
}

static void
test_full_ends_below_where_it_began(void **state)
{
    (void)state;
    assert_int_equal(disk_grade(DISK_OK, 79), DISK_OK);
    assert_int_equal(disk_grade(DISK_OK, 80), DISK_TIGHT);
    assert_int_equal(disk_grade(DISK_TIGHT, 89), DISK_TIGHT);
    assert_int_equal(disk_grade(DISK_TIGHT, 90), DISK_SCARCE);
    assert_int_equal(disk_grade(DISK_SCARCE, 99), DISK_SCARCE);
    assert_int_equal(disk_grade(DISK_TIGHT, 100), DISK_FULL);
    assert_int_equal(disk_grade(DISK_FULL, 90), DISK_FULL);
    assert_int_equal(disk_grade(DISK_FULL, 89), DISK_TIGHT);
    assert_int_equal(disk_grade(DISK_FULL, 10), DISK_OK);
}

static void
test_disk_that_is_low_is_so_until_there_is_more_room(void **state)
{
    struct fixture *fix = *state;
    struct disk_usage usage;
    struct disk_limits limits = {0};

    must(fix, disk_measure(fix->store, "t", &usage, &fix->err));
    limits.free_bytes = 2 * usage.free_bytes;
    assert_true(disk_is_low(fix->state, &limits, false));
    limits.free_bytes = usage.free_bytes / 4 * 3; /* 93 % */
    assert_false(disk_is_low(fix->state, &limits, false));
    assert_true(disk_is_low(fix->state, &limits, true));
    limits.free_bytes = usage.free_bytes / 4;
    assert_false(disk_is_low(fix->state, &limits, true));
    assert_true(disk_is_low("/nowhere", &limits, true)); /* nothing new is known */
}

static void
test_corpus_counts(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *folder = mem_printf("%s/corpus/t/inputs/ab", fix->state);
    AUTO(mem_free) char *path = fs_join(folder, "abcd");
    struct disk_usage before;
    struct disk_usage after;

    must(fix, disk_measure(fix->store, "t", &before, &fix->err));
    must(fix, fs_mkdirs(folder, 0700, &fix->err));
    must(fix, fs_write(path, "x", 1, 0600, &fix->err));
    must(fix, disk_measure(fix->store, "t", &after, &fix->err));
    assert_int_equal(after.files, before.files + 1);
    assert_true(after.bytes > before.bytes);
    assert_int_equal(before.corpus_bytes, 0);
    assert_true(after.corpus_bytes > 0 && after.corpus_bytes <= after.bytes);
}

static char *
put_file(struct fixture *fix, const char *name, const char *text)
{
    char *path = mem_printf("%s/fuzz/t/aflpp/w1/%s", fix->state, name);
    AUTO(mem_free) char *folder = mem_strdup(path);

    *strrchr(folder, '/') = '\0';
    must(fix, fs_mkdirs(folder, 0755, &fix->err));
    must(fix, fs_write(path, text, strlen(text), 0644, &fix->err));
    return path;
}

static int64_t
events(struct fixture *fix)
{
    return number(fix, "SELECT count(*) FROM event WHERE kind = 'target.disk'");
}

static void
test_relieve_drops_then_holds_then_lets_go(void **state)
{
    struct fixture *fix = *state;
    const struct disk_limits limits = {.budget_files = 4};
    AUTO(mem_free) char *hold = disk_hold_path(fix->state, "t");
    AUTO(mem_free) char *a = put_file(fix, "queue/id:0", "a");
    AUTO(mem_free) char *b = put_file(fix, "queue/id:1", "b");
    AUTO(mem_free) char *hang = put_file(fix, "hangs/id:0", "hang");
    struct disk_report report;

    mem_free(put_file(fix, "queue/id:2", "c"));
    (void)give(fix, "h", "hang");
    must(fix, disk_relieve(fix->store, "t", &limits, &report, &fix->err));
    assert_false(fs_exists(hang)); /* that was enough */
    assert_int_equal(report.now, DISK_OK);
    assert_int_equal(report.dropped.files[LEFTOVER_HANGS], 1);
    assert_int_equal(events(fix), 0);
    mem_free(put_file(fix, "queue/id:3", "d"));
    must(fix, disk_relieve(fix->store, "t", &limits, &report, &fix->err));
    assert_int_equal(report.now, DISK_FULL);
    assert_true(fs_exists(hold));
    must(fix, disk_relieve(fix->store, "t", &limits, &report, &fix->err));
    assert_int_equal(events(fix), 1); /* once, while it stays so */
    assert_int_equal(unlink(a), 0);
    assert_int_equal(unlink(b), 0);
    must(fix, disk_relieve(fix->store, "t", &limits, &report, &fix->err));
    assert_int_equal(report.before, DISK_FULL);
    assert_int_equal(report.now, DISK_OK);
    assert_false(fs_exists(hold));
    assert_int_equal(events(fix), 2);
    assert_clean(fix);
}

static void
test_target_that_no_store_knows_is_held_as_well(void **state)
{
    struct fixture *fix = *state;
    const struct disk_limits limits = {.free_bytes = INT64_MAX / 4};
    AUTO(mem_free) char *folder = mem_printf("%s/fuzz/other", fix->state);
    AUTO(mem_free) char *hold = disk_hold_path(fix->state, "other");
    struct disk_report report;

    must(fix, fs_mkdirs(folder, 0755, &fix->err));
    must(fix, disk_relieve(fix->store, "other", &limits, &report, &fix->err));
    assert_int_equal(report.now, DISK_FULL);
    assert_true(fs_exists(hold));
    assert_int_equal(disk_relieve(fix->store, "../x", &limits, &report, &fix->err),
                     -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percent_is_the_worst_of_all_limits),
        cmocka_unit_test(test_full_ends_below_where_it_began),
        TEST(test_disk_that_is_low_is_so_until_there_is_more_room),
        TEST(test_corpus_counts),
        TEST(test_relieve_drops_then_holds_then_lets_go),
        TEST(test_target_that_no_store_knows_is_held_as_well),
    };

    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
