#include "triage/store/cluster.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "triage/store/store_private.h"

enum { SPECIFIC_FRAMES_MIN = 2 };

enum {
    HERE,
    ELSEWHERE,
    ADD,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [HERE] = "SELECT coalesce(b.duplicate_of, b.id), s.why FROM signature s"
             " JOIN bug b ON b.id = s.bug"
             " WHERE s.version = ?1 AND s.major = ?2 AND s.target = ?3",
    [ELSEWHERE] =
        "SELECT coalesce(b.duplicate_of, b.id), t.name, r.json FROM signature s"
        " JOIN bug b ON b.id = s.bug JOIN target t ON t.id = s.target"
        " LEFT JOIN record r ON r.crash = b.crash"
        " WHERE s.version = ?1 AND s.major = ?2 ORDER BY s.first_seen, s.target",
    [ADD] = ("INSERT INTO signature(version, major, target, bug, why, first_seen)"
             " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING"),
};
const struct store_sql cluster_sql = {sql, STATEMENTS};

/* --- what two targets must share --- */

/* Every program has these: they say nothing about which one it is. */
static bool
is_generic(const char *frame, size_t len)
{
    static const char *const generic[] = {
        "", "NULL", "main", "LLVMFuzzerTestOneInput", "_start", "__libc_start_main"};

    for (size_t i = 0; i < COUNT(generic); i++) {
        if (strlen(generic[i]) == len && strncmp(frame, generic[i], len) == 0) {
            return true;
        }
    }
    return false;
}

static int
specific_frames(const char *crash_state)
{
    int n = 0;

    while (crash_state != NULL && *crash_state != '\0') {
        size_t len = strcspn(crash_state, "\n");
        n += is_generic(crash_state, len) ? 0 : 1;
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

/* Whether the stored record `json` may show the same bug. `why` is written when it does.
 */
static bool
agrees(const struct record *record, const char *target, const char *json,
       char why[CLUSTER_WHY_MAX])
{
    AUTO(json_decref) json_t *other = NULL;
    const char *here = top_file(record);

    if (json[0] != '\0' && json_parse(json, strlen(json), &other, NULL) < 0) {
        return false;
    }
    const char *there = top_file_json(other);
    if (here == NULL || there == NULL) {
        (void)snprintf(
            why, CLUSTER_WHY_MAX,
            "seen in target %s first: the crash type and every kept frame are the "
            "same there",
            target);
        return true;
    }
    if (strcmp(fs_base(here), fs_base(there)) != 0) {
        return false;
    }
    (void)snprintf(
        why, CLUSTER_WHY_MAX,
        "seen in target %s first: the crash type, every kept frame and the source "
        "file %s are the same there",
        target, fs_base(here));
    return true;
}

/* --- the rules --- */

static int
find_here(struct db *db, const struct record *record, int64_t target,
          struct cluster_match *out, struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(db, &stmt, err, sql[HERE], "iti", (int64_t)SIGNATURE_VERSION,
                      record->hash_major, target);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc == 1) {
        out->bug = stmt_int(stmt, 0);
        (void)snprintf(out->why, sizeof(out->why), "%s", stmt_text(stmt, 1));
        stmt_reset(stmt);
    }
    return rc < 0 ? rc : 0;
}

static int
find_elsewhere(struct db *db, const struct record *record, struct cluster_match *out,
               struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(db, &stmt, err, sql[ELSEWHERE], "it", (int64_t)SIGNATURE_VERSION,
                      record->hash_major);

    while (rc == 0 && (rc = stmt_step(stmt, err)) == 1) {
        rc = 0;
        if (agrees(record, stmt_text(stmt, 1), stmt_text(stmt, 2), out->why)) {
            out->bug = stmt_int(stmt, 0);
            stmt_reset(stmt);
            return 0;
        }
    }
    return rc;
}

int
cluster_find(struct db *db, const struct record *record, int64_t target,
             struct cluster_match *out, struct err *err)
{
    struct cluster_match match = {0};
    int rc = find_here(db, record, target, &match, err);

    if (rc < 0) {
        return rc;
    }
    match.is_new_key = match.bug == 0;
    if (match.bug == 0 && specific_frames(record->crash_state) >= SPECIFIC_FRAMES_MIN) {
        rc = find_elsewhere(db, record, &match, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (match.bug == 0) {
        (void)snprintf(match.why, sizeof(match.why),
                       "no crash before it had this crash type and these frames");
    }
    *out = match;
    return 0;
}

int
cluster_add(struct db *db, const struct record *record, int64_t target,
            const struct cluster_match *match, struct err *err)
{
    return db_run(db, err, sql[ADD], "itiiti", (int64_t)SIGNATURE_VERSION,
                  record->hash_major, target, match->bug, match->why, clock_wall_ms());
}
