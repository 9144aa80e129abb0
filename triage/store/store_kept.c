#include "triage/kept.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/program.h"
#include "triage/store/store_private.h"

enum { BUILD_ID_MIN = 4 /* digits: two name the folder above */ };

enum {
    FIND,
    PUT,
    DROP,
    GARBAGE,
    WANTED,
    NEWER,
    PROGRAMS,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [FIND] = "SELECT name FROM kept WHERE build_id = ?1",
    [PUT] = "INSERT INTO kept(build_id, name, bytes, at) VALUES(?1, ?2, ?3, ?4)"
            " ON CONFLICT DO NOTHING",
    [DROP] = "DELETE FROM kept WHERE build_id = ?1",
    /* What is needed first, then the newest: from where the limit is passed all go. A
     * build's rank is that of its newest revision among those of the branch. */
    [GARBAGE] =
        "WITH ranked(id, at, rank) AS (SELECT id, at, row_number() OVER"
        "  (PARTITION BY branch ORDER BY at DESC, id DESC) FROM revision)"
        " SELECT k.build_id, k.bytes, EXISTS (SELECT 1 FROM build b"
        "  JOIN replay r ON r.build = b.id JOIN crash c ON c.id = r.crash"
        "  JOIN bug g ON g.id = c.bug WHERE b.build_id = k.build_id AND r.k > 0"
        "  AND r.outcome IN ('crash', 'timeout', 'unparsed')"
        "  AND g.state IN ('new', 'open', 'fixing', 'regressed')) AS needed,"
        " (SELECT min(v.rank) FROM program x JOIN ranked v ON v.id = x.revision"
        "  WHERE x.build_id = k.build_id) AS rank,"
        " coalesce((SELECT max(v.at) FROM program x JOIN ranked v ON v.id = x.revision"
        "  WHERE x.build_id = k.build_id), 0) AS newest"
        " FROM kept k ORDER BY needed DESC, newest DESC, k.build_id",
    [WANTED] =
        "WITH wanted(build_id, path) AS (SELECT b.build_id, b.path FROM bug g"
        "  CROSS JOIN example e ON e.bug = g.id CROSS JOIN replay r ON r.crash = e.crash"
        "  CROSS JOIN build b ON b.id = r.build WHERE b.build_id <> '' AND r.k > 0"
        "  AND r.outcome IN ('crash', 'timeout', 'unparsed')"
        "  AND g.state IN ('new', 'open', 'fixing', 'regressed') AND NOT EXISTS"
        "  (SELECT 1 FROM kept k WHERE k.build_id = b.build_id))"
        " SELECT build_id, path FROM wanted UNION SELECT w.build_id, x.path FROM wanted w"
        " JOIN program x ON x.build_id = w.build_id",
    /* on the branch of this one */
    [NEWER] = "SELECT count(*) FROM revision me JOIN revision v ON v.branch = me.branch"
              " WHERE me.id = ?1 AND (v.at, v.id) > (me.at, me.id)",
    /* a coverage build shows no bugs */
    [PROGRAMS] = "SELECT build_id, path FROM program WHERE revision = ?1"
                 " AND kind <> 'coverage' AND path <> '' ORDER BY target, kind, build_id",
};
const struct store_sql store_kept_sql = {sql, STATEMENTS};

static char *
folder_of(const struct store *store, const char *build_id)
{
    return mem_printf("%s/builds/%.2s/%s", store->folder, build_id, build_id);
}

/* --- copying --- */

struct copying {
    const char *from, *to; /* folders */
    int64_t bytes;
};

/* A file by its path below both folders. */
static int
copy_one(struct copying *copying, const char *name, struct err *err)
{
    AUTO(mem_free) char *from = fs_join(copying->from, name);
    AUTO(mem_free) char *to = fs_join(copying->to, name);
    AUTO(mem_free) char *folder = mem_dup(to, (size_t)(fs_base(to) - to));
    int64_t bytes = 0;
    struct stat st;

    if (stat(from, &st) < 0 || st.st_size > KEPT_PROGRAM_MAX) {
        return err_set(err, -EFBIG, "a file of the build is gone, or larger than %d MiB",
                       KEPT_PROGRAM_MAX >> 20);
    }
    int rc = fs_mkdirs(folder, 0755, err);
    rc = rc < 0 ? rc : fs_copy(from, to, st.st_mode & 0755, &bytes, err);
    copying->bytes += bytes;
    return rc == -EEXIST ? 0 : rc;
}

/* Whether it is there, and no link to what lies elsewhere: the copy is read by the
 * program, which is hostile. */
static bool
is_own(const struct copying *copying, const char *path)
{
    AUTO(mem_free) char *real = realpath(path, NULL);
    AUTO(mem_free) char *root = realpath(copying->from, NULL);
    size_t len = root == NULL ? 0 : strlen(root);

    return real != NULL && root != NULL && strncmp(real, root, len) == 0 &&
           real[len] == '/';
}

/* What a debugger or symbolizer looks for beside a program. */
static int
copy_debug(struct copying *copying, const char *name, struct err *err)
{
    static const char *const endings[] = {".debug", ".dwp"};
    int rc = 0;

    for (size_t i = 0; i < COUNT(endings) && rc == 0; i++) {
        AUTO(mem_free) char *beside = mem_printf("%s%s", name, endings[i]);
        AUTO(mem_free) char *path = fs_join(copying->from, beside);
        rc = is_own(copying, path) ? copy_one(copying, beside, err) : 0;
    }
    return rc;
}

/* Libraries of the system, or elsewhere, are not the build's. */
static int
copy_libraries(struct copying *copying, const char *program, struct err *err)
{
    AUTO(strv_clear) struct strv names = {0};
    AUTO(strv_clear) struct strv folders = {0};
    size_t len = strlen(copying->from);
    int rc = 0;

    if (!program_libraries(program, &names)) {
        return 0;
    }
    program_library_folders(program, &folders);
    for (size_t i = 0; i < names.n && i < KEPT_LIBRARIES_MAX && rc == 0; i++) {
        for (size_t k = 0; k < folders.n && rc == 0; k++) {
            AUTO(mem_free) char *joined = fs_join(folders.v[k], names.v[i]);
            AUTO(mem_free) char *path = fs_absolute(joined);
            if (strncmp(path, copying->from, len) == 0 && path[len] == '/' &&
                is_own(copying, path)) {
                rc = copy_one(copying, path + len + 1, err);
            }
        }
    }
    return rc;
}

static int
copy_build(const char *path, const char *to, int64_t *bytes, struct err *err)
{
    AUTO(mem_free)
    char *from = mem_dup(path, (size_t)(fs_base(path) - path));
    struct copying copying = {.from = from, .to = to};

    from[strlen(from) - 1] = '\0'; /* its slash */
    int rc = copy_one(&copying, fs_base(path), err);
    rc = rc < 0 ? rc : copy_debug(&copying, fs_base(path), err);
    rc = rc < 0 ? rc : copy_libraries(&copying, path, err);
    *bytes = copying.bytes;
    return rc < 0 ? rc : fs_sync_folder(to, err);
}

static bool
is_build_id(const char *text)
{
    return strlen(text) >= BUILD_ID_MIN && strlen(text) < NAME_MAX &&
           text[strspn(text, "0123456789abcdef")] == '\0';
}

/* Move a copy to its place, where another process may have been faster. */
static int
put_in_place(const char *made, const char *place, struct err *err)
{
    if (rename(made, place) == 0) {
        return 0;
    }
    if (errno != EEXIST && errno != ENOTEMPTY) {
        return err_sys(err, "rename '%s'", place);
    }
    return fs_remove(made, err);
}

int
kept_add(struct store *store, const char *path, const char *build_id, int64_t *bytes,
         struct err *err)
{
    AUTO(mem_free) char *there = NULL;
    AUTO(mem_free) char *now = program_build_id(path);
    int rc = kept_path(store, build_id, &there, err);

    *bytes = 0;
    if (rc < 0 || there != NULL) {
        return rc;
    }
    if (!is_build_id(build_id) || now == NULL || strcmp(now, build_id) != 0) {
        AUTO(mem_free) char *name = str_name_dup(path);
        return err_set(err, -ESTALE, "'%s' is not the build that it was", name);
    }
    AUTO(mem_free) char *place = folder_of(store, build_id);
    AUTO(mem_free) char *above = mem_dup(place, (size_t)(fs_base(place) - place));
    AUTO(mem_free) char *made = mem_printf("%s.%d", place, (int)getpid());
    rc = fs_mkdirs(above, 0755, err);
    rc = rc < 0 ? rc : fs_remove(made, err);
    rc = rc < 0 ? rc : fs_remove(place, err); /* damaged, or begun and not in the table */
    rc = rc < 0 ? rc : fs_mkdirs(made, 0755, err);
    rc = rc < 0 ? rc : copy_build(path, made, bytes, err);
    rc = rc < 0 ? rc : put_in_place(made, place, err);
    if (rc < 0) {
        (void)fs_remove(made, NULL);
        return rc;
    }
    AUTO(mem_free) char *name = str_name_dup(fs_base(path));
    return db_run(store->db, err, sql[PUT], "ttii", build_id, name, *bytes,
                  clock_wall_ms());
}

int
kept_path(struct store *store, const char *build_id, char **out, struct err *err)
{
    AUTO(mem_free) char *name = NULL;
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[FIND], "t", build_id);

    *out = NULL;
    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    rc = str_unname(stmt_text(row, 0), &name, err);
    stmt_reset(row);
    if (rc < 0) {
        return rc;
    }
    AUTO(mem_free) char *folder = folder_of(store, build_id);
    AUTO(mem_free) char *path = fs_join(folder, name);
    AUTO(mem_free) char *now = program_build_id(path);
    if (now != NULL && strcmp(now, build_id) == 0) {
        *out = STEAL(path);
    }
    return 0;
}

int
kept_program(struct store *store, const struct revision *revision, const char *target,
             const char *kind, struct program_found *out, struct err *err)
{
    AUTO(program_found_clear) struct program_found found = {0};
    AUTO(mem_free) char *copy = NULL;
    int rc = revision_program(store, revision, target, kind, &found, err);

    rc = rc < 0 ? rc : kept_path(store, found.build_id, &copy, err);
    if (rc < 0) {
        return rc;
    }
    AUTO(mem_free) char *now = copy != NULL ? NULL : program_build_id(found.path);
    if (copy == NULL && (now == NULL || strcmp(now, found.build_id) != 0)) {
        AUTO(mem_free) char *words = revision_words(revision);
        return err_set(err, -ENODATA,
                       "no copy of %s is kept, and what lies in its folder is another "
                       "build by now",
                       words);
    }
    if (copy != NULL) {
        mem_free(found.path);
        found.path = STEAL(copy);
    }
    *out = found;
    found = (struct program_found){0};
    return 0;
}

/* --- what is wanted --- */

/* Build ids and paths, two columns. */
static int
list_programs(struct stmt *row, struct strv *ids, struct strv *paths, struct err *err)
{
    int rc = 0;

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        AUTO(mem_free) char *path = NULL;
        rc = str_unname(stmt_text(row, 1), &path, err);
        if (rc == 0) {
            strv_add(ids, stmt_text(row, 0));
            strv_add(paths, path);
        }
    }
    stmt_reset(row);
    return rc;
}

int
kept_add_wanted(struct store *store, int64_t *copied, struct err *err)
{
    AUTO(strv_clear) struct strv ids = {0};
    AUTO(strv_clear) struct strv paths = {0};
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[WANTED], "");

    rc = rc < 0 ? rc : list_programs(row, &ids, &paths, err);
    for (size_t i = 0; i < ids.n && rc == 0; i++) {
        int64_t bytes = 0;
        rc = kept_add(store, paths.v[i], ids.v[i], &bytes, err);
        *copied += bytes > 0;
        rc = rc == -ESTALE || rc == -ENOENT ? 0 : rc; /* it is gone, or built anew */
    }
    return rc;
}

int
kept_add_revision(struct store *store, int64_t revision, const struct kept_policy *policy,
                  struct kept_copied *out, struct err *err)
{
    AUTO(strv_clear) struct strv ids = {0};
    AUTO(strv_clear) struct strv paths = {0};
    struct stmt *row = NULL;
    int64_t newer = 0;
    int rc = db_int(store->db, &newer, err, sql[NEWER], "i", revision);

    if (rc < 0 || newer >= policy->newest) {
        return rc;
    }
    rc = db_query(store->db, &row, err, sql[PROGRAMS], "i", revision);
    rc = rc < 0 ? rc : list_programs(row, &ids, &paths, err);
    for (size_t i = 0; i < ids.n && rc == 0; i++) {
        struct err why = ERR_INIT;
        int64_t bytes = 0;
        if (kept_add(store, paths.v[i], ids.v[i], &bytes, &why) < 0) {
            strv_addf(&out->notes, "no copy is kept: %s", why.msg);
        }
        out->programs += bytes > 0;
        out->bytes += bytes;
    }
    return rc;
}

void
kept_copied_clear(struct kept_copied *copied)
{
    strv_clear(&copied->notes);
}

/* --- what goes --- */

/* The row first: a folder without one is made anew by kept_add(). */
static int
drop(struct store *store, const char *build_id, struct err *err)
{
    AUTO(mem_free) char *folder = folder_of(store, build_id);
    int rc = db_run(store->db, err, sql[DROP], "t", build_id);

    return rc < 0 ? rc : fs_remove(folder, err);
}

int
kept_gc(struct store *store, const struct kept_policy *policy, struct kept_tally *out,
        struct err *err)
{
    AUTO(strv_clear) struct strv going = {0};
    struct stmt *row = NULL;
    bool full = false;
    int rc = db_query(store->db, &row, err, sql[GARBAGE], "");

    *out = (struct kept_tally){0};
    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        int64_t bytes = stmt_int(row, 1);
        bool needed = stmt_int(row, 2) != 0;
        bool newest = !stmt_null(row, 3) && stmt_int(row, 3) <= policy->newest;
        full |= !needed && newest && policy->max_bytes != 0 &&
                out->left_bytes + bytes > policy->max_bytes;
        if (needed || (newest && !full)) {
            out->left++;
            out->left_bytes += bytes;
            out->needed += needed;
            out->needed_bytes += needed ? bytes : 0;
        } else {
            strv_add(&going, stmt_text(row, 0));
            out->copies++;
            out->bytes += bytes;
        }
        rc = 0;
    }
    for (size_t i = 0; i < going.n && rc == 0 && !policy->dry_run; i++) {
        rc = drop(store, going.v[i], err);
    }
    return rc;
}
