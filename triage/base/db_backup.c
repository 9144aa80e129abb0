#include <fcntl.h>
#include <unistd.h>

#include "base/db_private.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

enum { BUSY_PAUSE_MS = 20 };

/* For its owner only, as db_open() makes it. */
static int
make_file(const char *path, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(path);
    AUTO(fd_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    return fd < 0 ? err_sys(err, "create '%s'", name) : 0;
}

/* In one step, which is one transaction: others may write meanwhile, and it is not begun
 * anew for them. */
static int
copy_pages(struct db *from, struct db *to, struct err *err)
{
    sqlite3_backup *backup =
        sqlite3_backup_init(to->handle, "main", from->handle, "main");
    int waited_ms = 0;
    int rc = SQLITE_OK;

    if (backup == NULL) {
        return db_fail(to, "begin the copy", err);
    }
    do {
        rc = sqlite3_backup_step(backup, -1);
        if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
            (void)sqlite3_sleep(BUSY_PAUSE_MS);
            waited_ms += BUSY_PAUSE_MS;
        }
    } while ((rc == SQLITE_BUSY || rc == SQLITE_LOCKED) &&
             waited_ms < DB_BUSY_TIMEOUT_MS);
    int end = sqlite3_backup_finish(backup); /* its code is that of the destination */
    return rc == SQLITE_DONE && end == SQLITE_OK ? 0 : db_fail(to, "copy", err);
}

int
db_backup(struct db *db, const char *path, struct err *err)
{
    AUTO(db_close) struct db *copy = mem_alloc(sizeof(*copy));
    int rc = make_file(path, err);

    if (rc < 0) {
        return rc;
    }
    if (sqlite3_open_v2(path, &copy->handle, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        return db_fail(copy, "open the copy", err);
    }
    return copy_pages(db, copy, err);
}
