/* What db.c and db_open.c share; nobody else includes this. */
#ifndef BASE_DB_PRIVATE_H
#define BASE_DB_PRIVATE_H

#include <sqlite3.h>

#include "base/db.h"

enum { DB_BUSY_TIMEOUT_MS = 15000, DB_CACHE_LISTS = 256 /* a power of two */ };

enum db_sync { DB_SYNC_UNKNOWN, DB_SYNC_NORMAL, DB_SYNC_FULL };

struct db {
    sqlite3 *handle;
    struct stmt
        *cache[DB_CACHE_LISTS]; /* lists of statements, by where their text lies */
    enum db_sync sync;          /* PRAGMA synchronous now */
    bool grouped;               /* between db_group_begin() and db_group_end() */
    bool in_part;               /* of the group's transaction */
    int64_t part_began;         /* changes of the connection until then */
    struct err spoiled;         /* why nothing of the group's last transaction is left */
};

/* A result code of SQLite as a negative errno. */
int db_errno(int code);

/* Explain the connection's last failure; `what` was tried. */
int db_fail(struct db *db, const char *what, struct err *err);

int db_set_sync(struct db *db, enum db_sync sync, struct err *err);

#endif
