#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox/sandbox_private.h"

/* Folders that are never some target's own, with what they hold for everybody. */
static bool
is_common(const char *folder)
{
    static const char *const common[] = {
        "/",      "/tmp",     "/var/tmp", "/root",    "/home", "/etc",
        "/var",   "/run",     "/dev",     "/proc",    "/sys",  "/mnt",
        "/media", "/dev/shm", "/boot",    "/var/lib", "/opt",  "/srv",
    };
    AUTO(mem_free) char *home = sandbox_home();

    if (home != NULL && path_within(home, folder)) {
        return true;
    }
    for (size_t i = 0; i < COUNT(common); i++) {
        if (strcmp(folder, common[i]) == 0) {
            return true;
        }
    }
    return false;
}

static char *
folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == path ? mem_strdup("/") : mem_dup(path, (size_t)(slash - path));
}

/* A folder that holds the program and may be shown: nobody's in particular, and reachable
 * if root drops. */
static bool
is_harmless(const char *folder)
{
    struct sandbox_identity who;

    return !is_common(folder) && sandbox_identity(&who, NULL) == 0 &&
           sandbox_reach(&who, folder, R_OK | X_OK, false, NULL) == 0;
}

static void
add_once(struct strv *list, const char *path)
{
    if (!strv_has(list, path)) {
        strv_add(list, path);
    }
}

static void
add_argument(struct sandbox_policy *policy, const char *text)
{
    struct stat st;

    if (text[0] == '\0' || text[0] == '-' || stat(text, &st) < 0) {
        return;
    }
    AUTO(mem_free) char *path = fs_absolute(text);
    AUTO(mem_free) char *real = NULL;
    if (fs_real(path, &real, NULL) < 0) {
        return;
    }
    if (S_ISREG(st.st_mode) || (S_ISDIR(st.st_mode) && !is_common(real))) {
        add_once(&policy->read, path);
    }
}

int
sandbox_add_program(struct sandbox_policy *policy, const struct strv *argv,
                    struct err *err)
{
    AUTO(mem_free) char *real = NULL;
    struct stat st;

    if (argv->n == 0 || argv->v[0][0] != '/') {
        return err_set(err, -EINVAL, "a sandbox needs the program's whole path");
    }
    int rc = fs_real(argv->v[0], &real, err);
    if (rc < 0) {
        return rc;
    }
    if (stat(real, &st) < 0 || !S_ISREG(st.st_mode)) {
        AUTO(mem_free) char *name = str_name_dup(argv->v[0]);
        return err_set(err, -ENOENT, "'%s' is not a program file", name);
    }
    AUTO(mem_free) char *folder = folder_of(real);
    add_once(&policy->read, argv->v[0]);
    if (is_harmless(folder)) {
        add_once(&policy->read, folder);
    }
    for (size_t i = 1; i < argv->n; i++) {
        const char *value = strchr(argv->v[i], '=');
        add_argument(policy, argv->v[i]);
        if (value != NULL) {
            add_argument(policy, value + 1);
        }
    }
    return 0;
}
