#include "triage/store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZLIB_CONST /* input is not written to */
#include <zlib.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    CHUNK = 64 << 10,
    FAST_FROM = 1 << 20, /* bytes from which speed counts more than size */
    FOLDERS = 256,
    TEMP_TRIES = 1000,
    SMALL = 4 << 10, /* bytes up to which these do */
    SMALL_WINDOW_BITS = 12,
    SMALL_MEMORY_LEVEL = 4,
    FLUSH_ALL_FROM = 32, /* files of a batch from which one flush of all costs less */
};

enum {
    FIND,
    PUT,
    ID,
    WHERE,
    DATA,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [FIND] = "SELECT bytes, state FROM blob WHERE sha256 = ?1",
    /* here they are: what was dropped or damaged is there again */
    [PUT] = ("INSERT INTO blob(sha256, bytes, stored_bytes, data) VALUES(?1, ?2, ?3, ?4)"
             " ON CONFLICT(sha256) DO UPDATE SET state = 'present', stored_bytes = ?3,"
             " data = ?4"),
    [ID] = "SELECT id FROM blob WHERE sha256 = ?1",
    [WHERE] = ("SELECT data IS NOT NULL FROM blob"
               " WHERE sha256 = ?1 AND state = 'present'"),
    [DATA] = "SELECT data FROM blob WHERE sha256 = ?1 AND data IS NOT NULL",
};
const struct store_sql store_blob_sql = {sql, STATEMENTS};

bool
store_is_sha256(const char *text)
{
    return strlen(text) == HASH_HEX_MAX - 1 &&
           strspn(text, "0123456789abcdef") == HASH_HEX_MAX - 1;
}

char *
store_blob_path(const struct store *store, const char *sha256)
{
    return mem_printf("%s/%.2s/%s", store->blobs, sha256, sha256);
}

/* A quota and a size limit end like a full disk, for a person and for the supervisor. */
static int
fail_disk(const struct store *store, int rc, struct err *err)
{
    if (rc != -ENOSPC && rc != -EDQUOT && rc != -EFBIG) {
        return err_wrap(err, rc, "write a blob");
    }
    AUTO(mem_free) char *name = str_name_dup(store->blobs);
    return err_set(
        err, -ENOSPC,
        "'%s': the disk is full, or a quota or size limit is reached: free some "
        "space and try again; what was filed before is safe",
        name);
}

/* --- the lock between writers and sweeps --- */

int
store_blobs_lock(const struct store *store, int how, int *out_fd, struct err *err)
{
    /* whoever has this lock waits for the database, so never the other way round */
    int rc = db_group_commit(store->db, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int fd = open(store->blobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = fd < 0 ? -1 : flock(fd, how);
    while (fd >= 0 && rc < 0 && errno == EINTR) {
        rc = flock(fd, how);
    }
    if (rc < 0) {
        return err_sys(err, "lock '%s'", store->blobs);
    }
    *out_fd = FD_STEAL(fd);
    return 0;
}

int
store_batch_hold(struct blob_batch *batch, struct err *err)
{
    return batch->lock >= 0 ? 0
                            : store_blobs_lock(batch->store, LOCK_SH, &batch->lock, err);
}

/* --- writing --- */

/* A quarter of a megabyte of tables for a file of a hundred bytes costs more than all the
 * rest of its way. */
static int
deflate_begin(z_stream *z, size_t len)
{
    return len >= FAST_FROM ? deflateInit(z, Z_BEST_SPEED)
           : len >= SMALL
               ? deflateInit(z, Z_DEFAULT_COMPRESSION)
               : deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, SMALL_WINDOW_BITS,
                              SMALL_MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
}

/* Compress data into a file, in bounded memory. */
static int
write_deflated(int fd, const void *data, size_t len, struct err *err)
{
    unsigned char chunk[CHUNK];
    z_stream z = {.next_in = data, .avail_in = (uInt)len};
    int rc = 0;
    int zrc = deflate_begin(&z, len);

    if (zrc != Z_OK) {
        return err_set(err, -EIO, "zlib: cannot begin (%d)", zrc);
    }
    do {
        z.next_out = chunk;
        z.avail_out = sizeof(chunk);
        zrc = deflate(&z, Z_FINISH);
        rc = fd_write(fd, chunk, sizeof(chunk) - z.avail_out, err);
    } while (rc == 0 && zrc == Z_OK);
    (void)deflateEnd(&z);
    return rc < 0 || zrc == Z_STREAM_END ? rc : err_set(err, -EIO, "zlib: error %d", zrc);
}

/* A new file of our own; its number is a first try, since a dead process or one of
 * another container may have had it. */
static int
open_temp(const char *folder, char **path, int *out_fd, struct err *err)
{
    static unsigned serial;

    for (int i = 0; i < TEMP_TRIES; i++) {
        AUTO(mem_free)
        char *name = mem_printf("%s/%d-%u", folder, (int)getpid(), serial++);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0) {
            *path = STEAL(name);
            *out_fd = fd;
            return 0;
        }
        if (errno == ENOENT && i == 0) { /* the first of the store */
            int rc = fs_mkdirs(folder, 0700, err);
            if (rc < 0) {
                return rc;
            }
        } else if (errno != EEXIST) {
            break;
        }
    }
    return err_sys(err, "create a file in '%s'", folder);
}

static int
write_temp(int fd, const void *data, size_t len, int64_t *stored, struct err *err)
{
    struct stat st;
    int rc = write_deflated(fd, data, len, err);

    if (rc < 0) {
        return rc;
    }
    if (fstat(fd, &st) < 0) {
        return err_sys(err, "look at a new file");
    }
    if (len >= FAST_FROM) {
        /* begin to write now: the flush of the whole batch waits for less then */
        (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    *stored = st.st_size;
    return 0;
}

static bool
has(const struct blob_batch *batch, const char *sha256)
{
    for (size_t i = 0; i < batch->n; i++) {
        if (strcmp(batch->v[i].sha256, sha256) == 0) {
            return true;
        }
    }
    return false;
}

static int
add_file(const struct blob_batch *batch, const void *data, size_t len,
         struct batch_blob *blob, struct err *err)
{
    AUTO(mem_free) char *folder = fs_join(batch->store->blobs, "tmp");
    AUTO(mem_free) char *temp = NULL;
    AUTO(fd_close) int fd = -1;
    int rc = open_temp(folder, &temp, &fd, err);

    rc = rc < 0 ? rc : write_temp(fd, data, len, &blob->stored, err);
    if (rc < 0) {
        if (temp != NULL) {
            (void)unlink(temp);
        }
        return fail_disk(batch->store, rc, err);
    }
    blob->temp = STEAL(temp);
    return 0;
}

int
store_batch_add(struct blob_batch *batch, const char *sha256, const void *data,
                size_t len, struct err *err)
{
    struct batch_blob blob = {.bytes = (int64_t)len, .stored = (int64_t)len};
    bool in_row = (int64_t)len <= batch->store->row_bytes_max;
    int rc = 0;

    if (has(batch, sha256)) {
        return 0;
    }
    (void)snprintf(blob.sha256, sizeof(blob.sha256), "%s", sha256);
    if (in_row) {
        blob.data = mem_dup(data, len);
    } else {
        rc = add_file(batch, data, len, &blob, err);
    }
    if (rc < 0) {
        return rc;
    }
    batch->v = mem_resize(batch->v, (batch->n + 1) * sizeof(*batch->v));
    batch->v[batch->n++] = blob;
    batch->n_files += !in_row;
    return 0;
}

static int
flush_file(const char *path, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 || fsync(fd) < 0 ? err_sys(err, "flush '%s'", path) : 0;
}

/* *made says that the file's folder is new. */
static int
name_file(const struct store *store, struct batch_blob *file, bool *made, struct err *err)
{
    AUTO(mem_free) char *path = store_blob_path(store, file->sha256);
    AUTO(mem_free) char *folder = mem_dup(path, (size_t)(fs_base(path) - path) - 1);

    int rc = rename(file->temp, path);
    if (rc < 0 && errno == ENOENT) { /* the first of its folder */
        if (mkdir(folder, 0700) == 0) {
            *made = true;
        } else if (errno != EEXIST) {
            return err_sys(err, "make folder '%s'", folder);
        }
        rc = rename(file->temp, path);
    }
    if (rc < 0) {
        return err_sys(err, "rename to '%s'", path);
    }
    mem_free(STEAL(file->temp));
    return 0;
}

static int
flush_folders(const struct blob_batch *batch, bool made, struct err *err)
{
    bool done[FOLDERS] = {false};
    int rc = 0;

    for (size_t i = 0; i < batch->n && rc == 0; i++) {
        char digits[3] = {batch->v[i].sha256[0], batch->v[i].sha256[1], '\0'};
        unsigned long at = strtoul(digits, NULL, 16) % FOLDERS;
        AUTO(mem_free) char *folder = fs_join(batch->store->blobs, digits);
        bool due = batch->v[i].data == NULL && !done[at];
        rc = due ? fs_sync_folder(folder, err) : 0;
        done[at] |= due;
    }
    return rc < 0 || !made ? rc : fs_sync_folder(batch->store->blobs, err);
}

/* A file in tmp that stays when this process dies from now on, or files no rows: so a
 * sweep knows whether there can be anything to sweep. */
int
store_mark(const struct store *store, char **path, struct err *err)
{
    AUTO(mem_free) char *folder = fs_join(store->blobs, "tmp");
    AUTO(fd_close) int fd = -1;

    return open_temp(folder, path, &fd, err);
}

/* Nothing refers to a name before its row is there, so names may come before what they
 * name is safe: one flush of the file system then stands for two waits for each file. */
static int
flush_all(const struct blob_batch *batch, struct err *err)
{
    AUTO(fd_close)
    int fd = open(batch->store->blobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || syncfs(fd) < 0 ? err_sys(err, "flush '%s'", batch->store->blobs) : 0;
}

/* All files, then all names, then each folder once: what the disk has to wait for is
 * asked for in as few waits as possible. */
int
store_batch_flush(struct blob_batch *batch, struct err *err)
{
    bool whole = batch->n_files >= FLUSH_ALL_FROM;
    bool made = false;
    if (batch->n_files == 0) {
        return 0; /* all else comes with its row */
    }
    int rc = store_mark(batch->store, &batch->marker, err);
    for (size_t i = 0; i < batch->n && rc == 0 && !whole; i++) {
        rc = batch->v[i].temp == NULL ? 0 : flush_file(batch->v[i].temp, err);
    }
    for (size_t i = 0; i < batch->n && rc == 0; i++) {
        rc = batch->v[i].temp == NULL ? 0
                                      : name_file(batch->store, &batch->v[i], &made, err);
    }
    if (rc == 0) {
        rc = whole ? flush_all(batch, err) : flush_folders(batch, made, err);
    }
    return rc < 0 ? fail_disk(batch->store, rc, err) : 0;
}

int
store_batch_rows(struct blob_batch *batch, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < batch->n && rc == 0; i++) {
        const struct batch_blob *blob = &batch->v[i];
        rc = db_run(batch->store->db, err, sql[PUT], "tiib", blob->sha256, blob->bytes,
                    blob->stored, blob->data, (size_t)blob->bytes);
    }
    batch->in_rows = rc == 0;
    return rc;
}

int
store_batch_end(struct blob_batch *batch, int rc, struct err *err)
{
    rc = store_end(batch->store, rc, err);
    if (rc == 0 && batch->in_rows && batch->marker != NULL) {
        (void)unlink(batch->marker);
    }
    return rc;
}

void
store_batch_clear(struct blob_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->v[i].temp != NULL) {
            (void)unlink(batch->v[i].temp);
            mem_free(batch->v[i].temp);
        }
        mem_free(batch->v[i].data);
    }
    mem_free(STEAL(batch->v));
    mem_free(STEAL(batch->marker));
    batch->n = batch->n_files = 0;
    fd_close(FD_STEAL(batch->lock));
}

int
store_blob_id(struct store *store, const char *sha256, int64_t *id, struct err *err)
{
    return db_int(store->db, id, err, sql[ID], "t", sha256);
}

/* --- reading --- */

int
store_blob_here(struct store *store, const char *sha256, bool *here, struct err *err)
{
    AUTO(mem_free) char *path = store_blob_path(store, sha256);
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[WHERE], "t", sha256);

    rc = rc < 0 ? rc : stmt_step(row, err);
    *here = rc == 1 && (stmt_int(row, 0) != 0 || access(path, F_OK) == 0);
    if (rc == 1) {
        stmt_reset(row);
    }
    return rc < 0 ? rc : 0;
}

/* At most `bytes` and exactly as many, or -EUCLEAN: a damaged file must not inflate for
 * ever. */
static int
read_inflated(int fd, int64_t bytes, struct buf *out)
{
    unsigned char in[CHUNK];
    unsigned char plain[CHUNK];
    z_stream z = {0};
    int64_t left = bytes;
    int zrc = inflateInit(&z);

    while (zrc == Z_OK) {
        if (z.avail_in == 0) {
            ssize_t n = fd_read(fd, in, sizeof(in));
            z.next_in = in;
            z.avail_in = n < 0 ? 0 : (uInt)n;
        }
        z.next_out = plain;
        z.avail_out = sizeof(plain);
        zrc = inflate(&z, Z_NO_FLUSH);
        int64_t got = (int64_t)(sizeof(plain) - z.avail_out);
        if (got > left) {
            break;
        }
        buf_add(out, plain, (size_t)got);
        left -= got;
    }
    (void)inflateEnd(&z);
    return zrc == Z_STREAM_END && left == 0 && !out->truncated ? 0 : -EUCLEAN;
}

/* From the row: 1, or 0 when they are not there. */
static int
read_row(const struct store *store, const char *sha256, struct buf *out, struct err *err)
{
    struct stmt *row = NULL;
    size_t len = 0;
    int rc = db_query(store->db, &row, err, sql[DATA], "t", sha256);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 1) {
        const void *data = stmt_blob(row, 0, &len);
        buf_add(out, data, len);
        stmt_reset(row);
    }
    return rc;
}

static int
read_file(const struct store *store, const char *sha256, int64_t bytes, struct buf *out,
          struct err *err)
{
    AUTO(mem_free) char *path = store_blob_path(store, sha256);
    AUTO(fd_close) int fd = -1;
    int rc = fs_open(path, &fd, NULL, err);

    if (rc < 0) {
        return rc == -ENOENT
                   ? err_set(err, rc,
                             "blob %s: its file '%s' is gone (see nightjar db check)",
                             sha256, path)
                   : rc;
    }
    rc = read_inflated(fd, bytes, out);
    return rc < 0 ? err_set(err, rc,
                            "blob %s: its file '%s' is damaged (see nightjar db check)",
                            sha256, path)
                  : 0;
}

int
store_blob_read(const struct store *store, const char *sha256, int64_t bytes,
                struct buf *out, struct err *err)
{
    char now[HASH_HEX_MAX];
    size_t before = out->len;

    if ((size_t)bytes > buf_room(out)) {
        if (out->max != 0) {
            return err_set(err, -EFBIG, "blob %s holds %lld bytes, more than are wanted",
                           sha256, (long long)bytes);
        }
        out->max = out->len + (size_t)bytes;
    }
    int rc = bytes <= STORE_ROW_BYTES_MAX ? read_row(store, sha256, out, err) : 0;
    rc = rc == 0 ? read_file(store, sha256, bytes, out, err) : rc;
    if (rc < 0) {
        buf_cut(out, before);
        return rc;
    }
    hash_sha256(buf_str(out) + before, out->len - before, now);
    if (strcmp(now, sha256) != 0) {
        buf_cut(out, before);
        return err_set(err, -EUCLEAN,
                       "blob %s: its bytes are damaged (see nightjar db check)", sha256);
    }
    return 0;
}

int
store_blob(struct store *store, const char *sha256, struct buf *out, struct err *err)
{
    struct stmt *stmt = NULL;

    if (!store_is_sha256(sha256)) {
        AUTO(mem_free) char *name = str_name_dup(sha256);
        return err_set(err, -EINVAL, "'%.80s' is no SHA-256: 64 digits from 0-9a-f",
                       name);
    }
    int rc = db_query(store->db, &stmt, err, sql[FIND], "t", sha256);
    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc <= 0) {
        return rc < 0 ? rc : err_set(err, -ENODATA, "there is no blob %s here", sha256);
    }
    int64_t bytes = stmt_int(stmt, 0);
    bool present = strcmp(stmt_text(stmt, 1), "present") == 0;
    stmt_reset(stmt);
    if (!present) {
        return err_set(err, -ENODATA,
                       "the bytes of %s were dropped: its bug has other examples",
                       sha256);
    }
    return store_blob_read(store, sha256, bytes, out, err);
}
