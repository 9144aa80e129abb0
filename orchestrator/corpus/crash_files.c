#include "orchestrator/corpus/crash_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum { SHA1_DIGITS = 40, LEFT_OUT_SHOWN = 3 };

void
crash_files_clear(struct crash_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        mem_free(files->v[i].folder);
        strv_clear(&files->v[i].instances);
        strv_clear(&files->v[i].files);
        strv_clear(&files->v[i].hangs);
    }
    mem_free(STEAL(files->v));
    files->n = 0;
    strv_clear(&files->problems);
    strv_clear(&files->notes);
}

size_t
crash_files_count(const struct crash_files *files)
{
    size_t n = 0;

    for (size_t i = 0; i < files->n; i++) {
        n += files->v[i].files.n + files->v[i].hangs.n;
    }
    return n;
}

static struct crash_group *
add_group(struct crash_files *files, enum crash_kind kind, const char *folder)
{
    files->v = mem_resize(files->v, (files->n + 1) * sizeof(*files->v));
    struct crash_group *group = &files->v[files->n++];
    *group = (struct crash_group){.kind = kind, .folder = mem_strdup(folder)};
    return group;
}

static void
problem(struct crash_files *files, const char *what, const char *path, int code)
{
    AUTO(mem_free) char *name = str_name_dup(path);
    char why[80];

    strv_addf(&files->problems, "%s '%s': %s", what, name,
              strerror_r(code, why, sizeof(why)));
}

/* --- folders --- */

enum entry_kind { ENTRY_FILE, ENTRY_FOLDER, ENTRY_OTHER };

struct entry {
    char *name;
    enum entry_kind kind;
};

/* A folder's entries in byte order, without "." and "..". */
struct listing {
    struct entry *v;
    size_t n;
};

static void
listing_clear(struct listing *listing)
{
    for (size_t i = 0; i < listing->n; i++) {
        mem_free(listing->v[i].name);
    }
    mem_free(listing->v);
}
AUTO_DEFINE_CLEAR(struct listing, listing_clear)

static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static enum entry_kind
kind_of(const char *folder, const char *name)
{
    AUTO(mem_free) char *path = fs_join(folder, name);
    struct stat st;

    if (lstat(path, &st) < 0) {
        return ENTRY_OTHER;
    }
    return S_ISREG(st.st_mode)   ? ENTRY_FILE
           : S_ISDIR(st.st_mode) ? ENTRY_FOLDER
                                 : ENTRY_OTHER;
}

/* Negative errno; a folder that cannot be read is one of the problems. */
static int
list(struct crash_files *files, const char *folder, struct listing *out)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, not_dots, by_bytes);

    if (n < 0) {
        int code = errno;
        problem(files, "cannot read folder", folder, code);
        return -code;
    }
    out->v = mem_array((size_t)n, sizeof(*out->v));
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        out->v[out->n++] = (struct entry){mem_strdup(name), kind_of(folder, name)};
        free(entries[i]);
    }
    free(entries);
    return 0;
}

/* --- what is what --- */

static bool
holds(const char *folder, const char *name, bool is_folder)
{
    AUTO(mem_free) char *path = fs_join(folder, name);

    return is_folder ? fs_is_folder(path) : fs_exists(path);
}

bool
crash_files_is_instance(const char *folder)
{
    return holds(folder, "fuzzer_setup", false) || holds(folder, "fuzzer_stats", false) ||
           (holds(folder, "crashes", true) && holds(folder, "queue", true));
}

bool
crash_files_is_artifact(const char *name, bool *slow)
{
    static const char *const kinds[] = {"crash", "leak", "timeout", "oom", "slow-unit"};
    size_t len = strlen(name);

    if (len <= SHA1_DIGITS ||
        strspn(name + len - SHA1_DIGITS, "0123456789abcdef") != SHA1_DIGITS ||
        name[len - SHA1_DIGITS - 1] != '-') {
        return false;
    }
    size_t left = len - SHA1_DIGITS - 1;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        size_t n = strlen(kinds[i]);
        /* -artifact_prefix may stand before it: anything that does not run into the word
         */
        if (left >= n && memcmp(name + left - n, kinds[i], n) == 0 &&
            (left == n || strchr("-_.:", name[left - n - 1]) != NULL)) {
            if (slow != NULL) {
                *slow = i == COUNT(kinds) - 1;
            }
            return true;
        }
    }
    return false;
}

static bool
is_main_instance(const char *folder)
{
    return holds(folder, "is_main_node", false);
}

/* "crashes" or "crashes.2026-01-02-03:04:05": the sessions before this one. */
static bool
is_session_folder(const char *name, const char *word)
{
    size_t len = strlen(word);

    return strncmp(name, word, len) == 0 && (name[len] == '\0' || name[len] == '.');
}

static bool
is_state_folder(const char *folder)
{
    return holds(folder, "nightjar.db", false) && holds(folder, "blobs", true);
}

/* --- notes --- */

/* Collects names that were left out, and says so in one line. */
struct left_out {
    size_t n;
    struct buf shown;
};

static void
leave_out(struct left_out *left, const char *name)
{
    if (left->n++ < LEFT_OUT_SHOWN) {
        buf_adds(&left->shown, left->n == 1 ? "'" : ", '");
        str_name(&left->shown, name, strlen(name));
        buf_addc(&left->shown, '\'');
    }
}

static void
say_left_out(struct crash_files *files, struct left_out *left, const char *folder,
             const char *what)
{
    AUTO(mem_free) char *name = str_name_dup(folder);

    if (left->n > 0) {
        strv_addf(&files->notes, "left out of '%s': %zu %s (%s%s)", name, left->n, what,
                  buf_str(&left->shown), left->n > LEFT_OUT_SHOWN ? ", ..." : "");
    }
    buf_clear(&left->shown);
}

/* --- AFL++ --- */

static void
add_inputs(struct crash_files *files, const char *folder, struct strv *out)
{
    AUTO(listing_clear) struct listing listing = {0};
    struct left_out odd = {0};

    if (list(files, folder, &listing) < 0) {
        return;
    }
    for (size_t i = 0; i < listing.n; i++) {
        const struct entry *entry = &listing.v[i];
        AUTO(mem_free) char *path = fs_join(folder, entry->name);
        if (entry->kind == ENTRY_FILE && !str_starts(entry->name, "RECORD:")) {
            if (strcmp(entry->name, "README.txt") != 0) {
                strv_add(out, path);
            }
        } else {
            leave_out(&odd, entry->name);
        }
    }
    say_left_out(files, &odd, folder, "links, folders or records");
}

/* What an instance has saved, sessions before the last one included. */
static void
add_instance(struct crash_files *files, struct crash_group *group, const char *instance)
{
    AUTO(listing_clear) struct listing listing = {0};

    strv_add(&group->instances, instance);
    if (list(files, instance, &listing) < 0) {
        return;
    }
    for (size_t i = 0; i < listing.n; i++) {
        const char *name = listing.v[i].name;
        AUTO(mem_free) char *folder = fs_join(instance, name);
        if (listing.v[i].kind != ENTRY_FOLDER) {
            continue;
        }
        if (is_session_folder(name, "crashes")) {
            add_inputs(files, folder, &group->files);
        } else if (is_session_folder(name, "hangs")) {
            add_inputs(files, folder, &group->hangs);
        }
    }
}

/* The instances directly below a folder, main ones first: theirs is the usual command. */
static void
find_instances(const char *folder, const struct listing *listing, struct strv *out)
{
    for (int want_main = 1; want_main >= 0; want_main--) {
        for (size_t i = 0; i < listing->n; i++) {
            AUTO(mem_free) char *path = fs_join(folder, listing->v[i].name);
            if (listing->v[i].kind == ENTRY_FOLDER && crash_files_is_instance(path) &&
                is_main_instance(path) == (want_main == 1)) {
                strv_add(out, path);
            }
        }
    }
}

static char *
parent_of(const char *path)
{
    return mem_dup(path, (size_t)(fs_base(path) - path - (fs_base(path) - path > 1)));
}

/* A thousand files of one tree, named one by one, are one group. */
static struct crash_group *
find_afl_group(struct crash_files *files, const char *tree)
{
    for (size_t i = 0; i < files->n; i++) {
        if (files->v[i].kind == CRASH_AFL && strcmp(files->v[i].folder, tree) == 0) {
            return &files->v[i];
        }
    }
    return add_group(files, CRASH_AFL, tree);
}

/* A part of an instance that was named itself: its crashes or hangs folder, or a file in
 * one of them. */
static bool
add_part(struct crash_files *files, const char *path, bool is_file)
{
    AUTO(mem_free) char *folder = is_file ? parent_of(path) : mem_strdup(path);
    AUTO(mem_free) char *instance = parent_of(folder);
    bool hangs = is_session_folder(fs_base(folder), "hangs");

    if ((!hangs && !is_session_folder(fs_base(folder), "crashes")) ||
        !crash_files_is_instance(instance)) {
        return false;
    }
    AUTO(mem_free) char *tree = parent_of(instance);
    struct crash_group *group = find_afl_group(files, tree);
    if (!strv_has(&group->instances, instance)) {
        strv_add(&group->instances, instance);
    }
    struct strv *out = hangs ? &group->hangs : &group->files;
    if (is_file) {
        strv_add(out, path);
    } else {
        add_inputs(files, folder, out);
    }
    return true;
}

/* --- folders of files --- */

static bool
add_artifacts(struct crash_files *files, const char *folder,
              const struct listing *listing)
{
    struct left_out slow_units = {0};
    struct left_out others = {0};
    struct crash_group *group = NULL;

    for (size_t i = 0; i < listing->n && group == NULL; i++) {
        if (listing->v[i].kind == ENTRY_FILE &&
            crash_files_is_artifact(listing->v[i].name, NULL)) {
            group = add_group(files, CRASH_LIBFUZZER, folder);
        }
    }
    for (size_t i = 0; i < listing->n && group != NULL; i++) {
        const struct entry *entry = &listing->v[i];
        AUTO(mem_free) char *path = fs_join(folder, entry->name);
        bool slow = false;
        if (entry->kind != ENTRY_FILE || !crash_files_is_artifact(entry->name, &slow)) {
            leave_out(&others, entry->name);
        } else if (slow) {
            leave_out(&slow_units, entry->name);
        } else {
            strv_add(&group->files, path);
        }
    }
    say_left_out(files, &slow_units, folder,
                 "slow units of libFuzzer, which are no crashes");
    say_left_out(files, &others, folder,
                 "beside libFuzzer's artifacts; name them one by one to triage them");
    return group != NULL;
}

struct scan {
    struct crash_files *files;
    size_t
        plain; /* the group of plain files, at most one for each path; SIZE_MAX: none */
    const char *root;
    struct strv todo; /* folders; grows while it is worked off */
};

static void
add_plain(struct scan *scan, const char *path)
{
    if (scan->plain == SIZE_MAX) {
        scan->plain = scan->files->n;
        (void)add_group(scan->files, CRASH_PLAIN, scan->root);
    }
    strv_add(&scan->files->v[scan->plain].files, path);
}

/* A folder that is neither AFL++'s nor libFuzzer's. */
static void
scan_plain(struct scan *scan, const char *folder, const struct listing *listing)
{
    struct left_out odd = {0};

    for (size_t i = 0; i < listing->n; i++) {
        AUTO(mem_free) char *path = fs_join(folder, listing->v[i].name);
        switch (listing->v[i].kind) {
        case ENTRY_FILE:
            add_plain(scan, path);
            break;
        case ENTRY_FOLDER:
            strv_add(&scan->todo, path);
            break;
        case ENTRY_OTHER:
            leave_out(&odd, listing->v[i].name);
            break;
        }
    }
    say_left_out(scan->files, &odd, folder, "links, pipes or devices");
}

static void
scan_folder(struct scan *scan, const char *folder)
{
    struct crash_files *files = scan->files;
    AUTO(listing_clear) struct listing listing = {0};
    AUTO(strv_clear) struct strv instances = {0};

    if (is_state_folder(folder)) {
        return;
    }
    if (crash_files_is_instance(folder)) {
        AUTO(mem_free) char *tree = parent_of(folder);
        add_instance(files, add_group(files, CRASH_AFL, tree), folder);
        return;
    }
    if (list(files, folder, &listing) < 0) {
        return;
    }
    find_instances(folder, &listing, &instances);
    if (instances.n > 0) {
        struct crash_group *group = add_group(files, CRASH_AFL, folder);
        for (size_t i = 0; i < instances.n; i++) {
            add_instance(files, group, instances.v[i]);
        }
    } else if (!add_artifacts(files, folder, &listing)) {
        scan_plain(scan, folder, &listing);
    }
}

static void
scan_tree(struct crash_files *files, const char *root)
{
    struct scan scan = {.files = files, .plain = SIZE_MAX, .root = root};

    strv_add(&scan.todo, root);
    for (size_t i = 0; i < scan.todo.n; i++) {
        AUTO(mem_free) char *folder = mem_strdup(scan.todo.v[i]);
        scan_folder(&scan, folder);
    }
    strv_clear(&scan.todo);
}

void
crash_files_collect(struct crash_files *files, const char *path)
{
    AUTO(mem_free) char *absolute = fs_absolute(path);
    struct stat st;

    if (stat(absolute, &st) < 0) {
        problem(files, "cannot find", path, errno);
    } else if (S_ISDIR(st.st_mode)) {
        if (!add_part(files, absolute, false)) {
            scan_tree(files, absolute);
        }
    } else if (S_ISREG(st.st_mode)) {
        if (!add_part(files, absolute, true)) {
            strv_add(&add_group(files, CRASH_PLAIN, absolute)->files, absolute);
        }
    } else {
        AUTO(mem_free) char *name = str_name_dup(path);
        strv_addf(&files->problems, "'%s' is neither a file nor a folder", name);
    }
}
