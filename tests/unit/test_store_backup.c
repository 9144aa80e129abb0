#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "triage/regression.h"
#include "triage/upkeep.h"

static int
back_up(struct fixture *fix, const char *name, struct backup *out)
{
    AUTO(mem_free) char *folder = fs_join(fix->folder, name);

    const struct backup_order order = {folder, true, print_finding, NULL};

    return store_backup(fix->store, &order, out, &fix->err);
}

static size_t
partial(struct fixture *fix)
{
    AUTO(mem_free) char *pattern = mem_printf("%s/*.partial-*", fix->folder);
    glob_t found;
    size_t n = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;

    globfree(&found);
    return n;
}

static void
test_backup_is_a_state_of_its_own(void **state)
{
    struct fixture *fix = *state;
    AUTO(store_close) struct store *copy = NULL;
    AUTO(mem_free) char *folder = fs_join(fix->folder, "copy");
    AUTO(mem_free) char *file = NULL;
    AUTO(regression_list_clear) struct regression_list list = {0};
    struct backup sum;
    struct store_counts counts;

    triage(fix, "first", &(struct said){.report = "its report"});
    (void)give(fix, "waiting", "waits");
    must(fix, back_up(fix, "copy/", &sum));
    assert_int_equal(sum.blobs, 3);
    assert_int_equal(sum.regressions, 0);
    assert_int_equal(partial(fix), 0);
    must(fix, store_open(folder, DB_CREATE, &copy, &fix->err));
    must(fix, store_counts(copy, &counts, &fix->err));
    assert_int_equal(counts.crashes, 2);
    assert_int_equal(counts.queued, 1);
    assert_int_equal(store_check(copy, true, print_finding, NULL, &fix->err), 0);
    must(fix, regressions_load(copy, NULL, &list, &fix->err));
    file = regression_path(copy, &list.v[0]); /* made from the copied blobs */
    assert_true(fs_exists(file));
}

static void
test_backup_overwrites_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = put_bytes(fix, "there", "mine", 4);
    AUTO(mem_free)
    char *wanted =
        mem_printf("'%s' is there already, and a backup overwrites nothing", path);
    struct backup sum;

    assert_int_equal(back_up(fix, "there", &sum), -EEXIST);
    assert_string_equal(fix->err.msg, wanted);
    assert_int_equal(back_up(fix, "state", &sum), -EEXIST);
    assert_int_equal(back_up(fix, "none/deep", &sum), -ENOENT);
    assert_int_equal(partial(fix), 0);
}

static void
test_backup_of_a_damaged_state_says_so_and_keeps_the_rest(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};
    struct backup sum;

    files_only(fix);
    triage(fix, "first", &(struct said){0});
    must(fix, regressions_load(fix->store, NULL, &list, &fix->err));
    AUTO(mem_free) char *blob = store_blob_path(fix->store, list.v[0].sha256);
    assert_int_equal(unlink(blob), 0);
    assert_true(back_up(fix, "copy", &sum) > 0);
    assert_int_equal(sum.missing, 1);
}

/* A limit of file sizes ends a write as a full disk does. */
static void
test_backup_that_finds_no_room_leaves_nothing(void **state)
{
    struct fixture *fix = *state;
    struct rlimit old;
    struct backup sum;

    triage(fix, "first", &(struct said){0});
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit tight = {.rlim_cur = 4096, .rlim_max = old.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int rc = back_up(fix, "copy", &sum);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, -ENOSPC);
    assert_int_equal(partial(fix), 0);
    must(fix, back_up(fix, "copy", &sum));
}

/* Whoever makes one holds the blobs: what would remove some does not wait, and comes
 * later. */
static void
test_nothing_is_dropped_while_the_blobs_are_held(void **state)
{
    struct fixture *fix = *state;
    AUTO(fd_close) int lock = open(fix->store->blobs, O_RDONLY | O_DIRECTORY);
    AUTO(strv_clear) struct strv list = {0};
    int64_t n = 0;

    assert_int_equal(flock(lock, LOCK_SH), 0);
    assert_int_equal(store_drop_surplus(fix->store, &list, &n, &fix->err), -EAGAIN);
    must(fix, store_sweep(fix->store, &n, &fix->err));
    assert_int_equal(n, 0);
    (void)give(fix, "new", "new"); /* new ones may come */
}

/* Another process files and triages meanwhile: each copy is of one moment. */
static void
test_backup_beside_a_writer_is_consistent(void **state)
{
    struct fixture *fix = *state;
    pid_t child = fork();

    if (child == 0) {
        struct store *mine = NULL;
        must(fix, store_open(fix->state, DB_WRITE, &mine, &fix->err));
        fix->store = mine;
        for (int i = 0; i < 60; i++) {
            AUTO(mem_free) char *text = mem_printf("input %d", i);
            AUTO(mem_free) char *frame = mem_printf("f%d", i / 2);
            triage(fix, text, &(struct said){.frames = {frame, "main"}, .file = frame});
        }
        _exit(0);
    }
    for (int i = 0; i < 5; i++) {
        AUTO(mem_free) char *name = mem_printf("copy%d", i);
        struct backup sum;
        int rc = back_up(fix, name, &sum);
        must(fix, rc);
        assert_int_equal(rc, 0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_backup_is_a_state_of_its_own),
        TEST(test_backup_overwrites_nothing),
        TEST(test_backup_of_a_damaged_state_says_so_and_keeps_the_rest),
        TEST(test_backup_that_finds_no_room_leaves_nothing),
        TEST(test_nothing_is_dropped_while_the_blobs_are_held),
        TEST(test_backup_beside_a_writer_is_consistent),
    };

    return cmocka_run_group_tests_name("store_backup", tests, NULL, NULL);
}
