#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox/sandbox_private.h"

enum { VIEW_MAX = 2048, LINKS_MAX = 40 };

void
view_clear(struct view *view)
{
    for (size_t i = 0; i < view->n; i++) {
        mem_free(view->v[i].path);
        mem_free(view->v[i].target);
    }
    mem_free(view->v);
    view->v = NULL;
    view->n = 0;
}

bool
path_within(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    if (strcmp(folder, "/") == 0) {
        return true;
    }
    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Steals nothing. The same path twice: hiding beats writing beats reading beats the rest.
 */
static int
add(struct view *view, enum view_kind kind, const char *path, const char *target,
    struct err *err)
{
    static const int rank[] = {
        [VIEW_READ] = 1,      [VIEW_WRITE] = 2, [VIEW_HIDE] = 3,
        [VIEW_HIDE_FILE] = 3, [VIEW_DEV] = 0,
    };

    for (size_t i = 0; i < view->n; i++) {
        if (strcmp(view->v[i].path, path) == 0) {
            if (rank[kind] > rank[view->v[i].kind]) {
                view->v[i].kind = kind;
            }
            return 0;
        }
    }
    if (view->n >= VIEW_MAX) {
        return err_set(err, -E2BIG,
                       "a sandbox shows at most %d files and folders: name folders "
                       "instead of the files in them",
                       VIEW_MAX);
    }
    view->v = mem_resize(view->v, (view->n + 1) * sizeof(*view->v));
    view->v[view->n++] =
        (struct view_entry){mem_strdup(path), mem_strdup(target), kind, false};
    return 0;
}

/* Byte order, with '/' before all others: parents come first, then all that is in them.
 */
static int
compare(const void *left, const void *right)
{
    const struct view_entry *a = left;
    const struct view_entry *b = right;
    const char *s = a->path;
    const char *t = b->path;

    while (*s == *t && *s != '\0') {
        s++;
        t++;
    }
    int x = *s == '/' ? 1 : (unsigned char)*s;
    int y = *t == '/' ? 1 : (unsigned char)*t;
    return x - y;
}

/* What a link that lies at `path` says, as an absolute path; NULL if it is no link. */
static char *
link_target(const char *path, char **said)
{
    char text[PATH_MAX];
    ssize_t len = readlink(path, text, sizeof(text) - 1);

    if (len < 0) {
        return NULL;
    }
    text[len] = '\0';
    *said = mem_strdup(text);
    AUTO(mem_free) char *folder = mem_dup(path, (size_t)(strrchr(path, '/') - path));
    AUTO(mem_free) char *joined = fs_join(folder[0] == '\0' ? "/" : folder, text);
    return fs_absolute(joined);
}

/* Follow one link, the first on the way to *path: it is added to the view and *path is
 * where it leads. 1: there was one; 0: none. */
static int
follow_one(struct view *view, char **path, struct err *err)
{
    AUTO(mem_free) char *prefix = mem_strdup(*path);

    for (char *at = prefix; *at != '\0';) {
        at = strchrnul(at + 1, '/');
        char rest = *at;
        *at = '\0';
        AUTO(mem_free) char *said = NULL;
        AUTO(mem_free) char *leads = link_target(prefix, &said);
        if (leads != NULL) {
            int rc = add(view, VIEW_LINK, prefix, said, err);
            char *next = fs_join(leads, rest == '\0' ? "." : at + 1);
            mem_free(*path);
            *path = fs_absolute(next);
            mem_free(next);
            return rc < 0 ? rc : 1;
        }
        *at = rest;
    }
    return 0;
}

/* The links on the way are shown as what they are, and what they lead to at its real
 * path: so every spelling works inside, and hiding a folder cannot be got round by
 * another name for it. */
static int
add_real(struct view *view, enum view_kind kind, const char *path, struct err *err)
{
    AUTO(mem_free) char *at = fs_absolute(path);
    AUTO(mem_free) char *real = NULL;
    int rc = fs_real(path, &real, err);

    if (rc < 0) {
        return rc;
    }
    for (int i = 0; i < LINKS_MAX; i++) {
        rc = follow_one(view, &at, err);
        if (rc <= 0) {
            break;
        }
    }
    return rc < 0 ? rc : add(view, kind, real, NULL, err);
}

/* The programs of the system and what its loader reads. Nothing here holds a secret. */
static int
add_system(struct view *view, struct err *err)
{
    static const char *const shown[] = {
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
        "/etc/ld.so.conf.d",
        "/etc/alternatives",
        "/etc/localtime",
    };
    int rc = 0;

    for (size_t i = 0; i < COUNT(shown) && rc == 0; i++) {
        rc = fs_exists(shown[i]) ? add_real(view, VIEW_READ, shown[i], err) : 0;
    }
    rc = rc < 0 ? rc : add(view, VIEW_TMP, "/tmp", NULL, err);
    rc = rc < 0 ? rc : add(view, VIEW_DEV, "/dev", NULL, err);
    return rc < 0 ? rc : add(view, VIEW_PROC, "/proc", NULL, err);
}

static int
add_hidden(struct view *view, const struct strv *hide, struct err *err)
{
    for (size_t i = 0; i < hide->n; i++) {
        AUTO(mem_free) char *real = NULL;
        if (fs_real(hide->v[i], &real, NULL) < 0) {
            continue; /* it is not there */
        }
        int rc =
            add(view, fs_is_folder(real) ? VIEW_HIDE : VIEW_HIDE_FILE, real, NULL, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

const struct view_entry *
view_find(const struct view *view, const char *path)
{
    for (size_t i = view->n; i > 0;
         i--) { /* parents first: the last that holds it is the nearest */
        if (path_within(path, view->v[i - 1].path)) {
            return &view->v[i - 1];
        }
    }
    return NULL;
}

/* Whether the real folder above already shows (or does not show) the entry as it shall
 * be. */
static bool
is_implied(const struct view_entry *entry, const struct view_entry *above)
{
    bool shown = above != NULL && (above->kind == VIEW_READ || above->kind == VIEW_WRITE);

    switch (entry->kind) {
    case VIEW_READ:
        return shown && above->kind == VIEW_READ;
    case VIEW_LINK:
        return shown;
    case VIEW_HIDE:
    case VIEW_HIDE_FILE:
        return !shown;
    default:
        return false;
    }
}

static void
mark_implied(struct view *view)
{
    for (size_t i = 0; i < view->n; i++) {
        const struct view_entry *above = NULL;
        for (size_t k = i; k > 0 && above == NULL; k--) {
            if (!view->v[k - 1].implied &&
                path_within(view->v[i].path, view->v[k - 1].path)) {
                above = &view->v[k - 1];
            }
        }
        view->v[i].implied = is_implied(&view->v[i], above);
    }
}

int
view_make(const struct sandbox_policy *policy, struct view *out, struct err *err)
{
    AUTO(view_clear) struct view view = {NULL, 0};
    int rc = add_system(&view, err);

    for (size_t i = 0; i < policy->read.n && rc == 0; i++) {
        rc = fs_exists(policy->read.v[i])
                 ? add_real(&view, VIEW_READ, policy->read.v[i], err)
                 : 0;
    }
    for (size_t i = 0; i < policy->write.n && rc == 0; i++) {
        rc = add_real(&view, VIEW_WRITE, policy->write.v[i], err);
    }
    rc = rc < 0 ? rc : add_hidden(&view, &policy->hide, err);
    if (rc < 0) {
        return rc;
    }
    qsort(view.v, view.n, sizeof(*view.v), compare);
    mark_implied(&view);
    *out = view;
    view = (struct view){NULL, 0};
    return 0;
}
