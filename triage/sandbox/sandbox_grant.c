/*
 * The view as Landlock's grants. A grant holds for all that is below a folder and cannot
 * be taken back for a part of it: where something below is hidden, the folder's other
 * entries are granted one by one.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox/sandbox_private.h"

enum { GRANTS_MAX = 4096 };

static void
close_dir(DIR *dir)
{
    if (dir != NULL) {
        (void)closedir(dir);
    }
}
AUTO_DEFINE(DIR *, close_dir)

static void
grant(struct strv *grants, char what, const char *path)
{
    strv_addf(grants, "%c%s", what, path);
}

/* The hidden entry at path (*at) or below it (returned). */
static bool
has_hidden(const struct view *view, const char *path, bool *at)
{
    bool below = false;

    *at = false;
    for (size_t i = 0; i < view->n; i++) {
        const struct view_entry *entry = &view->v[i];
        if (entry->kind == VIEW_HIDE || entry->kind == VIEW_HIDE_FILE) {
            *at = *at || strcmp(entry->path, path) == 0;
            below = below ||
                    (path_within(entry->path, path) && strcmp(entry->path, path) != 0);
        }
    }
    return below;
}

/* All in a folder except links, whose ends are granted or not by their real names. */
static int
add_children(const char *path, struct strv *todo, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(path);
    AUTO(close_dir) DIR *dir = opendir(path);

    if (dir == NULL) {
        return err_sys(err, "read folder '%s'", name);
    }
    for (struct dirent *item; (item = readdir(dir)) != NULL;) {
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0 ||
            item->d_type == DT_LNK) {
            continue;
        }
        AUTO(mem_free) char *child = fs_join(path, item->d_name);
        strv_add(todo, child);
    }
    return 0;
}

static int
grant_read(const struct view *view, const char *path, bool nested, struct strv *grants,
           struct err *err)
{
    AUTO(strv_clear) struct strv todo = {NULL, 0};
    int rc = 0;

    strv_add(&todo, path);
    for (size_t i = 0; i < todo.n && rc == 0; i++) {
        bool hidden = false;
        bool below = has_hidden(view, todo.v[i], &hidden);
        if (grants->n + todo.n > GRANTS_MAX) {
            AUTO(mem_free) char *name = str_name_dup(path);
            return err_set(
                err, -E2BIG,
                "more than %d files lie beside a hidden folder, in '%s': put the "
                "target into a folder of its own",
                GRANTS_MAX, name);
        }
        if (!hidden && below) {
            if (nested) { /* a sandbox within must find the same entries */
                grant(grants, GRANT_LIST, todo.v[i]);
            }
            rc = add_children(todo.v[i], &todo, err);
        } else if (!hidden) {
            grant(grants, GRANT_READ, todo.v[i]);
        }
    }
    return rc;
}

static int
grant_write(const struct view *view, const char *path, struct strv *grants,
            struct err *err)
{
    bool hidden = false;

    if (has_hidden(view, path, &hidden)) {
        AUTO(mem_free) char *name = str_name_dup(path);
        return err_set(err, -EINVAL,
                       "'%s' shall be writable, but a folder in it shall be hidden, "
                       "which Landlock cannot do: choose a "
                       "folder outside",
                       name);
    }
    grant(grants, GRANT_WRITE, path);
    return 0;
}

int
plan_grants(const struct view *view, struct plan *plan, struct err *err)
{
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full",
                                          "/dev/random", "/dev/urandom"};
    int rc = 0;

    for (size_t i = 0; i < view->n && rc == 0; i++) {
        const struct view_entry *entry = &view->v[i];
        if (entry->kind == VIEW_READ && !entry->implied) {
            rc = grant_read(view, entry->path, plan->nested, &plan->grants, err);
        } else if (entry->kind == VIEW_WRITE) {
            rc = grant_write(view, entry->path, &plan->grants, err);
        }
    }
    grant(&plan->grants, GRANT_PROC, "/proc");
    for (size_t i = 0; i < COUNT(devices); i++) {
        grant(&plan->grants, GRANT_DEV, devices[i]);
    }
    return rc;
}
