#include "base/db_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum { BUSY_STEP_US = 10000, COPY_TRIES = 3 };

/* Names and hashes come in no order, so that each crash of a million meets other pages of
 * their indexes: 32 MiB of them in memory, and a log of 16 MiB before they are written
 * back, so that a page that changes often is written back once. */
static const char writer_settings[] =
    "PRAGMA cache_size=-32768; PRAGMA wal_autocheckpoint=4000";

/* A list of bugs, worst first, meets their rows and their crashes' in no order either. */
static const char reader_settings[] = "PRAGMA query_only=ON; PRAGMA cache_size=-65536";

static bool
is_memory(const char *path)
{
    return strcmp(path, ":memory:") == 0;
}

static char *
folder_of(const char *path)
{
    size_t len = strlen(path) - strlen(fs_base(path));

    return len == 0 ? mem_strdup(".") : mem_dup(path, len);
}

static int
fail_path(struct err *err, int code, const char *path, const char *why)
{
    AUTO(mem_free) char *name = str_name_dup(path);

    return err_set(err, code, "database '%s': %s", name, why);
}

/* Switching a new database to WAL needs it alone for a moment, and SQLite's busy handler
 * does not wait there. */
static int
use_wal(struct db *db, const char *path, struct err *err)
{
    int64_t end = clock_mono_ms() + DB_BUSY_TIMEOUT_MS;

    for (;;) {
        struct stmt *mode = NULL;
        int rc = db_query(db, &mode, err, "PRAGMA journal_mode=WAL", "");
        rc = rc < 0 ? rc : stmt_step(mode, err);
        if (rc == 1) {
            bool is_wal = strcmp(stmt_text(mode, 0), "wal") == 0;
            stmt_reset(mode);
            return is_wal || is_memory(path) ? 0
                                             : fail_path(err, -EOPNOTSUPP, path,
                                                         "its file system cannot hold a "
                                                         "write-ahead log; give --state "
                                                         "a folder on a local disk");
        }
        if (rc != -EBUSY || clock_mono_ms() > end) {
            return rc;
        }
        (void)usleep(BUSY_STEP_US);
    }
}

static int
configure(struct db *db, const char *path, enum db_mode mode, struct err *err)
{
    (void)sqlite3_busy_timeout(db->handle, DB_BUSY_TIMEOUT_MS);
    int rc = db_exec(db, "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF", err);

    if (rc < 0 || mode == DB_READ) {
        return rc < 0 ? rc : db_exec(db, reader_settings, err);
    }
    rc = use_wal(db, path, err);
    rc = rc < 0 ? rc : db_exec(db, writer_settings, err);
    return rc < 0 ? rc : db_set_sync(db, DB_SYNC_FULL, err);
}

/* Open and look: only reading finds out whether the log can be used. A database, to be
 * closed by the caller, may be there after a failure too. Answers SQLite's code. */
static int
open_and_look(const char *path, int flags, sqlite3 **out)
{
    /* a connection belongs to one thread */
    int rc = sqlite3_open_v2(path, out, flags | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK) {
        (void)sqlite3_busy_timeout(*out, DB_BUSY_TIMEOUT_MS);
        rc = sqlite3_exec(*out, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
    }
    return rc;
}

static void
forget(struct db *db)
{
    (void)sqlite3_close(db->handle);
    db->handle = NULL;
}

static int
fail_open(struct db *db, const char *path, int code, struct err *err)
{
    int why = db->handle == NULL ? 0 : sqlite3_system_errno(db->handle);

    return fail_path(
        err, (code & 0xff) == SQLITE_CANTOPEN && why != 0 ? -why : db_errno(code), path,
        db->handle == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db->handle));
}

static int
open_immutable(struct db *db, const char *path, struct err *err)
{
    AUTO(mem_free) char *absolute = fs_absolute(path);
    AUTO(buf_clear) struct buf uri = BUF_INIT;

    buf_adds(&uri, "file:");
    for (const char *s = absolute; *s != '\0'; s++) {
        if (strchr("%?#", *s) != NULL) {
            buf_addf(&uri, "%%%02x", (unsigned char)*s);
        } else {
            buf_addc(&uri, *s);
        }
    }
    buf_adds(&uri, "?immutable=1");
    int rc =
        open_and_look(buf_str(&uri), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, &db->handle);
    return rc == SQLITE_OK ? 0 : fail_open(db, path, rc, err);
}

static int
copy_file(const char *from, const char *to, struct err *err)
{
    AUTO(fd_close) int in = -1;
    char chunk[65536];
    ssize_t n;
    int rc = fs_open(from, &in, NULL, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0) {
        return err_sys(err, "create '%s'", to);
    }
    while ((n = fd_read(in, chunk, sizeof(chunk))) > 0) {
        rc = fd_write(out, chunk, (size_t)n, err);
        if (rc < 0) {
            return err_wrap(err, rc, "'%s'", to);
        }
    }
    return n < 0 ? err_sys(err, "read '%s'", from) : 0;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Database and log, neither of which changed while they were copied: together they are
 * what a machine that lost power there would find, which is what the log is made for. */
static int
copy_pair(const char *path, const char *wal, const char *folder, struct err *err)
{
    const char *const from[2] = {path, wal};
    AUTO(mem_free) char *to_db = fs_join(folder, "copy.db");
    AUTO(mem_free) char *to_wal = fs_join(folder, "copy.db-wal");
    const char *const to[2] = {to_db, to_wal};

    for (int tries = 0; tries < COPY_TRIES; tries++) {
        struct stat before[2];
        struct stat after[2];
        bool still = true;
        for (int i = 0; i < 2; i++) {
            (void)unlink(to[i]);
            if (stat(from[i], &before[i]) < 0) {
                return err_sys(err, "read '%s'", from[i]);
            }
        }
        for (int i = 0; i < 2; i++) {
            int rc = copy_file(from[i], to[i], err);
            if (rc < 0) {
                return rc;
            }
        }
        for (int i = 0; i < 2; i++) {
            still = still && stat(from[i], &after[i]) == 0 &&
                    same_file(&before[i], &after[i]);
        }
        if (still) {
            return 0;
        }
    }
    return err_set(err, -EBUSY, "it is being written all the time; try again");
}

/* The copies lose their names as soon as they are open, so that no end of this process
 * leaves them behind. */
static int
open_copy(struct db *db, const char *path, const char *wal, struct err *err)
{
    const char *temp = getenv("TMPDIR");
    AUTO(mem_free)
    char *folder =
        mem_printf("%s/nightjar-XXXXXX", temp == NULL || temp[0] == '\0' ? "/tmp" : temp);
    if (mkdtemp(folder) == NULL) {
        return err_sys(
            err, "database '%s' has a log that must be copied to be read; make '%s'",
            path, folder);
    }
    AUTO(mem_free) char *copy = fs_join(folder, "copy.db");
    int rc = copy_pair(path, wal, folder, err);
    if (rc < 0) {
        (void)err_wrap(err, rc, "copy the database '%s' to read it", path);
    } else {
        int code = open_and_look(copy, SQLITE_OPEN_READWRITE, &db->handle);
        rc = code == SQLITE_OK ? 0 : fail_open(db, path, code, err);
    }
    (void)fs_remove(folder, NULL);
    return rc;
}

/* Without SQLite's locks: see db_open() in the header. */
static int
open_aside(struct db *db, const char *path, struct err *err)
{
    AUTO(mem_free) char *wal = mem_printf("%s-wal", path);
    AUTO(mem_free) char *name = str_name_dup(wal);
    struct stat st;

    if (stat(wal, &st) < 0) {
        return errno == ENOENT ? open_immutable(db, path, err)
                               : err_sys(err, "look at '%s'", name);
    }
    return st.st_size > 0 ? open_copy(db, path, wal, err) : open_immutable(db, path, err);
}

static int
open_read(struct db *db, const char *path, const char *network, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(path);

    if (!is_memory(path) && access(path, R_OK) < 0) {
        return err_sys(err, "read database '%s'", name);
    }
    if (network != NULL) {
        return open_aside(db, path, err);
    }
    int code = open_and_look(path, SQLITE_OPEN_READONLY, &db->handle);
    if (code == SQLITE_OK) {
        return 0;
    }
    if ((code & 0xff) != SQLITE_CANTOPEN && (code & 0xff) != SQLITE_READONLY &&
        (code & 0xff) != SQLITE_IOERR) {
        return fail_open(db, path, code, err);
    }
    forget(db);
    return open_aside(db, path, err);
}

/* SQLite would make the file readable for all, and what stands in it is exploitable. A
 * new file only: closing a descriptor of one that this process uses would drop its locks.
 */
static int
make_private(const char *path, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(path);
    AUTO(fd_close)
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    return fd < 0 && errno != EEXIST ? err_sys(err, "make database '%s'", name) : 0;
}

static int
open_write(struct db *db, const char *path, enum db_mode mode, const char *network,
           struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(path);
    AUTO(mem_free) char *folder = folder_of(path);
    int rc = 0;

    if (network != NULL) {
        return err_set(
            err, -EOPNOTSUPP,
            "'%s' lies on %s: the database's write-ahead log needs memory that all its "
            "users share, which a network file system has not; give --state a folder "
            "on a local disk",
            name, network);
    }
    if (!is_memory(path)) {
        if (access(folder, W_OK | X_OK) < 0) {
            return err_sys(
                err,
                "the folder of '%s' cannot be written, and the database's log lies "
                "there (bugs, show, status and gate only read: they work here)",
                name);
        }
        rc = mode == DB_CREATE ? make_private(path, err) : 0;
    }
    if (rc < 0) {
        return rc;
    }
    int code = open_and_look(
        path, SQLITE_OPEN_READWRITE | (is_memory(path) ? SQLITE_OPEN_CREATE : 0),
        &db->handle);
    if (code != SQLITE_OK) {
        return fail_open(db, path, code, err);
    }
    return sqlite3_db_readonly(db->handle, "main") == 1
               ? fail_path(err, -EACCES, path, "it is read-only for this user")
               : 0;
}

int
db_open_on(const char *path, enum db_mode mode, const char *network, struct db **out,
           struct err *err)
{
    AUTO(db_close) struct db *db = mem_alloc(sizeof(*db));
    int rc = mode == DB_READ ? open_read(db, path, network, err)
                             : open_write(db, path, mode, network, err);

    if (rc == 0) {
        rc = configure(db, path, mode, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out = STEAL(db);
    return 0;
}

int
db_open(const char *path, enum db_mode mode, struct db **out, struct err *err)
{
    AUTO(mem_free) char *folder = folder_of(path);

    return db_open_on(path, mode, is_memory(path) ? NULL : fs_network_name(folder), out,
                      err);
}
