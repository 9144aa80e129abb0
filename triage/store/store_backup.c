#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/regression.h"
#include "triage/store/store_private.h"
#include "triage/upkeep.h"

enum { PAGE = 1000, SPARE = 100 /* a hundredth of the disk stays free */ };

enum {
    FILES,
    IN_ROWS,
    SIZE,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [FILES] = ("SELECT id, sha256 FROM blob WHERE id > ?1 AND state = 'present'"
               " AND data IS NULL ORDER BY id LIMIT ?2"),
    [IN_ROWS] = "SELECT count(*) FROM blob WHERE id > ?1 AND data IS NOT NULL",
    [SIZE] = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
};
const struct store_sql store_backup_sql = {sql, STATEMENTS};

struct copying {
    struct store *store;
    struct store *copy; /* the database of the backup, read */
    char *folder;       /* under its passing name */
    struct backup *sum;
};

static void
copying_clear(struct copying *copying)
{
    store_close(copying->copy);
    if (copying->folder != NULL) {
        (void)fs_remove(copying->folder, NULL);
    }
    mem_free(copying->folder);
}
AUTO_DEFINE_CLEAR(struct copying, copying_clear)

/* --- its place --- */

static int
make_place(struct copying *copying, const char *folder, struct err *err)
{
    AUTO(mem_free) char *shown = str_name_dup(folder);
    AUTO(mem_free) char *path = mem_printf("%s.partial-XXXXXX", folder);
    struct stat st;

    if (lstat(folder, &st) == 0) {
        return err_set(err, -EEXIST,
                       "'%s' is there already, and a backup overwrites nothing", shown);
    }
    if (mkdtemp(path) == NULL) {
        return err_sys(err, "make a folder beside '%s'", shown);
    }
    copying->folder = STEAL(path);
    return 0;
}

/* Bytes that a file takes; 0 when it is not there. */
static int64_t
bytes_of(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? 0 : (int64_t)st.st_blocks * 512;
}

static int
check_room(const struct copying *copying, int64_t wanted, struct err *err)
{
    struct statvfs fs;
    char needs[32];
    char has[32];

    assert(copying->folder != NULL);
    if (statvfs(copying->folder, &fs) < 0) {
        return err_sys(err, "look at the disk");
    }
    int64_t block = (int64_t)fs.f_frsize;
    int64_t room = (int64_t)fs.f_bavail * block;
    if (room - (int64_t)fs.f_blocks / SPARE * block >= wanted) {
        return 0;
    }
    str_bytes_show(needs, sizeof(needs), wanted);
    str_bytes_show(has, sizeof(has), room);
    return err_set(err, -ENOSPC,
                   "the disk has %s free, the backup takes %s, and a hundredth of the "
                   "disk is to stay free",
                   has, needs);
}

/* --- what is copied --- */

static int
copy_database(struct copying *copying, struct err *err)
{
    AUTO(mem_free) char *path = fs_join(copying->folder, "nightjar.db");
    int64_t size = 0;
    int rc = db_int(copying->store->db, &size, err, sql[SIZE], "");

    rc = rc < 0 ? rc : check_room(copying, size, err);
    rc = rc < 0 ? rc : db_backup(copying->store->db, path, err);
    rc = rc < 0 ? rc : store_open(copying->folder, DB_READ, &copying->copy, err);
    copying->sum->database_bytes = bytes_of(path);
    return rc < 0 ? rc
                  : db_int(copying->copy->db, &copying->sum->blobs, err, sql[IN_ROWS],
                           "i", (int64_t)0);
}

typedef int blob_step(struct copying *copying, const char *sha256, struct err *err);

/* What a blob takes is asked of the disk, so that nobody need trust a row. */
static int
weigh_blob(struct copying *copying, const char *sha256, struct err *err)
{
    AUTO(mem_free) char *path = store_blob_path(copying->store, sha256);

    (void)err;
    copying->sum->blob_bytes += bytes_of(path);
    return 0;
}

static int
copy_blob(struct copying *copying, const char *sha256, struct err *err)
{
    AUTO(mem_free) char *from = store_blob_path(copying->store, sha256);
    AUTO(mem_free) char *to = store_blob_path(copying->copy, sha256);
    AUTO(mem_free) char *folder = mem_strdup(to);

    *strrchr(folder, '/') = '\0';
    int rc = fs_mkdirs(folder, 0700, err);
    rc = rc < 0 ? rc : fs_copy(from, to, 0600, NULL, err);
    if (rc == -ENOENT && !fs_exists(from)) {
        copying->sum->missing++; /* store_check() says which */
        return 0;
    }
    copying->sum->blobs += rc == 0 ? 1 : 0;
    return rc;
}

/* In pages: a step may use the database. */
static int
each_blob(struct copying *copying, blob_step *step, struct err *err)
{
    int64_t last = 0;
    size_t n = PAGE;

    while (n == PAGE) {
        AUTO(strv_clear) struct strv page = {0};
        struct stmt *row = NULL;
        int rc =
            db_query(copying->copy->db, &row, err, sql[FILES], "ii", last, (int64_t)PAGE);
        while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
            last = stmt_int(row, 0);
            strv_add(&page, stmt_text(row, 1));
            rc = 0;
        }
        for (size_t i = 0; i < page.n && rc == 0; i++) {
            rc = step(copying, page.v[i], err);
        }
        if (rc < 0) {
            return rc;
        }
        n = page.n;
    }
    return 0;
}

static int
copy_regression(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct copying *copying = user;
    size_t root = strlen(copying->store->folder);
    AUTO(mem_free) char *to = mem_printf("%s%s", copying->folder, path + root);
    AUTO(mem_free) char *folder = mem_strdup(to);

    if (st == NULL) {
        return 0;
    }
    *strrchr(folder, '/') = '\0';
    int rc = fs_mkdirs(folder, 0700, err);
    rc = rc < 0 ? rc : fs_copy(path, to, 0600, NULL, err);
    copying->sum->regressions += rc == 0 ? 1 : 0;
    return rc == -ENOENT && !fs_exists(path) ? 0 : rc; /* replaced by a better one */
}

/* With what others put there; then as the copied database has it. */
static int
copy_regressions(struct copying *copying, struct err *err)
{
    AUTO(mem_free) char *root = fs_join(copying->store->folder, "regressions");
    struct err lost = ERR_INIT; /* a bug without bytes: store_check() says so */
    int rc = fs_is_folder(root) ? fs_walk(root, copy_regression, copying, err) : 0;

    rc = rc < 0 ? rc : regressions_keep(copying->copy, 0, NULL, &lost);
    return rc == -ENOSPC               ? err_set(err, rc, "%s", lost.msg)
           : rc == 0 || lost.code != 0 ? 0
                                       : rc;
}

/* --- corpora --- */

/* STATE/corpus/TARGET/index, where its inputs came from and when. */
static bool
is_corpus_index(const char *path, const struct stat *st)
{
    return st != NULL && strcmp(fs_base(path), "index") == 0;
}

/* STATE/corpus/TARGET/inputs/ab/SHA256; what else lies there is made again. */
static bool
is_corpus_input(const char *path, const struct stat *st)
{
    const char *name = fs_base(path);

    return st != NULL && strlen(name) == HASH_HEX_MAX - 1 &&
           strspn(name, "0123456789abcdef") == HASH_HEX_MAX - 1 &&
           strstr(path, "/inputs/") != NULL;
}

static int
weigh_input(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct copying *copying = user;

    (void)err;
    if (is_corpus_input(path, st) || is_corpus_index(path, st)) {
        copying->sum->corpora_bytes += (int64_t)st->st_blocks * 512;
    }
    return 0;
}

static int
copy_input(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct copying *copying = user;
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    AUTO(mem_free)
    char *to = mem_printf("%s%s", copying->folder, path + strlen(copying->store->folder));
    AUTO(mem_free) char *folder = mem_strdup(to);
    char sha256[HASH_HEX_MAX];

    if (!is_corpus_input(path, st)) {
        return 0;
    }
    if (fs_read(path, STORE_INPUT_MAX, &bytes, err) < 0) {
        copying->sum->damaged += fs_exists(path); /* else it was pruned meanwhile */
        return 0;
    }
    hash_sha256(buf_str(&bytes), bytes.len, sha256);
    if (strcmp(sha256, fs_base(path)) != 0) {
        copying->sum->damaged++;
        return 0;
    }
    *strrchr(folder, '/') = '\0';
    int rc = fs_mkdirs(folder, 0700, err);
    rc = rc < 0 ? rc : fs_write(to, buf_str(&bytes), bytes.len, 0600, err);
    copying->sum->corpora += rc == 0 ? 1 : 0;
    return rc;
}

static int
copy_of_corpus(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct copying *copying = user;

    if (!is_corpus_index(path, st)) {
        return copy_input(user, path, st, err);
    }
    AUTO(mem_free)
    char *to = mem_printf("%s%s", copying->folder, path + strlen(copying->store->folder));
    AUTO(mem_free) char *folder = mem_strdup(to);
    *strrchr(folder, '/') = '\0';
    int rc = fs_mkdirs(folder, 0700, err);
    rc = rc < 0 ? rc : fs_copy(path, to, 0600, NULL, err);
    return rc == -ENOENT && !fs_exists(path) ? 0 : rc; /* it is being replaced */
}

static int
each_input(struct copying *copying, fs_visit *visit, struct err *err)
{
    AUTO(mem_free) char *root = fs_join(copying->store->folder, "corpus");

    return fs_is_folder(root) ? fs_walk(root, visit, copying, err) : 0;
}

static int
copy_all(struct copying *copying, struct err *err)
{
    AUTO(fd_close) int lock = -1;
    AUTO(mem_free) char *blobs = fs_join(copying->folder, "blobs");
    int rc = store_blobs_lock(copying->store, LOCK_SH, &lock, err);

    rc = rc < 0 ? rc : copy_database(copying, err);
    rc = rc < 0 ? rc : each_blob(copying, weigh_blob, err);
    rc = rc < 0 ? rc : each_input(copying, weigh_input, err);
    rc = rc < 0 ? rc
                : check_room(copying,
                             copying->sum->blob_bytes + copying->sum->corpora_bytes, err);
    rc = rc < 0 ? rc : fs_mkdirs(blobs, 0700, err);
    rc = rc < 0 ? rc : each_blob(copying, copy_blob, err);
    rc = rc < 0 ? rc : copy_regressions(copying, err);
    return rc < 0 ? rc : each_input(copying, copy_of_corpus, err);
}

/* --- the end --- */

static int
flush(const struct copying *copying, struct err *err)
{
    static const char *const of_readers[] = {"nightjar.db-wal", "nightjar.db-shm"};

    /* nothing was written: the log that the check left is empty */
    for (size_t i = 0; i < COUNT(of_readers); i++) {
        AUTO(mem_free) char *path = fs_join(copying->folder, of_readers[i]);
        (void)unlink(path);
    }
    AUTO(fd_close) int fd = open(copying->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || syncfs(fd) < 0 ? err_sys(err, "flush the backup") : 0;
}

static int
put_in_place(struct copying *copying, const char *folder, struct err *err)
{
    AUTO(mem_free) char *absolute = fs_absolute(folder);
    AUTO(mem_free) char *shown = str_name_dup(folder);

    if (renameat2(AT_FDCWD, copying->folder, AT_FDCWD, folder, RENAME_NOREPLACE) < 0) {
        return err_sys(err, "put the backup in its place '%s'", shown);
    }
    mem_free(STEAL(copying->folder));
    char *slash = strrchr(absolute, '/');
    slash[slash == absolute ? 1 : 0] = '\0';
    return fs_sync_folder(absolute, err);
}

int
store_backup(struct store *store, const struct backup_order *order, struct backup *out,
             struct err *err)
{
    struct backup sum = {0};
    AUTO(copying_clear) struct copying copying = {.store = store, .sum = &sum};
    AUTO(mem_free) char *name = mem_strdup(order->folder);

    for (size_t n = strlen(name); n > 1 && name[n - 1] == '/'; n--) {
        name[n - 1] = '\0';
    }
    int rc = make_place(&copying, name, err);
    rc = rc < 0 ? rc : copy_all(&copying, err);
    int found =
        rc < 0 ? rc
               : store_check(copying.copy, order->deep, order->finding, order->user, err);
    store_close(STEAL(copying.copy));
    rc = found < 0 ? found : flush(&copying, err);
    rc = rc < 0 ? rc : put_in_place(&copying, name, err);
    if (rc < 0) {
        return rc;
    }
    *out = sum;
    return found;
}
