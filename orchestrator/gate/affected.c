#include "orchestrator/gate/affected.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/gate/program_compare.h"
#include "triage/coverage.h"

void
change_clear(struct change *change)
{
    strv_clear(&change->files);
    mem_free(change->hunks);
    *change = (struct change){0};
}

/* --- the diff --- */

static bool
ends_as(const char *name, const char *const *endings)
{
    for (size_t i = 0; endings[i] != NULL; i++) {
        if (str_ends(name, endings[i])) {
            return true;
        }
    }
    return false;
}

static void
add_file(struct change *change, const char *name)
{
    static const char *const sources[] = {".c",   ".cc",  ".cpp", ".cxx", ".h",  ".hh",
                                          ".hpp", ".hxx", ".inc", ".rs",  ".go", ".S",
                                          ".s",   ".m",   ".mm",  ".y",   ".l",  NULL};
    static const char *const texts[] = {".md", ".rst", ".txt", ".adoc", NULL};

    if (ends_as(name, texts) || strv_has(&change->files, name)) {
        return;
    }
    if (ends_as(name, sources) && change->files.n < CHANGE_FILES_MAX) {
        strv_add(&change->files, name);
    } else {
        change->beyond = true;
    }
}

struct hunk { /* lines that are still to come, lest "--- x" among them be a header */
    long before, after;
    bool known; /* the file that is read is among the change's: the one below */
    size_t file;
};

static long
count_of(const char *range)
{
    const char *comma = strchr(range, ',');
    const char *end = range + strcspn(range, " @");
    int64_t n = 1;
    AUTO(mem_free)
    char *digits = comma == NULL || comma > end
                       ? NULL
                       : mem_dup(comma + 1, (size_t)(end - comma - 1));

    if (digits != NULL) {
        (void)str_number("lines", digits, 0, 1 << 30, &n, NULL);
    }
    return (long)n;
}

static void
add_hunk(struct change *change, const struct hunk *hunk, const char *range)
{
    AUTO(mem_free) char *digits = mem_dup(range, strspn(range, "0123456789"));
    int64_t from = 0;

    if (!hunk->known || change->n_hunks > CHANGE_HUNKS_MAX ||
        str_number("line", digits, 0, 1 << 30, &from, NULL) < 0) {
        return;
    }
    if (change->n_hunks == CHANGE_HUNKS_MAX) { /* too many to be of use */
        mem_free(change->hunks);
        change->hunks = NULL;
        change->n_hunks = CHANGE_HUNKS_MAX + 1;
        return;
    }
    change->hunks =
        mem_resize(change->hunks, (change->n_hunks + 1) * sizeof(*change->hunks));
    change->hunks[change->n_hunks++] =
        (struct change_hunk){.file = hunk->file,
                             .from = (int)from,
                             .to = (int)(from + (hunk->after > 0 ? hunk->after - 1 : 1))};
}

/* True: the line belongs to a hunk. */
static bool
follow_hunk(struct change *change, struct hunk *hunk, const char *line)
{
    const char *plus = strchr(line, '+');

    if (hunk->before <= 0 && hunk->after <= 0) {
        if (!str_starts(line, "@@ -") || plus == NULL) {
            return false;
        }
        hunk->before = count_of(line + 4);
        hunk->after = count_of(plus + 1);
        add_hunk(change, hunk, plus + 1);
        return true;
    }
    hunk->before -= line[0] == '-' || line[0] == ' ' || line[0] == '\0';
    hunk->after -= line[0] == '+' || line[0] == ' ' || line[0] == '\0';
    return true;
}

/* "+++ b/src/x.c" and "--- a/src/x.c"; /dev/null where a file is new or gone. */
static void
read_header(const char *name, struct change *change, struct hunk *hunk)
{
    AUTO(mem_free) char *plain = mem_dup(name, strcspn(name, "\t"));
    bool prefixed = str_starts(plain, "a/") || str_starts(plain, "b/");
    const char *own = prefixed ? plain + 2 : plain;

    hunk->known = false;
    if (strcmp(plain, "/dev/null") == 0) {
        return;
    }
    add_file(change, own);
    for (size_t i = change->files.n; i > 0 && !hunk->known; i--) {
        hunk->known = strcmp(change->files.v[i - 1], own) == 0;
        hunk->file = i - 1;
    }
}

static void
read_line(struct change *change, struct hunk *hunk, const char *line, bool names)
{
    if (names) {
        add_file(change, line);
    } else if (follow_hunk(change, hunk, line)) {
        return;
    } else if (str_starts(line, "--- ") || str_starts(line, "+++ ")) {
        read_header(line + 4, change, hunk);
    } else if (str_starts(line, "rename ") || str_starts(line, "copy ")) {
        const char *name = strchr(strchr(line, ' ') + 1, ' ');
        add_file(change, name == NULL ? "" : name + 1);
    } else if (str_starts(line, "Binary files ") || str_starts(line, "GIT binary")) {
        change->beyond = true;
    }
}

void
change_read(const char *text, size_t len, struct change *out)
{
    AUTO(mem_free) char *whole = mem_dup(text, len);
    struct hunk hunk = {0};
    bool diff = str_starts(whole, "diff ") || strstr(whole, "\ndiff ") != NULL ||
                str_starts(whole, "--- ") || strstr(whole, "\n--- ") != NULL;

    *out = (struct change){.known = true};
    for (char *line = whole; line[0] != '\0';) {
        char *end = line + strcspn(line, "\n");
        bool last = *end == '\0';
        *end = '\0';
        if (line[0] != '\0' || diff) {
            read_line(out, &hunk, line, !diff);
        }
        line = last ? end : end + 1;
    }
    if (out->n_hunks > CHANGE_HUNKS_MAX) {
        out->n_hunks = 0;
    }
}

/* --- a target --- */

/* Whether one of two paths ends with the other, part by part. */
static bool
same_path(const char *a, const char *b)
{
    const char *longer = strlen(a) >= strlen(b) ? a : b;
    const char *shorter = longer == a ? b : a;

    return strcmp(a, b) == 0 || (str_ends(longer, shorter) &&
                                 longer[strlen(longer) - strlen(shorter) - 1] == '/');
}

bool
change_find(const struct change *change, const char *path, size_t *file)
{
    for (size_t i = 0; i < change->files.n; i++) {
        if (same_path(change->files.v[i], path)) {
            *file = i;
            return true;
        }
    }
    return false;
}

static bool
is_same(const struct target *head, const struct target *base)
{
    for (int kind = 0; kind < BUILD_KINDS; kind++) {
        const char *a = head->builds[kind];
        const char *b = base->builds[kind];
        if ((a == NULL) != (b == NULL) || (a != NULL && !program_same(a, b))) {
            return false;
        }
    }
    return true;
}

struct looking {
    const struct change *change;
    size_t listed; /* files of the diff that the coverage lists */
    char *reached; /* one that the corpus reaches */
};

static int
look_at_file(void *user, const struct coverage_file *file, struct err *err)
{
    struct looking *looking = user;

    (void)err;
    for (size_t i = 0; i < looking->change->files.n; i++) {
        if (!same_path(looking->change->files.v[i], file->name)) {
            continue;
        }
        looking->listed++;
        if (file->counts.regions_covered > 0 && looking->reached == NULL) {
            looking->reached = mem_strdup(looking->change->files.v[i]);
        }
    }
    return 0;
}

/* What a header changes beside functions (macros, types, what is generated from a
 * grammar) is listed nowhere: neither by coverage nor by debug information. */
static const char *
find_header(const struct change *change)
{
    static const char *const headers[] = {".h",   ".hh", ".hpp", ".hxx",
                                          ".inc", ".y",  ".l",   NULL};

    for (size_t i = 0; i < change->files.n; i++) {
        if (ends_as(change->files.v[i], headers)) {
            return change->files.v[i];
        }
    }
    return NULL;
}

/* 1: affected, 0: not, -ENODATA: coverage does not say. */
static int
by_coverage(struct store *store, const struct target *head, const struct change *change,
            char **why, struct err *err)
{
    struct looking looking = {.change = change};
    struct err none = ERR_INIT;
    int64_t id = 0;
    int rc = store_target(store, head->name, &id, &none);

    if (rc == -ENODATA) {
        return rc;
    }
    rc = rc < 0 ? err_set(err, rc, "%s", none.msg)
                : coverage_last_files(store, id, look_at_file, &looking, err);
    AUTO(mem_free) char *reached = looking.reached;
    if (rc < 0) {
        return rc;
    }
    if (reached != NULL) {
        *why = mem_printf("its corpus reaches %s", reached);
        return 1;
    }
    if (looking.listed < change->files.n || find_header(change) != NULL) {
        return -ENODATA;
    }
    *why = mem_strdup("not affected: its corpus reaches no file of the change");
    return 0;
}

static int
by_sources(const struct target *head, const struct change *change, char **why)
{
    for (int kind = 0; kind < BUILD_KINDS; kind++) {
        for (size_t i = 0; head->builds[kind] != NULL && i < change->files.n; i++) {
            const char *name = fs_base(change->files.v[i]);
            enum program_source has = program_has_source(head->builds[kind], name);
            if (has != SOURCE_ABSENT) {
                *why = mem_printf(has == SOURCE_PRESENT
                                      ? "it is built from %s"
                                      : "it has no debug information to tell whether it "
                                        "is built from %s",
                                  name);
                return 1;
            }
        }
    }
    const char *header = find_header(change);
    *why = header == NULL
               ? mem_strdup("not affected: it is built from no file of the change")
               : mem_printf("nothing tells whether it includes %s", header);
    return header != NULL;
}

int
affected(struct store *store, const struct target *head, const struct target *base,
         const struct change *change, char **why, struct err *err)
{
    if (base != NULL && is_same(head, base)) {
        *why = mem_strdup("not affected: the same code and data as the base build");
        return 0;
    }
    if (!change->known || change->beyond) {
        *why = mem_strdup(change->known ? "the change has files that are no sources"
                                        : "there is no diff that says more");
        return 1;
    }
    if (base != NULL && change->files.n == 0) {
        *why = mem_strdup("its code differs, though the change names no source");
        return 1;
    }
    int rc = by_coverage(store, head, change, why, err);
    return rc == -ENODATA ? by_sources(head, change, why) : rc;
}
