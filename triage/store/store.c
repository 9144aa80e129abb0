#include "triage/store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unlinker.h"
#include "migrations.h"

enum { LOCK_TEXT_MAX = 128, JOBS_EACH_MS = 1024 };

static const char query_version[] = "PRAGMA user_version";

const struct db_migration *
store_migrations(size_t *count)
{
    *count = COUNT(migrations);
    return migrations;
}

/* --- the lock --- */

static int
open_lock(const char *state, int *out_fd, struct err *err)
{
    AUTO(mem_free) char *path = fs_join(state, "lock");
    AUTO(mem_free) char *name = str_name_dup(path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0) {
        return err_sys(err, "open '%s'", name);
    }
    *out_fd = fd;
    return 0;
}

/* Who holds it, as far as the file tells: pid 0 when it does not. */
static int64_t
lock_holder(int fd, char verb[LOCK_TEXT_MAX])
{
    char text[LOCK_TEXT_MAX] = "";
    int64_t pid = 0;
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    text[n < 0 ? 0 : n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    char *space = strchr(text, ' ');
    if (space != NULL) {
        *space = '\0';
        (void)str_number("pid", text, 1, INT32_MAX, &pid, NULL);
    }
    AUTO(mem_free) char *shown = str_name_dup(space == NULL ? "" : space + 1);
    (void)snprintf(verb, LOCK_TEXT_MAX, "%s", shown);
    return pid;
}

static int
fail_locked(const char *state, int fd, const char *cure, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(state);
    char verb[LOCK_TEXT_MAX];
    int64_t pid = lock_holder(fd, verb);

    if (pid == 0) {
        return err_set(err, -EBUSY, "'%s' is in use by another nightjar: %s", name, cure);
    }
    return err_set(err, -EBUSY, "'%s' is in use by nightjar %s (pid %lld): %s", name,
                   verb, (long long)pid, cure);
}

static int
make_folders(const char *state, struct err *err)
{
    /* a target under another uid must be able to walk through STATE to its work folder,
     * and nobody but us into the blobs */
    AUTO(mem_free) char *blobs = fs_join(state, "blobs");
    AUTO(mem_free) char *work = fs_join(state, "work");
    int rc = fs_mkdirs(state, 0755, err);

    rc = rc < 0 ? rc : fs_mkdirs(blobs, 0700, err);
    return rc < 0 ? rc : fs_mkdirs(work, 0755, err);
}

int
store_lock(const char *state, const char *verb, int *out_fd, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    AUTO(mem_free) char *text = mem_printf("%d %s\n", (int)getpid(), verb);
    int rc = make_folders(state, err);

    if (rc == 0) {
        rc = open_lock(state, &fd, err);
    }
    if (rc < 0) {
        return err_wrap(err, rc, "lock the state folder");
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        return fail_locked(state, fd, "wait for it or stop it", err);
    }
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0) {
        return err_sys(err, "write '%s/lock'", state);
    }
    *out_fd = FD_STEAL(fd);
    return 0;
}

/* --- schema --- */

static int
schema(struct store *store, int64_t *version, struct err *err)
{
    return db_int(store->db, version, err, query_version, "");
}

/* A supervisor of the old release may be running, whose queries would meet the new
 * schema. */
static int
migrate_alone(struct store *store, const struct db_migration *list, size_t count,
              struct err *err)
{
    AUTO(fd_close) int fd = -1;
    char verb[LOCK_TEXT_MAX];
    int rc = open_lock(store->folder, &fd, err);

    if (rc < 0) {
        return rc;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int64_t holder = lock_holder(fd, verb);
        if (holder != getpid() && holder != getppid()) {
            return fail_locked(store->folder, fd,
                               "it uses the database of an older release; stop it first",
                               err);
        }
    }
    return db_migrate(store->db, list, count, err);
}

int
store_migrate(struct store *store, const struct db_migration *list, size_t count,
              struct err *err)
{
    int64_t version = 0;
    int rc = schema(store, &version, err);

    if (rc < 0 || version == (int64_t)count) {
        return rc;
    }
    return version == 0 ? db_migrate(store->db, list, count, err)
                        : migrate_alone(store, list, count, err);
}

static int
fail_missing(const char *state, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(state);

    return err_set(
        err, -ENOENT,
        "there is no nightjar state in '%s': nightjar triage CRASHES -- ./target @@ "
        "or nightjar fuzz makes one, or say --state DIR",
        name);
}

static int
check_schema(struct store *store, struct err *err)
{
    int64_t version = 0;
    int rc = schema(store, &version, err);

    if (rc < 0 || version == (int64_t)COUNT(migrations)) {
        return rc;
    }
    if (version == 0) { /* killed while it was made */
        return fail_missing(store->folder, err);
    }
    if (version > (int64_t)COUNT(migrations)) {
        return db_migrate(store->db, migrations, COUNT(migrations), err);
    }
    return err_set(
        err, -EPROTONOSUPPORT,
        "the database has an older schema (%lld, wanted is %zu): nightjar db migrate "
        "brings "
        "it up to date, as triage and fuzz do; an older nightjar cannot read it any more "
        "then",
        (long long)version, COUNT(migrations));
}

/* --- opening --- */

int
store_open(const char *state, enum db_mode mode, struct store **out, struct err *err)
{
    AUTO(store_close) struct store *store = mem_alloc(sizeof(*store));
    store->recent = store_recent_new();
    store->unlinker = unlinker_new();
    store->row_bytes_max = STORE_ROW_BYTES_MAX;
    /* a worker that outlives this process may name a job of it to the next one */
    store->last_job = clock_wall_ms() * JOBS_EACH_MS;
    store->regressions_due = true; /* what was killed may not have come to it */
    store->folder = fs_absolute(state);
    store->blobs = fs_join(store->folder, "blobs");
    AUTO(mem_free) char *path = fs_join(store->folder, "nightjar.db");
    int rc = mode == DB_CREATE ? make_folders(store->folder, err) : 0;

    if (rc < 0) {
        return err_wrap(err, rc, "make the state folder");
    }
    if (mode != DB_CREATE && access(path, F_OK) < 0 &&
        (errno == ENOENT || errno == ENOTDIR)) {
        return fail_missing(state, err);
    }
    rc = db_open(path, mode, &store->db, err);
    if (rc == 0) {
        rc = mode == DB_CREATE ? store_migrate(store, migrations, COUNT(migrations), err)
                               : check_schema(store, err);
    }
    if (rc == 0 && mode == DB_CREATE) {
        rc = store_sweep(store, NULL, err);
    }
    if (rc == 0 && mode == DB_READ) {
        rc = store_bugs_now(store, err);
    } else if (rc == 0) {
        store_wake_sometimes(store);
    }
    if (rc < 0) {
        return rc;
    }
    *out = STEAL(store);
    return 0;
}

void
store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    db_close(store->db);
    unlinker_free(store->unlinker);
    mem_free(store->folder);
    mem_free(store->blobs);
    mem_free(store->handed);
    store_recent_free(store->recent);
    mem_free(store);
}

const char *
store_folder(const struct store *store)
{
    return store->folder;
}

struct db *
store_db(struct store *store)
{
    return store->db;
}

int
store_end(struct store *store, int rc, struct err *err)
{
    if (rc < 0) {
        db_rollback(store->db);
        return rc;
    }
    return db_commit(store->db, err);
}

void
store_group_begin(struct store *store)
{
    db_group_begin(store->db);
}

int
store_group_end(struct store *store, struct err *err)
{
    return db_group_end(store->db, err);
}
