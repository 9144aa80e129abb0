#include "triage/store/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/unlinker.h"
#include "triage/upkeep.h"

enum { FOLDERS = 256 };

enum {
    WANTED,
    NEEDED_BY_CRASH,
    NEEDED_BY_REPORT,
    NEEDED_BY_BUG,
    NEEDED_BY_PIN,
    DROP,
    KNOWN,
    SURPLUS,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    /* as a file */
    [WANTED] = "SELECT count(*) FROM blob WHERE sha256 = ?1 AND state = 'present'"
               " AND data IS NULL",
    /* target by target: that is how crashes are indexed */
    [NEEDED_BY_CRASH] =
        ("SELECT count(*) FROM blob b CROSS JOIN target t CROSS JOIN crash c"
         " WHERE b.sha256 = ?1 AND c.target = t.id AND c.blob = b.id"
         " AND (c.bug IS NULL OR EXISTS (SELECT 1 FROM bug"
         " WHERE bug.id IN (c.bug, c.home) AND bug.crash = c.id)"
         " OR EXISTS (SELECT 1 FROM example e WHERE e.bug = c.bug AND e.crash = c.id))"),
    [NEEDED_BY_PIN] =
        "SELECT count(*) FROM blob b JOIN pin ON pin.blob = b.id WHERE b.sha256 = ?1",
    [NEEDED_BY_REPORT] =
        "SELECT count(*) FROM blob b JOIN crash c ON c.report = b.id WHERE b.sha256 = ?1",
    [NEEDED_BY_BUG] =
        ("SELECT count(*) FROM blob b JOIN bug"
         " ON bug.original = b.id OR bug.reproducer = b.id WHERE b.sha256 = ?1"),
    [DROP] = "UPDATE blob SET state = 'dropped', data = NULL"
             " WHERE sha256 = ?1 AND state = 'present'",
    [KNOWN] = "SELECT count(*) FROM blob WHERE sha256 = ?1",
    [SURPLUS] = ("SELECT coalesce(sum(crashes - trimmed_crashes), 0) FROM bug"
                 " WHERE crashes > trimmed_crashes + ?1"),
};
const struct store_sql store_sweep_sql = {sql, STATEMENTS};

/* --- dropping --- */

static int
is_needed(struct store *store, const char *sha256, bool *needed, struct err *err)
{
    static const int questions[] = {NEEDED_BY_CRASH, NEEDED_BY_REPORT, NEEDED_BY_BUG,
                                    NEEDED_BY_PIN};
    int rc = 0;

    *needed = false;
    for (size_t i = 0; i < COUNT(questions) && rc == 0 && !*needed; i++) {
        int64_t n = 0;
        rc = db_int(store->db, &n, err, sql[questions[i]], "t", sha256);
        *needed = n > 0;
    }
    return rc;
}

/* Within one transaction; gone receives those that are no longer wanted. */
static int
drop_rows(struct store *store, const struct strv *sha256, struct strv *gone,
          struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < sha256->n && rc == 0; i++) {
        bool needed = false;
        rc = is_needed(store, sha256->v[i], &needed, err);
        if (rc == 0 && !needed) {
            rc = db_run(store->db, err, sql[DROP], "t", sha256->v[i]);
        }
        if (rc == 0 && !needed && db_changes(store->db) > 0) {
            strv_add(gone, sha256->v[i]);
        }
    }
    return rc;
}

/* Out of the way of who comes with the same bytes: what is removed later has a name that
 * nobody looks for, in the folder that a sweep empties. */
static int
set_aside(const struct store *store, const char *sha256, struct strv *aside,
          struct err *err)
{
    AUTO(mem_free) char *path = store_blob_path(store, sha256);
    AUTO(mem_free) char *away = mem_printf("%s/tmp/gone-%s", store->blobs, sha256);

    if (rename(path, away) == 0) {
        strv_add(aside, away);
        return 0;
    }
    return errno == ENOENT ? 0 : err_sys(err, "set '%s' aside", path);
}

/* The mark is first and goes last: a file too many is no harm, a file too few would be a
 * loss. */
int
store_drop_surplus(struct store *store, const struct strv *sha256, int64_t *dropped,
                   struct err *err)
{
    AUTO(strv_clear) struct strv gone = {0};
    AUTO(strv_clear) struct strv aside = {0};
    AUTO(mem_free) char *marker = NULL;
    AUTO(fd_close) int lock = -1;
    int rc = store_blobs_lock(store, LOCK_EX | LOCK_NB, &lock, err);

    rc = rc < 0 ? rc : store_mark(store, &marker, err);
    rc = rc < 0 ? rc : db_begin(store->db, err);
    if (rc == 0) {
        rc = store_end(store, drop_rows(store, sha256, &gone, err), err);
    }
    for (size_t i = 0; i < gone.n && rc == 0; i++) {
        rc = set_aside(store, gone.v[i], &aside, err);
    }
    if (rc == 0) {
        *dropped = (int64_t)gone.n;
        strv_add(&aside, marker);
    }
    unlinker_add(store->unlinker, &aside);
    return rc;
}

/* --- sweeping --- */

/* The names in a folder; none when it is not there. */
static int
list_folder(const char *path, struct strv *out, struct err *err)
{
    struct dirent *entry;
    DIR *list = opendir(path);

    if (list == NULL) {
        return errno == ENOENT ? 0 : err_sys(err, "open folder '%s'", path);
    }
    while ((entry = readdir(list)) != NULL) {
        if (entry->d_name[0] != '.') {
            strv_add(out, entry->d_name);
        }
    }
    (void)closedir(list);
    return 0;
}

/* What was there while nobody held the lock belongs to nobody. A backup holds it for
 * minutes: the next sweep is early enough. */
static int
list_leftovers(struct store *store, struct strv *out, struct err *err)
{
    AUTO(mem_free) char *path = fs_join(store->blobs, "tmp");
    AUTO(fd_close) int lock = -1;
    struct err why = ERR_INIT;
    int rc = store_blobs_lock(store, LOCK_EX | LOCK_NB, &lock, &why);

    if (rc < 0) {
        return rc == -EAGAIN ? 0 : err_set(err, rc, "%s", why.msg);
    }
    return list_folder(path, out, err);
}

struct sweeping {
    struct store *store;
    bool dry_run;
    int64_t files, bytes; /* that no row names */
};

/* What is not called like ours was put there by somebody else, who may want it. */
static int
sweep_file(struct sweeping *sweeping, const char *folder, const char *name,
           struct err *err)
{
    AUTO(mem_free) char *path = fs_join(folder, name);
    int64_t wanted = 1;
    struct stat st;
    int rc = store_is_sha256(name)
                 ? db_int(sweeping->store->db, &wanted, err, sql[WANTED], "t", name)
                 : 0;

    if (rc < 0 || wanted != 0 || lstat(path, &st) < 0 ||
        (!sweeping->dry_run && unlink(path) < 0)) {
        return rc;
    }
    sweeping->files++;
    sweeping->bytes += (int64_t)st.st_blocks * 512;
    return 0;
}

/* One folder at a time, so that writers wait for no longer than that takes. */
static int
sweep_folder(struct sweeping *sweeping, const char *name, int how, struct err *err)
{
    AUTO(mem_free) char *path = fs_join(sweeping->store->blobs, name);
    AUTO(strv_clear) struct strv names = {0};
    AUTO(fd_close) int lock = -1;
    int rc = store_blobs_lock(sweeping->store, how, &lock, err);

    rc = rc < 0 ? rc : list_folder(path, &names, err);
    for (size_t i = 0; i < names.n && rc == 0; i++) {
        rc = sweep_file(sweeping, path, names.v[i], err);
    }
    return rc;
}

static int
sweep_folders(struct sweeping *sweeping, int how, struct err *err)
{
    int rc = 0;

    for (unsigned i = 0; i < FOLDERS && rc == 0; i++) {
        char name[3];
        (void)snprintf(name, sizeof(name), "%02x", i);
        rc = sweep_folder(sweeping, name, how, err);
    }
    return rc;
}

/* The leftovers go last: as long as one is there the sweep is not done. */
int
store_sweep(struct store *store, int64_t *removed, struct err *err)
{
    AUTO(strv_clear) struct strv leftovers = {0};
    struct sweeping sweeping = {.store = store};
    int rc = list_leftovers(store, &leftovers, err);

    if (rc == 0 && leftovers.n > 0) {
        rc = sweep_folders(&sweeping, LOCK_EX, err);
    }
    for (size_t i = 0; i < leftovers.n && rc == 0; i++) {
        AUTO(mem_free) char *path = mem_printf("%s/tmp/%s", store->blobs, leftovers.v[i]);
        sweeping.files += unlink(path) == 0 ? 1 : 0;
    }
    if (removed != NULL) {
        *removed = sweeping.files;
    }
    return rc;
}

/* --- by order --- */

int
store_knows(struct store *store, const char *sha256, bool *known, struct err *err)
{
    int64_t n = 0;
    int rc = db_int(store->db, &n, err, sql[KNOWN], "t", sha256);

    *known = n > 0;
    return rc;
}

static int
trim_all(struct store *store, int64_t *dropped, struct err *err)
{
    int rc = 1;

    while (rc == 1) {
        int64_t n = 0;
        rc = store_trim(store, &n, err);
        *dropped += n;
    }
    return rc;
}

int
store_gc(struct store *store, bool dry_run, struct garbage *out, struct err *err)
{
    struct sweeping sweeping = {.store = store, .dry_run = dry_run};
    struct garbage sum = {0};
    int rc = sweep_folders(&sweeping, LOCK_EX | LOCK_NB, err);

    sum.orphans = sweeping.files;
    sum.orphan_bytes = sweeping.bytes;
    if (rc == 0) {
        rc = dry_run ? db_int(store->db, &sum.surplus, err, sql[SURPLUS], "i",
                              (int64_t)STORE_TRIM_FROM)
                     : trim_all(store, &sum.surplus, err);
    }
    if (rc == -EAGAIN) {
        return err_set(err, rc,
                       "the blobs are in use, perhaps by a backup: try again later");
    }
    if (rc == 0) {
        *out = sum;
    }
    return rc;
}
