#include "triage/store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    TARGET_BY_NAME,
    TARGET_NAME,
    TARGET_ADD,
    TARGET_CHANGE,
    REQUEUE_EVENTS,
    REQUEUE_TARGET,
    REQUEUE_CRASH,
    KNOWN,
    CRASH_ADD,
    CRASH_FIND,
    CRASH_FRESH,
    PATH_ADD,
    SEEN_AGAIN,
    FIRST_CAMPAIGN,
    STATEMENTS,
};

#define WITHOUT_RESULT                                                           \
    "bug IS NULL AND state <> 'queued' AND target = ?1 AND state IN ('broken', " \
    "'triaged')"

static const char *const sql[STATEMENTS] = {
    [TARGET_BY_NAME] =
        "SELECT id, command, settings, program FROM target WHERE name = ?1",
    [TARGET_NAME] = "SELECT name FROM target WHERE id = ?1",
    [TARGET_ADD] = "INSERT INTO target(name, command, settings, program, first_seen)"
                   " VALUES(?1, ?2, ?3, ?4, ?5)",
    [TARGET_CHANGE] =
        "UPDATE target SET command = ?2, settings = ?3, program = ?4 WHERE id = ?1",
    [REQUEUE_EVENTS] =
        "INSERT INTO event(at, kind, subject, subject_id, from_state, to_state, actor, "
        "detail)"
        " SELECT ?2, 'crash.state', 'crash', id, state, 'queued', 'nightjar',"
        " '{\"reason\":\"the command or program of its target changed\"}'"
        " FROM crash WHERE " WITHOUT_RESULT,
    [REQUEUE_TARGET] = "UPDATE crash SET " QUEUED_AGAIN " WHERE " WITHOUT_RESULT,
    [REQUEUE_CRASH] = "UPDATE crash SET " QUEUED_AGAIN " WHERE id = ?1",
    [KNOWN] =
        "SELECT b.state FROM blob b JOIN crash c"
        " ON c.target = ?1 AND c.blob = b.id AND c.is_report = ?3 WHERE b.sha256 = ?2",
    [CRASH_ADD] =
        "INSERT INTO crash(target, blob, is_report, source, written, first_seen, backlog)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    [CRASH_FIND] = "SELECT id, state, bug, backlog FROM crash"
                   " WHERE target = ?1 AND blob = ?2 AND is_report = ?3",
    [CRASH_FRESH] = "UPDATE crash SET backlog = 0 WHERE id = ?1",
    [PATH_ADD] =
        "INSERT INTO crash_path(crash, path) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
    [SEEN_AGAIN] = "UPDATE bug SET last_seen = max(last_seen, ?2) WHERE id = ?1",
    [FIRST_CAMPAIGN] = "SELECT coalesce((SELECT started FROM campaign ORDER BY id LIMIT"
                       " 1), 0)",
};
const struct store_sql store_ledger_sql = {sql, STATEMENTS};

/* --- targets --- */

json_t *
store_settings_to_json(const struct record_settings *settings)
{
    json_t *object = json_object();

    json_put(object, "ooms_and_hangs", json_boolean(settings->ooms_and_hangs));
    json_put(object, "asserts_are_security",
             json_boolean(settings->asserts_are_security));
    json_put(object, "checks_are_security", json_boolean(settings->checks_are_security));
    json_put(object, "ignore_frames", json_strv(&settings->ignore_frames));
    if (settings->keep != KEEP_MAJOR) {
        json_put(object, "keep", json_string(keep_level_name(settings->keep)));
    }
    return object;
}

void
store_settings_from_json(const json_t *object, struct record_settings *out)
{
    strv_clear(&out->ignore_frames);
    out->ooms_and_hangs = json_get_bool(object, "ooms_and_hangs", false);
    out->asserts_are_security = json_get_bool(object, "asserts_are_security", true);
    out->checks_are_security = json_get_bool(object, "checks_are_security", false);
    json_get_strv(object, "ignore_frames", &out->ignore_frames);
    out->keep = KEEP_MAJOR;
    (void)keep_level_parse(json_get_str(object, "keep", "major"), &out->keep, NULL);
}

/* A plain name stays as it is, with its backslashes; any other is escaped as a whole. */
static int
storable_name(const char *what, const char *name, char **out, struct err *err)
{
    AUTO(buf_clear) struct buf plain = BUF_INIT;
    AUTO(mem_free) char *escaped = str_name_dup(name);

    if (name[0] == '\0' || strlen(escaped) > STORE_NAME_MAX) {
        return err_set(err, -EINVAL, "the name of a %s has 1 to %d bytes, not %zu", what,
                       STORE_NAME_MAX, strlen(escaped));
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '\\') {
            buf_addc(&plain, '\\');
        }
        buf_addc(&plain, *c);
    }
    *out = strcmp(buf_str(&plain), escaped) == 0 ? mem_strdup(name) : STEAL(escaped);
    return 0;
}

static int
requeue_target(struct store *store, int64_t target, struct err *err)
{
    int rc = db_run(store->db, err, sql[REQUEUE_EVENTS], "ii", target, clock_wall_ms());

    return rc < 0 ? rc : db_run(store->db, err, sql[REQUEUE_TARGET], "i", target);
}

struct target_texts {
    const char *name, *command, *settings, *program; /* command NULL: none */
};

static int
put_target(struct store *store, const struct target_texts *texts, int64_t *id,
           struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(store->db, &stmt, err, sql[TARGET_BY_NAME], "t", texts->name);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc < 0) {
        return rc;
    }
    if (rc == 0) {
        rc = db_run(store->db, err, sql[TARGET_ADD], "tttti", texts->name, texts->command,
                    texts->settings, texts->program, clock_wall_ms());
        *id = db_last_id(store->db);
        return rc;
    }
    *id = stmt_int(stmt, 0);
    /* reports of a target that is known take its command from nobody */
    bool keeps = texts->command == NULL;
    AUTO(mem_free)
    char *command = mem_strdup(keeps ? stmt_text(stmt, 1) : texts->command);
    AUTO(mem_free)
    char *program = mem_strdup(keeps ? stmt_text(stmt, 3) : texts->program);
    bool same = strcmp(stmt_text(stmt, 1), command) == 0 &&
                strcmp(stmt_text(stmt, 2), texts->settings) == 0 &&
                strcmp(stmt_text(stmt, 3), program) == 0;
    stmt_reset(stmt);
    if (same) {
        return 0;
    }
    rc = db_run(store->db, err, sql[TARGET_CHANGE], "ittt", *id,
                command[0] == '\0' ? NULL : command, texts->settings, program);
    return rc < 0 ? rc : requeue_target(store, *id, err);
}

/* Size and time of the program: enough to see that it was built again. */
static char *
program_mark(const struct command *command)
{
    struct stat st;

    if (command == NULL || command->argv.n == 0 || stat(command->argv.v[0], &st) < 0) {
        return mem_strdup("");
    }
    return mem_printf("%lld %lld.%09ld", (long long)st.st_size,
                      (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

int
store_put_target(struct store *store, const char *name, const struct command *command,
                 const struct record_settings *settings, int64_t *id, struct err *err)
{
    AUTO(json_decref) json_t *how = command == NULL ? NULL : command_to_json(command);
    AUTO(json_decref) json_t *options = store_settings_to_json(settings);
    AUTO(mem_free) char *how_text = how == NULL ? NULL : json_line(how);
    AUTO(mem_free) char *options_text = json_line(options);
    AUTO(mem_free) char *program = program_mark(command);
    AUTO(mem_free) char *stored = NULL;
    int64_t target = 0;
    int rc = storable_name("target", name, &stored, err);

    if (rc == 0) {
        rc = db_begin(store->db, err);
    }
    if (rc < 0) {
        return rc;
    }
    const struct target_texts texts = {stored, how_text, options_text, program};
    rc = store_end(store, put_target(store, &texts, &target, err), err);
    if (rc == 0) {
        *id = target;
    }
    return rc;
}

/* --- reading what is given --- */

/* Whether a person named the file: only then its links are meant. */
static bool
is_given(const char *source)
{
    static const char *const given[] = {"triage", "reports", "core",
                                        "import", "api",     "verify"};

    for (size_t i = 0; i < COUNT(given); i++) {
        if (strcmp(given[i], source) == 0) {
            return true;
        }
    }
    return false;
}

/* Open root/rest without following a link on the way or at the end. -1 and errno. */
static int
open_beneath(const char *root, const char *rest)
{
    AUTO(mem_free) char *parts = mem_strdup(rest);
    AUTO(fd_close) int at = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char *save = NULL;
    char *part = strtok_r(parts, "/", &save);

    while (at >= 0 && part != NULL) {
        char *next = strtok_r(NULL, "/", &save);
        if (next == NULL) {
            return openat(at, part,
                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        }
        int below = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int saved = errno;
        fd_close(at);
        at = below;
        /* a link to a folder is "not a folder" here */
        errno = saved == ENOTDIR ? ELOOP : saved;
        part = next;
    }
    return -1;
}

static int
open_engine_file(const struct store *store, const struct intake_item *item)
{
    AUTO(mem_free) char *path = fs_absolute(item->path);
    AUTO(mem_free)
    char *root = item->root == NULL ? mem_strdup(store->folder) : fs_absolute(item->root);
    size_t len = strlen(root);

    if (strncmp(path, root, len) == 0 && path[len] == '/') {
        return open_beneath(root, path + len + 1);
    }
    return open(item->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int
open_item(const struct store *store, const struct intake_item *item, int *out_fd,
          struct stat *st, struct err *err)
{
    if (is_given(item->source)) {
        return fs_open(item->path, out_fd, st, err);
    }
    AUTO(mem_free) char *name = str_name_dup(item->path);
    AUTO(fd_close) int fd = open_engine_file(store, item);
    if (fd < 0 && errno == ELOOP) {
        return err_set(
            err, -ELOOP,
            "'%s' is or goes through a link, which a target may have put there: not "
            "read; if it is yours, give it to nightjar triage",
            name);
    }
    if (fd < 0 || fstat(fd, st) < 0) {
        return err_sys(err, "open '%s'", name);
    }
    if (!S_ISREG(st->st_mode)) {
        return err_set(err, -EINVAL, "'%s' is not a regular file", name);
    }
    *out_fd = FD_STEAL(fd);
    return 0;
}

/* Read what is meant of the file, one byte more than allowed at most: that shows that it
 * is too large, or grows. A file that became shorter gives what is left of the part. */
static int
read_bytes(int fd, const struct intake_item *item, struct buf *out, struct err *err)
{
    bool part = item->bytes > 0 && item->bytes <= STORE_INPUT_MAX;
    size_t most = part ? (size_t)item->bytes : (size_t)STORE_INPUT_MAX + 1;
    int rc = 1;

    out->max = most;
    if (item->bytes > 0 && lseek(fd, (off_t)item->from, SEEK_SET) < 0) {
        return err_sys(err, "seek");
    }
    while (rc > 0 && out->len < most) {
        rc = fd_read_some(fd, out, most - out->len, err);
    }
    return rc < 0 ? rc : 0;
}

/* When the file was found, as far as that can be true: before any of the programs that
 * leave such files, or any worker, a clock was wrong, or an archive kept no times. */
static int
time_of(const struct store *store, const struct intake_item *item, const struct stat *st,
        int64_t *out, struct err *err)
{
    const int64_t year_2000 = INT64_C(946684800000);
    int64_t now = clock_wall_ms();
    int64_t from = 0;
    int64_t at = item->written > 0 ? item->written : clock_file_ms(&st->st_mtim);
    int rc = is_given(item->source)
                 ? 0
                 : db_int(store->db, &from, err, sql[FIRST_CAMPAIGN], "");

    from = from < year_2000 ? year_2000 : from;
    *out = at < from || at > now ? now : at;
    return rc;
}

static int
read_item(const struct store *store, const struct intake_item *item, struct buf *out,
          int64_t *written, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    struct stat st = {0};
    int rc = open_item(store, item, &fd, &st, err);

    int64_t size = item->bytes > 0 ? item->bytes : (int64_t)st.st_size;
    if (rc == 0 && size <= STORE_INPUT_MAX) {
        rc = read_bytes(fd, item, out, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (size > STORE_INPUT_MAX || out->len > STORE_INPUT_MAX) {
        AUTO(mem_free) char *name = str_name_dup(item->path);
        return err_set(err, -EFBIG,
                       "'%s' holds more than %d MiB, the limit of an input or a "
                       "report; of a log give the part round the crash",
                       name, STORE_INPUT_MAX >> 20);
    }
    return time_of(store, item, &st, written, err);
}

/* --- intake --- */

struct filed { /* an item that was read */
    char sha256[HASH_HEX_MAX];
    int64_t written;
};

/* Bytes that are there need not be written, nor those that were dropped on purpose. */
static int
wants_bytes(struct store *store, const struct intake_item *item, const char *sha256,
            bool *wants, struct err *err)
{
    struct stmt *stmt = NULL;
    bool here = false;
    int rc = store_blob_here(store, sha256, &here, err);

    *wants = !here;
    if (rc < 0 || here) {
        return rc;
    }
    rc = db_query(store->db, &stmt, err, sql[KNOWN], "iti", item->target, sha256,
                  (int64_t)item->is_report);
    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc == 1) {
        *wants = strcmp(stmt_text(stmt, 0), "dropped") != 0;
        stmt_reset(stmt);
    }
    return rc < 0 ? rc : 0;
}

/* Trouble of this process, not of the file: whoever gave it must give it again. */
static bool
is_own_trouble(int code)
{
    return code == -EMFILE || code == -ENFILE || code == -ENOMEM;
}

static int
take_item(struct blob_batch *batch, const struct intake_item *item, struct filed *filed,
          struct intake_result *result, struct err *err)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    struct err why = ERR_INIT;
    bool wants = false;

    *result = (struct intake_result){0};
    int rc = read_item(batch->store, item, &bytes, &filed->written, &why);
    if (is_own_trouble(rc)) {
        return err_set(err, rc, "%s", why.msg);
    }
    if (rc < 0) {
        result->code = rc;
        (void)snprintf(result->reason, sizeof(result->reason), "%.255s", why.msg);
        return 0;
    }
    hash_sha256(buf_str(&bytes), bytes.len, filed->sha256);
    rc = wants_bytes(batch->store, item, filed->sha256, &wants, err);
    if (rc < 0 || !wants) {
        return rc;
    }
    return store_batch_add(batch, filed->sha256, buf_str(&bytes), bytes.len, err);
}

static int
target_name(struct store *store, int64_t target, char **out, struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(store->db, &stmt, err, sql[TARGET_NAME], "i", target);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc <= 0) {
        return rc < 0
                   ? rc
                   : err_set(err, -EINVAL, "there is no target %lld", (long long)target);
    }
    *out = mem_strdup(stmt_text(stmt, 0));
    stmt_reset(stmt);
    return 0;
}

static int
count_file(struct store *store, const struct intake_item *item, const char *target,
           bool is_new, struct err *err)
{
    const char *const labels[] = {"target",     target,   "source",
                                  item->source, "result", is_new ? "new" : "duplicate",
                                  NULL};

    return store_count(store, "crash_files_total", labels, 1, err);
}

/* A known crash is given again; seen 0: under a path that is known, too. */
static int
file_again(struct store *store, const struct intake_item *item, int64_t crash,
           struct stmt *found, int64_t seen, struct err *err)
{
    bool broken = strcmp(stmt_text(found, 1), "broken") == 0;
    int64_t bug = stmt_int(found, 2);
    bool fresh = stmt_int(found, 3) != 0 && !item->backlog;
    int rc = 0;

    stmt_reset(found);
    if (fresh) {
        rc = db_run(store->db, err, sql[CRASH_FRESH], "i", crash);
        rc = rc < 0 || bug == 0 ? rc : store_bug_is_fresh(store, bug, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (bug != 0) {
        rc = db_run(store->db, err, sql[SEEN_AGAIN], "ii", bug, seen);
    }
    if (rc < 0 || !broken || !is_given(item->source)) {
        return rc;
    }
    rc = db_run(store->db, err, sql[REQUEUE_CRASH], "i", crash);
    return rc < 0 ? rc
                  : store_crash_event(store, crash, "broken", "queued",
                                      "it was given again", err);
}

static int
file_item(struct store *store, const struct intake_item *item, const struct filed *filed,
          struct intake_result *result, struct err *err)
{
    AUTO(mem_free) char *path = str_name_dup(item->path);
    AUTO(mem_free) char *target = NULL;
    struct stmt *found = NULL;
    int64_t blob = 0;
    int rc = target_name(store, item->target, &target, err);

    rc = rc < 0 ? rc : store_blob_id(store, filed->sha256, &blob, err);
    if (rc == 0) {
        rc = db_run(store->db, err, sql[CRASH_ADD], "iiitiii", item->target, blob,
                    (int64_t)item->is_report, item->source, filed->written,
                    clock_wall_ms(), (int64_t)item->backlog);
    }
    bool is_new = rc == 0 && db_changes(store->db) > 0;
    if (rc == 0) {
        rc = db_query(store->db, &found, err, sql[CRASH_FIND], "iii", item->target, blob,
                      (int64_t)item->is_report);
    }
    rc = rc < 0 ? rc : stmt_step(found, err);
    if (rc < 0) {
        return rc;
    }
    int64_t crash = stmt_int(found, 0);
    rc = db_run(store->db, err, sql[PATH_ADD], "it", crash, path);
    bool new_path = rc == 0 && db_changes(store->db) > 0;
    if (rc == 0 && !is_new) {
        int64_t seen = item->backlog ? clock_wall_ms() : filed->written;
        rc = file_again(store, item, crash, found, new_path ? seen : 0, err);
    }
    stmt_reset(found);
    if (rc == 0 && new_path) {
        rc = count_file(store, item, target, is_new, err);
    }
    result->crash = crash;
    result->is_new = is_new;
    return rc;
}

static int
file_all(struct blob_batch *batch, const struct intake_item *items, size_t n,
         const struct filed *filed, struct intake_result *results, struct err *err)
{
    struct store *store = batch->store;
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = store_batch_rows(batch, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (results[i].code == 0) {
            rc = file_item(store, &items[i], &filed[i], &results[i], err);
        }
    }
    return store_batch_end(batch, rc, err);
}

int
store_intake(struct store *store, const struct intake_item *items, size_t n,
             struct intake_result *results, struct err *err)
{
    AUTO(store_batch_clear) struct blob_batch batch = BLOB_BATCH_INIT(store);
    AUTO(mem_free) struct filed *filed = mem_array(n, sizeof(*filed));
    int rc = store_batch_hold(&batch, err);

    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = take_item(&batch, &items[i], &filed[i], &results[i], err);
    }
    if (rc == 0) {
        rc = store_batch_flush(&batch, err);
    }
    if (rc == 0) {
        rc = file_all(&batch, items, n, filed, results, err);
    }
    return rc < 0 ? err_wrap(err, rc, "file %zu crashes", n) : 0;
}
