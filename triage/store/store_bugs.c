#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    PAGE = 1000, /* paths that are read at a time */
    BUGS_AT_A_TIME = 64,
};

enum {
    BUG_IDS,
    BUG_IDS_OF_TARGET,
    BUGS,
    WHY,
    PATHS,
    REPORT,
    COMMAND,
    CRASH_COMMAND,
    CRASH_COUNTS,
    BUG_COUNTS,
    MINIMIZE_COUNT,
    STATEMENTS,
};

#define WORST_FIRST \
    " ORDER BY severity DESC, security DESC, severity_score DESC, crashes DESC, id"
#define IN_STATE                                                               \
    "severity >= ?1 AND (state = ?2 OR (?2 IS NULL AND state <> 'duplicate'))" \
    " AND (?3 IS NULL OR class = ?3)"                                          \
    " AND (?4 IS NULL OR iif(?4 = 'none', owner = '',"                         \
    "  instr(' ' || owner || ' ', ' ' || ?4 || ' ') > 0))"                     \
    " AND (?5 = 0 OR (" DUE_OF("bug") " BETWEEN 1 AND ?5))"

static const char *const sql[STATEMENTS] = {
    [BUG_IDS] = "SELECT id FROM bug WHERE " IN_STATE WORST_FIRST,
    [BUG_IDS_OF_TARGET] =
        "SELECT id FROM bug WHERE " IN_STATE
        " AND (EXISTS (SELECT 1 FROM signature s JOIN target t ON t.id = s.target"
        " WHERE s.bug = bug.id AND t.name = ?6) OR EXISTS (SELECT 1 FROM place p"
        " JOIN target t ON t.id = p.target WHERE p.bug = bug.id AND t.name = "
        "?6))" WORST_FIRST,
    /* many at once, in their order: to begin a statement costs as much as to read a bug
     */
    [BUGS] =
        "SELECT g.id, g.signature, g.crash_type, g.crash_state, g.state, t.name,"
        " g.sanitizer, g.severity, g.severity_score, g.security, g.class,"
        " g.exploitability, g.cwe, g.crashes, g.first_seen, g.last_seen, r.bytes,"
        " r.sha256, iif(?3 OR g.original = g.reproducer, r.sha256, (SELECT sha256 FROM "
        "blob"
        "  WHERE id = g.original)), g.minimize = 'done', c.reproducibility, c.k, c.n,"
        " g.crash, g.backlog, g.computed_severity, g.computed_score, o.actor, o.reason,"
        " CASE WHEN ?2 THEN NULL ELSE (SELECT json FROM record WHERE crash = g.crash) "
        "END,"
        " c.is_report, c.source, g.filed, g.acknowledged, g.claimed, g.verified,"
        " " DUE_OF(
            "g") ", g.owner, g.owner_origin, coalesce(g.until_at, 0),"
                 " coalesce(g.until_crashes, 0), g.until_severity IS NOT NULL"
                 " FROM json_each(?1) j CROSS JOIN bug g ON g.id = j.value"
                 " JOIN target t ON t.id = g.target"
                 " LEFT JOIN crash c ON c.id = iif(?3, NULL, g.crash)"
                 " JOIN blob r ON r.id = g.reproducer"
                 /* a hand's decision comes before a rule's */
                 " LEFT JOIN severity_override o ON o.bug = g.id AND o.origin = (SELECT"
                 " min(origin) FROM severity_override WHERE bug = g.id)",
    [WHY] = "SELECT t.name, w.why FROM (SELECT target, text || ': ' || why AS why, "
            "first_seen,"
            " id FROM place WHERE bug = ?1 UNION ALL SELECT target, why, first_seen, 0"
            " FROM signature s WHERE s.bug = ?1 AND NOT EXISTS (SELECT 1 FROM place p"
            " WHERE p.bug = s.bug AND p.target = s.target)) w JOIN target t ON t.id = "
            "w.target"
            " ORDER BY w.first_seen, w.target, w.id LIMIT 20",
    [PATHS] = "SELECT p.id, p.path, b.sha256, c.bug, c.state FROM crash_path p"
              " JOIN crash c ON c.id = p.crash JOIN blob b ON b.id = c.blob"
              " WHERE p.id > ?1 ORDER BY p.id LIMIT ?2",
    [REPORT] =
        "SELECT coalesce(r.sha256, CASE WHEN c.is_report THEN b.sha256 END)"
        " FROM crash c JOIN blob b ON b.id = c.blob LEFT JOIN blob r ON r.id = c.report"
        " WHERE c.id = ?1",
    [COMMAND] = "SELECT " SHOWN_COMMAND
                ", t.settings, t.name FROM bug g JOIN crash c ON c.id = g.crash"
                " JOIN target t ON t.id = c.target WHERE g.id = ?1 AND NOT c.is_report",
    [CRASH_COMMAND] = "SELECT " SHOWN_COMMAND ", t.settings, t.name, t.id FROM crash c"
                      " JOIN target t ON t.id = c.target"
                      " WHERE c.id = ?1 AND NOT c.is_report",
    [CRASH_COUNTS] = "SELECT state, sum(n) FROM crash_count GROUP BY state",
    [BUG_COUNTS] = "SELECT severity, count(*), count(*) FILTER (WHERE state IN"
                   " ('new', 'open', 'fixing', 'regressed')) FROM bug GROUP BY severity",
    [MINIMIZE_COUNT] = "SELECT count(*) FROM bug WHERE minimize = 'waiting'"
                       " AND state IN ('new', 'open', 'fixing', 'regressed')",
};
const struct store_sql store_bugs_sql = {sql, STATEMENTS};

/* --- one bug --- */

int
store_no_bug(int64_t bug, struct err *err)
{
    return err_set(err, -ENODATA,
                   "there is no bug NJ-%lld here (nightjar bugs lists them)",
                   (long long)bug);
}

void
bug_clear(struct bug *bug)
{
    char *const texts[] = {
        bug->signature,      bug->crash_type,     bug->crash_state, bug->state,
        bug->target,         bug->sanitizer,      bug->class_name,  bug->cwe,
        bug->exploitability, bug->reproducer,     bug->original,    bug->reproducibility,
        bug->decided_by,     bug->decided_reason, bug->source,      bug->owner,
        bug->owner_origin};

    for (size_t i = 0; i < COUNT(texts); i++) {
        mem_free(texts[i]);
    }
    record_free(bug->record);
    *bug = (struct bug){0};
}

int
bug_parse_id(const char *text, int64_t *out, struct err *err)
{
    const char *digits = strncasecmp(text, "NJ-", 3) == 0 ? text + 3 : text;

    if (str_number("bug", digits, 1, INT64_MAX, out, NULL) < 0) {
        AUTO(mem_free) char *name = str_name_dup(text);
        return err_set(
            err, -EINVAL,
            "'%.80s' is no bug: a bug is called NJ-12 (nightjar bugs lists them)", name);
    }
    return 0;
}

static void
read_record(const char *text, struct bug *bug)
{
    AUTO(json_decref) json_t *object = NULL;
    struct err why = ERR_INIT;

    if (text[0] == '\0') {
        return;
    }
    int rc = json_parse(text, strlen(text), &object, &why);
    rc = rc < 0 ? rc : record_from_json(object, &bug->record, &why);
    if (rc < 0) {
        log_line(LOG_WARN, "store", "bug=%s msg=\"its record cannot be read: %s\"",
                 bug->name, why.msg);
    }
}

static void
read_bug(struct stmt *row, struct bug *bug)
{
    bug->id = stmt_int(row, 0);
    store_bug_name(bug->name, sizeof(bug->name), bug->id);
    bug->signature = mem_strdup(stmt_text(row, 1));
    bug->crash_type = mem_strdup(stmt_text(row, 2));
    bug->crash_state = mem_strdup(stmt_text(row, 3));
    bug->state = mem_strdup(stmt_text(row, 4));
    bug->target = mem_strdup(stmt_text(row, 5));
    bug->sanitizer = mem_strdup(stmt_text(row, 6));
    bug->severity = (enum severity)stmt_int(row, 7);
    bug->severity_score = stmt_real(row, 8);
    bug->security = stmt_int(row, 9) != 0;
    bug->class_name = mem_strdup(stmt_text(row, 10));
    bug->exploitability = mem_strdup(stmt_text(row, 11));
    bug->cwe = mem_strdup(stmt_text(row, 12));
    bug->crashes = stmt_int(row, 13);
    bug->first_seen = stmt_int(row, 14);
    bug->last_seen = stmt_int(row, 15);
    bug->filed = stmt_int(row, 32);
    bug->reproducer_bytes = stmt_int(row, 16);
    bug->reproducer = mem_strdup(stmt_text(row, 17));
    bug->original = mem_strdup(stmt_text(row, 18));
    bug->minimized = stmt_int(row, 19) != 0;
    bug->reproducibility = mem_strdup(stmt_text(row, 20));
    bug->k = (int)stmt_int(row, 21);
    bug->n = (int)stmt_int(row, 22);
    bug->crash = stmt_int(row, 23);
    bug->backlog = stmt_int(row, 24) != 0;
    bug->computed_severity = (enum severity)stmt_int(row, 25);
    bug->computed_score = stmt_real(row, 26);
    if (!stmt_null(row, 27)) {
        bug->decided_by = mem_strdup(stmt_text(row, 27));
        bug->decided_reason = mem_strdup(stmt_text(row, 28));
    }
    read_record(stmt_text(row, 29), bug);
    bug->is_report = stmt_int(row, 30) != 0;
    bug->source = mem_strdup(stmt_text(row, 31));
    bug->acknowledged = stmt_int(row, 33);
    bug->claimed = stmt_int(row, 34);
    bug->verified = stmt_int(row, 35);
    bug->due = stmt_int(row, 36);
    bug->owner = mem_strdup(stmt_text(row, 37));
    bug->owner_origin = mem_strdup(stmt_text(row, 38));
    bug->until = (struct bug_until){.at = stmt_int(row, 39),
                                    .crashes = stmt_int(row, 40),
                                    .worse = stmt_int(row, 41) != 0};
}

/* Why each signature belongs to the bug, behind what the record says of its own. */
static int
add_why(struct store *store, struct bug *bug, struct err *err)
{
    struct stmt *row = NULL;
    int rc =
        bug->record == NULL ? 0 : db_query(store->db, &row, err, sql[WHY], "i", bug->id);

    while (row != NULL && rc == 0 && (rc = stmt_step(row, err)) == 1) {
        strv_addf(&bug->record->grouping, "%s: %s", stmt_text(row, 0), stmt_text(row, 1));
        rc = 0;
    }
    return rc;
}

struct few_bugs {
    struct bug v[BUGS_AT_A_TIME];
    size_t n;
};

static void
few_bugs_clear(struct few_bugs *few)
{
    for (size_t i = 0; i < few->n; i++) {
        bug_clear(&few->v[i]);
    }
}
AUTO_DEFINE_CLEAR(struct few_bugs, few_bugs_clear)

/* Those that are there of n bugs, BUGS_AT_A_TIME at most, in the order of ids. */
static int
load_few(struct store *store, const int64_t *ids, size_t n,
         const struct bug_filter *filter, struct few_bugs *few, struct err *err)
{
    AUTO(buf_clear) struct buf list = BUF_INIT;
    struct stmt *row = NULL;

    for (size_t i = 0; i < n; i++) {
        buf_addf(&list, "%c%lld", i == 0 ? '[' : ',', (long long)ids[i]);
    }
    buf_addc(&list, ']');
    int rc = db_query(store->db, &row, err, sql[BUGS], "tii", buf_str(&list),
                      (int64_t)filter->light, (int64_t)filter->row);
    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        read_bug(row, &few->v[few->n++]);
        rc = 0;
    }
    for (size_t i = 0; i < few->n && rc == 0; i++) {
        rc = add_why(store, &few->v[i], err);
    }
    return rc;
}

int
store_bug(struct store *store, int64_t id, struct bug *out, struct err *err)
{
    AUTO(few_bugs_clear) struct few_bugs few = {.n = 0};
    int rc = load_few(store, &id, 1, &(struct bug_filter){0}, &few, err);

    if (rc < 0 || few.n == 0) {
        return rc < 0 ? rc : store_no_bug(id, err);
    }
    *out = few.v[0];
    few.n = 0;
    return 0;
}

/* --- the list --- */

static int
check_state(const char *state, struct err *err)
{
    static const char *const states[] = {"new",     "open",      "fixing",
                                         "fixed",   "regressed", "ignored",
                                         "wontfix", "duplicate", NULL};

    return state == NULL
               ? 0
               : store_check_state(
                     state, states, "of a bug",
                     "new open fixing fixed regressed ignored wontfix duplicate", err);
}

/* All numbers first: the visitor may use the store, and change it. */
static int
list_ids(struct store *store, const struct bug_filter *filter, struct buf *ids,
         struct err *err)
{
    struct stmt *row = NULL;
    int64_t due = filter->overdue ? clock_wall_ms() : 0;
    int rc = filter->target == NULL
                 ? db_query(store->db, &row, err, sql[BUG_IDS], "ittti",
                            (int64_t)filter->at_least, filter->state, filter->class_name,
                            filter->owner, due)
                 : db_query(store->db, &row, err, sql[BUG_IDS_OF_TARGET], "itttit",
                            (int64_t)filter->at_least, filter->state, filter->class_name,
                            filter->owner, due, filter->target);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        int64_t id = stmt_int(row, 0);
        buf_add(ids, &id, sizeof(id));
        rc = 0;
    }
    return rc;
}

int
store_bugs(struct store *store, const struct bug_filter *filter, bug_visit *visit,
           void *user, struct err *err)
{
    AUTO(buf_clear) struct buf ids = BUF_INIT;
    int rc = check_state(filter->state, err);

    rc = rc < 0 ? rc : list_ids(store, filter, &ids, err);
    const int64_t *id = (const int64_t *)(const void *)ids.data;
    for (size_t left = ids.len / sizeof(*id), n = 0; rc == 0 && left > 0; left -= n) {
        AUTO(few_bugs_clear) struct few_bugs few = {.n = 0};
        n = left < BUGS_AT_A_TIME ? left : BUGS_AT_A_TIME;
        rc = load_few(store, id, n, filter, &few, err);
        id += n;
        for (size_t i = 0; i < few.n && rc == 0; i++) {
            rc = visit(user, &few.v[i], err);
        }
    }
    return rc;
}

/* --- every path --- */

struct path_row {
    char *path;
    char sha256[HASH_HEX_MAX];
    char bug[24];
    char state[16];
};

struct page {
    struct path_row rows[PAGE];
    size_t n;
    int64_t last;
};

static void
page_free(struct page *page)
{
    for (size_t i = 0; page != NULL && i < page->n; i++) {
        mem_free(page->rows[i].path);
    }
    mem_free(page);
}
AUTO_DEFINE(struct page *, page_free)

static int
read_path(struct stmt *row, struct path_row *out, struct err *err)
{
    *out = (struct path_row){0};
    (void)snprintf(out->sha256, sizeof(out->sha256), "%s", stmt_text(row, 2));
    (void)snprintf(out->state, sizeof(out->state), "%s", stmt_text(row, 4));
    if (!stmt_null(row, 3)) {
        store_bug_name(out->bug, sizeof(out->bug), stmt_int(row, 3));
    }
    return str_unname(stmt_text(row, 1), &out->path, err);
}

static int
read_page(struct store *store, int64_t after, struct page *page, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[PATHS], "ii", after, (int64_t)PAGE);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        page->last = stmt_int(row, 0);
        rc = read_path(row, &page->rows[page->n], err);
        page->n += rc == 0 ? 1 : 0;
    }
    if (rc < 0 && row != NULL) {
        stmt_reset(row);
    }
    return rc;
}

int
store_crash_paths(struct store *store, crash_visit *visit, void *user, struct err *err)
{
    int64_t after = 0;
    size_t n = PAGE;

    while (n == PAGE) {
        AUTO(page_free) struct page *page = mem_alloc(sizeof(*page));
        int rc = read_page(store, after, page, err);
        for (size_t i = 0; i < page->n && rc == 0; i++) {
            const struct path_row *row = &page->rows[i];
            rc = visit(user, row->sha256, row->path,
                       row->bug[0] == '\0' ? NULL : row->bug, row->state, err);
        }
        if (rc != 0) {
            return rc;
        }
        n = page->n;
        after = page->last;
    }
    return 0;
}

/* --- reports, commands, counts --- */

int
store_report(struct store *store, int64_t crash, struct buf *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[REPORT], "i", crash);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc < 0
                   ? rc
                   : err_set(err, -ENODATA, "there is no crash %lld", (long long)crash);
    }
    AUTO(mem_free) char *sha256 = mem_strdup(stmt_text(row, 0));
    stmt_reset(row);
    return sha256[0] == '\0' ? 0 : store_blob(store, sha256, out, err);
}

/* The texts of a row that is there, which is left afterwards. */
static int
parse_command(struct stmt *row, json_t **command, json_t **settings, struct err *err)
{
    const char *texts[2] = {stmt_text(row, 0), stmt_text(row, 1)};
    int rc = texts[0][0] == '\0'
                 ? err_set(err, -ENODATA, "target '%s' has no command", stmt_text(row, 2))
                 : json_parse(texts[0], strlen(texts[0]), command, err);

    rc = rc < 0 ? rc : json_parse(texts[1], strlen(texts[1]), settings, err);
    stmt_reset(row);
    return rc;
}

static int
read_command(struct stmt *row, struct command *out, struct record_settings *settings,
             struct err *err)
{
    AUTO(json_decref) json_t *command = NULL;
    AUTO(json_decref) json_t *options = NULL;
    int rc = parse_command(row, &command, &options, err);

    rc = rc < 0 ? rc : command_from_json(command, out, err);
    if (rc == 0) {
        store_settings_from_json(options, settings);
    }
    return rc;
}

int
store_bug_command(struct store *store, int64_t bug, struct command *out,
                  struct record_settings *settings, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[COMMAND], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 0) {
        return err_set(
            err, -ENODATA,
            "NJ-%lld has no command: there is no such bug, or it stems from a report",
            (long long)bug);
    }
    return rc < 0 ? rc : read_command(row, out, settings, err);
}

int
store_crash_command(struct store *store, int64_t crash, struct command *out,
                    struct record_settings *settings, int64_t *target, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[CRASH_COMMAND], "i", crash);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 0) {
        return err_set(err, -ENODATA, "crash %lld has no command", (long long)crash);
    }
    *target = rc < 0 ? 0 : stmt_int(row, 3);
    return rc < 0 ? rc : read_command(row, out, settings, err);
}

static int
count_crashes(struct store *store, struct store_counts *out, struct err *err)
{
    struct {
        const char *state;
        int64_t *n;
    } const table[] = {{"queued", &out->queued},
                       {"triaged", &out->triaged},
                       {"unparsed", &out->unparsed},
                       {"untriageable", &out->untriageable},
                       {"broken", &out->broken}};
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[CRASH_COUNTS], "");

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        for (size_t i = 0; i < COUNT(table); i++) {
            if (strcmp(stmt_text(row, 0), table[i].state) == 0) {
                *table[i].n = stmt_int(row, 1);
            }
        }
        out->crashes += stmt_int(row, 1);
        rc = 0;
    }
    return rc;
}

int
store_counts(struct store *store, struct store_counts *out, struct err *err)
{
    struct store_counts counts = {0};
    struct stmt *row = NULL;
    int rc = count_crashes(store, &counts, err);

    rc = rc < 0 ? rc : db_query(store->db, &row, err, sql[BUG_COUNTS], "");
    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        counts.bugs_total += stmt_int(row, 1);
        counts.bugs[stmt_int(row, 0)] = stmt_int(row, 2);
        rc = 0;
    }
    rc = rc < 0
             ? rc
             : db_int(store->db, &counts.minimize_waiting, err, sql[MINIMIZE_COUNT], "");
    if (rc == 0) {
        *out = counts;
    }
    return rc;
}
