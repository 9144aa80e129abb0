/* Crashes as a person names them: by the bytes' SHA-256 or its beginning, by a path that
 * was given, by a file with the same bytes, by an exact signature. */
#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum { PREFIX_MIN = 8, MINOR_DIGITS = RECORD_HASH_MAX - 1 };

enum {
    BLOBS,
    CRASHES_OF_BLOB,
    CRASHES_OF_PATH,
    EXACT,
    CRASH,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [BLOBS] = "SELECT id FROM blob WHERE sha256 >= ?1 AND sha256 < ?1 || 'g' LIMIT 2",
    /* target by target: that is how crashes are indexed */
    [CRASHES_OF_BLOB] = "SELECT c.id FROM target t CROSS JOIN crash c"
                        " WHERE c.target = t.id AND c.blob = ?1 ORDER BY c.id",
    [CRASHES_OF_PATH] = "SELECT DISTINCT c.id FROM crash c JOIN crash_path p"
                        " ON p.crash = c.id WHERE c.bug = ?1 AND p.path IN (?2, ?3)",
    [EXACT] = "SELECT c.id FROM crash c JOIN blob b ON b.id = c.blob WHERE c.bug = ?1"
              " AND c.minor = ?2 AND b.state = 'present' ORDER BY c.id LIMIT 1",
    [CRASH] = "SELECT c.blob, c.target, c.bug, c.version, c.minor, c.major, b.sha256,"
              " c.state, b.state, c.place FROM crash c JOIN blob b ON b.id = c.blob"
              " WHERE c.id = ?1",
};
const struct store_sql store_choose_sql = {sql, STATEMENTS};

bool
store_is_minor(const char *text)
{
    return strlen(text) == MINOR_DIGITS &&
           strspn(text, "0123456789abcdef") == MINOR_DIGITS;
}

static bool
is_sha256_prefix(const char *text)
{
    size_t len = strlen(text);

    return len >= PREFIX_MIN && len < HASH_HEX_MAX &&
           strspn(text, "0123456789abcdef") == len;
}

static int
load(struct store *store, int64_t crash, struct chosen *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[CRASH], "i", crash);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc < 0
                   ? rc
                   : err_set(err, -ENODATA, "there is no crash %lld", (long long)crash);
    }
    *out = (struct chosen){.crash = crash,
                           .blob = stmt_int(row, 0),
                           .target = stmt_int(row, 1),
                           .bug = stmt_int(row, 2),
                           .version = stmt_int(row, 3)};
    out->place = stmt_int(row, 9);
    (void)snprintf(out->minor, sizeof(out->minor), "%s", stmt_text(row, 4));
    (void)snprintf(out->major, sizeof(out->major), "%s", stmt_text(row, 5));
    (void)snprintf(out->sha256, sizeof(out->sha256), "%s", stmt_text(row, 6));
    (void)snprintf(out->state, sizeof(out->state), "%s", stmt_text(row, 7));
    out->present = strcmp(stmt_text(row, 8), "present") == 0;
    stmt_reset(row);
    return 0;
}

static bool
has(const struct chosen_list *list, int64_t crash)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->v[i].crash == crash) {
            return true;
        }
    }
    return false;
}

static int
add_ids(struct store *store, const struct buf *ids, struct chosen_list *out,
        struct err *err)
{
    int rc = 0;

    for (size_t at = 0; rc == 0 && at + sizeof(int64_t) <= ids->len;
         at += sizeof(int64_t)) {
        struct chosen one = {0};
        int64_t id = 0;
        memcpy(&id, ids->data + at, sizeof(id));
        rc = has(out, id) ? 1 : load(store, id, &one, err);
        if (rc == 0) {
            out->v = mem_resize(out->v, (out->n + 1) * sizeof(*out->v));
            out->v[out->n++] = one;
        }
        rc = rc > 0 ? 0 : rc;
    }
    return rc;
}

static int
collect(struct stmt *row, struct buf *ids, struct err *err)
{
    int rc = 0;

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        int64_t id = stmt_int(row, 0);
        buf_add(ids, &id, sizeof(id));
        rc = 0;
    }
    return rc;
}

static int
by_sha256(struct store *store, const char *prefix, struct buf *ids, struct err *err)
{
    AUTO(buf_clear) struct buf blobs = BUF_INIT;
    struct stmt *row = NULL;
    int64_t blob = 0;
    int rc = db_query(store->db, &row, err, sql[BLOBS], "t", prefix);

    rc = rc < 0 ? rc : collect(row, &blobs, err);
    if (rc < 0 || blobs.len == 0) {
        return rc;
    }
    if (blobs.len > sizeof(blob)) {
        return err_set(err, -EINVAL,
                       "'%s' is the beginning of several SHA-256: say more digits",
                       prefix);
    }
    memcpy(&blob, blobs.data, sizeof(blob));
    rc = db_query(store->db, &row, err, sql[CRASHES_OF_BLOB], "i", blob);
    return rc < 0 ? rc : collect(row, ids, err);
}

/* As it was given, or a file that is there now and has the bytes. */
static int
by_path(struct store *store, int64_t bug, const char *path, struct buf *ids,
        struct err *err)
{
    AUTO(mem_free) char *given = str_name_dup(path);
    AUTO(mem_free) char *whole = fs_absolute(path);
    AUTO(mem_free) char *absolute = str_name_dup(whole);
    AUTO(buf_clear) struct buf bytes = {.max = (size_t)STORE_INPUT_MAX + 1};
    struct stmt *row = NULL;
    char sha256[HASH_HEX_MAX];
    int rc =
        db_query(store->db, &row, err, sql[CRASHES_OF_PATH], "itt", bug, given, absolute);

    rc = rc < 0 ? rc : collect(row, ids, err);
    if (rc < 0 || ids->len > 0 || fs_read(path, STORE_INPUT_MAX, &bytes, NULL) < 0) {
        return rc;
    }
    hash_sha256(buf_str(&bytes), bytes.len, sha256);
    return by_sha256(store, sha256, ids, err);
}

int
store_choose(struct store *store, int64_t bug, const char *text, struct chosen_list *out,
             struct err *err)
{
    AUTO(buf_clear) struct buf ids = BUF_INIT;
    int rc = is_sha256_prefix(text) ? by_sha256(store, text, &ids, err) : 0;

    if (rc == 0 && ids.len == 0) {
        rc = by_path(store, bug, text, &ids, err);
    }
    if (rc == 0 && ids.len == 0) {
        AUTO(mem_free) char *name = str_name_dup(text);
        return err_set(err, -EINVAL,
                       "'%.200s' is no crash that is known here, neither by its SHA-256 "
                       "nor by its path: nightjar bugs --crashes lists both",
                       name);
    }
    return rc < 0 ? rc : add_ids(store, &ids, out, err);
}

int
store_choose_exact(struct store *store, int64_t bug, const char *minor,
                   struct chosen *out, struct err *err)
{
    int64_t crash = 0;
    int rc = db_int(store->db, &crash, err, sql[EXACT], "it", bug, minor);

    return rc < 0 ? rc : load(store, crash, out, err);
}

void
chosen_list_clear(struct chosen_list *list)
{
    mem_free(list->v);
    *list = (struct chosen_list){0};
}
