#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "base/unlinker.h"
#include "triage/upkeep.h"

/* SHA-256 of "aaaa". */
static const char aaaa[] =
    "61be55a8e2f6b4e172338bddf184d6dbee29c98853e0a0485ecee7f27b9af0b4";

static char *
file_of(struct fixture *fix, const char *sha256)
{
    return store_blob_path(fix->store, sha256);
}

static int
count_files(void *user, const char *path, const struct stat *st, struct err *err)
{
    int *n = user;

    (void)path;
    (void)st;
    (void)err;
    ++*n;
    return 0;
}

static int
files_in_blobs(struct fixture *fix)
{
    AUTO(mem_free) char *blobs = fs_join(fix->state, "blobs");
    int n = 0;

    assert_int_equal(fs_walk(blobs, count_files, &n, &fix->err), 0);
    return n;
}

static void
test_blob_gives_back_what_was_filed(void **state)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 3 << 20};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(sizes); i++) {
        AUTO(mem_free) char *bytes = mem_alloc(sizes[i]);
        AUTO(buf_clear) struct buf back = BUF_INIT;
        char sha256[HASH_HEX_MAX];
        for (size_t k = 0; k < sizes[i]; k++) {
            bytes[k] = (char)(k * 2654435761U >> 13);
        }
        AUTO(mem_free) char *path = put_bytes(fix, "in", bytes, sizes[i]);
        assert_int_equal(give_path(fix, path, "triage").code, 0);
        hash_sha256(bytes, sizes[i], sha256);
        buf_adds(&back, "kept ");
        must(fix, store_blob(fix->store, sha256, &back, &fix->err));
        assert_int_equal(back.len, sizes[i] + 5);
        assert_memory_equal(back.data + 5, bytes, sizes[i]);
    }
    assert_clean(fix);
}

static void
test_blob_refuses_what_is_no_hash(void **state)
{
    const char upper[] =
        "61BE55A8E2F6B4E172338BDDF184D6DBEE29C98853E0A0485ECEE7F27B9AF0B4";
    const char *const names[] = {"", "../../etc/passwd", upper};
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf out = BUF_INIT;

    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(store_blob(fix->store, names[i], &out, &fix->err), -EINVAL);
    }
    assert_int_equal(store_blob(fix->store, "../../etc/passwd", &out, &fix->err),
                     -EINVAL);
    assert_string_equal(fix->err.msg,
                        "'../../etc/passwd' is no SHA-256: 64 digits from 0-9a-f");
    assert_int_equal(store_blob(fix->store, aaaa, &out, &fix->err), -ENODATA);
    assert_non_null(strstr(fix->err.msg, "there is no blob 61be55a8"));
}

static void
test_blob_says_when_its_file_is_gone(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf out = BUF_INIT;
    AUTO(mem_free) char *path = file_of(fix, aaaa);
    AUTO(mem_free)
    char *wanted =
        mem_printf("blob %s: its file '%s' is gone (see nightjar db check)", aaaa, path);

    files_only(fix);
    (void)give(fix, "a", "aaaa");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(store_blob(fix->store, aaaa, &out, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, wanted);
}

/* One flipped byte, a cut file, foreign bytes, and a bomb. */
static void
test_blob_says_when_its_file_is_damaged(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = file_of(fix, aaaa);
    AUTO(mem_free)
    char *wanted = mem_printf("blob %s: its file '%s' is damaged (see nightjar db check)",
                              aaaa, path);
    AUTO(mem_free) char *zeros = mem_alloc(1 << 20);
    AUTO(buf_clear) struct buf good = BUF_INIT;
    AUTO(buf_clear) struct buf bomb = BUF_INIT;
    char big[HASH_HEX_MAX];
    int padding = 0;

    files_only(fix);
    (void)give(fix, "a", "aaaa");
    AUTO(mem_free) char *other = put_bytes(fix, "z", zeros, 1 << 20);
    (void)give_path(fix, other, "triage");
    hash_sha256(zeros, 1 << 20, big);
    AUTO(mem_free) char *bomb_path = file_of(fix, big);
    assert_int_equal(fs_read(path, 4096, &good, NULL), 0);
    assert_int_equal(fs_read(bomb_path, 65536, &bomb, NULL), 0);
    for (size_t i = 0; i < good.len + 2; i++) {
        AUTO(buf_clear) struct buf bad = BUF_INIT;
        AUTO(buf_clear) struct buf out = BUF_INIT;
        buf_adds(&out, "kept");
        buf_add(&bad, good.data,
                i < good.len    ? good.len
                : i == good.len ? good.len / 2
                                : 0);
        if (i < good.len) {
            bad.data[i] = (char)(bad.data[i] ^ 0x40);
        } else if (i > good.len) {
            buf_add(&bad, bomb.data, bomb.len);
        }
        assert_int_equal(fs_write(path, buf_str(&bad), bad.len, 0600, NULL), 0);
        int rc = store_blob(fix->store, aaaa, &out, &fix->err);
        if (rc == 0) { /* a bit that pads the compressed stream says nothing */
            assert_true(i < good.len);
            assert_string_equal(buf_str(&out), "keptaaaa");
            padding++;
            continue;
        }
        assert_int_equal(rc, -EUCLEAN);
        assert_string_equal(fix->err.msg, wanted);
        assert_string_equal(buf_str(&out), "kept");
    }
    assert_true(padding <= 1);
}

static void
test_blob_keeps_within_the_bound_of_its_reader(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf small = {.max = 3};

    (void)give(fix, "a", "aaaa");
    assert_int_equal(store_blob(fix->store, aaaa, &small, &fix->err), -EFBIG);
    assert_int_equal(small.len, 0);
}

/* --- small ones --- */

static void
test_small_blob_lies_in_its_row(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *bytes = mem_alloc(STORE_ROW_BYTES_MAX + 1);

    AUTO(mem_free) char *row = put_bytes(fix, "row", bytes, STORE_ROW_BYTES_MAX);
    AUTO(mem_free) char *file = put_bytes(fix, "file", bytes, STORE_ROW_BYTES_MAX + 1);
    (void)give_path(fix, row, "triage");
    assert_int_equal(files_in_blobs(fix), 0);
    (void)give_path(fix, file, "triage");
    assert_int_equal(files_in_blobs(fix), 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM blob WHERE data IS NULL"), 1);
    assert_clean(fix);
}

static void
test_small_blob_says_when_it_is_damaged(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf out = BUF_INIT;
    AUTO(mem_free)
    char *wanted =
        mem_printf("blob %s: its bytes are damaged (see nightjar db check)", aaaa);

    (void)give(fix, "a", "aaaa");
    buf_adds(&out, "kept");
    execute(fix, "UPDATE blob SET data = x'61616162'");
    assert_int_equal(store_blob(fix->store, aaaa, &out, &fix->err), -EUCLEAN);
    assert_string_equal(fix->err.msg, wanted);
    assert_string_equal(buf_str(&out), "kept");
    assert_int_equal(db_exec(store_db(fix->store), "UPDATE blob SET data = x'61'", NULL),
                     -EEXIST); /* as many as the row says */
}

/* A state of an older release has each as a file, however small. */
static void
test_small_file_is_read_and_dropped_like_any_other(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    AUTO(buf_clear) struct buf out = BUF_INIT;
    AUTO(strv_clear) struct strv surplus = {0};
    int64_t dropped = 0;

    files_only(fix);
    (void)triage(fix, "a", &said);
    (void)triage(fix, "aaaa", &said);
    fix->store->row_bytes_max = STORE_ROW_BYTES_MAX;
    must(fix, store_blob(fix->store, aaaa, &out, &fix->err));
    assert_string_equal(buf_str(&out), "aaaa");
    (void)give(fix, "again", "aaaa"); /* it is there */
    assert_int_equal(files_in_blobs(fix), 2);
    strv_add(&surplus, aaaa);
    must(fix, store_drop_surplus(fix->store, &surplus, &dropped, &fix->err));
    unlinker_wait(fix->store->unlinker);
    assert_int_equal(files_in_blobs(fix), 1);
    assert_clean(fix);
}

/* Its file is lost, and the bytes come again: the row has them now, and what turns up in
 * the file's place is nobody's. */
static void
test_small_file_that_was_lost_comes_back_in_its_row(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = file_of(fix, aaaa);
    struct garbage garbage;

    files_only(fix);
    (void)give(fix, "a", "aaaa");
    fix->store->row_bytes_max = STORE_ROW_BYTES_MAX;
    assert_int_equal(unlink(path), 0);
    (void)give(fix, "a", "aaaa");
    assert_clean(fix);
    assert_int_equal(fs_write(path, "stale", 5, 0600, &fix->err), 0);
    must(fix, store_gc(fix->store, false, &garbage, &fix->err));
    assert_int_equal(garbage.orphans, 1);
    assert_false(fs_exists(path));
    assert_clean(fix);
}

/* --- sweeping --- */

static void
test_sweep_removes_what_a_killed_process_left(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *kept = file_of(fix, aaaa);
    AUTO(mem_free) char *temp = fs_join(fix->state, "blobs/tmp/77-1");
    AUTO(mem_free)
    char *orphan =
        file_of(fix, "61ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
    AUTO(mem_free) char *foreign = fs_join(fix->state, "blobs/61/README");
    int64_t removed = 0;

    files_only(fix);
    (void)give(fix, "a", "aaaa");
    assert_int_equal(fs_write(temp, "x", 1, 0600, &fix->err), 0);
    assert_int_equal(fs_write(orphan, "x", 1, 0600, &fix->err), 0);
    assert_int_equal(fs_write(foreign, "x", 1, 0600, &fix->err), 0);
    must(fix, store_sweep(fix->store, &removed, &fix->err));
    assert_int_equal(removed, 2);
    assert_true(fs_exists(kept));
    assert_true(fs_exists(foreign));
    assert_false(fs_exists(temp));
    assert_false(fs_exists(orphan));
    assert_clean(fix);
}

/* A sweep waits for a batch that is being filed, in any process. */
static void
test_sweep_and_batches_exclude_each_other(void **state)
{
    struct fixture *fix = *state;
    AUTO(store_batch_clear) struct blob_batch batch = BLOB_BATCH_INIT(fix->store);
    AUTO(mem_free) char *blobs = fs_join(fix->state, "blobs");
    AUTO(fd_close) int fd = open(blobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    must(fix, store_batch_hold(&batch, &fix->err));
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
    assert_int_equal(flock(fd, LOCK_UN), 0);
    store_batch_clear(&batch);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
}

static void
test_batch_that_is_not_flushed_leaves_nothing(void **state)
{
    struct fixture *fix = *state;

    files_only(fix);
    {
        AUTO(store_batch_clear) struct blob_batch batch = BLOB_BATCH_INIT(fix->store);
        must(fix, store_batch_hold(&batch, &fix->err));
        must(fix, store_batch_add(&batch, aaaa, "aaaa", 4, &fix->err));
        assert_int_equal(files_in_blobs(fix), 1);
    }
    assert_int_equal(files_in_blobs(fix), 0);
}

/* Killed between the files and the rows: what then is the marker for. */
static void
test_batch_that_came_into_no_row_is_swept_at_the_next_start(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = file_of(fix, aaaa);

    files_only(fix);
    (void)give(fix, "b", "bbbb");
    {
        AUTO(store_batch_clear) struct blob_batch batch = BLOB_BATCH_INIT(fix->store);
        must(fix, store_batch_hold(&batch, &fix->err));
        must(fix, store_batch_add(&batch, aaaa, "aaaa", 4, &fix->err));
        must(fix, store_batch_flush(&batch, &fix->err));
    }
    assert_true(fs_exists(path));
    assert_int_equal(files_in_blobs(fix), 3); /* b, the orphan, the marker */
    store_close(STEAL(fix->store));
    must(fix, store_open(fix->state, DB_CREATE, &fix->store, &fix->err));
    assert_int_equal(files_in_blobs(fix), 1);
    assert_clean(fix);
}

static void
test_batch_that_was_filed_leaves_no_marker(void **state)
{
    struct fixture *fix = *state;

    files_only(fix);
    (void)give(fix, "b", "bbbb");
    assert_int_equal(files_in_blobs(fix), 1);
}

/* --- dropping --- */

static int64_t
drop(struct fixture *fix, const char *sha256)
{
    AUTO(strv_clear) struct strv list = {0};
    int64_t dropped = 0;

    strv_add(&list, sha256);
    must(fix, store_drop_surplus(fix->store, &list, &dropped, &fix->err));
    unlinker_wait(fix->store->unlinker);
    return dropped;
}

static void
test_drop_marks_a_surplus_duplicate(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    AUTO(buf_clear) struct buf out = BUF_INIT;
    AUTO(mem_free) char *path = file_of(fix, aaaa);
    AUTO(mem_free)
    char *wanted =
        mem_printf("the bytes of %s were dropped: its bug has other examples", aaaa);

    files_only(fix);
    (void)triage(fix, "a", &said);
    (void)triage(fix, "aaaa", &said);
    assert_int_equal(drop(fix, aaaa), 1);
    assert_false(fs_exists(path));
    assert_int_equal(store_blob(fix->store, aaaa, &out, &fix->err), -ENODATA);
    assert_string_equal(fix->err.msg, wanted);
    assert_int_equal(drop(fix, aaaa), 0);
    assert_clean(fix);
    /* it is known: given again it is neither new nor kept again */
    AUTO(mem_free) char *again = put_bytes(fix, "again", "aaaa", 4);
    assert_false(give_path(fix, again, "triage").is_new);
    assert_false(fs_exists(path));
    /* another target has a use for the bytes */
    fix->target = put_target(fix, "u", "/bin/true");
    assert_true(give_path(fix, again, "triage").is_new);
    assert_true(fs_exists(path));
    assert_clean(fix);
}

static void
test_drop_takes_small_bytes_out_of_their_row(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};

    (void)triage(fix, "a", &said);
    (void)triage(fix, "aaaa", &said);
    assert_int_equal(drop(fix, aaaa), 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM blob WHERE data IS NULL"), 1);
    AUTO(mem_free) char *again = put_bytes(fix, "again", "aaaa", 4);
    assert_false(give_path(fix, again, "triage").is_new);
    assert_int_equal(number(fix, "SELECT count(*) FROM blob WHERE data IS NULL"), 1);
    fix->target = put_target(fix, "u", "/bin/true");
    assert_true(give_path(fix, again, "triage").is_new);
    assert_int_equal(number(fix, "SELECT count(*) FROM blob WHERE data IS NULL"), 0);
    assert_int_equal(files_in_blobs(fix), 0);
    assert_clean(fix);
}

static void
test_drop_refuses_what_is_needed(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {.report = "==1==ERROR: AddressSanitizer: heap"};
    const struct said clean = {.outcome = "clean"};
    AUTO(buf_clear) struct buf report = BUF_INIT;
    char sha256[HASH_HEX_MAX];

    struct job_outcome first = triage(fix, "bb", &said);
    (void)triage(fix, "cc", &clean);
    (void)give(fix, "queued", "aaaa");
    static const char *const texts[] = {"bb", "cc", "aaaa",
                                        "==1==ERROR: AddressSanitizer: heap"};
    assert_string_equal(first.bug_name, "NJ-1");
    for (size_t i = 0; i < COUNT(texts); i++) {
        hash_sha256(texts[i], strlen(texts[i]), sha256);
        assert_int_equal(drop(fix, sha256), 0);
        must(fix, store_blob(fix->store, sha256, &report, &fix->err));
    }
    assert_clean(fix);
}

/* --- a full disk --- */

/* RLIMIT_FSIZE is a disk that is full for us alone, also when we are root. */
static void
limit_files(rlim_t bytes)
{
    static struct rlimit old;

    if (bytes != 0) {
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        (void)signal(SIGXFSZ, SIG_IGN);
    }
    const struct rlimit limit = {bytes, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, bytes == 0 ? &old : &limit), 0);
}

static void
test_full_disk_files_nothing_and_loses_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *noise = mem_alloc(1 << 20);
    AUTO(mem_free)
    char *wanted =
        mem_printf("file 2 crashes: '%s/blobs': the disk is full, or a quota or size "
                   "limit is reached: free some space and try again; what was filed "
                   "before is safe",
                   fix->state);
    struct intake_result results[2];

    files_only(fix);
    (void)give(fix, "before", "aaaa");
    for (size_t i = 0; i < 1 << 20; i++) { /* does not compress */
        noise[i] = (char)((i * 2654435761U) >> 11 ^ i * 40503U);
    }
    AUTO(mem_free) char *small = put_bytes(fix, "small", "bbbb", 4);
    AUTO(mem_free) char *large = put_bytes(fix, "large", noise, 1 << 20);
    const struct intake_item items[] = {
        {.path = small, .target = fix->target, .source = "triage"},
        {.path = large, .target = fix->target, .source = "triage"}};
    limit_files(64 << 10);
    int rc = store_intake(fix->store, items, 2, results, &fix->err);
    limit_files(0);
    assert_int_equal(rc, -ENOSPC);
    assert_string_equal(fix->err.msg, wanted);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash"), 1);
    assert_int_equal(files_in_blobs(fix), 1);
    assert_clean(fix);
    must(fix, store_intake(fix->store, items, 2, results, &fix->err));
    assert_true(results[0].is_new && results[1].is_new);
    assert_clean(fix);
}

static void
test_full_database_files_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = put_bytes(fix, "a", "aaaa", 4);
    const struct intake_item item = {
        .path = path, .target = fix->target, .source = "triage"};
    struct intake_result result;
    int64_t removed = 0;

    execute(fix, "PRAGMA max_page_count=1"); /* no more than there are */
    int rc = 0;
    char name[32];
    for (int i = 0; i < 2000 && rc == 0; i++) { /* what is left of the pages */
        (void)snprintf(name, sizeof(name), "%d", i);
        AUTO(mem_free) char *filler = put_bytes(fix, "filler", name, strlen(name));
        const struct intake_item more = {
            .path = filler, .target = fix->target, .source = "triage"};
        rc = store_intake(fix->store, &more, 1, &result, &fix->err);
    }
    assert_int_equal(rc, -ENOSPC);
    assert_non_null(strstr(fix->err.msg, "file 1 crashes: database: the disk is full"));
    int64_t before = number(fix, "SELECT count(*) FROM crash");
    assert_int_equal(store_intake(fix->store, &item, 1, &result, &fix->err), -ENOSPC);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash"), before);
    assert_clean(fix);
    execute(fix, "PRAGMA max_page_count=100000");
    must(fix, store_intake(fix->store, &item, 1, &result, &fix->err));
    assert_true(result.is_new);
    must(fix, store_sweep(fix->store, &removed, &fix->err));
    assert_int_equal(removed, 0); /* what did not fit was a row */
    assert_clean(fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_blob_gives_back_what_was_filed),
        TEST(test_blob_refuses_what_is_no_hash),
        TEST(test_blob_says_when_its_file_is_gone),
        TEST(test_blob_says_when_its_file_is_damaged),
        TEST(test_blob_keeps_within_the_bound_of_its_reader),
        TEST(test_small_blob_lies_in_its_row),
        TEST(test_small_blob_says_when_it_is_damaged),
        TEST(test_small_file_is_read_and_dropped_like_any_other),
        TEST(test_small_file_that_was_lost_comes_back_in_its_row),
        TEST(test_sweep_removes_what_a_killed_process_left),
        TEST(test_sweep_and_batches_exclude_each_other),
        TEST(test_batch_that_is_not_flushed_leaves_nothing),
        TEST(test_batch_that_came_into_no_row_is_swept_at_the_next_start),
        TEST(test_batch_that_was_filed_leaves_no_marker),
        TEST(test_drop_marks_a_surplus_duplicate),
        TEST(test_drop_takes_small_bytes_out_of_their_row),
        TEST(test_drop_refuses_what_is_needed),
        TEST(test_full_disk_files_nothing_and_loses_nothing),
        TEST(test_full_database_files_nothing),
    };

    return cmocka_run_group_tests_name("store_blob", tests, NULL, NULL);
}
