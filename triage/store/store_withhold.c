#include "triage/store/store_private.h"
#include "triage/upkeep.h"

/* What is freed is overwritten, and the log is emptied: a stranger's build script may
 * read the file. It looks at every row, once, in a copy that nobody else uses. */
int
store_withhold(struct store *store, struct err *err)
{
    int rc = db_exec(store->db, "PRAGMA secure_delete = ON", err);

    rc = rc < 0 ? rc
                : db_exec(store->db,
                          "UPDATE blob SET state = 'dropped', data = NULL WHERE id NOT IN"
                          " (SELECT reproducer FROM bug WHERE state = 'fixed' UNION"
                          "  SELECT original FROM bug WHERE state = 'fixed')",
                          err);
    return rc < 0 ? rc : db_exec(store->db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
}
