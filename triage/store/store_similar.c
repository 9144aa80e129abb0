#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "triage/similar.h"

enum {
    CANDIDATES_MAX = 256, /* bugs that are compared: those that share most frames */
    SHOWN_MAX = 10,
};

enum {
    FRAMES_DROP,
    FRAME_ADD,
    SHARING,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [FRAMES_DROP] = "DELETE FROM bug_frame WHERE bug = ?1",
    [FRAME_ADD] = "INSERT INTO bug_frame(frame, bug) VALUES(?1, ?2)"
                  " ON CONFLICT DO NOTHING",
    [SHARING] = "SELECT f.bug FROM bug_frame own JOIN bug_frame f ON f.frame = own.frame"
                " JOIN bug g ON g.id = f.bug WHERE own.bug = ?1 AND f.bug <> ?1"
                " AND g.state <> 'duplicate' GROUP BY f.bug"
                " ORDER BY count(*) DESC, f.bug LIMIT ?2",
};
const struct store_sql store_similar_sql = {sql, STATEMENTS};

/* --- which bugs share a frame --- */

/* Every program has these: whoever shares one shares nothing. The migration has the same
 * list. */
static bool
is_everywhere(const char *frame)
{
    static const char *const everywhere[] = {
        "", "NULL", "main", "LLVMFuzzerTestOneInput", "_start", "__libc_start_main"};

    for (size_t i = 0; i < COUNT(everywhere); i++) {
        if (strcmp(everywhere[i], frame) == 0) {
            return true;
        }
    }
    return false;
}

int
store_frames_put(struct store *store, int64_t bug, const char *crash_state,
                 struct err *err)
{
    int rc = db_run(store->db, err, sql[FRAMES_DROP], "i", bug);

    while (rc == 0 && crash_state[0] != '\0') {
        size_t len = strcspn(crash_state, "\n");
        AUTO(mem_free) char *frame = mem_dup(crash_state, len);
        if (!is_everywhere(frame)) {
            rc = db_run(store->db, err, sql[FRAME_ADD], "ti", frame, bug);
        }
        crash_state += len + (crash_state[len] == '\n' ? 1 : 0);
    }
    return rc;
}

int
store_sharing(struct store *store, int64_t bug, int64_t max, struct buf *ids,
              struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[SHARING], "ii", bug, max);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        int64_t id = stmt_int(row, 0);
        buf_add(ids, &id, sizeof(id));
        rc = 0;
    }
    return rc;
}

/* --- how alike they are --- */

struct ranking { /* best first */
    struct similar_bug v[SHOWN_MAX + 1];
    size_t n;
};

static void
insert(struct ranking *ranking, const struct similar_bug *one)
{
    size_t at = ranking->n;

    while (at > 0 && ranking->v[at - 1].score < one->score) {
        ranking->v[at] = ranking->v[at - 1];
        at--;
    }
    ranking->v[at] = *one;
    ranking->n += ranking->n < SHOWN_MAX ? 1 : 0;
}

static void
explain(const struct bug *bug, const struct bug *other, const struct similar *similar,
        struct similar_bug *out)
{
    AUTO(mem_free) char *ours = record_type_line(bug->crash_type);
    AUTO(mem_free) char *theirs = record_type_line(other->crash_type);
    bool same = strcmp(ours, theirs) == 0;

    (void)snprintf(out->why, sizeof(out->why),
                   "%zu frame%s in the same order, of %zu in %s and %zu in %s; the crash "
                   "type %s%.100s%s%.100s",
                   similar->shared, similar->shared == 1 ? "" : "s", similar->frames_a,
                   bug->name, similar->frames_b, other->name,
                   same ? "is the same" : "differs: ", same ? "" : ours,
                   same ? "" : " and ", same ? "" : theirs);
}

static void
weigh(const struct bug *bug, const struct bug *other, struct ranking *ranking)
{
    struct similar similar = similar_records(bug->record, other->record);
    struct similar_bug one = {.bug = other->id,
                              .score = similar.score,
                              .cluster = similar.score >= SIMILAR_CLUSTER};

    if (similar.score < STORE_SIMILAR_MIN) {
        return;
    }
    store_bug_name(one.name, sizeof(one.name), other->id);
    (void)snprintf(one.state, sizeof(one.state), "%s", other->state);
    store_title(one.title, sizeof(one.title), other->crash_type, other->crash_state);
    explain(bug, other, &similar, &one);
    insert(ranking, &one);
}

static int
weigh_all(struct store *store, const struct bug *bug, struct ranking *ranking,
          struct err *err)
{
    AUTO(buf_clear) struct buf ids = BUF_INIT;
    int rc = store_sharing(store, bug->id, CANDIDATES_MAX, &ids, err);

    for (size_t at = 0; rc == 0 && at + sizeof(int64_t) <= ids.len;
         at += sizeof(int64_t)) {
        AUTO(bug_clear) struct bug other = {0};
        int64_t id = 0;
        memcpy(&id, ids.data + at, sizeof(id));
        rc = store_bug(store, id, &other, err);
        if (rc == 0 && other.record != NULL) {
            weigh(bug, &other, ranking);
        }
    }
    return rc;
}

int
store_similar(struct store *store, int64_t id, similar_visit *visit, void *user,
              struct err *err)
{
    AUTO(bug_clear) struct bug bug = {0};
    struct ranking ranking = {.n = 0};
    int rc = store_bug(store, id, &bug, err);

    if (rc == 0 && bug.record != NULL) {
        rc = weigh_all(store, &bug, &ranking, err);
    }
    for (size_t i = 0; i < ranking.n && rc == 0; i++) {
        rc = visit(user, &ranking.v[i], err);
    }
    return rc;
}
