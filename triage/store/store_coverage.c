#include "triage/coverage.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/store/store_private.h"

enum { DROP_PERCENT = 90 /* of the lines, or regions, that were covered */ };

enum {
    LAST,
    PUT,
    PUT_FILE,
    HISTORY,
    LAST_FILES,
    STATEMENTS,
};

#define COUNTS \
    "lines, lines_covered, functions, functions_covered, regions, regions_covered"

static const char *const sql[STATEMENTS] = {
    [LAST] = "SELECT " COUNTS ", inputs, failed, corpus, build_id, at FROM coverage"
             " WHERE target = ?1 ORDER BY id DESC LIMIT 1",
    [PUT] = ("INSERT INTO coverage(target, at, build_id, corpus, inputs, failed, " COUNTS
             ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"),
    [PUT_FILE] = ("INSERT INTO coverage_file(coverage, name, " COUNTS
                  ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING"),
    [HISTORY] = "SELECT " COUNTS ", inputs, failed, corpus, build_id, at FROM coverage"
                " WHERE target = ?1 ORDER BY id",
    [LAST_FILES] = "SELECT " COUNTS ", name FROM coverage_file WHERE coverage ="
                   " (SELECT id FROM coverage WHERE target = ?1 ORDER BY id DESC LIMIT 1)"
                   " ORDER BY name",
};
const struct store_sql store_coverage_sql = {sql, STATEMENTS};

void
coverage_clear(struct coverage *coverage)
{
    for (size_t i = 0; i < coverage->n; i++) {
        mem_free(coverage->files[i].name);
    }
    mem_free(coverage->files);
    mem_free(coverage->build_id);
    *coverage = (struct coverage){0};
}

static struct coverage_counts
counts_of(struct stmt *row)
{
    return (struct coverage_counts){stmt_int(row, 0), stmt_int(row, 1), stmt_int(row, 2),
                                    stmt_int(row, 3), stmt_int(row, 4), stmt_int(row, 5)};
}

static void
read_row(struct stmt *row, struct coverage *out)
{
    *out = (struct coverage){.total = counts_of(row),
                             .inputs = stmt_int(row, 6),
                             .failed = stmt_int(row, 7),
                             .build_id = mem_strdup(stmt_text(row, 9)),
                             .at = stmt_int(row, 10)};
    (void)snprintf(out->corpus, sizeof(out->corpus), "%s", stmt_text(row, 8));
}

int
coverage_last(struct store *store, int64_t target, struct coverage *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[LAST], "i", target);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    read_row(row, out);
    stmt_reset(row);
    return 1;
}

int
coverage_history(struct store *store, int64_t target, coverage_visit *visit, void *user,
                 struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[HISTORY], "i", target);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        AUTO(coverage_clear) struct coverage one = {0};
        read_row(row, &one);
        rc = visit(user, &one, err);
    }
    stmt_reset(row);
    return rc;
}

int
coverage_last_files(struct store *store, int64_t target, coverage_file_visit *visit,
                    void *user, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[LAST_FILES], "i", target);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        AUTO(mem_free) char *name = mem_strdup(stmt_text(row, 6));
        const struct coverage_file file = {name, counts_of(row)};
        rc = visit(user, &file, err);
    }
    stmt_reset(row);
    return rc;
}

static bool
is_drop(int64_t before, int64_t now)
{
    return now * 100 < before * DROP_PERCENT;
}

bool
coverage_dropped(const struct coverage *before, const struct coverage *now)
{
    bool comparable =
        strcmp(before->corpus, now->corpus) == 0 || now->inputs >= before->inputs;

    return comparable &&
           (is_drop(before->total.lines_covered, now->total.lines_covered) ||
            is_drop(before->total.regions_covered, now->total.regions_covered));
}

static int
put_rows(struct store *store, int64_t target, const struct coverage *c, struct err *err)
{
    const struct coverage_counts *t = &c->total;
    int rc =
        db_run(store->db, err, sql[PUT], "iittiiiiiiii", target, clock_wall_ms(),
               c->build_id, c->corpus, c->inputs, c->failed, t->lines, t->lines_covered,
               t->functions, t->functions_covered, t->regions, t->regions_covered);
    int64_t id = db_last_id(store->db);

    for (size_t i = 0; i < c->n && rc == 0; i++) {
        const struct coverage_counts *f = &c->files[i].counts;
        rc = db_run(store->db, err, sql[PUT_FILE], "itiiiiii", id, c->files[i].name,
                    f->lines, f->lines_covered, f->functions, f->functions_covered,
                    f->regions, f->regions_covered);
    }
    return rc;
}

/* Dropped stays so until a measurement is no drop from the one before, better than it. */
static int
put_alarm(struct store *store, int64_t target, const struct coverage *before,
          const struct coverage *now, bool *alarm, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    AUTO(mem_free) char *state = NULL;
    struct event event = {.kind = "target.coverage",
                          .subject = "target",
                          .subject_id = target,
                          .detail = detail};
    int rc = store_last_state(store, &event, &state, err);

    if (rc < 0) {
        return rc;
    }
    bool was = state != NULL && strcmp(state, "dropped") == 0;
    bool better = now->total.lines_covered > before->total.lines_covered ||
                  now->total.regions_covered > before->total.regions_covered;
    *alarm = coverage_dropped(before, now) || (was && !better);
    if (*alarm == was) {
        return 0;
    }
    json_put(detail, "lines_before", json_integer(before->total.lines_covered));
    json_put(detail, "lines", json_integer(now->total.lines_covered));
    json_put(detail, "regions_before", json_integer(before->total.regions_covered));
    json_put(detail, "regions", json_integer(now->total.regions_covered));
    json_put(detail, "inputs", json_integer(now->inputs));
    json_put(detail, "build_before", json_text(before->build_id));
    json_put(detail, "build", json_text(now->build_id));
    event.from = was ? "dropped" : "ok";
    event.to = *alarm ? "dropped" : "ok";
    return store_event_put(store, &event, err);
}

int
coverage_put(struct store *store, int64_t target, const struct coverage *coverage,
             bool *alarm, struct err *err)
{
    AUTO(coverage_clear) struct coverage before = {0};
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    *alarm = false;
    rc = coverage_last(store, target, &before, err);
    if (rc == 1) {
        rc = put_alarm(store, target, &before, coverage, alarm, err);
    }
    rc = rc < 0 ? rc : put_rows(store, target, coverage, err);
    return store_end(store, rc, err);
}

/* --- llvm-cov's export --- */

static bool
read_pair(const json_t *summary, const char *key, int64_t *count, int64_t *covered)
{
    const json_t *object = json_object_get(summary, key);

    *count = json_get_int(object, "count", -1);
    *covered = json_get_int(object, "covered", -1);
    return *covered >= 0 && *count >= *covered;
}

static bool
read_counts(const json_t *summary, struct coverage_counts *out)
{
    return read_pair(summary, "lines", &out->lines, &out->lines_covered) &&
           read_pair(summary, "functions", &out->functions, &out->functions_covered) &&
           read_pair(summary, "regions", &out->regions, &out->regions_covered);
}

static int
bad(struct err *err)
{
    return err_set(err, -EBADMSG, "llvm-cov's export is not as expected");
}

int
coverage_read(const char *text, size_t len, struct coverage *out, struct err *err)
{
    AUTO(json_decref) json_t *root = NULL;

    if (json_parse(text, len, &root, NULL) < 0) {
        return bad(err);
    }
    const json_t *data = json_array_get(json_object_get(root, "data"), 0);
    const json_t *files = json_object_get(data, "files");
    size_t n = json_array_size(files);
    if (!read_counts(json_object_get(data, "totals"), &out->total) ||
        n > COVERAGE_FILES_MAX) {
        return bad(err);
    }
    out->files = mem_array(n, sizeof(*out->files));
    for (size_t i = 0; i < n; i++) {
        const json_t *file = json_array_get(files, i);
        struct coverage_file *to = &out->files[out->n];
        to->name = str_name_dup(json_get_str(file, "filename", ""));
        out->n++;
        if (!read_counts(json_object_get(file, "summary"), &to->counts)) {
            return bad(err);
        }
    }
    return 0;
}
