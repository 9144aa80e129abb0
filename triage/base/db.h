/*
 * SQLite with this project's rules: WAL, foreign keys, busy timeout, short IMMEDIATE
 * transactions, bound parameters only, prepared statements kept for the connection's
 * life.
 */
#ifndef BASE_DB_H
#define BASE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

struct db;   /* one connection; one thread */
struct stmt; /* a prepared statement, borrowed from its connection */

enum db_mode {
    DB_READ,   /* an existing database, read only; works in a read-only folder too */
    DB_WRITE,  /* an existing database; -ENOENT when absent */
    DB_CREATE, /* made when absent, for its owner only */
};

/*
 * Open and configure. `path` may be ":memory:". DB_WRITE and DB_CREATE refuse a network
 * file system (-EOPNOTSUPP) and a place that cannot be written (-EROFS, -EACCES), with
 * the reason.
 *
 * DB_READ never changes the database and never misses what was committed. Where SQLite
 * cannot make the log's shared memory file (a folder or disk that cannot be written, a
 * network file system), a database without a log is read in place, as of now; with one,
 * both are copied to a private folder below TMPDIR first. -EBUSY when somebody writes it
 * all the time meanwhile.
 */
int db_open(const char *path, enum db_mode mode, struct db **out, struct err *err);

/* The same with the answer of fs_network_name(): NULL for a local file system. */
int db_open_on(const char *path, enum db_mode mode, const char *network, struct db **out,
               struct err *err);
void db_close(struct db *db); /* NULL is a no-op */
AUTO_DEFINE(struct db *, db_close)

/* Copy the database as it is at one moment, while others read and write it, into a new
 * file for its owner only (-EEXIST). Not flushed; what a failure left is the caller's to
 * remove. */
int db_backup(struct db *db, const char *path, struct err *err);

/* Run statements without parameters (DDL, PRAGMA). */
int db_exec(struct db *db, const char *sql, struct err *err);

/*
 * Prepare (or take from the connection's cache), reset, and bind. One letter a parameter:
 *   i int64_t   d double   t const char * (NULL binds NULL)   b const void *, size_t   n
 * nothing (NULL) Text and blobs are copied. sql must be a string constant: the cache keys
 * on its address. The statement is valid until the next db_query() with the same sql.
 */
int db_query(struct db *db, struct stmt **out, struct err *err, const char *sql,
             const char *types, ...);

/* 1: a row is there; 0: no more (the statement is reset); negative: failure. */
int stmt_step(struct stmt *stmt, struct err *err);
void stmt_reset(struct stmt *stmt); /* leave a statement before its last row */

int64_t stmt_int(struct stmt *stmt, int column);
double stmt_real(struct stmt *stmt, int column);
bool stmt_null(struct stmt *stmt, int column);
const char *stmt_text(struct stmt *stmt,
                      int column); /* borrowed until the next step; "" for NULL */
const void *stmt_blob(struct stmt *stmt, int column, size_t *len);

/* db_query() and step to the end; for INSERT, UPDATE, DELETE. -EEXIST on a constraint. */
int db_run(struct db *db, struct err *err, const char *sql, const char *types, ...);

/* The first column of the first row as a number; -ENODATA when there is no row. */
int db_int(struct db *db, int64_t *out, struct err *err, const char *sql,
           const char *types, ...);

int64_t db_last_id(struct db *db);
int64_t db_changes(struct db *db); /* rows changed by the last statement */

/* BEGIN IMMEDIATE ... COMMIT; nothing nests. db_rollback() after a failure; it never
 * fails. What db_commit() answered 0 to survives a power cut. After a failed commit
 * nothing is left. */
int db_begin(struct db *db, struct err *err);

/* The same without the flush: atomic, and safe when this process is killed, but a power
 * cut may take it back. For what would be found or counted again. */
int db_begin_lazy(struct db *db, struct err *err);
int db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db);

/*
 * Group commit. Until db_group_end(), what db_begin_lazy() begins is a part of one
 * transaction that is committed at the end, or before a db_begin(), or by
 * db_group_commit(): the database is locked once and each page written once for all of
 * them. So db_commit()'s 0 is worth nothing before db_group_end() answered 0: tell nobody
 * before. A part that is rolled back after it changed something takes the whole
 * transaction with it, db_begin() and all that follow fail, and so does db_group_end(),
 * with its code.
 */
void db_group_begin(struct db *db);
/* Begin the group's transaction, if this is a group: then *open, and what is read now
 * stays so until the part that begins next, since nobody else can write. */
int db_group_open(struct db *db, bool *open, struct err *err);
int db_group_commit(struct db *db, struct err *err); /* what there is until now */
int db_group_end(struct db *db, struct err *err);

/* A migration: number n of the list takes PRAGMA user_version from n to n + 1. */
struct db_migration {
    const char *name; /* file name, for messages */
    const char *sql;
};

/* Apply what is missing, all or nothing, in one transaction: who is killed leaves no
 * schema in between, which only this call could read. -EPROTONOSUPPORT when the database
 * is newer than the list: never touch what a later release wrote. */
int db_migrate(struct db *db, const struct db_migration *list, size_t count,
               struct err *err);

#endif
