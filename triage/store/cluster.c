#include "triage/store/cluster.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "triage/store/cluster_private.h"

enum {
    SPECIFIC_FRAMES_MIN = 2,
};

enum {
    PLACE_HERE,
    PLACE_ELSEWHERE,
    PLACE_ADD,
    PLACES_OF_BUG,
    HERE,
    PLACELESS_HERE,
    ELSEWHERE,
    ADD,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [PLACE_HERE] = "SELECT p.bug, p.why, p.id FROM place p"
                   " WHERE p.version = ?1 AND p.key = ?2 AND p.target = ?3",
    [PLACE_ELSEWHERE] = "SELECT b.id, t.name, r.json FROM place p"
                        " JOIN bug b ON b.id = p.bug JOIN target t ON t.id = p.target"
                        " LEFT JOIN record r ON r.crash = b.crash"
                        " WHERE p.version = ?1 AND p.key = ?2 ORDER BY p.id",
    [PLACE_ADD] = ("INSERT INTO place(version, key, target, text, bug, why, first_seen)"
                   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
    [PLACES_OF_BUG] = CLUSTER_PLACES_OF_BUG,
    [HERE] = "SELECT s.bug, s.why FROM signature s"
             " WHERE s.version = ?1 AND s.major = ?2 AND s.target = ?3",
    [PLACELESS_HERE] = "SELECT s.bug, s.why FROM signature s"
                       " WHERE s.version = ?1 AND s.major = ?2 AND s.target = ?3"
                       " AND NOT EXISTS (SELECT 1 FROM place p WHERE p.bug = s.bug)",
    [ELSEWHERE] =
        "SELECT b.id, t.name, r.json FROM signature s"
        " JOIN bug b ON b.id = s.bug JOIN target t ON t.id = s.target"
        " LEFT JOIN record r ON r.crash = b.crash"
        " WHERE s.version = ?1 AND s.major = ?2 ORDER BY s.first_seen, s.target",
    [ADD] = ("INSERT INTO signature(version, major, target, bug, why, first_seen)"
             " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING"),
};
const struct store_sql cluster_sql = {sql, STATEMENTS};

static void
key_of(const struct record *record, char key[RECORD_HASH_MAX])
{
    char whole[HASH_HEX_MAX];

    hash_sha256(record->place, strlen(record->place), whole);
    memcpy(key, whole, RECORD_HASH_MAX - 1);
    key[RECORD_HASH_MAX - 1] = '\0';
}

/* --- what two targets must share --- */

static int
specific_frames(const char *crash_state)
{
    int n = 0;

    while (crash_state != NULL && *crash_state != '\0') {
        size_t len = strcspn(crash_state, "\n");
        n += cluster_is_generic(crash_state, len) ? 0 : 1;
        crash_state += len + (crash_state[len] == '\n' ? 1 : 0);
    }
    return n;
}

static const char *
top_file(const struct record *record)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        if (record->frames[i].kept) {
            return record->frames[i].file;
        }
    }
    return NULL;
}

/* The same of a stored record; borrowed from it. */
static const char *
top_file_json(const json_t *record)
{
    const json_t *frames = json_object_get(record, "frames");

    for (size_t i = 0; i < json_array_size(frames); i++) {
        const json_t *frame = json_array_get(frames, i);
        if (json_get_bool(frame, "kept", false)) {
            return json_get_str(frame, "file", NULL);
        }
    }
    return NULL;
}

/* Whether the stored record `json` has its top frame in a source file of the same name.
 * `why` is written when it may show the same bug; `what` says what else is the same. */
static bool
agrees(const struct record *record, const char *target, const char *json,
       const char *what, char why[CLUSTER_WHY_MAX])
{
    AUTO(json_decref) json_t *other = NULL;
    const char *here = top_file(record);

    if (json[0] != '\0' && json_parse(json, strlen(json), &other, NULL) < 0) {
        return false;
    }
    const char *there = top_file_json(other);
    if (here == NULL || there == NULL) {
        (void)snprintf(why, CLUSTER_WHY_MAX,
                       "seen in target %s first: %s are the same there", target, what);
        return true;
    }
    if (strcmp(fs_base(here), fs_base(there)) != 0) {
        return false;
    }
    (void)snprintf(
        why, CLUSTER_WHY_MAX,
        "seen in target %s first: %s and the source file %s are the same there", target,
        what, fs_base(here));
    return true;
}

/* --- the rules --- */

/* The bug of a key in one target; with its reason, and its row where it has a number. */
static int
find_here(struct db *db, const char *statement, const char *key, int64_t target,
          struct cluster_match *out, struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(db, &stmt, err, statement, "iti", (int64_t)SIGNATURE_VERSION, key,
                      target);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc == 1) {
        out->bug = stmt_int(stmt, 0);
        (void)snprintf(out->why, sizeof(out->why), "%s", stmt_text(stmt, 1));
        out->place = statement == sql[PLACE_HERE] ? stmt_int(stmt, 2) : 0;
        stmt_reset(stmt);
    }
    return rc < 0 ? rc : 0;
}

static int
find_elsewhere(struct db *db, const char *statement, const char *key,
               const struct record *record, struct cluster_match *out, struct err *err)
{
    const char *what = statement == sql[ELSEWHERE]
                           ? "the crash type, every kept frame"
                           : "the functions, the lines within them";
    struct stmt *stmt = NULL;
    int rc = db_query(db, &stmt, err, statement, "it", (int64_t)SIGNATURE_VERSION, key);

    while (rc == 0 && (rc = stmt_step(stmt, err)) == 1) {
        rc = 0;
        if (agrees(record, stmt_text(stmt, 1), stmt_text(stmt, 2), what, out->why)) {
            out->bug = stmt_int(stmt, 0);
            stmt_reset(stmt);
            return 0;
        }
    }
    return rc;
}

/* A report that somebody else symbolized has no place: if such a one founded the bug, it
 * says nothing against this crash. */
static int
find_placeless(struct db *db, const struct cluster_clue *clue, struct cluster_match *out,
               struct err *err)
{
    int rc = find_here(db, sql[PLACELESS_HERE], clue->record->hash_major, clue->target,
                       out, err);

    if (rc == 0 && out->bug != 0) {
        (void)snprintf(out->why, sizeof(out->why),
                       "the crash type and every kept frame are those of a report "
                       "without the lines of its functions");
    }
    return rc;
}

/* An instruction's place says nothing about another build: "f?1a2b+0x40" of build 1a2b.
 * Where no build is named, all are taken for one. */
static bool
is_of_other_build(const char *place, const char *other)
{
    const char *ours = strchr(place, '?');
    const char *theirs = strchr(other, '?');
    size_t len = ours == NULL ? 0 : strcspn(ours, "+");

    return ours != NULL && theirs != NULL &&
           (strcspn(theirs, "+") != len || strncmp(ours, theirs, len) != 0);
}

/* No line is known, here and in a build of this target that was there before: then the
 * signature is all that they can share. */
static int
find_other_build(struct db *db, const struct cluster_clue *clue,
                 struct cluster_match *out, struct err *err)
{
    struct cluster_match match = {0};
    struct stmt *row = NULL;
    bool other = strchr(clue->record->place, '?') != NULL;
    int rc = other ? find_here(db, sql[HERE], clue->record->hash_major, clue->target,
                               &match, err)
                   : 0;

    if (rc < 0 || match.bug == 0) {
        return rc;
    }
    rc = db_query(db, &row, err, sql[PLACES_OF_BUG], "ii", match.bug, clue->target);
    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        other = other && is_of_other_build(clue->record->place, stmt_text(row, 0));
        rc = 0;
    }
    if (rc == 0 && other) {
        out->bug = match.bug;
        (void)snprintf(out->why, sizeof(out->why),
                       "the crash type and every kept frame are those of another build; "
                       "neither has the line of the instruction");
    }
    return rc;
}

static int
find_by_place(struct db *db, const struct cluster_clue *clue, struct cluster_match *out,
              struct err *err)
{
    char key[RECORD_HASH_MAX];

    key_of(clue->record, key);
    int rc = find_here(db, sql[PLACE_HERE], key, clue->target, out, err);
    out->is_new_key = out->bug == 0;
    if (rc == 0 && out->bug == 0) {
        rc = cluster_same_input(db, clue, out, err);
    }
    if (rc == 0 && out->bug == 0) {
        rc = find_elsewhere(db, sql[PLACE_ELSEWHERE], key, clue->record, out, err);
    }
    if (rc == 0 && out->bug == 0) {
        rc = find_placeless(db, clue, out, err);
    }
    if (rc == 0 && out->bug == 0) {
        rc = find_other_build(db, clue, out, err);
    }
    return rc;
}

/* A signature may cover several bugs, so what the same input showed goes before it. */
static int
find_by_signature(struct db *db, const struct cluster_clue *clue,
                  struct cluster_match *out, struct err *err)
{
    const struct record *record = clue->record;
    struct cluster_match same = {0};
    int rc = find_here(db, sql[HERE], record->hash_major, clue->target, out, err);

    out->is_new_key = out->bug == 0;
    rc = rc < 0 ? rc : cluster_same_input(db, clue, &same, err);
    if (rc == 0 && same.bug != 0) {
        out->bug = same.bug;
        (void)snprintf(out->why, sizeof(out->why), "%s", same.why);
    }
    if (rc == 0 && out->bug == 0 &&
        specific_frames(record->crash_state) >= SPECIFIC_FRAMES_MIN) {
        rc = find_elsewhere(db, sql[ELSEWHERE], record->hash_major, record, out, err);
    }
    return rc;
}

int
cluster_find(struct db *db, const struct cluster_clue *clue, struct cluster_match *out,
             struct err *err)
{
    struct cluster_match match = {0};
    bool placed = clue->record->place != NULL;
    int rc = placed ? find_by_place(db, clue, &match, err)
                    : find_by_signature(db, clue, &match, err);

    if (rc < 0) {
        return rc;
    }
    if (match.bug == 0) {
        (void)snprintf(match.why, sizeof(match.why), "%s",
                       placed
                           ? "no crash before it was at this place"
                           : "no crash before it had this crash type and these frames");
    }
    *out = match;
    return 0;
}

static int
add_place(struct db *db, const struct cluster_clue *clue, int64_t bug,
          struct cluster_match *match, struct err *err)
{
    char key[RECORD_HASH_MAX];

    key_of(clue->record, key);
    int rc = db_run(db, err, sql[PLACE_ADD], "itititi", (int64_t)SIGNATURE_VERSION, key,
                    clue->target, clue->record->place, bug, match->why, clock_wall_ms());
    match->place = rc < 0 ? 0 : db_last_id(db);
    return rc;
}

int
cluster_add(struct db *db, const struct cluster_clue *clue, int64_t bug,
            struct cluster_match *match, struct err *err)
{
    int rc = clue->record->place == NULL ? 0 : add_place(db, clue, bug, match, err);

    return rc < 0 ? rc
                  : db_run(db, err, sql[ADD], "itiiti", (int64_t)SIGNATURE_VERSION,
                           clue->record->hash_major, clue->target, bug, match->why,
                           clock_wall_ms());
}
