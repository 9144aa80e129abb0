/*
 * Whose a bug is: a hand's word, else the last rule of CODEOWNERS that matches the path
 * of the first frame that counts and has one, else what stands beside its target
 * (T.owners). Rules are weighed when a bug is new, when something else stands for it, and
 * when they change; a hand's word stays.
 */
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/codeowners.h"
#include "triage/store/records.h"
#include "triage/store/store_private.h"

enum {
    OWNER_MAX = CODEOWNERS_OWNERS_MAX,
    SUFFIXES_MAX = 64,
    OWNERS_FILE_MAX = 64 << 10, /* bytes of T.owners */
};

enum {
    NOW,
    PUT,
    RULES,
    RULES_DROP,
    RULE_ADD,
    OF_TARGET,
    OF_TARGET_DROP,
    TARGET,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [NOW] = "SELECT owner, owner_origin FROM bug WHERE id = ?1",
    [PUT] = "UPDATE bug SET owner = ?2, owner_origin = ?3 WHERE id = ?1",
    /* patterns first: they have the last word */
    [RULES] = "SELECT coalesce(target, ''), coalesce(pattern, ''), root, owners, origin"
              " FROM owner_rule ORDER BY pattern IS NULL, id DESC",
    [RULES_DROP] = "DELETE FROM owner_rule WHERE pattern IS NOT NULL",
    [RULE_ADD] = "INSERT INTO owner_rule(target, pattern, root, owners, origin)"
                 " VALUES(?1, ?2, ?3, ?4, ?5)",
    [OF_TARGET] = "SELECT owners, origin FROM owner_rule WHERE target = ?1",
    [OF_TARGET_DROP] = "DELETE FROM owner_rule WHERE target = ?1",
    [TARGET] = "SELECT name FROM target WHERE id = ?1",
};
const struct store_sql store_owner_sql = {sql, STATEMENTS};

/* --- paths --- */

/* The part of a path below one of the folders, one a line; NULL: it lies in none. */
static const char *
below(const char *roots, const char *path)
{
    while (*roots != '\0') {
        size_t len = strcspn(roots, "\n");
        size_t bare = len;
        while (bare > 0 && roots[bare - 1] == '/') {
            bare--;
        }
        if (bare > 0 && strncmp(path, roots, bare) == 0 && path[bare] == '/') {
            return path + bare + 1;
        }
        roots += len + (roots[len] == '\n');
    }
    return NULL;
}

/* A path of a build elsewhere may begin with anything: what it ends with is tried, the
 * longest first. */
static bool
matches(const char *pattern, const char *roots, const char *path)
{
    const char *inside = below(roots, path);

    if (inside != NULL) {
        return codeowners_match(pattern, inside);
    }
    bool absolute = path[0] == '/';
    while (str_starts(path, "../") || str_starts(path, "./") || path[0] == '/') {
        path += path[0] == '/' ? 1 : strcspn(path, "/") + 1;
    }
    for (int i = 0; i < SUFFIXES_MAX; i++) {
        const char *slash = strchr(path, '/');
        if (codeowners_match(pattern, path)) {
            return true;
        }
        if (!absolute || slash == NULL) {
            return false;
        }
        path = slash + 1;
    }
    return false;
}

/* Of the first frame that counts and has a file; NULL. Borrowed. */
static const char *
path_of(const struct record *record)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        const struct frame *frame = &record->frames[i];
        if (frame->kept && frame->file != NULL) {
            return frame->file;
        }
    }
    return NULL;
}

/* --- rules --- */

struct owner {
    char *names, *origin;
};
static void
owner_clear(struct owner *owner)
{
    mem_free(owner->names);
    mem_free(owner->origin);
}
AUTO_DEFINE_CLEAR(struct owner, owner_clear)

struct rule { /* as the table has it; no pattern: of this target */
    char *target, *pattern, *root;
    struct owner owner;
};

struct said_owner {
    char *key;                 /* the target, and the path on a line of its own */
    const struct owner *owner; /* borrowed from a rule; NULL: nobody's */
};

/* All rules, in the order in which they are asked, and what they said. Bugs are many
 * more than files, and there may be thousands of rules. */
struct book {
    struct rule *v;
    size_t n;
    struct said_owner *answers; /* by key */
    size_t n_answers;
};

static void
book_clear(struct book *book)
{
    for (size_t i = 0; i < book->n; i++) {
        mem_free(book->v[i].target);
        mem_free(book->v[i].pattern);
        mem_free(book->v[i].root);
        owner_clear(&book->v[i].owner);
    }
    for (size_t i = 0; i < book->n_answers; i++) {
        mem_free(book->answers[i].key);
    }
    mem_free(book->v);
    mem_free(book->answers);
}
AUTO_DEFINE_CLEAR(struct book, book_clear)

static int
load_book(struct store *store, struct book *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[RULES], "");

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        out->v = mem_grow(out->v, out->n, sizeof(*out->v));
        out->v[out->n++] = (struct rule){
            .target = mem_strdup(stmt_text(row, 0)),
            .pattern = mem_strdup(stmt_text(row, 1)),
            .root = mem_strdup(stmt_text(row, 2)),
            .owner = {mem_strdup(stmt_text(row, 3)), mem_strdup(stmt_text(row, 4))}};
        rc = 0;
    }
    return rc;
}

/* The first that matches; NULL: none. */
static const struct owner *
ask_rules(const struct book *book, const char *target, const char *path)
{
    for (size_t i = 0; i < book->n; i++) {
        const struct rule *rule = &book->v[i];
        if (rule->pattern[0] == '\0'
                ? strcmp(rule->target, target) == 0
                : path != NULL && matches(rule->pattern, rule->root, path)) {
            return &rule->owner;
        }
    }
    return NULL;
}

static const struct owner *
find_owner(struct book *book, const char *target, const char *path)
{
    AUTO(mem_free) char *key = mem_printf("%s\n%s", target, path == NULL ? "" : path);
    size_t low = 0;
    size_t high = book->n_answers;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(book->answers[middle].key, key);
        if (order == 0) {
            return book->answers[middle].owner;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    book->answers = mem_grow(book->answers, book->n_answers, sizeof(*book->answers));
    struct said_owner *at = &book->answers[low];
    memmove(at + 1, at, (book->n_answers++ - low) * sizeof(*at));
    *at = (struct said_owner){STEAL(key), ask_rules(book, target, path)};
    return at->owner;
}

/* --- weighing --- */

static int
load_owner(struct store *store, int64_t bug, struct owner *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[NOW], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        (void)(rc < 0 ? rc : store_no_bug(bug, err));
        return rc < 0 ? rc : -ENODATA;
    }
    *out = (struct owner){mem_strdup(stmt_text(row, 0)), mem_strdup(stmt_text(row, 1))};
    stmt_reset(row);
    return 0;
}

/* The new owner, and an event where the names change. */
static int
put_owner(struct store *store, int64_t bug, const struct owner *before,
          const struct owner *after, const struct decision *decision, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    const struct event event = {.kind = "bug.owner",
                                .subject = "bug",
                                .subject_id = bug,
                                .from = before->names[0] == '\0' ? NULL : before->names,
                                .to = after->names[0] == '\0' ? NULL : after->names,
                                .detail = detail,
                                .actor = decision == NULL ? NULL : decision->actor};

    if (strcmp(before->names, after->names) == 0 &&
        strcmp(before->origin, after->origin) == 0) {
        return 0;
    }
    json_put(detail, "origin", json_text(after->origin));
    json_put(detail, "reason", json_text(decision == NULL ? NULL : decision->reason));
    int rc = db_run(store->db, err, sql[PUT], "itt", bug, after->names, after->origin);
    return rc < 0 || strcmp(before->names, after->names) == 0
               ? rc
               : store_event_put(store, &event, err);
}

struct weighing {
    struct store *store;
    struct book *book;
};

static int
weigh(void *user, int64_t bug, const char *target, const struct record *record,
      struct err *err)
{
    static char nobody[] = "";
    static const struct owner none = {nobody, nobody};
    const struct weighing *weighing = user;
    AUTO(owner_clear) struct owner before = {0};
    int rc = load_owner(weighing->store, bug, &before, err);

    if (rc < 0 || strcmp(before.origin, "hand") == 0) {
        return rc;
    }
    const struct owner *after = find_owner(weighing->book, target, path_of(record));
    return put_owner(weighing->store, bug, &before, after == NULL ? &none : after, NULL,
                     err);
}

int
store_weigh_owner(struct store *store, int64_t bug, const char *target,
                  const struct record *record, struct err *err)
{
    AUTO(book_clear) struct book book = {0};
    struct weighing weighing = {store, &book};
    int rc = load_book(store, &book, err);

    return rc < 0 ? rc : weigh(&weighing, bug, target, record, err);
}

/* As far as their records can be read. */
static int
weigh_again(struct store *store, const struct record_range *range, struct err *err)
{
    AUTO(book_clear) struct book book = {0};
    struct weighing weighing = {store, &book};
    int rc = load_book(store, &book, err);

    return rc < 0 ? rc : store_records(store, range, weigh, &weighing, err);
}

/* --- what nightjar.yaml says --- */

static bool
says(struct stmt *row, int column, const char *text)
{
    return strcmp(stmt_text(row, column), text) == 0;
}

/* Rows come in the reverse order of the rules, those of targets at the end. */
static int
all_same(struct store *store, const struct owner_rule *rules, size_t n, bool *same,
         struct err *err)
{
    struct stmt *row = NULL;
    size_t left = n;
    int rc = db_query(store->db, &row, err, sql[RULES], "");

    *same = true;
    while (rc == 0 && *same && (rc = stmt_step(row, err)) == 1) {
        rc = 0;
        if (says(row, 1, "")) {
            break;
        }
        const struct owner_rule *rule = left == 0 ? NULL : &rules[--left];
        *same = rule != NULL && says(row, 1, rule->pattern) && says(row, 2, rule->root) &&
                says(row, 3, rule->owners) && says(row, 4, rule->origin);
    }
    stmt_reset(row);
    *same = *same && left == 0;
    return rc;
}

static int
replace_rules(struct store *store, const struct owner_rule *rules, size_t n,
              struct err *err)
{
    int rc = db_run(store->db, err, sql[RULES_DROP], "");

    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct owner_rule *rule = &rules[i];
        rc = db_run(store->db, err, sql[RULE_ADD], "ntttt", rule->pattern, rule->root,
                    rule->owners, rule->origin);
    }
    return rc < 0 ? rc : weigh_again(store, &(struct record_range){0}, err);
}

int
store_put_owner_rules(struct store *store, const struct owner_rule *rules, size_t n,
                      struct err *err)
{
    bool same = false;
    int rc = all_same(store, rules, n, &same, err);

    if (rc < 0 || same) {
        return rc;
    }
    rc = db_begin(store->db, err);
    return rc < 0 ? rc : store_end(store, replace_rules(store, rules, n, err), err);
}

/* --- beside a target --- */

/* One an OWNERS line as OSS-Fuzz reads them: an address; rules for files, and for
 * everybody, are none. */
static void
add_address(const char *line, size_t len, struct buf *out)
{
    AUTO(buf_clear) struct buf name = BUF_INIT;

    while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL) {
        len--;
    }
    if (len == 0 || *line == '#' || *line == '*' || memchr(line, ' ', len) != NULL ||
        memchr(line, ':', len) != NULL || out->len + len >= OWNER_MAX) {
        return;
    }
    str_name(&name, line, len);
    buf_addf(out, "%s%s", out->len == 0 ? "" : " ", buf_str(&name));
}

/* The addresses in T.owners beside a program T, or T.exe; *name is the file's. */
static void
read_beside(const char *program, struct buf *out, char **name)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    const char *base = fs_base(program);
    const char *dot = strrchr(base, '.');
    int len =
        (int)(dot == NULL || dot == base ? strlen(program) : (size_t)(dot - program));
    AUTO(mem_free) char *path = mem_printf("%.*s.owners", len, program);

    if (fs_read(path, OWNERS_FILE_MAX, &text, NULL) < 0) {
        return;
    }
    *name = str_name_dup(fs_base(path));
    for (const char *line = buf_str(&text); *line != '\0';) {
        size_t n = strcspn(line, "\n");
        size_t blanks = strspn(line, " \t");
        add_address(line + blanks, n < blanks ? 0 : n - blanks, out);
        line += n + (line[n] == '\n');
    }
}

static int
replace_of_target(struct store *store, int64_t target, const char *name,
                  const struct owner *owner, struct err *err)
{
    int rc = db_run(store->db, err, sql[OF_TARGET_DROP], "t", name);

    if (rc == 0 && owner->names[0] != '\0') {
        rc = db_run(store->db, err, sql[RULE_ADD], "tnttt", name, "", owner->names,
                    owner->origin);
    }
    const struct record_range its = {.target = target};
    return rc < 0 ? rc : weigh_again(store, &its, err);
}

int
store_put_target_owner(struct store *store, int64_t target,
                       const struct build_list *builds, struct err *err)
{
    AUTO(buf_clear) struct buf names = BUF_INIT;
    AUTO(owner_clear) struct owner owner = {0};
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[TARGET], "i", target);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc <= 0) {
        return rc;
    }
    AUTO(mem_free) char *name = mem_strdup(stmt_text(row, 0));
    stmt_reset(row);
    for (size_t i = 0; i < builds->n && owner.origin == NULL; i++) {
        read_beside(builds->v[i].command.argv.v[0], &names, &owner.origin);
    }
    owner.names = buf_steal(&names);
    rc = db_query(store->db, &row, err, sql[OF_TARGET], "t", name);
    rc = rc < 0 ? rc : stmt_step(row, err);
    bool same = rc == 1 ? says(row, 0, owner.names) &&
                              says(row, 1, owner.origin == NULL ? "" : owner.origin)
                        : owner.names[0] == '\0';
    stmt_reset(row);
    return rc < 0 || same ? (rc < 0 ? rc : 0)
                          : replace_of_target(store, target, name, &owner, err);
}

/* --- by hand --- */

static int
set_owner(struct store *store, int64_t bug, const char *owner,
          const struct decision *decision, struct err *err)
{
    AUTO(owner_clear) struct owner before = {0};
    const struct owner after = {mem_strdup(owner == NULL ? "" : owner),
                                mem_strdup(owner == NULL ? "" : "hand")};
    int rc = load_owner(store, bug, &before, err);

    rc = rc < 0 ? rc : put_owner(store, bug, &before, &after, decision, err);
    rc = rc < 0 ? rc : store_acknowledge(store, bug, err);
    mem_free(after.names);
    mem_free(after.origin);
    const struct record_range it = {.bug = bug};
    return rc < 0 || owner != NULL ? rc : weigh_again(store, &it, err);
}

int
store_set_owner(struct store *store, int64_t bug, const char *owner,
                const struct decision *decision, struct err *err)
{
    AUTO(mem_free) char *name = owner == NULL ? NULL : str_name_dup(owner);

    if (name != NULL && (name[0] == '\0' || strlen(name) > OWNER_MAX)) {
        return err_set(err, -EINVAL, "an owner's name has 1 to %d bytes", OWNER_MAX);
    }
    int rc = db_begin(store->db, err);
    return rc < 0 ? rc
                  : store_end(store, set_owner(store, bug, name, decision, err), err);
}
