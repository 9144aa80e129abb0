/* What became of a bug: the shapes in which it shows, and what happened to it. */
#include "triage/store/store_private.h"

#include <string.h>

#include "base/mem.h"

enum {
    VARIANTS,
    EXAMPLE,
    EVENTS,
    EVENT_COUNT,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [VARIANTS] =
        "SELECT t.name, c.major, count(*), count(DISTINCT c.minor), min(" CRASH_SEEN "),"
        " max(" CRASH_SEEN "), min(r.crash), min(c.written)"
        " FROM crash c JOIN target t ON t.id = c.target"
        " LEFT JOIN record r ON r.crash = c.id WHERE c.bug = ?1"
        " GROUP BY c.target, c.version, c.major ORDER BY count(*) DESC, min(c.id) LIMIT "
        "?2",
    [EXAMPLE] = "SELECT r.json, b.sha256 FROM record r JOIN crash c ON c.id = r.crash"
                " JOIN blob b ON b.id = c.blob WHERE r.crash = ?1",
    [EVENTS] = "SELECT id, at, kind, from_state, to_state, actor, detail FROM event"
               " WHERE subject = ?1 AND subject_id = ?2 ORDER BY id DESC LIMIT ?3",
    [EVENT_COUNT] = "SELECT count(*) FROM event WHERE subject = ?1 AND subject_id = ?2",
};
const struct store_sql store_history_sql = {sql, STATEMENTS};

/* --- variants --- */

/* Owners of a variant's texts; all rows are read before one is visited. */
struct variant_row {
    char *target, *signature, *sha256;
    json_t *record;
    int64_t crashes, stacks, first_seen, last_seen, written;
    int64_t example; /* 0: none */
};

struct variant_rows {
    struct variant_row *v;
    size_t n;
};

static void
variant_rows_clear(struct variant_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        mem_free(rows->v[i].target);
        mem_free(rows->v[i].signature);
        mem_free(rows->v[i].sha256);
        json_decref(rows->v[i].record);
    }
    mem_free(rows->v);
}
AUTO_DEFINE_CLEAR(struct variant_rows, variant_rows_clear)

static int
read_variants(struct store *store, int64_t bug, int limit, struct variant_rows *out,
              struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[VARIANTS], "ii", bug, (int64_t)limit);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        out->v = mem_resize(out->v, (out->n + 1) * sizeof(*out->v));
        out->v[out->n++] =
            (struct variant_row){.target = mem_strdup(stmt_text(row, 0)),
                                 .signature = mem_strdup(stmt_text(row, 1)),
                                 .crashes = stmt_int(row, 2),
                                 .stacks = stmt_int(row, 3),
                                 .first_seen = stmt_int(row, 4),
                                 .last_seen = stmt_int(row, 5),
                                 .example = stmt_int(row, 6),
                                 .written = stmt_int(row, 7)};
        rc = 0;
    }
    return rc;
}

/* A record that cannot be read leaves the variant without its words. */
static int
read_example(struct store *store, struct variant_row *variant, struct err *err)
{
    struct stmt *row = NULL;
    int rc = variant->example == 0
                 ? 0
                 : db_query(store->db, &row, err, sql[EXAMPLE], "i", variant->example);

    if (row == NULL || rc < 0) {
        return rc;
    }
    rc = stmt_step(row, err);
    if (rc == 1) {
        const char *json = stmt_text(row, 0);
        (void)json_parse(json, strlen(json), &variant->record, NULL);
        variant->sha256 = mem_strdup(stmt_text(row, 1));
        stmt_reset(row);
    }
    return rc < 0 ? rc : 0;
}

/* Equal signatures read alike: of a bug's equal stacks only one keeps its record,
 * whatever the targets. */
static const struct variant_row *
that_reads_alike(const struct variant_rows *rows, const struct variant_row *row)
{
    for (size_t i = 0; row->record == NULL && i < rows->n; i++) {
        if (rows->v[i].record != NULL &&
            strcmp(rows->v[i].signature, row->signature) == 0) {
            return &rows->v[i];
        }
    }
    return row;
}

int
store_variants(struct store *store, int64_t bug, int limit, variant_visit *visit,
               void *user, struct err *err)
{
    AUTO(variant_rows_clear) struct variant_rows rows = {0};
    int rc = read_variants(store, bug, limit, &rows, err);

    for (size_t i = 0; i < rows.n && rc == 0; i++) {
        rc = read_example(store, &rows.v[i], err);
    }
    for (size_t i = 0; i < rows.n && rc == 0; i++) {
        const struct variant_row *row = &rows.v[i];
        const struct variant_row *words = that_reads_alike(&rows, row);
        const struct variant variant = {
            .target = row->target,
            .signature = row->signature,
            .crash_type = json_get_str(words->record, "crash_type", ""),
            .crash_state = json_get_str(words->record, "crash_state", ""),
            .sanitizer = json_get_str(row->record, "sanitizer", ""),
            .build = json_get_str(row->record, "build", ""),
            .crashes = row->crashes,
            .stacks = row->stacks,
            .first_seen = row->first_seen,
            .last_seen = row->last_seen,
            .written = row->written,
            .sha256 = row->sha256 == NULL ? "" : row->sha256};
        rc = visit(user, &variant, err);
    }
    return rc;
}

/* --- events --- */

struct event_owner {
    struct event_row row;
    char *kind, *actor, *from, *to;
    json_t *detail;
};

struct event_list {
    struct event_owner *v;
    size_t n;
};

static void
event_list_clear(struct event_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        mem_free(list->v[i].kind);
        mem_free(list->v[i].actor);
        mem_free(list->v[i].from);
        mem_free(list->v[i].to);
        json_decref(list->v[i].detail);
    }
    mem_free(list->v);
}
AUTO_DEFINE_CLEAR(struct event_list, event_list_clear)

static void
read_event(struct stmt *row, struct event_owner *out)
{
    const char *detail = stmt_text(row, 6);

    *out = (struct event_owner){.kind = mem_strdup(stmt_text(row, 2)),
                                .actor = mem_strdup(stmt_text(row, 5)),
                                .from = mem_strdup(stmt_text(row, 3)),
                                .to = mem_strdup(stmt_text(row, 4))};
    (void)json_parse(detail, strlen(detail), &out->detail, NULL);
    out->row = (struct event_row){.id = stmt_int(row, 0),
                                  .at = stmt_int(row, 1),
                                  .kind = out->kind,
                                  .actor = out->actor,
                                  .from = out->from,
                                  .to = out->to,
                                  .detail = out->detail};
}

int
store_events(struct store *store, struct event_range *range, event_visit *visit,
             void *user, struct err *err)
{
    AUTO(event_list_clear) struct event_list list = {0};
    struct stmt *row = NULL;
    int64_t all = 0;
    int rc = db_query(store->db, &row, err, sql[EVENTS], "tii", range->subject,
                      range->subject_id, (int64_t)range->limit);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        list.v = mem_resize(list.v, (list.n + 1) * sizeof(*list.v));
        read_event(row, &list.v[list.n++]);
        rc = 0;
    }
    rc = rc < 0 ? rc
                : db_int(store->db, &all, err, sql[EVENT_COUNT], "ti", range->subject,
                         range->subject_id);
    range->older = all - (int64_t)list.n;
    for (size_t i = list.n; i > 0 && rc == 0; i--) {
        rc = visit(user, &list.v[i - 1].row, err);
    }
    return rc;
}
