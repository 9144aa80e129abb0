#include "triage/store/cluster.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "triage/place.h"
#include "triage/store/store_private.h"
#include "triage/trace.h"

enum {
    SPECIFIC_FRAMES_MIN = 2,
    NEAR_TOP = 3, /* frames in which a shared function is looked for */
};

enum {
    PLACE_HERE,
    PLACE_ELSEWHERE,
    PLACE_ADD,
    PLACES_OF_BUG,
    SAME_INPUT,
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
    [PLACES_OF_BUG] =
        "SELECT text FROM place WHERE bug = ?1 AND target = ?2 ORDER BY id LIMIT 20",
    [SAME_INPUT] =
        "SELECT coalesce(c.home, c.bug), t.name, b.crash_type,"
        " r.json, coalesce(p.text, '') FROM target t"
        " CROSS JOIN crash c ON c.target = t.id AND c.blob = ?1 AND c.is_report = 0"
        " JOIN bug b ON b.id = c.bug LEFT JOIN place p ON p.id = c.place"
        " LEFT JOIN record r ON r.crash = b.crash"
        " WHERE t.id <> ?2 AND c.version = ?3 ORDER BY c.id",
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

/* --- the same input --- */

/* Where a run ends when it does not end by itself is chance. */
static bool
is_endless(const char *crash_type)
{
    return strcmp(crash_type, "Timeout") == 0 ||
           strcmp(crash_type, "Out-of-memory") == 0 ||
           strcmp(crash_type, "Stack-overflow") == 0;
}

/* What compilers agree on: gcc gives an inlined method no class. */
static const char *
last_component(const char *name)
{
    const char *last = name;

    for (const char *at = strstr(name, "::"); at != NULL; at = strstr(at + 2, "::")) {
        last = at + 2;
    }
    return last;
}

/* Whether `name` is among the first frames of the other stack. */
static bool
is_near_top(const struct trace *trace, const char *name)
{
    for (size_t i = 0; i < trace->n && i < NEAR_TOP; i++) {
        if (strcmp(last_component(trace->steps[i].name), last_component(name)) == 0) {
            return true;
        }
    }
    return false;
}

/* The top function of either stack that the other has near its top. */
static const char *
shared_function(const struct trace *a, const struct trace *b)
{
    const struct trace *const both[] = {a, b};

    for (size_t i = 0; i < COUNT(both); i++) {
        const char *top = both[i]->n == 0 ? "" : both[i]->steps[0].name;
        if (!is_generic(top, strlen(top)) && is_near_top(both[1 - i], top)) {
            return top;
        }
    }
    return NULL;
}

/* Whether a function that says something is near the top. */
static bool
has_own(const struct trace *trace)
{
    for (size_t i = 0; i < trace->n && i < NEAR_TOP; i++) {
        const char *name = trace->steps[i].name;
        if (!is_generic(name, strlen(name))) {
            return true;
        }
    }
    return false;
}

static bool
shows_in_same_function(const struct record *record, const char *json, const char *target,
                       char why[CLUSTER_WHY_MAX])
{
    AUTO(json_decref) json_t *object = NULL;
    AUTO(record_free) struct record *other = NULL;
    AUTO(trace_clear) struct trace here;
    AUTO(trace_clear) struct trace there;

    if (json[0] == '\0' || json_parse(json, strlen(json), &object, NULL) < 0 ||
        record_from_json(object, &other, NULL) < 0) {
        other = mem_alloc(sizeof(*other)); /* a stack without frames: nothing is shared */
    }
    trace_init(&here, record, STACK_CRASH);
    trace_init(&there, other, STACK_CRASH);
    const char *function = shared_function(&here, &there);
    if (!has_own(&here) || !has_own(&there)) {
        (void)snprintf(
            why, CLUSTER_WHY_MAX,
            "the same input shows it in target %s; one of the two stacks has no "
            "function of the program to tell them apart by",
            target);
        return true;
    }
    if (function != NULL) {
        (void)snprintf(why, CLUSTER_WHY_MAX,
                       "the same input shows it in target %s, in %s as here", target,
                       function);
    }
    return function != NULL;
}

/* Two places but for the kind, which is a place's first word. */
static bool
same_steps(const char *a, const char *b)
{
    const char *steps = a == NULL ? NULL : strchr(a, ' ');
    const char *other = strchr(b, ' ');

    return steps != NULL && other != NULL && strcmp(steps, other) == 0;
}

/* Whether the crash that the same input showed elsewhere is this one. */
static bool
is_same_crash(const struct cluster_clue *clue, struct stmt *row,
              char why[CLUSTER_WHY_MAX])
{
    const char *type = stmt_text(row, 2);
    char words[2][128];

    if (same_steps(clue->record->place, stmt_text(row, 4))) {
        (void)snprintf(
            why, CLUSTER_WHY_MAX,
            "the same input is at the same place in target %s, as another kind",
            stmt_text(row, 1));
        return true;
    }
    if (strcmp(place_family(type, words[0], sizeof(words[0])),
               place_family(clue->record->crash_type, words[1], sizeof(words[1]))) != 0) {
        return false;
    }
    if (is_endless(type)) {
        (void)snprintf(why, CLUSTER_WHY_MAX,
                       "the same input does the same (%s) in target %s", type,
                       stmt_text(row, 1));
        return true;
    }
    return shows_in_same_function(clue->record, stmt_text(row, 3), stmt_text(row, 1),
                                  why);
}

/* "memory f+2 g+4" without its lines: the functions. An instruction stays: what differs
 * in it is two instructions of one build, of which nobody knows that they are one line.
 */
static void
drop_lines(const char *place, struct buf *out)
{
    for (const char *at = place; *at != '\0'; at++) {
        if (*at == '+') {
            at += strspn(at + 1, "0123456789");
        } else {
            buf_addc(out, *at);
        }
    }
}

/*
 * Two places of one target that one input of another target leads to: one bug whose lines
 * this compiler told apart, or two bugs that the other compiler melted together, as it
 * does with calls of a function that does not return. Only the former has equal
 * functions.
 */
static int
contradicts(struct db *db, const struct cluster_clue *clue, int64_t bug, bool *out,
            struct err *err)
{
    AUTO(buf_clear) struct buf ours = BUF_INIT;
    struct stmt *row = NULL;
    int rc = clue->record->place == NULL
                 ? 0
                 : db_query(db, &row, err, sql[PLACES_OF_BUG], "ii", bug, clue->target);
    bool equal = false;
    bool any = false;

    drop_lines(clue->record->place == NULL ? "" : clue->record->place, &ours);
    while (row != NULL && rc == 0 && (rc = stmt_step(row, err)) == 1) {
        AUTO(buf_clear) struct buf theirs = BUF_INIT;
        drop_lines(stmt_text(row, 0), &theirs);
        equal = equal || strcmp(buf_str(&ours), buf_str(&theirs)) == 0;
        any = true;
        rc = 0;
    }
    *out = any && !equal;
    return rc;
}

static int
input_elsewhere(struct db *db, const struct cluster_clue *clue, struct cluster_match *out,
                struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(db, &row, err, sql[SAME_INPUT], "iii", clue->blob, clue->target,
                      (int64_t)SIGNATURE_VERSION);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        rc = 0;
        if (is_same_crash(clue, row, out->why)) {
            out->bug = stmt_int(row, 0);
            stmt_reset(row);
            return 0;
        }
    }
    return rc;
}

static int
find_same_input(struct db *db, const struct cluster_clue *clue, struct cluster_match *out,
                struct err *err)
{
    bool contradiction = false;
    int rc = clue->blob == 0 ? 0 : input_elsewhere(db, clue, out, err);

    if (rc == 0 && out->bug != 0) {
        rc = contradicts(db, clue, out->bug, &contradiction, err);
    }
    if (contradiction) {
        out->bug = 0;
    }
    return rc;
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
        rc = find_same_input(db, clue, out, err);
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
    rc = rc < 0 ? rc : find_same_input(db, clue, &same, err);
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
