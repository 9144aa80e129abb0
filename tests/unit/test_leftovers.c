#include "tests/unit/store_fixture.h"

#include <utime.h>

#include "orchestrator/corpus/leftovers.h"
#include "triage/upkeep.h"

enum { DAY_MS = 24 * 3600 * 1000 };

/* A file below STATE/fuzz of this age. */
static char *
put_file(struct fixture *fix, const char *name, const char *text, int days)
{
    char *path = mem_printf("%s/fuzz/%s", fix->state, name);
    AUTO(mem_free) char *folder = mem_strdup(path);
    const time_t then = time(NULL) - (time_t)days * 24 * 3600;
    const struct utimbuf times = {then, then};

    *strrchr(folder, '/') = '\0';
    must(fix, fs_mkdirs(folder, 0755, &fix->err));
    must(fix, fs_write(path, text, strlen(text), 0644, &fix->err));
    assert_int_equal(utime(path, &times), 0);
    return path;
}

static struct leftovers
drop(struct fixture *fix, int days, bool dry_run)
{
    const struct leftovers_policy policy = {.keep_ms = {(int64_t)days * DAY_MS,
                                                        (int64_t)days * DAY_MS,
                                                        (int64_t)days * DAY_MS},
                                            .dry_run = dry_run};
    struct leftovers out = {0};

    must(fix, leftovers_drop(fix->store, "t", &policy, &out, &fix->err));
    return out;
}

static void
test_what_is_old_and_filed_goes(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *hang = put_file(fix, "t/aflpp/w1/hangs/id:0", "hangs", 9);
    AUTO(mem_free) char *young = put_file(fix, "t/aflpp/w1/hangs/id:1", "young", 1);
    AUTO(mem_free) char *fresh = put_file(fix, "t/aflpp/w1/hangs/id:2", "unfiled", 9);
    AUTO(mem_free)
    char *crash = put_file(fix, "t/aflpp/w2/crashes.2026-01-01-00:00:00/id:0", "c", 9);
    AUTO(mem_free) char *queue = put_file(fix, "t/aflpp/w1/queue/id:0", "hangs", 9);
    AUTO(mem_free) char *log = put_file(fix, "t/aflpp-1.log", "why", 9);

    (void)give(fix, "a", "hangs");
    (void)give(fix, "b", "young");
    (void)give(fix, "c", "c");
    struct leftovers would = drop(fix, 7, true);
    assert_true(fs_exists(hang));
    struct leftovers out = drop(fix, 7, false);
    assert_memory_equal(&would, &out, sizeof(out));
    assert_int_equal(out.files[LEFTOVER_HANGS], 1);
    assert_int_equal(out.files[LEFTOVER_CRASHES], 1);
    assert_int_equal(out.files[LEFTOVER_LOGS], 1);
    assert_true(out.bytes[LEFTOVER_HANGS] > 0);
    assert_false(fs_exists(hang));
    assert_false(fs_exists(crash));
    assert_false(fs_exists(log));
    assert_true(fs_exists(young));
    assert_true(fs_exists(fresh)); /* nobody has its bytes */
    assert_true(fs_exists(queue));
}

static void
test_links_of_a_hostile_program_lead_nowhere(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *victim = put_bytes(fix, "id:victim", "v", 1);
    AUTO(mem_free) char *there = put_file(fix, "t/aflpp/w1/x", "v", 0);
    AUTO(mem_free) char *folder = mem_printf("%s/fuzz/t/aflpp/w1/hangs", fix->state);
    AUTO(mem_free) char *crashes = mem_printf("%s/fuzz/t/aflpp/w1/crashes", fix->state);
    AUTO(mem_free) char *link = fs_join(crashes, "id:0");

    (void)give(fix, "v", "v");
    assert_int_equal(symlink(fix->folder, folder), 0);
    must(fix, fs_mkdirs(crashes, 0755, &fix->err));
    assert_int_equal(symlink(victim, link), 0);
    struct leftovers out = drop(fix, 0, false);
    assert_int_equal(out.files[LEFTOVER_HANGS] + out.files[LEFTOVER_CRASHES], 0);
    assert_true(fs_exists(victim));
    assert_true(fs_exists(there));
}

static void
test_targets_are_folders_with_a_targets_name(void **state)
{
    struct fixture *fix = *state;
    AUTO(strv_clear) struct strv names = {0};

    must(fix, leftovers_targets(fix->store, &names, &fix->err));
    assert_int_equal(names.n, 0);
    mem_free(put_file(fix, "t/aflpp-1.log", "x", 0));
    mem_free(put_file(fix, "-odd/x", "x", 0));
    mem_free(put_file(fix, "file", "x", 0));
    must(fix, leftovers_targets(fix->store, &names, &fix->err));
    assert_int_equal(names.n, 1);
    assert_string_equal(names.v[0], "t");
    struct leftovers out = {0};
    const struct leftovers_policy policy = {.dry_run = true};
    assert_int_equal(leftovers_drop(fix->store, "../x", &policy, &out, &fix->err),
                     -EINVAL);
}

/* --- the store's own --- */

static void
test_gc_removes_files_that_no_row_names(void **state)
{
    struct fixture *fix = *state;
    struct garbage sum;
    char sha256[HASH_HEX_MAX];

    triage(fix, "first", &(struct said){.report = "its report"});
    hash_sha256("orphan", 6, sha256);
    AUTO(mem_free) char *path = store_blob_path(fix->store, sha256);
    AUTO(mem_free) char *folder = mem_strdup(path);
    *strrchr(folder, '/') = '\0';
    must(fix, fs_mkdirs(folder, 0700, &fix->err));
    must(fix, fs_write(path, "orphan", 6, 0600, &fix->err));
    must(fix, store_gc(fix->store, true, &sum, &fix->err));
    assert_int_equal(sum.orphans, 1);
    assert_true(fs_exists(path));
    must(fix, store_gc(fix->store, false, &sum, &fix->err));
    assert_int_equal(sum.orphans, 1);
    assert_false(fs_exists(path));
    assert_clean(fix);
}

static void
test_gc_leaves_what_bugs_need(void **state)
{
    struct fixture *fix = *state;
    struct garbage would;
    struct garbage sum;

    for (int i = 0; i < STORE_TRIM_FROM + 8; i++) {
        AUTO(mem_free) char *text = mem_printf("input %03d", i);
        triage(fix, text, &(struct said){0});
    }
    must(fix, store_gc(fix->store, true, &would, &fix->err));
    must(fix, store_gc(fix->store, false, &sum, &fix->err));
    assert_true(sum.surplus > 0);
    assert_true(sum.surplus <= would.surplus);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug g JOIN blob b ON b.id IN"
                                 " (g.original, g.reproducer) WHERE b.state = 'dropped'"),
                     0);
    assert_clean(fix);
    must(fix, store_gc(fix->store, false, &sum, &fix->err));
    assert_int_equal(sum.surplus, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_old_and_filed_goes),
        TEST(test_links_of_a_hostile_program_lead_nowhere),
        TEST(test_targets_are_folders_with_a_targets_name),
        TEST(test_gc_removes_files_that_no_row_names),
        TEST(test_gc_leaves_what_bugs_need),
    };

    return cmocka_run_group_tests_name("leftovers", tests, NULL, NULL);
}
