#include "triage/regression.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/store/store_private.h"
#include "triage/worker.h"

enum {
    NAME_DIGITS = 16, /* of the SHA-256 in a file's name */
    RUNS_UNKNOWN = 3, /* of an input of which nobody knows how often it shows */
};

enum {
    LIST,
    LAST,
    SETTINGS,
    BUILD,
    SIGNED,
    SEEN_CLEAN,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [LIST] = "SELECT g.id, t.id, t.name, g.state, g.crash_type, g.crash_state, c.major,"
             " b.sha256, CASE WHEN f.id <> b.id AND EXISTS (SELECT 1 FROM crash x"
             " WHERE x.target = t.id AND x.blob = f.id AND NOT x.is_report)"
             " THEN f.sha256 END, c.k, c.n"
             " FROM bug g CROSS JOIN crash c ON c.id = g.crash"
             " CROSS JOIN target t ON t.id = c.target"
             " JOIN blob b ON b.id = g.reproducer JOIN blob f ON f.id = g.original"
             " WHERE NOT c.is_report AND (?1 IS NULL OR t.name = ?1) ORDER BY g.id",
    [LAST] = "SELECT detail FROM event WHERE subject = 'bug' AND subject_id = ?1"
             " AND kind = 'bug.verify' ORDER BY id DESC LIMIT 1",
    [SETTINGS] = "SELECT settings FROM target WHERE id = ?1",
    [BUILD] = "SELECT kind FROM build WHERE target = ?1 AND path = ?2 AND current"
              " ORDER BY place, id LIMIT 1",
    [SIGNED] = "SELECT bug FROM signature WHERE version = ?1 AND major = ?2"
               " AND target = ?3",
    [SEEN_CLEAN] = "UPDATE bug SET verified = ?2 WHERE id = ?1",
};
const struct store_sql store_regression_sql = {sql, STATEMENTS};

void
regression_list_clear(struct regression_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        mem_free(list->v[i].target);
        mem_free(list->v[i].state);
        mem_free(list->v[i].crash_type);
        mem_free(list->v[i].crash_state);
        mem_free(list->v[i].major);
    }
    mem_free(list->v);
    *list = (struct regression_list){0};
}

static void
read_row(struct stmt *row, struct regression *out)
{
    *out = (struct regression){.bug = stmt_int(row, 0),
                               .target_id = stmt_int(row, 1),
                               .target = mem_strdup(stmt_text(row, 2)),
                               .state = mem_strdup(stmt_text(row, 3)),
                               .crash_type = mem_strdup(stmt_text(row, 4)),
                               .crash_state = mem_strdup(stmt_text(row, 5)),
                               .major = mem_strdup(stmt_text(row, 6)),
                               .k = (int)stmt_int(row, 9),
                               .n = (int)stmt_int(row, 10)};
    store_bug_name(out->name, sizeof(out->name), out->bug);
    (void)snprintf(out->sha256, sizeof(out->sha256), "%s", stmt_text(row, 7));
    (void)snprintf(out->original, sizeof(out->original), "%s", stmt_text(row, 8));
}

int
regressions_load(struct store *store, const char *target, struct regression_list *out,
                 struct err *err)
{
    AUTO(regression_list_clear) struct regression_list list = {0};
    struct stmt *row = NULL;
    size_t room = 0;
    int rc = db_query(store->db, &row, err, sql[LIST], "t", target);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        if (list.n == room) {
            room = room == 0 ? 64 : 2 * room;
            list.v = mem_resize(list.v, room * sizeof(*list.v));
        }
        read_row(row, &list.v[list.n++]);
        rc = 0;
    }
    if (rc < 0) {
        return rc;
    }
    *out = list;
    memset(&list, 0, sizeof(list)); /* out owns it now */
    return 0;
}

/* --- files --- */

static char *
folder_of(const struct store *store, const struct regression *regression)
{
    AUTO(buf_clear) struct buf name = BUF_INIT;

    for (const char *c = regression->target; *c != '\0' && name.len < 128; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || *c == '-' || *c == '_' || *c == '@' ||
                     (*c == '.' && name.len > 0);
        buf_add(&name, plain ? c : "_", 1);
    }
    return mem_printf("%s/regressions/%s", store->folder, buf_str(&name));
}

char *
regression_path(const struct store *store, const struct regression *regression)
{
    AUTO(mem_free) char *folder = folder_of(store, regression);

    return mem_printf("%s/%s-%.*s", folder, regression->name, NAME_DIGITS,
                      regression->sha256);
}

int
regression_bytes(struct store *store, const struct regression *regression,
                 const char *sha256, struct buf *out, struct err *err)
{
    AUTO(mem_free) char *path = regression_path(store, regression);
    char found[HASH_HEX_MAX];
    int rc = store_blob(store, sha256, out, err);

    if (rc == 0 || strcmp(sha256, regression->sha256) != 0 ||
        fs_read(path, STORE_INPUT_MAX, out, NULL) < 0) {
        return rc;
    }
    hash_sha256(buf_str(out), out->len, found);
    if (strcmp(found, sha256) != 0) {
        buf_clear(out);
        return err_set(err, -EUCLEAN, "%s is damaged, in the store and as '%s'",
                       regression->name, path);
    }
    return 0;
}

static int
write_file(struct store *store, const struct regression *regression, const char *path,
           struct err *err)
{
    AUTO(buf_clear) struct buf bytes = {.max = STORE_INPUT_MAX};
    AUTO(mem_free) char *folder = folder_of(store, regression);
    int rc = store_blob(store, regression->sha256, &bytes, err);

    rc = rc < 0 ? rc : fs_mkdirs(folder, 0700, err);
    rc = rc < 0 ? rc : fs_write_atomic(path, buf_str(&bytes), bytes.len, 0600, err);
    return rc < 0 ? err_wrap(err, rc, "regression %s", regression->name) : 0;
}

/* "NJ-12-0123456789abcdef" is a file of bug 12; 0: it is none of ours. */
static int64_t
bug_of_name(const char *name)
{
    const char *dash = strrchr(name, '-');
    AUTO(mem_free)
    char *bug = dash == NULL ? NULL : mem_printf("%.*s", (int)(dash - name), name);
    int64_t id = 0;

    if (dash == NULL || strspn(dash + 1, "0123456789abcdef") != NAME_DIGITS ||
        dash[1 + NAME_DIGITS] != '\0' || !str_starts(name, "NJ-") ||
        bug_parse_id(bug, &id, NULL) < 0) {
        return 0;
    }
    return id;
}

static const struct regression *
find(const struct regression_list *list, int64_t bug)
{
    size_t low = 0;
    size_t high = list->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->v[middle].bug < bug) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < list->n && list->v[low].bug == bug ? &list->v[low] : NULL;
}

struct tidying {
    const struct store *store;
    const struct regression_list *list;
};

/* Another reproducer of the bug stands there, whole: this one is out of date. */
static int
tidy_file(void *user, const char *path, const struct stat *st, struct err *err)
{
    const struct tidying *tidying = user;
    const struct regression *now = find(tidying->list, bug_of_name(fs_base(path)));

    (void)st;
    if (now == NULL) {
        return 0;
    }
    AUTO(mem_free) char *wanted = regression_path(tidying->store, now);
    if (strcmp(wanted, path) != 0 && fs_exists(wanted) && unlink(path) < 0 &&
        errno != ENOENT) {
        return err_sys(err, "remove '%s'", path);
    }
    return 0;
}

int
regressions_keep(struct store *store, int most, int64_t *left, struct err *err)
{
    AUTO(regression_list_clear) struct regression_list list = {0};
    AUTO(mem_free) char *root = fs_join(store->folder, "regressions");
    struct tidying tidying = {store, &list};
    struct err first = ERR_INIT;
    int64_t missing = 0;
    int written = 0;
    int rc = regressions_load(store, NULL, &list, err);

    /* a bug whose bytes are gone keeps none of the others from being safe */
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        AUTO(mem_free) char *path = regression_path(store, &list.v[i]);
        if (fs_exists(path)) {
            continue;
        }
        struct err *why = first.code == 0 ? &first : NULL;
        bool full = most > 0 && written == most;
        if (full || write_file(store, &list.v[i], path, why) < 0) {
            missing++;
        } else {
            written++;
        }
    }
    if (rc == 0 && fs_is_folder(root)) {
        rc = fs_walk(root, tidy_file, &tidying, err);
    }
    if (left != NULL) {
        *left = missing;
    }
    return rc == 0 && first.code != 0 ? err_set(err, first.code, "%s", first.msg) : rc;
}

void
store_regressions_sometimes(struct store *store)
{
    struct err err = ERR_INIT;
    int64_t left = 0;

    if (!store->regressions_due) {
        return;
    }
    if (regressions_keep(store, REGRESSIONS_AT_A_TIME, &left, &err) < 0) {
        log_line(LOG_WARN, "store", "msg=\"%s\"", err.msg);
        left = 0; /* not again and again: with the next reproducer, or `verify` */
    }
    store->regressions_due = left > 0;
}

int
regression_build(struct store *store, const struct regression *regression,
                 const char *path, const char **kind, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(path);
    struct stmt *row = NULL;
    int rc =
        db_query(store->db, &row, err, sql[BUILD], "it", regression->target_id, name);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc < 0) {
        return rc;
    }
    *kind = rc == 1 ? record_build_kind(stmt_text(row, 0)) : NULL;
    *kind = *kind == NULL ? "given" : *kind;
    stmt_reset(row);
    return 0;
}

/* --- what a replay means --- */

const char *
verified_name(enum verified_as as)
{
    static const char *const names[VERIFIED_WAYS] = {[VERIFIED_CLEAN] = "clean",
                                                     [VERIFIED_BROKEN] = "broken",
                                                     [VERIFIED_CHANGED] = "changed",
                                                     [VERIFIED_SAME] = "same"};

    return names[as];
}

const char *
verified_input(const struct verified *seen)
{
    return seen->sibling ? "sibling" : seen->original ? "original" : "reproducer";
}

void
verified_clear(struct verified *verified)
{
    mem_free(verified->crash_type);
    mem_free(verified->crash_state);
    mem_free(verified->signature);
    mem_free(verified->reason);
    mem_free(verified->path);
    mem_free(verified->build_id);
    *verified = (struct verified){0};
}

int
regression_runs(int k, int n)
{
    const double miss = 0.01;

    if (k <= 0 || n <= 0) {
        return RUNS_UNKNOWN;
    }
    if (k >= n) {
        return 1;
    }
    double runs = ceil(log(miss) / log(1 - (double)k / n));
    return runs > WORKER_RUNS_MAX ? WORKER_RUNS_MAX : (int)runs;
}

/* What no parser knows, under the name that triage gave it. */
static int
name_unparsed(struct store *store, const struct regression *regression,
              struct answer *answer, struct err *err)
{
    AUTO(json_decref) json_t *object = NULL;
    struct record_settings settings = {0};
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[SETTINGS], "i", regression->target_id);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc < 0 ? rc : err_set(err, -EUCLEAN, "its target is gone");
    }
    const char *text = stmt_text(row, 0);
    rc = json_parse(text, strlen(text), &object, err);
    stmt_reset(row);
    if (rc < 0) {
        return rc;
    }
    store_settings_from_json(object, &settings);
    const struct record_options options = {.fuzz_target = regression->target,
                                           .ignore_frames = &settings.ignore_frames};
    rc = store_unparsed_record(answer, &options, &answer->record, err);
    strv_clear(&settings.ignore_frames);
    return rc;
}

/* The bug whose signature it has, 0: none. */
static int
bug_signed(struct store *store, const struct regression *regression,
           const struct record *record, int64_t *bug, struct err *err)
{
    int rc = db_int(store->db, bug, err, sql[SIGNED], "iti", (int64_t)SIGNATURE_VERSION,
                    record->hash_major, regression->target_id);

    if (rc == -ENODATA) {
        *bug = 0;
        return 0;
    }
    return rc < 0 ? rc : store_root(store, *bug, bug, err);
}

/* Triage would file it under a bug that has its place: that decides, also where two bugs
 * of one function share their signature. Code that changed has new places; the signature
 * says whose it is then. */
static int
compare(struct store *store, const struct regression *regression,
        const struct answer *answer, struct verified *out, struct err *err)
{
    const struct record *record = answer->record;
    const struct cluster_clue clue = {.record = record, .target = regression->target_id};
    struct cluster_match match = {0};
    int64_t root = 0;
    int rc = store_root(store, regression->bug, &root, err);

    rc = rc < 0 ? rc : cluster_find(store->db, &clue, &match, err);
    if (rc == 0 && match.bug != 0) {
        rc = store_root(store, match.bug, &out->known, err);
    } else if (rc == 0 && strcmp(record->hash_major, regression->major) == 0) {
        out->known = root;
    } else if (rc == 0) {
        rc = bug_signed(store, regression, record, &out->known, err);
    }
    if (rc < 0) {
        return rc;
    }
    bool same = out->known == root;
    out->as = same ? VERIFIED_SAME : VERIFIED_CHANGED;
    out->known = same ? 0 : out->known;
    out->crash_type = mem_strdup(record->crash_type);
    out->crash_state = mem_strdup(record->crash_state);
    out->signature = mem_strdup(record->hash_major);
    out->severity = record->severity;
    return 0;
}

static void
call_broken(struct verified *out, const char *reason)
{
    out->as = VERIFIED_BROKEN;
    mem_free(out->reason);
    out->reason = mem_strdup(reason);
}

int
regression_judge(struct store *store, const struct regression *regression, int64_t job,
                 const json_t *answer, struct verified *out, struct err *err)
{
    const struct job question = {.kind = JOB_TRIAGE, .id = job};
    AUTO(store_answer_clear) struct answer said = {0};
    struct err why = ERR_INIT;

    if (store_answer_read(&question, answer, &said, &why) < 0) {
        call_broken(out, why.msg);
        return 0;
    }
    if (said.error != NULL || said.outcome == OUTCOME_BROKEN) {
        call_broken(out, said.error != NULL ? said.error : said.reason);
        return 0;
    }
    out->k = said.k;
    out->n = said.n;
    out->timed_out = said.outcome == OUTCOME_TIMEOUT;
    out->reason =
        said.reason == NULL || said.reason[0] == '\0' ? NULL : mem_strdup(said.reason);
    if (said.outcome == OUTCOME_CLEAN) {
        out->as = VERIFIED_CLEAN;
        return 0;
    }
    int rc = said.outcome == OUTCOME_UNPARSED
                 ? name_unparsed(store, regression, &said, err)
                 : 0;
    if (rc == 0 && said.record == NULL) {
        call_broken(out, "it failed, but the triage worker does not say how");
        return 0;
    }
    return rc < 0 ? rc : compare(store, regression, &said, out, err);
}

/* --- history --- */

static json_t *
detail_of(const struct verified *seen)
{
    json_t *detail = json_object();
    char known[24];

    json_put(detail, "result", json_string(verified_name(seen->as)));
    json_put(detail, "k", json_integer(seen->k));
    json_put(detail, "n", json_integer(seen->n));
    json_put(detail, "input", json_string(verified_input(seen)));
    if (seen->clean > 1) {
        json_put(detail, "inputs", json_integer(seen->clean));
    }
    json_put(detail, "build", json_text(seen->kind));
    json_put(detail, "build_id", json_text(seen->build_id));
    json_put(detail, "path", json_name(seen->path == NULL ? "" : seen->path));
    if (seen->as == VERIFIED_CHANGED) {
        store_bug_name(known, sizeof(known), seen->known);
        json_put(detail, "bug", seen->known == 0 ? json_null() : json_string(known));
        json_put(detail, "crash_type", json_text(seen->crash_type));
        json_put(detail, "crash_state", json_text(seen->crash_state));
    }
    if (seen->reason != NULL) {
        json_put(detail, "reason", json_text(seen->reason));
    }
    return detail;
}

static int
seen_before(struct store *store, int64_t bug, const json_t *detail, bool *before,
            struct err *err)
{
    static const char *const keys[] = {"result", "build_id", "path", "bug", "crash_type"};
    AUTO(json_decref) json_t *last = NULL;
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[LAST], "i", bug);

    *before = false;
    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    const char *text = stmt_text(row, 0);
    *before = json_parse(text, strlen(text), &last, NULL) == 0;
    stmt_reset(row);
    for (size_t i = 0; i < COUNT(keys) && *before; i++) {
        const json_t *a = json_object_get(last, keys[i]);
        const json_t *b = json_object_get(detail, keys[i]);
        *before = a == b || json_equal(a, b) == 1;
    }
    return 0;
}

static int
tell(struct store *store, const struct verification *one, int64_t *told, struct err *err)
{
    const struct regression *of = one->of;
    AUTO(json_decref) json_t *detail = detail_of(one->seen);
    const struct event event = {
        .kind = "bug.verify", .subject = "bug", .subject_id = of->bug, .detail = detail};
    bool before = false;
    int rc = seen_before(store, of->bug, detail, &before, err);

    if (rc == 0 && one->seen->as == VERIFIED_CLEAN) {
        rc = db_run(store->db, err, sql[SEEN_CLEAN], "ii", of->bug, clock_wall_ms());
    }
    if (rc == 0 && !before) {
        *told += 1;
        rc = store_event_put(store, &event, err);
    }
    if (rc < 0 || one->seen->to == NULL) {
        return rc;
    }
    rc = store_move_bug(store, of->bug, of->state, one->seen->to, detail, err);
    return rc < 0 || strcmp(one->seen->to, "fixed") != 0
               ? rc
               : store_fix_changed(store, of->bug, detail, err);
}

int
regressions_verified(struct store *store, const struct verification *list, size_t n,
                     int64_t *told, struct err *err)
{
    int64_t events = 0;
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = tell(store, &list[i], &events, err);
    }
    rc = store_end(store, rc, err);
    if (rc == 0 && told != NULL) {
        *told = events;
    }
    return rc;
}
