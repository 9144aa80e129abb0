#include "tests/unit/store_fixture.h"

#include <dirent.h>

#include "base/unlinker.h"

enum { AT_ONCE = 200 };

static const char asan[] = "==1==ERROR: AddressSanitizer: heap-buffer-overflow";

/* So many further crashes of the bug, larger than those before, each with one of `stacks`
 * exact stacks in turn. */
static void
flood(struct fixture *fix, int first, int n, int stacks)
{
    for (int i = first; i < first + n; i++) {
        AUTO(mem_free) char *text = mem_printf("input %06d", i);
        AUTO(mem_free) char *file = mem_printf("/src/t/%d.c", i % stacks);
        const struct said said = {.report = asan, .file = file};
        assert_int_equal(triage(fix, text, &said).bug, 1);
    }
}

static int64_t
trim(struct fixture *fix)
{
    int64_t dropped = 0;
    int64_t all = 0;
    int rc = 1;

    while (rc == 1) {
        rc = store_trim(fix->store, &dropped, &fix->err);
        must(fix, rc);
        all += dropped;
    }
    unlinker_wait(fix->store->unlinker);
    return all;
}

#define PRESENT                                                               \
    "SELECT count(*) FROM crash c JOIN blob b ON b.id = c.blob WHERE b.state" \
    " = 'present'"

static void
test_first_of_each_stack_keeps_its_record(void **state)
{
    struct fixture *fix = *state;

    flood(fix, 0, 20, 3);
    assert_int_equal(number(fix, "SELECT crashes FROM bug"), 20);
    assert_int_equal(number(fix, "SELECT count(*) FROM record"), 3);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE report IS NOT NULL"),
                     1);
    assert_int_equal(number(fix, "SELECT count(*) FROM example WHERE kind = 'stack'"), 3);
    assert_clean(fix);
    /* one that stands for it keeps its own, and its report, however late */
    const struct said said = {.report = asan, .file = "/src/t/0.c"};
    (void)triage(fix, "i", &said);
    assert_int_equal(number(fix, "SELECT count(*) FROM record"), 4);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE report IS NOT NULL"),
                     2);
    assert_int_equal(
        number(fix, "SELECT b.bytes FROM bug JOIN blob b ON b.id = reproducer"), 1);
    assert_clean(fix);
}

static void
test_stacks_are_bounded(void **state)
{
    struct fixture *fix = *state;

    flood(fix, 0, STORE_EXAMPLES + 5, STORE_EXAMPLES + 5);
    assert_int_equal(number(fix, "SELECT count(*) FROM record"), STORE_EXAMPLES);
    must(fix, store_put_examples(fix->store, STORE_EXAMPLES + 2, &fix->err));
    flood(fix, 1000, STORE_EXAMPLES + 5, STORE_EXAMPLES + 5);
    assert_int_equal(number(fix, "SELECT count(*) FROM record"), STORE_EXAMPLES + 2);
    assert_clean(fix);
}

static void
test_trim_drops_the_bytes_of_what_is_surplus(void **state)
{
    struct fixture *fix = *state;

    flood(fix, 0, STORE_TRIM_FROM - 1, 2);
    assert_int_equal(trim(fix), 0);
    flood(fix, STORE_TRIM_FROM - 1, 1, 2);
    /* two stacks, of which the first is first input, source and smallest too; the newest
     */
    assert_int_equal(trim(fix), STORE_TRIM_FROM - 3);
    assert_int_equal(number(fix, PRESENT), 3);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash_path"), STORE_TRIM_FROM);
    assert_clean(fix);
    assert_int_equal(trim(fix), 0);
    /* the newest of then is surplus now */
    flood(fix, 1000, STORE_TRIM_FROM, 2);
    assert_int_equal(trim(fix), STORE_TRIM_FROM);
    assert_int_equal(number(fix, PRESENT), 3);
    assert_clean(fix);
    /* what was dropped is known, and not kept when it comes again */
    (void)give(fix, "input 000010", "input 000010");
    assert_int_equal(number(fix, PRESENT), 3);
    assert_clean(fix);
}

static void
test_trim_keeps_smallest_and_pinned(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {.file = "/src/t/0.c", .k = 1, .n = 3}; /* never stands */
    AUTO(strv_clear) struct strv which = {0};
    const struct decision eve = {.actor = "eve"};
    AUTO(mem_free) char *path = fs_join(fix->folder, "input 000007");

    flood(fix, 0, STORE_TRIM_FROM, 1);
    (void)triage(fix, "tiny", &said);
    strv_add(&which, path);
    must(fix, store_pin(fix->store, 1, &which, &eve, &fix->err));
    (void)trim(fix);
    assert_int_equal(number(fix, "SELECT count(*) FROM blob WHERE bytes = 4 AND state ="
                                 " 'present'"),
                     1);
    assert_int_equal(number(fix, "SELECT b.state = 'present' FROM crash c JOIN blob b"
                                 " ON b.id = c.blob WHERE c.id = 8"),
                     1);
    assert_clean(fix);
}

/* What waits may join with a lower number than those that were weighed. */
static void
test_trim_weighs_nothing_behind_what_waits(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job waits = {0};
    const struct said said = {.report = asan, .file = "/src/t/0.c"};

    (void)give(fix, "waits", "input waits");
    assert_int_equal(next_job(fix, 0, &waits), 1);
    flood(fix, 0, STORE_TRIM_FROM, 1);
    assert_int_equal(trim(fix), 0);
    (void)finish(fix, &waits, &said);
    flood(fix, 1000, STORE_TRIM_FROM, 1);
    /* of 129 the first and the newest stay, and the stack's and source's first example */
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE id = 1 AND bug = 1"),
                     1);
    assert_true(trim(fix) >= 2 * STORE_TRIM_FROM - 3);
    assert_int_equal(number(fix, PRESENT), 3);
    assert_clean(fix);
}

/* A crash that was broken and got a second chance comes in below what was weighed. */
static void
test_trim_weighs_what_was_queued_again(void **state)
{
    struct fixture *fix = *state;
    const struct said broken = {.outcome = "broken", .n = 1, .reason = "no"};
    const struct said said = {.report = asan, .file = "/src/t/0.c"};

    (void)triage(fix, "first input", &said);
    assert_string_equal(triage(fix, "second input", &broken).state, "broken");
    flood(fix, 0, STORE_TRIM_FROM, 1);
    (void)trim(fix);
    assert_int_equal(number(fix, "SELECT trimmed > 2 FROM bug"), 1);
    (void)give(fix, "second input", "second input");
    assert_int_equal(triage_next(fix, &said).bug, 1);
    flood(fix, 1000, STORE_TRIM_FROM, 1);
    (void)trim(fix);
    assert_int_equal(number(fix, "SELECT b.state = 'dropped' FROM crash c JOIN blob b"
                                 " ON b.id = c.blob WHERE c.id = 2"),
                     1);
    assert_clean(fix);
}

static int64_t
disk_use(struct fixture *fix)
{
    AUTO(mem_free) char *blobs = fs_join(fix->state, "blobs");
    int64_t bytes = 0;

    for (int i = 0; i < 256; i++) {
        AUTO(mem_free) char *folder = mem_printf("%s/%02x", blobs, (unsigned)i);
        DIR *list = opendir(folder);
        struct dirent *entry;
        while (list != NULL && (entry = readdir(list)) != NULL) {
            AUTO(mem_free) char *path = fs_join(folder, entry->d_name);
            struct stat st;
            if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
                bytes += st.st_blocks * 512;
            }
        }
        if (list != NULL) {
            (void)closedir(list);
        }
    }
    return bytes;
}

/* So many duplicates at a time, as in a campaign, with one of `stacks` exact stacks in
 * turn. */
static void
flood_at_once(struct fixture *fix, int first, int stacks)
{
    AUTO(mem_free) char *path = fs_join(fix->folder, "many");
    struct intake_item items[AT_ONCE] = {{0}};
    struct intake_result results[AT_ONCE];

    AUTO(buf_clear) struct buf text = BUF_INIT;
    for (int i = 0; i < AT_ONCE; i++) {
        size_t from = text.len;
        buf_addf(&text, "input %06d\n", first + i);
        items[i] = (struct intake_item){.path = path,
                                        .target = fix->target,
                                        .source = "triage",
                                        .from = (int64_t)from,
                                        .bytes = (int64_t)(text.len - from)};
    }
    must(fix, fs_write(path, buf_str(&text), text.len, 0644, &fix->err));
    must(fix, store_intake(fix->store, items, AT_ONCE, results, &fix->err));
    store_group_begin(fix->store);
    for (int i = 0; i < AT_ONCE; i++) {
        assert_int_equal(results[i].code, 0);
        AUTO(mem_free) char *file = mem_printf("/src/t/%d.c", (first + i) % stacks);
        const struct said said = {.report = asan, .file = file};
        assert_int_equal(triage_next(fix, &said).bug, 1);
    }
    must(fix, store_group_end(fix->store, &fix->err));
}

static void
put_build(struct fixture *fix, int number)
{
    execute(fix, "UPDATE build SET current = 0");
    must(fix, db_run(store_db(fix->store), &fix->err,
                     "INSERT INTO build(target, kind, path, build_id, first_seen)"
                     " VALUES(?1, 'sanitizer', '/b/t', 'b' || ?2, 1)",
                     "ii", fix->target, (int64_t)number));
}

/* Rows and paths alone, but for an example of each build and each stack: the ten
 * thousandth keeps neither bytes nor record. */
static void
test_ten_thousand_duplicates_keep_one_of_each_build_and_stack(void **state)
{
    enum { BUILDS = 3, STACKS = 5, EACH = 3400 };
    struct fixture *fix = *state;
    int64_t few = 0;

    files_only(fix);
    for (int i = 0; i < BUILDS * EACH; i += AT_ONCE) {
        if (i % EACH == 0) {
            put_build(fix, i / EACH);
        }
        flood_at_once(fix, i, STACKS);
        if (i == 0) {
            (void)trim(fix);
            few = disk_use(fix);
        }
    }
    (void)trim(fix);
    assert_int_equal(number(fix, "SELECT crashes FROM bug"), BUILDS * EACH);
    assert_int_equal(number(fix, "SELECT count(*) FROM example WHERE kind = 'stack'"),
                     STACKS);
    assert_int_equal(number(fix, "SELECT count(*) FROM example WHERE kind = 'source'"),
                     BUILDS);
    assert_int_equal(number(fix, "SELECT crash FROM example WHERE name = 'triage b1'"),
                     EACH + 1);
    /* the first of the first build is the first of a stack as well */
    assert_int_equal(number(fix, "SELECT count(*) FROM record"), STACKS + BUILDS - 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM example e JOIN crash c ON c.id ="
                                 " e.crash JOIN blob b ON b.id = c.blob"
                                 " WHERE b.state <> 'present'"),
                     0);
    /* less than would be worth the next trim */
    assert_true(number(fix, PRESENT) < STORE_TRIM_FROM + STACKS + BUILDS + 2);
    assert_true(few > 0 && disk_use(fix) < few + (STORE_TRIM_FROM + BUILDS) * 4096);
    assert_clean(fix);
}

static void
test_flood_is_trimmed_while_it_lasts(void **state)
{
    struct fixture *fix = *state;

    flood(fix, 0, STORE_TRIM_EVERY, 1);
    assert_true(number(fix, PRESENT) < STORE_TRIM_EVERY);
    assert_clean(fix);
}

static void
test_spare_time_is_used_to_trim(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job none = {0};

    flood(fix, 0, STORE_TRIM_FROM + 10, 1);
    assert_int_equal(number(fix, PRESENT), STORE_TRIM_FROM + 10);
    assert_int_equal(next_job(fix, 0, &none), 0);
    assert_int_equal(number(fix, PRESENT), 2);
    assert_clean(fix);
}

/* A merge brings crashes with lower numbers: all are weighed again. */
static void
test_merged_bug_is_weighed_anew(void **state)
{
    struct fixture *fix = *state;
    const struct said other = {.report = asan, .frames = {"other", "main"}};
    AUTO(buf_clear) struct buf others = BUF_INIT;
    const struct decision eve = {.actor = "eve"};
    const int64_t second = 2;

    (void)triage(fix, "first one", &other);
    for (int i = 0; i < 10; i++) {
        AUTO(mem_free) char *text = mem_printf("other %06d", i);
        assert_int_equal(triage(fix, text, &other).bug, 1);
    }
    execute(fix, "UPDATE bug SET trimmed = 5");
    const struct said said = {.report = asan};
    assert_int_equal(triage(fix, "second", &said).bug, 2);
    buf_add(&others, &second, sizeof(second));
    must(fix, store_merge(fix->store, 1, &others, &eve, &fix->err));
    assert_int_equal(number(fix, "SELECT trimmed FROM bug WHERE id = 1"), 0);
    assert_int_equal(number(fix, "SELECT count(*) FROM example WHERE bug = 1"
                                 " AND kind = 'stack'"),
                     2);
    assert_clean(fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_first_of_each_stack_keeps_its_record),
        TEST(test_stacks_are_bounded),
        TEST(test_trim_drops_the_bytes_of_what_is_surplus),
        TEST(test_trim_keeps_smallest_and_pinned),
        TEST(test_trim_weighs_nothing_behind_what_waits),
        TEST(test_trim_weighs_what_was_queued_again),
        TEST(test_ten_thousand_duplicates_keep_one_of_each_build_and_stack),
        TEST(test_flood_is_trimmed_while_it_lasts),
        TEST(test_spare_time_is_used_to_trim),
        TEST(test_merged_bug_is_weighed_anew),
    };

    return cmocka_run_group_tests_name("store_example", tests, NULL, NULL);
}
