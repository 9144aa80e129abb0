/*
 * What the same input shows elsewhere: the evidence that bridges what compilers make of a
 * line, for a crash that has no bug yet (rule 2), and for two bugs that turn out to be
 * one.
 */
#include "triage/store/cluster_private.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "triage/place.h"
#include "triage/trace.h"

enum { NEAR_TOP = 3 }; /* frames in which a shared function is looked for */

enum {
    SAME_INPUT,
    OTHER_BUG,
    PLACES_OF_BUG,
    TOLD_APART,
    DECIDED,
    SHARED,
    STATEMENTS,
};

/* What the same input showed on other targets. */
#define ELSEWHERE(bug)                                                           \
    "SELECT " bug ", t.name, b.crash_type, coalesce(o.json, r.json),"            \
    " coalesce(p.text, '') FROM target t"                                        \
    " CROSS JOIN crash c ON c.target = t.id AND c.blob = ?1 AND c.is_report = 0" \
    " JOIN bug b ON b.id = c.bug LEFT JOIN place p ON p.id = c.place"            \
    " LEFT JOIN record o ON o.crash = c.id"                                      \
    " LEFT JOIN record r ON r.crash = b.crash WHERE t.id <> ?2 AND c.version = ?3"

static const char *const sql[STATEMENTS] = {
    [SAME_INPUT] = ELSEWHERE("coalesce(c.home, c.bug)") " ORDER BY c.id",
    [OTHER_BUG] = ELSEWHERE("c.bug") " AND c.bug <> ?4 ORDER BY c.id",
    [PLACES_OF_BUG] = CLUSTER_PLACES_OF_BUG,
    /* by the lines of one build: an instruction has none, and which function a hang's
     * samples share is chance, as is who uses freed memory */
    [TOLD_APART] =
        "WITH RECURSIVE ours(id) AS (SELECT ?1 UNION SELECT d.id FROM ours"
        " JOIN bug d ON d.duplicate_of = ours.id),"
        " theirs(id) AS (SELECT ?2 UNION SELECT d.id FROM theirs"
        " JOIN bug d ON d.duplicate_of = theirs.id),"
        " seen(target, text) AS (SELECT ?3, ?4 UNION"
        " SELECT p.target, p.text FROM ours CROSS JOIN place p ON p.bug = ours.id)"
        " SELECT EXISTS (SELECT 1 FROM seen CROSS JOIN theirs"
        " CROSS JOIN place q ON q.bug = theirs.id AND q.target = seen.target"
        " WHERE q.text <> seen.text AND instr(q.text, '?') = 0"
        " AND instr(seen.text, '?') = 0"
        " AND NOT (q.text GLOB 'Timeout *' AND seen.text GLOB 'Timeout *')"
        " AND (?4 NOT GLOB 'lifetime *' OR q.text GLOB 'lifetime *'))",
    /* by a person, or is no longer open */
    [DECIDED] = "SELECT EXISTS (SELECT 1 FROM bug WHERE id IN (?1, ?2)"
                " AND state NOT IN ('new', 'open'))"
                " OR EXISTS (SELECT 1 FROM pin WHERE bug IN (?1, ?2))"
                " OR EXISTS (SELECT 1 FROM split WHERE bug IN (?1, ?2))"
                " OR EXISTS (SELECT 1 FROM event WHERE subject = 'bug'"
                " AND subject_id IN (?1, ?2) AND kind = 'bug.state' AND from_state = "
                "'duplicate')",
    /* of the newest crashes of one, whether an input shows the other elsewhere */
    [SHARED] = "WITH newest(blob) AS (SELECT c.blob FROM crash c"
               " WHERE c.bug = ?1 ORDER BY c.id DESC LIMIT 100)"
               " SELECT EXISTS (SELECT 1 FROM newest n CROSS JOIN target t"
               " CROSS JOIN crash d ON d.target = t.id AND d.blob = n.blob"
               " WHERE d.bug = ?2 AND n.blob <> ?3)",
};
const struct store_sql cluster_input_sql = {sql, STATEMENTS};

bool
cluster_is_generic(const char *frame, size_t len)
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
        if (!cluster_is_generic(top, strlen(top)) && is_near_top(both[1 - i], top)) {
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
        if (!cluster_is_generic(name, strlen(name))) {
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

/* Two places but for their kinds and what a compiler may change: lines, instructions. */
static bool
same_functions(const char *a, const char *b)
{
    a += strcspn(a, " ");
    b += strcspn(b, " ");
    while (*a != '\0' && *a == *b && *a != '+' && *a != '?') {
        a++;
        b++;
    }
    return strcspn(a, "+?") == 0 && strcspn(b, "+?") == 0 && *a != '\0' && *b != '\0' &&
           strchr(a, ' ') == NULL && strchr(b, ' ') == NULL;
}

/* How far an input's crashes have one kind. One pointer is missing in this build and
 * wrong in that one; of freed memory a sanitizer of types says that it is no such object.
 */
static const char *
kind_of_input(const char *crash_type, char *word, size_t size)
{
    static const char *const access[] = {"memory", "null", "lifetime", "Bad-cast"};
    const char *family = place_family(crash_type, word, size);

    for (size_t i = 0; i < COUNT(access); i++) {
        if (strcmp(family, access[i]) == 0) {
            return access[0];
        }
    }
    return family;
}

/* Whether the crash that the same input showed elsewhere is this one. */
static bool
is_same_crash(const struct cluster_clue *clue, struct stmt *row,
              char why[CLUSTER_WHY_MAX])
{
    const char *type = stmt_text(row, 2);
    char words[2][128];

    if (same_steps(clue->record->place, stmt_text(row, 4))) {
        bool same = strcmp(clue->record->place, stmt_text(row, 4)) == 0;
        (void)snprintf(why, CLUSTER_WHY_MAX,
                       "the same input is at the same place in target %s%s",
                       stmt_text(row, 1), same ? "" : ", as another kind");
        return true;
    }
    if (strcmp(kind_of_input(type, words[0], sizeof(words[0])),
               kind_of_input(clue->record->crash_type, words[1], sizeof(words[1]))) !=
        0) {
        return false;
    }
    if (is_endless(type)) {
        (void)snprintf(why, CLUSTER_WHY_MAX,
                       "the same input does the same (%s) in target %s", type,
                       stmt_text(row, 1));
        return true;
    }
    if (clue->record->place != NULL &&
        same_functions(clue->record->place, stmt_text(row, 4))) {
        (void)snprintf(why, CLUSTER_WHY_MAX,
                       "the same input is in the same function in target %s",
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

int
cluster_same_input(struct db *db, const struct cluster_clue *clue,
                   struct cluster_match *out, struct err *err)
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

/* --- two bugs that turn out to be one --- */

/* One input may hold two bugs, and one instruction two lines. */
static int
is_shown_twice(struct db *db, const struct cluster_clue *clue, int64_t bug, int64_t other,
               int64_t *out, struct err *err)
{
    int rc = db_int(db, out, err, sql[SHARED], "iii", bug, other, clue->blob);

    return rc == 0 && *out == 0
               ? db_int(db, out, err, sql[SHARED], "iii", other, bug, clue->blob)
               : rc;
}

static int
are_one(struct db *db, const struct cluster_clue *clue, int64_t bug, int64_t other,
        bool *out, struct err *err)
{
    int64_t against = 0;
    int64_t twice = 0;
    int rc = db_int(db, &against, err, sql[DECIDED], "ii", bug, other);

    if (rc == 0 && against == 0) {
        rc = db_int(db, &against, err, sql[TOLD_APART], "iiit", bug, other, clue->target,
                    clue->record->place);
    }
    if (rc == 0 && against == 0) {
        rc = is_shown_twice(db, clue, bug, other, &twice, err);
    }
    *out = twice != 0;
    return rc;
}

int
cluster_find_join(struct db *db, const struct cluster_clue *clue, int64_t bug,
                  struct cluster_match *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = clue->blob == 0 || clue->record->place == NULL
                 ? 0
                 : db_query(db, &row, err, sql[OTHER_BUG], "iiii", clue->blob,
                            clue->target, (int64_t)SIGNATURE_VERSION, bug);

    out->bug = 0;
    while (row != NULL && rc == 0 && (rc = stmt_step(row, err)) == 1) {
        bool one = false;
        rc = stmt_text(row, 4)[0] != '\0' && is_same_crash(clue, row, out->why)
                 ? are_one(db, clue, bug, stmt_int(row, 0), &one, err)
                 : 0;
        if (rc == 0 && one) {
            out->bug = stmt_int(row, 0);
            stmt_reset(row);
            return 0;
        }
    }
    return rc;
}
