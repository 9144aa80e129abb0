/* A database that an older release grouped and nobody regrouped yet: a crash with a
 * signature of this release must still find the bug that it belongs to. */
#include "triage/store/store_private.h"

#include <string.h>

#include "base/mem.h"

enum { CANDIDATES_MAX = 64 };

enum {
    OLDER,
    CANDIDATES,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [OLDER] = "SELECT EXISTS (SELECT 1 FROM signature WHERE version < ?1)",
    [CANDIDATES] =
        "SELECT g.id, t.name, t.settings, r.json FROM bug g JOIN crash c ON c.id = "
        "g.crash"
        " JOIN target t ON t.id = c.target JOIN record r ON r.crash = c.id"
        " WHERE c.version < ?1 AND c.target = ?2"
        " ORDER BY g.crash_state = ?3 DESC, g.crash_type = ?4 DESC, g.id LIMIT ?5",
};
const struct store_sql store_older_sql = {sql, STATEMENTS};

struct record *
store_sign_again(const char *target, const char *settings_text, const char *json)
{
    AUTO(json_decref) json_t *object = NULL;
    AUTO(json_decref) json_t *given = NULL;
    AUTO(record_free) struct record *record = NULL;
    struct record_settings settings = {0};

    if (json_parse(json, strlen(json), &object, NULL) < 0 ||
        json_parse(settings_text, strlen(settings_text), &given, NULL) < 0 ||
        record_from_json(object, &record, NULL) < 0) {
        return NULL;
    }
    store_settings_from_json(given, &settings);
    const struct record_options options = {
        .fuzz_target = target,
        .ooms_and_hangs = settings.ooms_and_hangs,
        .asserts_are_security = settings.asserts_are_security,
        .checks_are_security = settings.checks_are_security,
        .ignore_frames = &settings.ignore_frames};
    int rc = record_finish(record, &options, NULL);
    strv_clear(&settings.ignore_frames);
    return rc < 0 ? NULL : STEAL(record);
}

/* What an older release wrote may say too little for a place: then the signature counts.
 */
static bool
is_same(const struct record *a, const struct record *b)
{
    return a->place != NULL && b->place != NULL
               ? strcmp(a->place, b->place) == 0
               : strcmp(a->hash_major, b->hash_major) == 0;
}

static int
find_candidate(struct store *store, const struct cluster_clue *clue,
               struct cluster_match *out, struct err *err)
{
    const struct record *record = clue->record;
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[CANDIDATES], "iitti",
                      (int64_t)SIGNATURE_VERSION, clue->target,
                      record->crash_state == NULL ? "" : record->crash_state,
                      record->crash_type, (int64_t)CANDIDATES_MAX);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        AUTO(record_free)
        struct record *old =
            store_sign_again(stmt_text(row, 1), stmt_text(row, 2), stmt_text(row, 3));
        rc = 0;
        if (old != NULL && is_same(old, record)) {
            out->bug = stmt_int(row, 0);
            (void)snprintf(out->why, sizeof(out->why),
                           "signed by version %d as well, the bug's crash has the same "
                           "signature",
                           SIGNATURE_VERSION);
            stmt_reset(row);
            return 0;
        }
    }
    return rc;
}

int
store_older_bug(struct store *store, const struct cluster_clue *clue,
                struct cluster_match *out, struct err *err)
{
    int64_t older = 0;
    int rc = db_int(store->db, &older, err, sql[OLDER], "i", (int64_t)SIGNATURE_VERSION);

    return rc < 0 || older == 0 ? rc : find_candidate(store, clue, out, err);
}
