#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

enum { WALK_DEPTH_MAX = 64 };

static int
fail(struct err *err, const char *what, const char *path)
{
    int saved = errno;
    AUTO(mem_free) char *name = str_name_dup(path);

    errno = saved;
    return err_sys(err, "%s '%s'", what, name);
}

int
fs_open(const char *path, int *out_fd, struct stat *st, struct err *err)
{
    struct stat own;

    st = st == NULL ? &own : st;
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, st) < 0) {
        return fail(err, "open", path);
    }
    if (!S_ISREG(st->st_mode)) {
        AUTO(mem_free) char *name = str_name_dup(path);
        return err_set(err, -EINVAL, "'%s' is not a regular file", name);
    }
    *out_fd = FD_STEAL(fd);
    return 0;
}

int
fs_read(const char *path, size_t max, struct buf *out, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    struct stat st;
    int rc = fs_open(path, &fd, &st, err);

    if (rc < 0) {
        return rc;
    }
    /* one byte more than allowed shows that a growing file passed the limit */
    AUTO(buf_clear) struct buf bytes = {.max = max + 1};
    if (st.st_size <= (off_t)max) {
        rc = fd_read_all(fd, &bytes, err);
        if (rc < 0) {
            return err_wrap(err, rc, "'%s'", path);
        }
    }
    if (st.st_size > (off_t)max || bytes.len > max) {
        AUTO(mem_free) char *name = str_name_dup(path);
        return err_set(err, -EFBIG, "'%s' holds more than %zu bytes", name, max);
    }
    buf_add(out, buf_str(&bytes), bytes.len);
    return 0;
}

static char *
parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        return mem_strdup(".");
    }
    return slash == path ? mem_strdup("/") : mem_dup(path, (size_t)(slash - path));
}

int
fs_sync_folder(const char *path, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0) {
        return fail(err, "flush folder", path);
    }
    return 0;
}

struct chunk {
    const void *data;
    size_t len;
};

static int
write_temp(const char *temp, struct chunk bytes, mode_t mode, bool flush, struct err *err)
{
    AUTO(fd_close) int fd =
        open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

    if (fd < 0) {
        return fail(err, "create", temp);
    }
    int rc = fd_write(fd, bytes.data, bytes.len, err);
    if (rc < 0) {
        return err_wrap(err, rc, "'%s'", temp);
    }
    if (flush && fsync(fd) < 0) {
        return fail(err, "flush", temp);
    }
    return 0;
}

static int
write_file(const char *path, struct chunk bytes, mode_t mode, bool flush, struct err *err)
{
    static unsigned serial;
    AUTO(mem_free) char *temp = mem_printf("%s.tmp-%d-%u", path, (int)getpid(), serial++);
    int rc = write_temp(temp, bytes, mode, flush, err);

    if (rc == 0 && rename(temp, path) < 0) {
        rc = fail(err, "rename to", path);
    }
    if (rc < 0) {
        (void)unlink(temp);
        return rc;
    }
    if (flush) {
        AUTO(mem_free) char *dir = parent_of(path);
        return fs_sync_folder(dir, err);
    }
    return 0;
}

int
fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    return write_file(path, (struct chunk){data, len}, mode, true, err);
}

int
fs_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    return write_file(path, (struct chunk){data, len}, mode, false, err);
}

int
fs_mkdirs(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, mode) == 0 || (errno == EEXIST && fs_is_folder(path))) {
        return 0;
    }
    if (errno != ENOENT) {
        return fail(err, "make folder", path);
    }
    AUTO(mem_free) char *parent = parent_of(path);
    if (strcmp(parent, path) == 0 || strcmp(parent, ".") == 0) {
        return fail(err, "make folder", path);
    }
    int rc = fs_mkdirs(parent, mode, err);
    if (rc < 0) {
        return rc;
    }
    if (mkdir(path, mode) < 0 && errno != EEXIST) {
        return fail(err, "make folder", path);
    }
    return 0;
}

static int
remove_at(int dir, const char *name, int depth)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != EISDIR && errno != EPERM) {
        return -1;
    }
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    DIR *list = fdopendir(fd);
    if (list == NULL) {
        fd_close(fd);
        return -1;
    }
    struct dirent *entry;
    int rc = depth > WALK_DEPTH_MAX ? -1 : 0;
    while (rc == 0 && (entry = readdir(list)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            rc = remove_at(fd, entry->d_name, depth + 1);
        }
    }
    (void)closedir(list);
    return rc < 0 ? rc : unlinkat(dir, name, AT_REMOVEDIR);
}

int
fs_remove(const char *path, struct err *err)
{
    return remove_at(AT_FDCWD, path, 0) < 0 ? fail(err, "remove", path) : 0;
}

bool
fs_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

bool
fs_is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int
fs_real(const char *path, char **out, struct err *err)
{
    char *real = realpath(path, NULL);

    if (real == NULL) {
        return fail(err, "find", path);
    }
    *out = real;
    return 0;
}

char *
fs_absolute(const char *path)
{
    AUTO(mem_free) char *cwd = path[0] == '/' ? mem_strdup("") : getcwd(NULL, 0);
    AUTO(mem_free) char *whole = mem_printf("%s/%s", cwd == NULL ? "" : cwd, path);
    AUTO(buf_clear) struct buf out = BUF_INIT;
    char *save = NULL;

    for (char *part = strtok_r(whole, "/", &save); part != NULL;
         part = strtok_r(NULL, "/", &save)) {
        if (strcmp(part, ".") == 0) {
            continue;
        }
        if (strcmp(part, "..") != 0) {
            buf_addf(&out, "/%s", part);
            continue;
        }
        while (out.len > 0 && out.data[--out.len] != '/') {
        }
    }
    if (out.len == 0) {
        buf_addc(&out, '/');
    }
    out.data[out.len] = '\0';
    return buf_steal(&out);
}

char *
fs_join(const char *dir, const char *name)
{
    if (name[0] == '/') {
        return mem_strdup(name);
    }
    return mem_printf("%s%s%s", dir, str_ends(dir, "/") ? "" : "/", name);
}

const char *
fs_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

const char *
fs_network_name(const char *path)
{
    /* statfs(2) f_type values of file systems without memory shared between hosts */
    static const struct {
        uint32_t magic;
        const char *name;
    } table[] = {{0x6969, "nfs"},     {0xff534d42, "cifs"},  {0xfe534d42, "smb2"},
                 {0x517b, "smb"},     {0x01021997, "9p"},    {0x5346414f, "afs"},
                 {0x6b414653, "kafs"}, {0x00c36400, "ceph"}, {0x0bd00bd0, "lustre"},
                 {0x47504653, "gpfs"}, {0x73757245, "coda"}, {0x564c, "ncp"}};
    struct statfs fs;

    if (statfs(path, &fs) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < COUNT(table); i++) {
        if ((uint32_t)fs.f_type == table[i].magic) {
            return table[i].name;
        }
    }
    return NULL;
}

struct walk {
    fs_visit *visit;
    void *user;
    struct err *err;
};

static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk_path(const struct walk *walk, const char *path, int depth);

static int
walk_folder(const struct walk *walk, const char *path, int depth)
{
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, by_bytes);
    int rc = 0;

    if (n < 0 || depth > WALK_DEPTH_MAX) {
        n = n < 0 ? 0 : n;
        rc = walk->visit(walk->user, path, NULL, walk->err);
    }
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        if (rc == 0 && depth <= WALK_DEPTH_MAX && strcmp(name, ".") != 0 &&
            strcmp(name, "..") != 0) {
            AUTO(mem_free) char *child = fs_join(path, name);
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

    /* a link given by the user is followed, a link found below is not */
    if ((depth == 0 ? stat(path, &st) : lstat(path, &st)) < 0) {
        return depth == 0 ? fail(walk->err, "find", path) : 0;
    }
    if (S_ISDIR(st.st_mode)) {
        return walk_folder(walk, path, depth);
    }
    if (S_ISREG(st.st_mode)) {
        return walk->visit(walk->user, path, &st, walk->err);
    }
    return 0;
}

int
fs_walk(const char *root, fs_visit *visit, void *user, struct err *err)
{
    const struct walk walk = {visit, user, err};

    return walk_path(&walk, root, 0);
}
