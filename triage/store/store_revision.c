#include "triage/revision.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/store/store_private.h"

enum { COMMIT_PREFIX = 7, BUILD_ID_PREFIX = 8, COMMIT_SHOWN = 12, LISTED_MAX = 100000 };

enum {
    FIND,
    ADD,
    CHANGE,
    PROGRAM_PUT,
    IDS,
    ONE,
    COUNTS,
    OF_BUILD,
    BY_COMMIT,
    BY_BUILD,
    WATCHED,
    WATCHED_PUT,
    REMOVE_PROGRAMS,
    REMOVE,
    PROGRAM,
    INTRODUCED,
    CLEAN_BEFORE,
    CAME,
    ANY,
    NEWEST,
    RELEASE,
    STATEMENTS,
};

/* Build ids on which bug ?1 showed: by what is kept of its crashes (of each build one),
 * and by nightjar verify. */
#define SHOWN_IDS                                                               \
    "WITH kept_crash(crash) AS (SELECT e.crash FROM example e WHERE e.bug = ?1" \
    "  UNION SELECT g.crash FROM bug g WHERE g.id = ?1),"                       \
    " shown(build_id) AS (SELECT b.build_id FROM kept_crash k"                  \
    "  CROSS JOIN replay r ON r.crash = k.crash JOIN build b ON b.id = r.build" \
    "  WHERE" STORE_SHOWS " UNION SELECT json_extract(v.detail, '$.build_id')"  \
    "  FROM event v WHERE v.subject = 'bug' AND v.subject_id = ?1"              \
    "  AND v.kind = 'bug.verify' AND json_extract(v.detail, '$.result') = 'same')"
#define SHOWN_ON                                              \
    " FROM shown s JOIN program x ON x.build_id = s.build_id" \
    " JOIN revision v ON v.id = x.revision"

static const char *const sql[STATEMENTS] = {
    [FIND] = "SELECT id FROM revision WHERE commit_id = ?1 AND branch = ?2",
    [ADD] = "INSERT INTO revision(commit_id, branch, release, at, folder, added)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [CHANGE] = "UPDATE revision SET at = ?2, folder = ?4, added = ?5,"
               " release = iif(?3 = '', release, ?3) WHERE id = ?1",
    [PROGRAM_PUT] = "INSERT INTO program(revision, target, kind, build_id, path, added)"
                    " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE"
                    " SET path = excluded.path, added = excluded.added",
    [IDS] = "SELECT id FROM revision ORDER BY at DESC, id DESC LIMIT ?1",
    [ONE] = "SELECT id, at, added, commit_id, branch, release, folder FROM revision"
            " WHERE id = ?1",
    [COUNTS] =
        "SELECT (SELECT count(*) FROM program x WHERE x.revision = ?1),"
        " (SELECT count(DISTINCT k.build_id) FROM program x JOIN kept k"
        "  ON k.build_id = x.build_id WHERE x.revision = ?1),"
        " (SELECT count(DISTINCT g.id) FROM program x JOIN build b"
        "  ON b.build_id = x.build_id JOIN replay r ON r.build = b.id"
        "  JOIN crash c ON c.id = r.crash JOIN bug g ON g.id = c.bug"
        "  WHERE x.revision = ?1 AND g.state IN ('new', 'open', 'fixing', 'regressed')"
        "  AND" STORE_SHOWS ")",
    [OF_BUILD] = "SELECT v.id FROM program x JOIN revision v ON v.id = x.revision"
                 " WHERE x.build_id = ?1 ORDER BY v.at, v.id LIMIT 1",
    [BY_COMMIT] = "SELECT id FROM revision WHERE commit_id = ?1"
                  " OR (length(?1) >= ?2 AND substr(commit_id, 1, length(?1)) = ?1)"
                  " ORDER BY at DESC, id DESC LIMIT 1",
    [BY_BUILD] = "SELECT v.id FROM program x JOIN revision v ON v.id = x.revision"
                 " WHERE length(?1) >= ?2 AND substr(x.build_id, 1, length(?1)) = ?1"
                 " ORDER BY v.at, v.id LIMIT 1",
    [WATCHED] = "SELECT stamp, note FROM watched WHERE folder = ?1",
    [WATCHED_PUT] = "INSERT INTO watched(folder, stamp, note) VALUES(?1, ?2, ?3)"
                    " ON CONFLICT DO UPDATE SET stamp = excluded.stamp,"
                    " note = excluded.note",
    [REMOVE_PROGRAMS] = "DELETE FROM program WHERE revision = ?1",
    [REMOVE] = "DELETE FROM revision WHERE id = ?1",
    [PROGRAM] =
        "SELECT build_id, path, kind FROM program WHERE revision = ?1 AND target = ?2"
        " AND kind <> 'coverage' ORDER BY kind <> ?3, CASE kind"
        " WHEN 'sanitizer' THEN 1 WHEN 'libfuzzer' THEN 2 WHEN 'afl' THEN 3"
        " WHEN 'cmplog' THEN 4 ELSE 5 END, added DESC, build_id LIMIT 1",
    [INTRODUCED] = SHOWN_IDS " SELECT v.id" SHOWN_ON " ORDER BY v.at, v.id LIMIT 1",
    [NEWEST] = SHOWN_IDS " SELECT v.id" SHOWN_ON " ORDER BY v.at DESC, v.id DESC LIMIT 1",
    [RELEASE] = SHOWN_IDS " SELECT v.id" SHOWN_ON
                          " WHERE v.release <> '' ORDER BY v.at, v.id LIMIT 1",
    /* the branch is that of the row of min() */
    [CAME] = SHOWN_IDS " SELECT coalesce(min(v.at), 0), coalesce(v.branch, ''),"
                       " coalesce(sum(v.release <> ''), 0)" SHOWN_ON,
    [ANY] = "SELECT EXISTS (SELECT 1 FROM revision)",
    /* on its branch, where that is known */
    [CLEAN_BEFORE] = "SELECT max(v.at) FROM event e JOIN program x"
                     " ON x.build_id = json_extract(e.detail, '$.build_id')"
                     " JOIN revision v ON v.id = x.revision WHERE e.subject = 'bug'"
                     " AND e.subject_id = ?1 AND e.kind = 'bug.verify'"
                     " AND json_extract(e.detail, '$.result') = 'clean' AND v.at < ?2"
                     " AND (?3 = '' OR v.branch IN ('', ?3))",
};
const struct store_sql store_revision_sql = {sql, STATEMENTS};

/* --- one --- */

void
revision_clear(struct revision *revision)
{
    mem_free(revision->commit);
    mem_free(revision->branch);
    mem_free(revision->release);
    mem_free(revision->folder);
    *revision = (struct revision){0};
}

static int
load(struct store *store, int64_t id, struct revision *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[ONE], "i", id);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc < 0 ? rc : err_set(err, -ENODATA, "there is no such build any more");
    }
    revision_clear(out);
    *out = (struct revision){.id = stmt_int(row, 0),
                             .at = stmt_int(row, 1),
                             .added = stmt_int(row, 2),
                             .commit = mem_strdup(stmt_text(row, 3)),
                             .branch = mem_strdup(stmt_text(row, 4)),
                             .release = mem_strdup(stmt_text(row, 5)),
                             .folder = mem_strdup(stmt_text(row, 6))};
    stmt_reset(row);
    return 0;
}

/* With what a person wants to know of it, which is not asked for each bug. */
static int
load_counted(struct store *store, int64_t id, struct revision *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = load(store, id, out, err);

    rc = rc < 0 ? rc : db_query(store->db, &row, err, sql[COUNTS], "i", id);
    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc < 1) {
        return rc;
    }
    out->programs = stmt_int(row, 0);
    out->kept = stmt_int(row, 1);
    out->bugs = stmt_int(row, 2);
    stmt_reset(row);
    return 0;
}

char *
revision_words(const struct revision *revision)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    buf_addf(&out, "commit %.*s", COMMIT_SHOWN, revision->commit);
    if (revision->branch[0] != '\0') {
        buf_addf(&out, " (%s)", revision->branch);
    }
    if (revision->release[0] != '\0') {
        buf_addf(&out, ", release %s", revision->release);
    }
    return buf_steal(&out);
}

static json_t *
name_or_null(const char *name)
{
    return json_text(name == NULL || name[0] == '\0' ? NULL : name);
}

json_t *
revision_to_json(const struct revision *revision)
{
    json_t *o = json_object();
    char at[CLOCK_TEXT_MAX];

    clock_iso(at, revision->at);
    json_put(o, "commit", json_text(revision->commit));
    json_put(o, "branch", name_or_null(revision->branch));
    json_put(o, "release", name_or_null(revision->release));
    json_put(o, "time", json_string(at));
    return o;
}

/* --- adding --- */

static int
check_name(const char *what, const char *name, bool needed, struct err *err)
{
    const size_t len = strlen(name);

    if ((len == 0 && needed) || len > REVISION_NAME_MAX) {
        return err_set(err, -EINVAL, "a build's %s has %d to %d bytes", what,
                       needed ? 1 : 0, REVISION_NAME_MAX);
    }
    return 0;
}

static int
tell(struct store *store, int64_t id, const char *kind, const char *actor,
     const struct revision *revision, struct err *err)
{
    AUTO(json_decref) json_t *detail = revision_to_json(revision);
    const struct event event = {.kind = kind,
                                .subject = "build",
                                .subject_id = id,
                                .detail = detail,
                                .actor = actor};

    return store_event_put(store, &event, err);
}

static int
put_row(struct store *store, const struct revision_given *given, int64_t *id,
        bool *is_new, struct err *err)
{
    AUTO(revision_clear) struct revision row = {0};
    AUTO(mem_free) char *commit = str_name_dup(given->commit);
    AUTO(mem_free) char *branch = str_name_dup(given->branch);
    AUTO(mem_free) char *release = str_name_dup(given->release);
    AUTO(mem_free) char *folder = str_name_dup(given->folder);
    int64_t now = clock_wall_ms();
    int rc = db_int(store->db, id, err, sql[FIND], "tt", commit, branch);

    *is_new = rc == -ENODATA;
    if (rc == 0) {
        return db_run(store->db, err, sql[CHANGE], "iitti", *id, given->at, release,
                      folder, now);
    }
    rc = !*is_new ? rc
                  : db_run(store->db, err, sql[ADD], "tttiti", commit, branch, release,
                           given->at, folder, now);
    *id = db_last_id(store->db);
    rc = rc < 0 ? rc : load(store, *id, &row, err);
    return rc < 0 ? rc : tell(store, *id, "build.add", NULL, &row, err);
}

static int
put_programs(struct store *store, int64_t id, const struct revision_given *given,
             struct err *err)
{
    int64_t now = clock_wall_ms();
    int rc = 0;

    for (size_t i = 0; i < given->n && rc == 0; i++) {
        const struct revision_program *program = &given->programs[i];
        AUTO(mem_free) char *target = str_name_dup(program->target);
        AUTO(mem_free) char *path = str_name_dup(program->path);
        rc = db_run(store->db, err, sql[PROGRAM_PUT], "itttti", id, target, program->kind,
                    program->build_id, path, now);
    }
    return rc;
}

int
revision_put(struct store *store, const struct revision_given *given, int64_t *id,
             bool *is_new, struct err *err)
{
    int rc = check_name("commit", given->commit, true, err);

    rc = rc < 0 ? rc : check_name("branch", given->branch, false, err);
    rc = rc < 0 ? rc : check_name("release", given->release, false, err);
    if (rc == 0 && given->n == 0) {
        rc = err_set(err, -EINVAL, "none of its programs has a build id");
    }
    rc = rc < 0 ? rc : db_begin(store->db, err);
    if (rc < 0) {
        return rc;
    }
    rc = put_row(store, given, id, is_new, err);
    rc = rc < 0 ? rc : put_programs(store, *id, given, err);
    return store_end(store, rc, err);
}

int
revision_remove(struct store *store, int64_t id, const char *actor, struct err *err)
{
    AUTO(revision_clear) struct revision row = {0};
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = load(store, id, &row, err);
    rc = rc < 0 ? rc : db_run(store->db, err, sql[REMOVE_PROGRAMS], "i", id);
    rc = rc < 0 ? rc : db_run(store->db, err, sql[REMOVE], "i", id);
    rc = rc < 0 ? rc : tell(store, id, "build.remove", actor, &row, err);
    return store_end(store, rc, err);
}

/* --- asking --- */

int
store_revisions(struct store *store, revision_visit *visit, void *user, struct err *err)
{
    AUTO(buf_clear) struct buf ids = BUF_INIT;
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[IDS], "i", (int64_t)LISTED_MAX);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        int64_t id = stmt_int(row, 0);
        buf_add(&ids, &id, sizeof(id));
        rc = 0;
    }
    for (size_t at = 0; rc == 0 && at < ids.len; at += sizeof(int64_t)) {
        AUTO(revision_clear) struct revision revision = {0};
        int64_t id = 0;
        memcpy(&id, ids.data + at, sizeof(id));
        rc = load_counted(store, id, &revision, err);
        rc = rc == -ENODATA ? 0 : rc < 0 ? rc : visit(user, &revision, err);
    }
    return rc;
}

int
revision_of_build(struct store *store, const char *build_id, struct revision *out,
                  struct err *err)
{
    int64_t id = 0;
    int rc = db_int(store->db, &id, err, sql[OF_BUILD], "t", build_id);

    return rc < 0 ? rc : load(store, id, out, err);
}

int
revision_find(struct store *store, const char *text, struct revision *out,
              struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(text);
    int64_t id = 0;
    int rc =
        db_int(store->db, &id, err, sql[BY_COMMIT], "ti", name, (int64_t)COMMIT_PREFIX);

    if (rc == -ENODATA) {
        rc = db_int(store->db, &id, err, sql[BY_BUILD], "ti", name,
                    (int64_t)BUILD_ID_PREFIX);
    }
    if (rc == -ENODATA) {
        return err_set(err, -EINVAL,
                       "'%.100s' is no build that is known here, neither its commit nor "
                       "a build id: nightjar build list",
                       name);
    }
    return rc < 0 ? rc : load_counted(store, id, out, err);
}

int
watched_seen(struct store *store, const char *folder, int64_t stamp, bool *seen,
             char **note, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(folder);
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[WATCHED], "t", name);

    rc = rc < 0 ? rc : stmt_step(row, err);
    *seen = rc == 1 && stmt_int(row, 0) == stamp;
    *note = *seen && stmt_text(row, 1)[0] != '\0' ? mem_strdup(stmt_text(row, 1)) : NULL;
    if (rc == 1) {
        stmt_reset(row);
    }
    return rc < 0 ? rc : 0;
}

int
watched_put(struct store *store, const char *folder, int64_t stamp, const char *note,
            struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(folder);

    return db_run(store->db, err, sql[WATCHED_PUT], "tit", name, stamp,
                  note == NULL ? "" : note);
}

void
program_found_clear(struct program_found *found)
{
    mem_free(found->build_id);
    mem_free(found->path);
    *found = (struct program_found){0};
}

int
revision_program(struct store *store, const struct revision *revision, const char *target,
                 const char *kind, struct program_found *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc =
        db_query(store->db, &row, err, sql[PROGRAM], "itt", revision->id, target, kind);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        AUTO(mem_free) char *words = revision_words(revision);
        return rc < 0 ? rc
                      : err_set(err, -ENODATA, "%s has no program of target '%.100s'",
                                words, target);
    }
    rc = str_unname(stmt_text(row, 1), &out->path, err);
    out->build_id = rc < 0 ? NULL : mem_strdup(stmt_text(row, 0));
    out->kind = record_build_kind(stmt_text(row, 2));
    stmt_reset(row);
    return rc;
}

/* --- a bug --- */

void
bug_builds_clear(struct bug_builds *builds)
{
    revision_clear(&builds->introduced);
    revision_clear(&builds->newest);
    revision_clear(&builds->release);
}

/* None is fine. */
static int
load_of_bug(struct store *store, const char *statement, int64_t bug, struct revision *out,
            struct err *err)
{
    int64_t id = 0;
    int rc = db_int(store->db, &id, err, statement, "i", bug);

    return rc == -ENODATA ? 0 : rc < 0 ? rc : load(store, id, out, err);
}

int
store_bug_builds(struct store *store, int64_t bug, struct bug_builds *out,
                 struct err *err)
{
    int rc = load_of_bug(store, sql[INTRODUCED], bug, &out->introduced, err);

    rc = rc < 0 ? rc : load_of_bug(store, sql[NEWEST], bug, &out->newest, err);
    rc = rc < 0 ? rc : load_of_bug(store, sql[RELEASE], bug, &out->release, err);
    if (rc < 0 || out->introduced.id == 0) {
        return rc;
    }
    return db_int(store->db, &out->clean_before, err, sql[CLEAN_BEFORE], "iit", bug,
                  out->introduced.at, out->introduced.branch);
}

int
store_any_revision(struct store *store, bool *any, struct err *err)
{
    int64_t is = 0;
    int rc = db_int(store->db, &is, err, sql[ANY], "");

    *any = is != 0;
    return rc;
}

int
store_bug_came(struct store *store, int64_t bug, struct bug_came *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[CAME], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc < 1) {
        return rc;
    }
    *out = (struct bug_came){.introduced = stmt_int(row, 0),
                             .released = stmt_int(row, 2) != 0};
    AUTO(mem_free) char *branch = mem_strdup(stmt_text(row, 1));
    stmt_reset(row);
    return out->introduced == 0
               ? 0
               : db_int(store->db, &out->clean_before, err, sql[CLEAN_BEFORE], "iit", bug,
                        out->introduced, branch);
}
