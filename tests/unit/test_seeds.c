#include "tests/unit/unit.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/target.h"
#include "tests/unit/programs.h"

struct fixture {
    char *root;
    char *out; /* where seeds go */
    struct target_list list;
    struct target *target;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char name[] = "/tmp/nightjar-test-seeds.XXXXXX";

    *state = fix;
    fix->root = mem_strdup(mkdtemp(name));
    fix->out = fs_join(fix->root, "out/seeds");
    fix->target = target_list_add(&fix->list, "t");
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;
    int rc = fs_remove(fix->root, &fix->err);

    mem_free(fix->root);
    mem_free(fix->out);
    target_list_clear(&fix->list);
    mem_free(fix);
    return rc;
}

static void
put(struct fixture *fix, const char *name, const void *data, size_t len)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);
    AUTO(mem_free) char *folder = mem_dup(path, (size_t)(fs_base(path) - path));

    assert_int_equal(fs_mkdirs(folder, 0755, &fix->err), 0);
    assert_int_equal(fs_write(path, data, len, 0644, &fix->err), 0);
}

static void
add_source(struct fixture *fix, const char *name)
{
    strv_addf(&fix->target->seeds, "%s/%s", fix->root, name);
}

static int
count_file(void *user, const char *path, const struct stat *st, struct err *err)
{
    int64_t *n = user;

    (void)path;
    (void)err;
    *n += st != NULL;
    return 0;
}

static int64_t
files_in(const char *folder)
{
    int64_t n = 0;
    struct err err = ERR_INIT;

    assert_int_equal(fs_walk(folder, count_file, &n, &err), 0);
    return n;
}

/* Unpack, and check that the number is what lies there and what counting says. */
static int64_t
unpack(struct fixture *fix)
{
    int64_t n = -1;
    int64_t counted = -1;

    assert_int_equal(target_unpack_seeds(fix->target, fix->out, &n, &fix->err), 0);
    assert_int_equal(target_count_seeds(fix->target, &counted, &fix->err), 0);
    assert_int_equal(files_in(fix->out), n);
    assert_true(counted == n || (counted == 0 && n == 1));
    return n;
}

static void
assert_seed(struct fixture *fix, const void *data, size_t len)
{
    char hex[HASH_HEX_MAX];
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    hash_sha256(data, len, hex);
    AUTO(mem_free) char *path = fs_join(fix->out, hex);
    assert_int_equal(fs_read(path, 8 << 20, &bytes, &fix->err), 0);
    assert_int_equal(bytes.len, len);
    assert_memory_equal(bytes.data, data, len);
}

/* --- archives, written by libarchive so that they can be as hostile as they like --- */

static struct archive *
begin_archive(struct fixture *fix, const char *name)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);
    struct archive *a = archive_write_new();

    if (str_ends(name, ".zip")) {
        (void)archive_write_set_format_zip(a);
    } else {
        (void)archive_write_set_format_pax_restricted(a);
    }
    if (str_ends(name, "gz")) {
        (void)archive_write_add_filter_gzip(a);
        (void)archive_write_set_filter_option(a, "gzip", "compression-level", "1");
    } else if (str_ends(name, "xz")) {
        (void)archive_write_add_filter_xz(a);
    } else if (str_ends(name, "zst")) {
        (void)archive_write_add_filter_zstd(a);
    } else if (str_ends(name, "bz2")) {
        (void)archive_write_add_filter_bzip2(a);
    }
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    return a;
}

static void
add_header(struct archive *a, const char *name, unsigned type, int64_t size)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, size);
    if (type == AE_IFLNK) {
        archive_entry_set_symlink(entry, "/etc/passwd");
    }
    assert_true(archive_write_header(a, entry) >= ARCHIVE_WARN);
    archive_entry_free(entry);
}

static void
add_entry(struct archive *a, const char *name, const char *text)
{
    add_header(a, name, AE_IFREG, (int64_t)strlen(text));
    (void)archive_write_data(a, text, strlen(text));
}

static void
end_archive(struct archive *a)
{
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    (void)archive_write_free(a);
}

/* --- tests --- */

static void
test_equal_bytes_become_one_seed(void **state)
{
    struct fixture *fix = *state;

    put(fix, "corpus/a", "alpha", 5);
    put(fix, "corpus/sub/b", "beta", 4);
    put(fix, "corpus/sub/again", "alpha", 5);
    put(fix, "one", "one", 3);
    add_source(fix, "corpus");
    add_source(fix, "one");
    add_source(fix, "corpus/a");
    assert_int_equal(unpack(fix), 3);
    assert_seed(fix, "alpha", 5);
    assert_seed(fix, "beta", 4);
    assert_seed(fix, "one", 3);
}

static void
test_a_second_time_changes_nothing(void **state)
{
    struct fixture *fix = *state;

    put(fix, "a", "alpha", 5);
    add_source(fix, "a");
    assert_int_equal(unpack(fix), 1);
    assert_int_equal(unpack(fix), 1);
}

/* Workers read them under another uid. */
static void
test_seeds_are_readable_whatever_the_umask(void **state)
{
    struct fixture *fix = *state;
    mode_t before = umask(077);
    char hex[HASH_HEX_MAX];
    struct stat st;

    put(fix, "a", "alpha", 5);
    add_source(fix, "a");
    assert_int_equal(unpack(fix), 1);
    (void)umask(before);
    hash_sha256("alpha", 5, hex);
    AUTO(mem_free) char *path = fs_join(fix->out, hex);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(stat(fix->out, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
}

static void
test_every_kind_of_archive_is_read(void **state)
{
    static const char *const names[] = {"a.zip",     "b.tar",    "c.tar.gz", "d.tgz",
                                        "e.tar.bz2", "f.tar.xz", "g.tar.zst"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(names); i++) {
        struct archive *a = begin_archive(fix, names[i]);
        add_header(a, "folder", AE_IFDIR, 0);
        add_entry(a, "folder/x", names[i]);
        add_entry(a, "./y", "the same in all");
        end_archive(a);
        add_source(fix, names[i]);
    }
    assert_int_equal(unpack(fix), COUNT(names) + 1);
    assert_seed(fix, "the same in all", 15);
    assert_seed(fix, "g.tar.zst", 9);
}

static void
test_hostile_entries_never_leave_the_archive(void **state)
{
    struct fixture *fix = *state;
    struct archive *a = begin_archive(fix, "evil.tar");

    add_entry(a, "../../escaped", "one");
    add_entry(a, "/tmp/nightjar-test-absolute", "two");
    add_entry(a, "a/../../b", "three");
    add_header(a, "link", AE_IFLNK, 0);
    add_header(a, "fifo", AE_IFIFO, 0);
    add_header(a, "device", AE_IFCHR, 0);
    add_entry(a, ".hidden/x", "four");
    add_entry(a, "empty", "");
    add_entry(a, "a\n\033[2J$(x)", "good");
    end_archive(a);
    add_source(fix, "evil.tar");
    assert_int_equal(unpack(fix), 1);
    assert_seed(fix, "good", 4);
    assert_false(fs_exists("/tmp/nightjar-test-absolute"));
    assert_int_equal(files_in(fix->root), 2); /* the archive and the seed */
}

static void
test_too_large_seeds_are_passed_over(void **state)
{
    struct fixture *fix = *state;
    size_t limit = TARGET_SEED_BYTES_MAX;
    AUTO(mem_free) char *bytes = mem_alloc(limit + 1);

    memset(bytes, 'x', limit + 1);
    put(fix, "s/exact", bytes, limit);
    put(fix, "s/large", bytes, limit + 1);
    struct archive *a = begin_archive(fix, "s.tar.gz");
    add_header(a, "large", AE_IFREG, (int64_t)limit + 1);
    (void)archive_write_data(a, bytes, limit + 1);
    add_entry(a, "after", "after");
    end_archive(a);
    add_source(fix, "s");
    add_source(fix, "s.tar.gz");
    assert_int_equal(unpack(fix), 2);
    assert_seed(fix, bytes, limit);
    assert_seed(fix, "after", 5);
}

/* 1.1 GiB of zeros in some megabytes: only the budget may be unpacked. */
static void
test_bombs_cost_a_bounded_time(void **state)
{
    struct fixture *fix = *state;
    struct archive *a = begin_archive(fix, "bomb.tar.gz");
    AUTO(mem_free) char *zeros = mem_alloc(1 << 20);

    add_entry(a, "first", "first");
    add_header(a, ".hidden-bomb", AE_IFREG, INT64_C(1126) << 20);
    for (int i = 0; i < 1126; i++) {
        assert_true(archive_write_data(a, zeros, 1 << 20) == 1 << 20);
    }
    add_entry(a, "last", "last");
    end_archive(a);
    add_source(fix, "bomb.tar.gz");
    int64_t n = -1;
    int64_t start = clock_mono_ms();
    assert_int_equal(target_unpack_seeds(fix->target, fix->out, &n, &fix->err), 0);
    assert_true(clock_mono_ms() - start < 60000);
    assert_int_equal(n, 1); /* "last" lies behind the budget */
}

/* A hole costs nothing in the archive; many of them must not cost hours. */
static void
test_sparse_entries_count_against_the_budget(void **state)
{
    struct fixture *fix = *state;
    int64_t n = -1;

    program_sh(fix->root,
               "mkdir s\n"
               "for i in $(seq 300); do truncate -s 5000000 s/$i; echo $i >>s/$i; done\n"
               "tar -S -cf sparse.tar s\n"
               "test $(stat -c %s sparse.tar) -lt 2000000\n"
               "rm -r s\n");
    add_source(fix, "sparse.tar");
    fix->target->limits.ratio = 10000;
    assert_int_equal(target_count_seeds(fix->target, &n, &fix->err), 0);
    assert_int_equal(n, (1 << 30) / 5000004);
}

static void
test_a_million_entries_are_bounded(void **state)
{
    struct fixture *fix = *state;
    struct archive *a = begin_archive(fix, "many.tar.gz");
    int64_t n = -1;

    for (int i = 0; i < 101000; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", i);
        add_entry(a, "same-name", text);
    }
    end_archive(a);
    add_source(fix, "many.tar.gz");
    assert_int_equal(target_count_seeds(fix->target, &n, &fix->err), 0);
    assert_int_equal(n, 100000);
}

/* "1", "2", ... "20" as twenty entries. */
static void
put_twenty(struct fixture *fix)
{
    struct archive *a = begin_archive(fix, "twenty.tar.gz");

    for (int i = 1; i <= 20; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", i);
        add_entry(a, text, text);
    }
    end_archive(a);
    add_source(fix, "twenty.tar.gz");
}

static void
test_limits_are_those_of_the_target(void **state)
{
    static const struct {
        struct seed_limits limits;
        int64_t n;
    } rows[] = {{{0}, 20},
                {{.inputs = 7}, 7},
                {{.entries = 5}, 5},
                {{.bytes = 9}, 8},   /* of which the ninth is the last */
                {{.ratio = 1}, 20}}; /* so little is no bomb */
    struct fixture *fix = *state;

    put_twenty(fix);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t n = -1;
        fix->target->limits = rows[i].limits;
        assert_int_equal(target_count_seeds(fix->target, &n, &fix->err), 0);
        assert_int_equal(n, rows[i].n);
    }
}

static void
test_an_archive_that_grows_beyond_its_ratio_ends_there(void **state)
{
    struct fixture *fix = *state;
    struct archive *a = begin_archive(fix, "bomb.tar.gz");
    AUTO(mem_free) char *zeros = mem_alloc(1 << 20);
    int64_t n = -1;

    add_entry(a, "first", "first");
    add_header(a, "large", AE_IFREG, INT64_C(100) << 20);
    for (int i = 0; i < 100; i++) {
        assert_true(archive_write_data(a, zeros, 1 << 20) == 1 << 20);
    }
    add_entry(a, "last", "last");
    end_archive(a);
    add_source(fix, "bomb.tar.gz");
    assert_int_equal(target_count_seeds(fix->target, &n, &fix->err), 0);
    assert_int_equal(n, 2);
    fix->target->limits.ratio = 10;
    assert_int_equal(target_count_seeds(fix->target, &n, &fix->err), 0);
    assert_int_equal(n, 1);
}

static void
test_damaged_archives_give_what_they_hold(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *cut = fs_join(fix->root, "cut.tar");
    struct archive *a = begin_archive(fix, "cut.tar");

    add_entry(a, "first", "first");
    add_entry(a, "second", "second");
    end_archive(a);
    assert_int_equal(truncate(cut, 512 * 3 + 2), 0);
    put(fix, "text.zip", "this is no archive", 18);
    put(fix, "empty.tar.gz", "", 0);
    add_source(fix, "cut.tar");
    add_source(fix, "text.zip");
    add_source(fix, "empty.tar.gz");
    assert_int_equal(unpack(fix), 1);
    assert_seed(fix, "first", 5);
}

static void
test_damage_anywhere_does_no_harm(void **state)
{
    static const char *const names[] = {"a.zip", "b.tar", "c.tar.gz", "d.tar.xz"};
    struct fixture *fix = *state;
    unsigned seed = 11;

    for (size_t i = 0; i < COUNT(names); i++) {
        AUTO(buf_clear) struct buf whole = BUF_INIT;
        AUTO(mem_free) char *path = fs_join(fix->root, names[i]);
        struct archive *a = begin_archive(fix, names[i]);
        for (int k = 0; k < 10; k++) {
            AUTO(mem_free) char *name = mem_printf("file-%d", k);
            add_entry(a, name, name);
        }
        end_archive(a);
        assert_int_equal(fs_read(path, 1 << 20, &whole, &fix->err), 0);
        for (int round = 0; round < 150; round++) {
            AUTO(mem_free) char *copy = mem_dup(whole.data, whole.len);
            int64_t n = -1;
            for (int k = 0; k < 3; k++) {
                copy[(size_t)rand_r(&seed) % whole.len] = (char)rand_r(&seed);
            }
            size_t len = round % 3 == 0 ? (size_t)rand_r(&seed) % whole.len : whole.len;
            assert_int_equal(fs_write(path, copy, len, 0644, &fix->err), 0);
            strv_clear(&fix->target->seeds);
            add_source(fix, names[i]);
            assert_int_equal(target_count_seeds(fix->target, &n, &fix->err), 0);
            assert_true(n >= 0 && n <= 10);
        }
    }
}

static void
test_links_and_hidden_files_of_folders_are_passed_over(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *link = fs_join(fix->root, "q/link");
    AUTO(mem_free) char *fifo = fs_join(fix->root, "q/fifo");

    put(fix, "q/id:000000", "seed", 4);
    put(fix, "q/.state/auto_extras/x", "not a seed", 10);
    put(fix, "q/empty", "", 0);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    add_source(fix, "q");
    assert_int_equal(unpack(fix), 1);
    assert_seed(fix, "seed", 4);
}

static void
test_no_seeds_give_a_minimal_one(void **state)
{
    struct fixture *fix = *state;
    int64_t counted = -1;

    assert_int_equal(unpack(fix), 1);
    assert_seed(fix, "0", 1);
    assert_int_equal(target_count_seeds(fix->target, &counted, &fix->err), 0);
    assert_int_equal(counted, 0);
}

static void
test_missing_sources_are_said(void **state)
{
    struct fixture *fix = *state;
    int64_t n = -1;
    AUTO(mem_free)
    char *want =
        mem_printf("seeds: find '%s/none': No such file or directory", fix->root);
    AUTO(mem_free)
    char *zip =
        mem_printf("seeds: open '%s/none.zip': No such file or directory", fix->root);

    add_source(fix, "none");
    assert_int_equal(target_unpack_seeds(fix->target, fix->out, &n, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, want);
    strv_clear(&fix->target->seeds);
    add_source(fix, "none.zip");
    assert_int_equal(target_unpack_seeds(fix->target, fix->out, &n, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, zip);
    assert_int_equal(n, -1);
}

static void
test_an_output_that_cannot_be_written_is_a_failure(void **state)
{
    struct fixture *fix = *state;
    int64_t n = -1;

    put(fix, "out", "a file where the folder should be", 10);
    put(fix, "a", "alpha", 5);
    add_source(fix, "a");
    assert_int_equal(target_unpack_seeds(fix->target, fix->out, &n, &fix->err), -ENOTDIR);
    AUTO(mem_free) char *want = mem_printf("make folder '%s': Not a directory", fix->out);
    assert_string_equal(fix->err.msg, want);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_equal_bytes_become_one_seed),
        TEST(test_a_second_time_changes_nothing),
        TEST(test_seeds_are_readable_whatever_the_umask),
        TEST(test_every_kind_of_archive_is_read),
        TEST(test_hostile_entries_never_leave_the_archive),
        TEST(test_too_large_seeds_are_passed_over),
        TEST(test_bombs_cost_a_bounded_time),
        TEST(test_sparse_entries_count_against_the_budget),
        TEST(test_a_million_entries_are_bounded),
        TEST(test_limits_are_those_of_the_target),
        TEST(test_an_archive_that_grows_beyond_its_ratio_ends_there),
        TEST(test_damaged_archives_give_what_they_hold),
        TEST(test_damage_anywhere_does_no_harm),
        TEST(test_links_and_hidden_files_of_folders_are_passed_over),
        TEST(test_no_seeds_give_a_minimal_one),
        TEST(test_missing_sources_are_said),
        TEST(test_an_output_that_cannot_be_written_is_a_failure),
    };

    log_set_level(LOG_ERROR); /* what is passed over */
    return cmocka_run_group_tests_name("seeds", tests, NULL, NULL);
}
