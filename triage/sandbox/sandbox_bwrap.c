/* The view as arguments of bubblewrap (bwrap(1)). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "triage/sandbox/sandbox_private.h"

enum { HIDDEN_BYTES = 4096 };

static const char setpriv[] =
    "/usr/bin/setpriv"; /* util-linux, which Debian always has */

static void
add(struct strv *args, const char *option, const char *first, const char *second)
{
    strv_add(args, option);
    if (first != NULL) {
        strv_add(args, first);
    }
    if (second != NULL) {
        strv_add(args, second);
    }
}

static void
add_tmpfs(struct strv *args, const char *path, const char *mode, int64_t bytes)
{
    add(args, "--perms", mode, NULL);
    strv_add(args, "--size");
    strv_addf(args, "%lld", (long long)bytes);
    add(args, "--tmpfs", path, NULL);
}

static void
add_dev(struct strv *args, const char *path, int64_t bytes)
{
    add(args, "--dev", path, NULL);
    add_tmpfs(args, "/dev/shm", "1777", bytes);
    add(args, "--remount-ro", path, NULL);
}

static int
find_bwrap(char **out)
{
    const char *path = getenv("PATH");
    AUTO(mem_free)
    char *list = mem_strdup(path == NULL ? "/usr/local/bin:/usr/bin:/bin" : path);
    char *save = NULL;

    for (char *part = strtok_r(list, ":", &save); part != NULL;
         part = strtok_r(NULL, ":", &save)) {
        AUTO(mem_free) char *program = mem_printf("%s/bwrap", part);
        if (part[0] == '/' && access(program, X_OK) == 0) {
            *out = STEAL(program);
            return 0;
        }
    }
    return -ENOENT;
}

static void
add_entry(struct strv *args, const struct view_entry *entry, int64_t tmp_bytes)
{
    switch (entry->kind) {
    case VIEW_READ:
        add(args, "--ro-bind", entry->path, entry->path);
        return;
    case VIEW_WRITE:
        add(args, "--bind", entry->path, entry->path);
        return;
    case VIEW_LINK:
        add(args, "--symlink", entry->target, entry->path);
        return;
    case VIEW_HIDE:
        add_tmpfs(args, entry->path, "0555", HIDDEN_BYTES);
        return;
    case VIEW_HIDE_FILE: /* bound without `dev`, so that it cannot even be opened */
        add(args, "--ro-bind", "/dev/null", entry->path);
        return;
    case VIEW_TMP:
        add_tmpfs(args, entry->path, "1777", tmp_bytes);
        return;
    case VIEW_PROC:
        add(args, "--proc", entry->path, NULL);
        return;
    case VIEW_DEV:
        add_dev(args, entry->path, tmp_bytes);
        return;
    }
}

/* The folders above an entry, where no real one shows them: bwrap would make them for
 * root alone. */
static void
add_parents(struct strv *args, const struct view *view, const char *path,
            struct strv *made)
{
    AUTO(mem_free) char *above = mem_strdup(path);

    for (char *at = above + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        const struct view_entry *holder = view_find(view, above);
        bool real =
            holder != NULL && (strcmp(holder->path, above) == 0 ||
                               holder->kind == VIEW_READ || holder->kind == VIEW_WRITE);
        if (!real && !strv_has(made, above)) {
            add(args, "--dir", above, NULL); /* 0755 */
            strv_add(made, above);
        }
        *at = '/';
    }
}

/* Only when everything has its place: a mount point below cannot be made in what is
 * read-only. */
static void
add_read_only(struct strv *args, const struct view *view)
{
    for (size_t i = 0; i < view->n; i++) {
        if (view->v[i].kind == VIEW_HIDE && !view->v[i].implied) {
            add(args, "--remount-ro", view->v[i].path, NULL);
        }
    }
    add(args, "--remount-ro", "/", NULL);
}

static void
add_namespaces(struct strv *args, const struct plan *plan)
{
    static const char *const options[] = {
        "--unshare-pid", "--unshare-ipc",        "--unshare-net",
        "--unshare-uts", "--unshare-cgroup-try", "--die-with-parent",
        "--new-session", "--hostname",           "nightjar",
    };

    for (size_t i = 0; i < COUNT(options); i++) {
        strv_add(args, options[i]);
    }
    if (plan->lasting) {
        strv_add(args, "--as-pid-1");
    }
    if (plan->who.drop) {
        return; /* root's own namespaces: the uid is dropped inside, by plan->inner */
    }
    add(args, "--unshare-user", "--cap-drop", "ALL");
    if (plan->who.alone) { /* "root" inside would pass for more than it is */
        strv_add(args, "--uid");
        strv_addf(args, "%u", (unsigned)sandbox_uid());
        strv_add(args, "--gid");
        strv_addf(args, "%u", (unsigned)sandbox_uid());
    }
}

/* What runs inside as root: drops all that root has, then runs the command. */
static int
add_inner(struct plan *plan, struct strv *args, struct err *err)
{
    AUTO(mem_free) char *self = NULL;

    if (!plan->nested && access(setpriv, X_OK) == 0) {
        add(&plan->inner, setpriv, "--reuid", NULL);
        strv_addf(&plan->inner, "%u", (unsigned)plan->who.uid);
        strv_add(&plan->inner, "--regid");
        strv_addf(&plan->inner, "%u", (unsigned)plan->who.gid);
        add(&plan->inner, "--clear-groups", "--inh-caps=-all", "--ambient-caps=-all");
        add(&plan->inner, "--bounding-set=-all", "--no-new-privs", "--");
        return 0;
    }
    int rc = proc_self(&self, err);
    if (rc < 0) {
        return rc;
    }
    add(args, "--dir", "/run", NULL);
    add(args, "--ro-bind", self, "/run/nightjar");
    add(&plan->inner, "/run/nightjar", SANDBOX_VERB, SANDBOX_ENTER);
    strv_addf(&plan->inner, "%u", (unsigned)plan->who.uid);
    strv_add(&plan->inner, "--");
    return 0;
}

int
plan_bwrap(const struct sandbox_policy *policy, const struct view *view,
           struct plan *plan, struct err *err)
{
    struct strv *args = &plan->bwrap;
    AUTO(mem_free) char *program = NULL;
    AUTO(strv_clear) struct strv made = {NULL, 0};
    int rc = find_bwrap(&program);

    if (rc < 0) {
        return err_set(err, rc, "bubblewrap is not installed: apt install bubblewrap");
    }
    strv_add(args, program);
    add_namespaces(args, plan);
    for (size_t i = 0; i < view->n; i++) {
        if (!view->v[i].implied) {
            add_parents(args, view, view->v[i].path, &made);
            add_entry(args, &view->v[i], plan->tmp_bytes);
        }
    }
    if (plan->who.drop) {
        rc = add_inner(plan, args, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (policy->cwd == NULL) {
        add(args, "--perms", "0777", NULL);
        add(args, "--dir", "/tmp/work", NULL);
    }
    add_read_only(args, view);
    add(args, "--chdir", policy->cwd == NULL ? "/tmp/work" : policy->cwd, NULL);
    return 0;
}
