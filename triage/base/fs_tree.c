/* Folder trees: walking and removing them, as hostile programs may have left them. */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    WALK_DEPTH_MAX = 64,
    REMOVE_DEPTH_MAX = 32, /* one descriptor each; what lies deeper is moved up first */
    REMOVE_PASSES_MAX = 100000, /* each takes at least REMOVE_DEPTH_MAX - 1 levels off the
                                   deepest folder */
};

static int
fail(struct err *err, const char *what, const char *path)
{
    int saved = errno;
    AUTO(mem_free) char *name = str_name_dup(path);

    errno = saved;
    return err_sys(err, "%s '%s'", what, name);
}

/* Every recursion here ends by WALK_DEPTH_MAX or REMOVE_DEPTH_MAX. */
/* NOLINTBEGIN(misc-no-recursion) */

/* --- removing --- */

struct removal {
    int top;        /* the folder that all is in; -1 until it is open */
    unsigned moved; /* gives names to the folders that were moved up to it */
    int depth;
};

static int remove_at(struct removal *removal, int dir, const char *name);

static void
close_folder(DIR *folder)
{
    int saved = errno;

    if (folder != NULL) {
        (void)closedir(folder);
    }
    errno = saved;
}
AUTO_DEFINE(DIR *, close_folder)

/* Open a folder, never through a link; one that forbids it to its owner gets its
 * permissions back. */
static int
open_folder(int dir, const char *name)
{
    enum { FLAGS = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
    int fd = openat(dir, name, O_RDONLY | FLAGS);

    if (fd >= 0 || errno != EACCES) {
        return fd;
    }
    /* chmod by way of a descriptor, which needs no permission: the name could become a
     * link meanwhile */
    AUTO(fd_close) int handle = openat(dir, name, O_PATH | FLAGS);
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
    if (handle < 0 || chmod(path, S_IRWXU) < 0) {
        errno = EACCES;
        return -1;
    }
    /* cppcheck-suppress resourceLeak // AUTO closes it */
    return openat(dir, name, O_RDONLY | FLAGS);
}

/* A folder that lies too deep becomes a child of the top one, where its next pass finds
 * it. */
static int
move_up(struct removal *removal, int dir, const char *name)
{
    for (;;) {
        char fresh[32];
        (void)snprintf(fresh, sizeof(fresh), ".deep-%u", removal->moved++);
        if (renameat(dir, name, removal->top, fresh) == 0) {
            return 0;
        }
        if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR) {
            return -1;
        }
    }
}

/* One pass over the entries. The number of those that were there, or -1. */
static int64_t
remove_entries(struct removal *removal, DIR *folder)
{
    struct dirent *entry;
    int64_t n = 0;

    rewinddir(folder);
    /* cppcheck-suppress readdirCalled // one thread, and readdir_r is deprecated */
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        n++;
        if (remove_at(removal, dirfd(folder), entry->d_name) < 0) {
            return -1;
        }
    }
    return n;
}

/* Passes until the folder is empty: below the top one, folders were moved up to it, and
 * readdir() may pass over entries while others go. */
static int
empty_folder(struct removal *removal, DIR *folder, int dir, const char *name)
{
    bool opened_up = false;

    for (int pass = 0; pass < REMOVE_PASSES_MAX; pass++) {
        int64_t n = remove_entries(removal, folder);
        if (n < 0 && !opened_up && (errno == EACCES || errno == EPERM)) {
            opened_up = true; /* it was not writable; try once more */
            n = fchmod(dirfd(folder), S_IRWXU) < 0 ? -1 : 1;
        }
        if (n < 0) {
            return -1;
        }
        if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
            return 0;
        }
        if ((errno != ENOTEMPTY && errno != EEXIST) || n == 0) {
            return -1;
        }
    }
    return -1;
}

static int
remove_folder(struct removal *removal, int dir, const char *name)
{
    int fd = open_folder(dir, name);

    if (fd < 0) {
        return -1;
    }
    if (removal->depth >= REMOVE_DEPTH_MAX) {
        /* a folder that changes its parent must be writable itself */
        int rc = fchmod(fd, S_IRWXU) < 0 ? -1 : move_up(removal, dir, name);
        fd_close(fd);
        return rc;
    }
    AUTO(close_folder) DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        fd_close(fd);
        return -1;
    }
    removal->top = removal->top < 0 ? fd : removal->top;
    removal->depth++;
    int rc = empty_folder(removal, folder, dir, name);
    removal->depth--;
    return rc;
}

static int
remove_at(struct removal *removal, int dir, const char *name)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != EISDIR && errno != EPERM) {
        return -1;
    }
    bool forbidden = errno == EPERM;
    int rc = remove_folder(removal, dir, name);
    if (rc < 0 && forbidden && errno == ENOTDIR) {
        errno = EPERM; /* it was a file after all */
    }
    return rc;
}

int
fs_remove(const char *path, struct err *err)
{
    struct removal removal = {-1, 0, 0};

    return remove_at(&removal, AT_FDCWD, path) < 0 ? fail(err, "remove", path) : 0;
}

/* --- walking --- */

struct walk {
    fs_visit *visit;
    void *user;
    struct err *err;
    bool links; /* to regular files are followed */
};

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

static int walk_path(const struct walk *walk, const char *path, int depth);

static int
walk_folder(const struct walk *walk, const char *path, int depth)
{
    struct dirent **entries = NULL;
    int n = depth > WALK_DEPTH_MAX ? -1 : scandir(path, &entries, not_dots, by_bytes);
    int rc = 0;

    if (n < 0) {
        return walk->visit(walk->user, path, NULL, walk->err);
    }
    for (int i = 0; i < n; i++) {
        if (rc == 0) {
            AUTO(mem_free) char *child = fs_join(path, entries[i]->d_name);
            rc = walk_path(walk, child, depth + 1);
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int
walk_path(const struct walk *walk, const char *path, int depth)
{
    struct stat st;

    /* what the caller names is what he means, a link as well */
    if ((depth == 0 ? stat(path, &st) : lstat(path, &st)) < 0) {
        if (depth == 0) {
            return fail(walk->err, "find", path);
        }
        return errno == ENOENT ? 0 : walk->visit(walk->user, path, NULL, walk->err);
    }
    if (S_ISLNK(st.st_mode) && walk->links &&
        (stat(path, &st) < 0 || !S_ISREG(st.st_mode))) {
        return 0;
    }
    if (S_ISDIR(st.st_mode)) {
        return walk_folder(walk, path, depth);
    }
    return S_ISREG(st.st_mode) ? walk->visit(walk->user, path, &st, walk->err) : 0;
}

/* NOLINTEND(misc-no-recursion) */

int
fs_walk(const char *root, fs_visit *visit, void *user, struct err *err)
{
    const struct walk walk = {visit, user, err, false};

    return walk_path(&walk, root, 0);
}

int
fs_walk_links(const char *root, fs_visit *visit, void *user, struct err *err)
{
    const struct walk walk = {visit, user, err, true};

    return walk_path(&walk, root, 0);
}
