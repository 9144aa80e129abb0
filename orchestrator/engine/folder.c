#include "orchestrator/engine/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum { COMPARE_CHUNK = 16 << 10 };

static int
fail(struct err *err, const char *what, const char *root, const char *relative)
{
    int saved = errno;
    AUTO(mem_free) char *path = fs_join(root, relative);
    AUTO(mem_free) char *name = str_name_dup(path);

    errno = saved;
    return err_sys(err, "%s '%s'", what, name);
}

int
folder_open(const char *root, const char *relative, int *out_fd, struct err *err)
{
    const char *rest = relative == NULL ? "" : relative;
    AUTO(mem_free) char *parts = mem_strdup(rest);
    AUTO(fd_close) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *save = NULL;

    if (fd < 0) {
        return fail(err, "open folder", root, "");
    }
    for (char *part = strtok_r(parts, "/", &save); part != NULL;
         part = strtok_r(NULL, "/", &save)) {
        if (strcmp(part, "..") == 0) {
            return err_set(err, -EINVAL, "'%s' leaves its folder", rest);
        }
        int next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0) {
            return fail(err, "open folder", root, rest);
        }
        fd_close(fd);
        fd = next;
    }
    *out_fd = FD_STEAL(fd);
    return 0;
}

/* The folder part and the last part of a relative path; *name is borrowed. */
static char *
split(const char *relative, const char **name)
{
    *name = fs_base(relative);
    size_t len = (size_t)(*name - relative);

    return mem_dup(relative, len == 0 ? 0 : len - 1);
}

/* A regular file, without following links or waiting for a writer. */
static int
open_file(const char *root, const char *relative, int *out_fd, struct stat *st,
          struct err *err)
{
    const char *name = NULL;
    AUTO(mem_free) char *folder = split(relative, &name);
    AUTO(fd_close) int dir = -1;
    int rc = folder_open(root, folder, &dir, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close)
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, st) < 0) {
        return fail(err, "open", root, relative);
    }
    if (!S_ISREG(st->st_mode)) {
        errno = EINVAL;
        return fail(err, "read what is no regular file,", root, relative);
    }
    *out_fd = FD_STEAL(fd);
    return 0;
}

int
folder_read_tail(const char *root, const char *relative, size_t max, struct buf *out,
                 struct err *err)
{
    AUTO(fd_close) int fd = -1;
    struct stat st = {0};
    int rc = open_file(root, relative, &fd, &st, err);

    if (rc < 0) {
        return rc;
    }
    off_t from = st.st_size > (off_t)max ? st.st_size - (off_t)max : 0;
    AUTO(mem_free) char *data = mem_alloc(max);
    if (lseek(fd, from, SEEK_SET) < 0) {
        return fail(err, "read", root, relative);
    }
    ssize_t len = fd_read(fd, data, max);
    if (len < 0) {
        return fail(err, "read", root, relative);
    }
    buf_add(out, data, (size_t)len);
    return 0;
}

static void
close_list(DIR **list)
{
    if (*list != NULL) {
        (void)closedir(*list);
    }
}

int
folder_list(const char *root, const char *relative, folder_visit *visit, void *user,
            struct err *err)
{
    AUTO(fd_close) int fd = -1;
    int rc = folder_open(root, relative, &fd, err);

    if (rc < 0) {
        return rc;
    }
    __attribute__((cleanup(close_list))) DIR *list = fdopendir(fd);
    if (list == NULL) {
        return fail(err, "list", root, relative == NULL ? "" : relative);
    }
    fd = -1; /* the list closes it */
    struct dirent *entry;
    for (int n = 0; n < FOLDER_ENTRIES_MAX && (entry = readdir(list)) != NULL; n++) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        rc = visit(user, dirfd(list), entry->d_name, entry->d_type);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int
folder_unlink(const char *root, const char *folder, const char *name, struct err *err)
{
    AUTO(fd_close) int dir = -1;
    int rc = folder_open(root, folder, &dir, err);

    if (rc == -ENOENT) {
        return 0;
    }
    if (rc < 0) {
        return rc;
    }
    if (unlinkat(dir, name, 0) < 0 && errno != ENOENT) {
        return fail(err, "remove", root, name);
    }
    return 0;
}

bool
folder_same(int a, int b, bool prefix, size_t max)
{
    char left[COMPARE_CHUNK];
    char right[COMPARE_CHUNK];

    if (lseek(a, 0, SEEK_SET) < 0 || lseek(b, 0, SEEK_SET) < 0) {
        return false;
    }
    for (size_t seen = 0; seen < max;) {
        ssize_t n = fd_read(a, left, sizeof(left));
        ssize_t m = fd_read(b, right, sizeof(right));
        if (n < 0 || m < n || (m > n && !prefix) || memcmp(left, right, (size_t)n) != 0) {
            return false;
        }
        if ((size_t)n < sizeof(left)) {
            return true;
        }
        seen += (size_t)n;
    }
    return false;
}
