#include "base/db_private.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/mem.h"

enum { SQL_SHOWN_MAX = 200 }; /* bytes of a statement in a message */

static const char sql_begin[] = "BEGIN IMMEDIATE";
static const char sql_commit[] = "COMMIT";

struct stmt {
    struct stmt *next;
    const char *sql; /* the key: the address of a constant */
    sqlite3_stmt *handle;
    struct db *db;
};

int
db_errno(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CANTOPEN:
        return -ENOENT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    default:
        return -EIO;
    }
}

/* SQLite says "full" for ENOSPC alone; a quota, a file size limit and the log's shared
 * memory end the same way for a person. */
static bool
is_full(const struct db *db, int code)
{
    int why = sqlite3_system_errno(db->handle);

    why = why == 0 ? errno : why; /* a failed COMMIT does not tell it */
    return (code & 0xff) == SQLITE_FULL ||
           ((code & 0xff) == SQLITE_IOERR &&
            (why == ENOSPC || why == EDQUOT || why == EFBIG));
}

int
db_fail(struct db *db, const char *what, struct err *err)
{
    int code = sqlite3_extended_errcode(db->handle);
    int rc = is_full(db, code) ? -ENOSPC : db_errno(code);

    switch (rc) {
    case -EBUSY:
        (void)err_set(err, rc,
                      "database: another nightjar held it for more than %d s; try again",
                      DB_BUSY_TIMEOUT_MS / 1000);
        break;
    case -ENOSPC:
        (void)err_set(
            err, rc,
            "database: the disk is full, or a quota or size limit is reached: free "
            "some space and try again; what was filed before is safe");
        break;
    case -EUCLEAN:
        (void)err_set(
            err, rc,
            "database: %s: copy it away before anything else, then try `sqlite3 "
            "FILE .recover`",
            sqlite3_errmsg(db->handle));
        break;
    default:
        (void)err_set(err, rc, "database: %s (%.*s)", sqlite3_errmsg(db->handle),
                      SQL_SHOWN_MAX, what);
    }
    return rc;
}

int
db_set_sync(struct db *db, enum db_sync sync, struct err *err)
{
    int rc = db->sync == sync       ? 0
             : sync == DB_SYNC_FULL ? db_exec(db, "PRAGMA synchronous=FULL", err)
                                    : db_exec(db, "PRAGMA synchronous=NORMAL", err);

    db->sync = rc < 0 ? DB_SYNC_UNKNOWN : sync;
    return rc;
}

void
db_close(struct db *db)
{
    if (db == NULL) {
        return;
    }
    for (size_t i = 0; i < DB_CACHE_LISTS; i++) {
        while (db->cache[i] != NULL) {
            struct stmt *stmt = db->cache[i];
            db->cache[i] = stmt->next;
            (void)sqlite3_finalize(stmt->handle);
            mem_free(stmt);
        }
    }
    (void)sqlite3_close(db->handle);
    mem_free(db);
}

int
db_exec(struct db *db, const char *sql, struct err *err)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : db_fail(db, sql, err);
}

static struct stmt **
list_of(struct db *db, const char *sql)
{
    uintptr_t at = (uintptr_t)sql;

    return &db->cache[(at >> 3 ^ at >> 11) % DB_CACHE_LISTS];
}

static int
prepare(struct db *db, const char *sql, struct stmt **out, struct err *err)
{
    struct stmt **list = list_of(db, sql);

    for (struct stmt *stmt = *list; stmt != NULL; stmt = stmt->next) {
        if (stmt->sql == sql) {
            (void)sqlite3_reset(stmt->handle);
            *out = stmt;
            return 0;
        }
    }
    sqlite3_stmt *handle = NULL;
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle,
                           NULL) != SQLITE_OK) {
        return db_fail(db, sql, err);
    }
    struct stmt *stmt = mem_alloc(sizeof(*stmt));
    *stmt = (struct stmt){*list, sql, handle, db};
    *list = stmt;
    *out = stmt;
    return 0;
}

static int
bind(struct stmt *stmt, int at, char type, va_list *args)
{
    sqlite3_stmt *handle = stmt->handle;

    switch (type) {
    case 'i':
        return sqlite3_bind_int64(handle, at, va_arg(*args, int64_t));
    case 'd':
        return sqlite3_bind_double(handle, at, va_arg(*args, double));
    case 't':
        return sqlite3_bind_text(handle, at, va_arg(*args, const char *), -1,
                                 SQLITE_TRANSIENT);
    case 'b': {
        const void *data = va_arg(*args, const void *);
        size_t len = va_arg(*args, size_t);
        return sqlite3_bind_blob64(handle, at, data, len, SQLITE_TRANSIENT);
    }
    default:
        return sqlite3_bind_null(handle, at);
    }
}

static int
query(struct db *db, struct stmt **out, struct err *err, const char *sql,
      const char *types, va_list *args)
{
    struct stmt *stmt = NULL;
    int rc = prepare(db, sql, &stmt, err);

    if (rc < 0) {
        return rc;
    }
    for (int i = 0; types[i] != '\0'; i++) {
        if (bind(stmt, i + 1, types[i], args) != SQLITE_OK) {
            return db_fail(db, sql, err);
        }
    }
    *out = stmt;
    return 0;
}

int
db_query(struct db *db, struct stmt **out, struct err *err, const char *sql,
         const char *types, ...)
{
    va_list args;

    va_start(args, types);
    int rc = query(db, out, err, sql, types, &args);
    va_end(args);
    return rc;
}

int
stmt_step(struct stmt *stmt, struct err *err)
{
    errno = 0;
    int rc = sqlite3_step(stmt->handle);

    if (rc == SQLITE_ROW) {
        return 1;
    }
    if (rc == SQLITE_DONE) {
        (void)sqlite3_reset(stmt->handle);
        return 0;
    }
    rc = db_fail(stmt->db, stmt->sql, err);
    (void)sqlite3_reset(stmt->handle);
    return rc;
}

void
stmt_reset(struct stmt *stmt)
{
    if (stmt != NULL) { /* what could not be prepared */
        (void)sqlite3_reset(stmt->handle);
    }
}

int64_t
stmt_int(struct stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

double
stmt_real(struct stmt *stmt, int column)
{
    return sqlite3_column_double(stmt->handle, column);
}

bool
stmt_null(struct stmt *stmt, int column)
{
    return sqlite3_column_type(stmt->handle, column) == SQLITE_NULL;
}

const char *
stmt_text(struct stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt->handle, column);

    return text == NULL ? "" : (const char *)text;
}

const void *
stmt_blob(struct stmt *stmt, int column, size_t *len)
{
    const void *data = sqlite3_column_blob(stmt->handle, column);

    *len = (size_t)sqlite3_column_bytes(stmt->handle, column);
    return data;
}

int
db_run(struct db *db, struct err *err, const char *sql, const char *types, ...)
{
    struct stmt *stmt = NULL;
    va_list args;

    va_start(args, types);
    int rc = query(db, &stmt, err, sql, types, &args);
    va_end(args);
    while (rc == 0) {
        rc = stmt_step(stmt, err);
        if (rc <= 0) {
            return rc;
        }
        rc = 0;
    }
    return rc;
}

int
db_int(struct db *db, int64_t *out, struct err *err, const char *sql, const char *types,
       ...)
{
    struct stmt *stmt = NULL;
    va_list args;

    va_start(args, types);
    int rc = query(db, &stmt, err, sql, types, &args);
    va_end(args);
    if (rc < 0) {
        return rc;
    }
    rc = stmt_step(stmt, err);
    if (rc == 1) {
        *out = stmt_int(stmt, 0);
        stmt_reset(stmt);
        return 0;
    }
    return rc < 0
               ? rc
               : err_set(err, -ENODATA, "database: no row for: %.*s", SQL_SHOWN_MAX, sql);
}

int64_t
db_last_id(struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

int64_t
db_changes(struct db *db)
{
    return sqlite3_changes64(db->handle);
}

/* --- transactions --- */

static bool
is_open(const struct db *db)
{
    return sqlite3_get_autocommit(db->handle) == 0;
}

static int
begin(struct db *db, enum db_sync sync, struct err *err)
{
    int rc = db_set_sync(db, sync, err);

    return rc < 0 ? rc : db_run(db, err, sql_begin, "");
}

int
db_begin(struct db *db, struct err *err)
{
    int rc = db_group_commit(db, err);

    return rc < 0 ? rc : begin(db, DB_SYNC_FULL, err);
}

int
db_begin_lazy(struct db *db, struct err *err)
{
    if (!db->grouped) {
        return begin(db, DB_SYNC_NORMAL, err);
    }
    int rc = db->spoiled.code != 0 ? err_set(err, db->spoiled.code, "%s", db->spoiled.msg)
             : is_open(db)         ? 0
                                   : begin(db, DB_SYNC_NORMAL, err);
    db->in_part = rc == 0;
    db->part_began = sqlite3_total_changes64(db->handle);
    return rc;
}

static void
roll_back(struct db *db)
{
    for (size_t i = 0; i < DB_CACHE_LISTS; i++) {
        for (struct stmt *stmt = db->cache[i]; stmt != NULL; stmt = stmt->next) {
            (void)sqlite3_reset(stmt->handle);
        }
    }
    (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

int
db_commit(struct db *db, struct err *err)
{
    if (db->in_part) {
        db->in_part = false;
        return 0;
    }
    int rc = db_run(db, err, sql_commit, "");
    if (rc < 0) {
        roll_back(db);
    }
    return rc;
}

void
db_rollback(struct db *db)
{
    bool clean = db->in_part && is_open(db) &&
                 sqlite3_total_changes64(db->handle) == db->part_began;

    if (db->in_part && !clean) {
        (void)err_set(&db->spoiled, -ECANCELED,
                      "database: another change of the same transaction failed");
    }
    db->in_part = false;
    if (!clean) {
        roll_back(db);
    }
}

int
db_group_open(struct db *db, bool *open, struct err *err)
{
    int rc = 0;

    *open = db->grouped && db->spoiled.code == 0;
    if (*open && !is_open(db)) {
        rc = begin(db, DB_SYNC_NORMAL, err);
    }
    return rc;
}

void
db_group_begin(struct db *db)
{
    db->grouped = true;
    db->spoiled = (struct err)ERR_INIT;
}

int
db_group_commit(struct db *db, struct err *err)
{
    if (!db->grouped) {
        return 0;
    }
    if (db->spoiled.code == 0 && is_open(db) &&
        db_run(db, &db->spoiled, sql_commit, "") < 0) {
        roll_back(db);
    }
    return db->spoiled.code == 0 ? 0
                                 : err_set(err, db->spoiled.code, "%s", db->spoiled.msg);
}

int
db_group_end(struct db *db, struct err *err)
{
    int rc = db_group_commit(db, err);

    db->grouped = false;
    return rc;
}

/* What is missing, within a transaction. */
static int
apply(struct db *db, const struct db_migration *list, size_t count, struct err *err)
{
    AUTO(mem_free) char *set = mem_printf("PRAGMA user_version=%zu", count);
    int64_t version = 0;
    /* somebody else may have applied it while this process waited for the lock */
    int rc = db_int(db, &version, err, "PRAGMA user_version", "");

    if (rc < 0 || version >= (int64_t)count) {
        return rc;
    }
    for (; rc == 0 && version < (int64_t)count; version++) {
        rc = db_exec(db, list[version].sql, err);
        if (rc < 0) {
            return err_wrap(err, rc, "migration %s", list[version].name);
        }
    }
    return rc < 0 ? rc : db_exec(db, set, err);
}

int
db_migrate(struct db *db, const struct db_migration *list, size_t count, struct err *err)
{
    int64_t version = 0;
    int rc = db_int(db, &version, err, "PRAGMA user_version", "");

    if (rc < 0) {
        return rc;
    }
    if (version > (int64_t)count) {
        return err_set(err, -EPROTONOSUPPORT,
                       "a newer nightjar made this database (schema %lld, known is %zu): "
                       "use that one, or another folder (--state DIR)",
                       (long long)version, count);
    }
    rc = version == (int64_t)count ? 1 : db_begin(db, err);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    rc = apply(db, list, count, err);
    if (rc < 0) {
        db_rollback(db);
        return rc;
    }
    return db_commit(db, err);
}
