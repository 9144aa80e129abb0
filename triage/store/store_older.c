/* A database that an older release grouped and nobody regrouped yet: a crash with a
 * signature of this release must still find the bug that it belongs to. */
#include "triage/store/store_private.h"

#include <string.h>

#include "base/mem.h"

enum {
    CANDIDATES_MAX = 64,
    INPUT_MAX = 128 << 20, /* bytes of an input: what a worker takes */
};

enum {
    OLDER,
    CANDIDATES,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [OLDER] = "SELECT EXISTS (SELECT 1 FROM signature WHERE version < ?1)",
    [CANDIDATES] =
        "SELECT g.id," SIGNED_CRASH " FROM bug g JOIN crash c ON c.id = g.crash"
        " JOIN target t ON t.id = c.target JOIN record r ON r.crash = c.id"
        " JOIN blob b ON b.id = c.blob"
        " WHERE c.version < ?1 AND c.target = ?2"
        " ORDER BY g.crash_state = ?3 DESC, g.crash_type = ?4 DESC, g.id LIMIT ?5",
};
const struct store_sql store_older_sql = {sql, STATEMENTS};

struct signed_crash
store_signed_crash(struct stmt *row, int column)
{
    bool is_report = stmt_int(row, column + 3) != 0;

    return (struct signed_crash){.target = stmt_text(row, column),
                                 .settings = stmt_text(row, column + 1),
                                 .record = stmt_text(row, column + 2),
                                 .sha256 = is_report ? NULL : stmt_text(row, column + 4),
                                 .bytes = stmt_int(row, column + 5),
                                 .present =
                                     strcmp(stmt_text(row, column + 6), "present") == 0};
}

static bool
read_input(const struct store *store, const struct signed_crash *crash, struct buf *out)
{
    return crash->present &&
           store_blob_read(store, crash->sha256, crash->bytes, out, NULL) == 0;
}

/* The masked words of the place that it had, behind the steps of the new one. */
static void
keep_words(struct record *record, const char *old)
{
    static const char says[] = " says ";
    const char *words = old == NULL ? NULL : strstr(old, says);
    char *fresh = record->place == NULL ? NULL : strstr(record->place, says);

    if (words != NULL && fresh != NULL) {
        *fresh = '\0';
        char *place = mem_printf("%s%s", record->place, words);
        mem_free(record->place);
        record->place = place;
    }
}

static int
sign(const struct signed_crash *crash, const struct record_settings *settings,
     const struct buf *input, struct record *record)
{
    AUTO(mem_free) char *old = record->place == NULL ? NULL : mem_strdup(record->place);
    const struct record_options options = {
        .fuzz_target = crash->target,
        .ooms_and_hangs = settings->ooms_and_hangs,
        .asserts_are_security = settings->asserts_are_security,
        .checks_are_security = settings->checks_are_security,
        .judge_harness = true,
        .input = input == NULL ? NULL : buf_str(input),
        .input_len = input == NULL ? 0 : input->len,
        .ignore_frames = &settings->ignore_frames};
    int rc = record_finish(record, &options, NULL);

    if (rc == 0 && input == NULL && crash->sha256 != NULL) {
        keep_words(record, old);
    }
    return rc;
}

struct record *
store_sign_again(const struct store *store, const struct signed_crash *crash, bool *blind)
{
    AUTO(json_decref) json_t *object = NULL;
    AUTO(json_decref) json_t *given = NULL;
    AUTO(record_free) struct record *record = NULL;
    AUTO(buf_clear) struct buf input = {.max = INPUT_MAX};
    struct record_settings settings = {0};

    *blind = false;
    if (json_parse(crash->record, strlen(crash->record), &object, NULL) < 0 ||
        json_parse(crash->settings, strlen(crash->settings), &given, NULL) < 0 ||
        record_from_json(object, &record, NULL) < 0) {
        return NULL;
    }
    bool seen = crash->sha256 != NULL && read_input(store, crash, &input);
    *blind = crash->sha256 != NULL && !seen;
    store_settings_from_json(given, &settings);
    int rc = sign(crash, &settings, seen ? &input : NULL, record);
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
        const struct signed_crash crash = store_signed_crash(row, 1);
        bool blind = false;
        AUTO(record_free)
        struct record *old = store_sign_again(store, &crash, &blind);
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
