#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

enum { TEMP_TRIES = 1000 };

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
    struct stat seen;
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &seen) < 0) {
        return fail(err, "open", path);
    }
    if (!S_ISREG(seen.st_mode)) {
        AUTO(mem_free) char *name = str_name_dup(path);
        /* cppcheck-suppress resourceLeak // AUTO closes it */
        return err_set(err, -EINVAL, "'%s' is not a regular file", name);
    }
    if (st != NULL) {
        *st = seen;
    }
    *out_fd = FD_STEAL(fd);
    /* cppcheck-suppress resourceLeak // the caller's now */
    return 0;
}

/* One byte more than allowed is asked for: it shows that a file grows beyond the limit.
 */
static int
read_bounded(int fd, size_t max, struct buf *out, struct err *err)
{
    size_t left = max < SIZE_MAX ? max + 1 : max;
    size_t before = out->len;

    while (left > 0 && out->len - before <= max && !out->truncated) {
        size_t had = out->len;
        int rc = fd_read_some(fd, out, left, err);
        if (rc < 0) {
            return rc == -EAGAIN ? err_set(err, rc, "locked by another process") : rc;
        }
        if (rc == 0) {
            return 0;
        }
        left -= out->len - had;
    }
    return -EFBIG;
}

int
fs_read(const char *path, size_t max, struct buf *out, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    struct stat st = {0};
    size_t before = out->len;
    bool was_truncated = out->truncated;
    int rc = fs_open(path, &fd, &st, err);

    if (rc < 0) {
        return rc;
    }
    if (out->max == 0 && buf_room(out) <= max) {
        out->max = max < SIZE_MAX - out->len - 1 ? out->len + max + 1 : SIZE_MAX;
    }
    out->truncated = false;
    rc = st.st_size > 0 && (uint64_t)st.st_size > max ? -EFBIG
                                                      : read_bounded(fd, max, out, err);
    out->truncated = was_truncated;
    if (rc < 0) {
        AUTO(mem_free) char *name = str_name_dup(path);
        buf_cut(out, before);
        return rc == -EFBIG
                   ? err_set(err, rc, "'%s' holds more than %zu bytes", name, max)
                   : err_wrap(err, rc, "'%s'", name);
    }
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
    int rc = 0;

    /* EINVAL: a file system that flushes no folders, and has nothing better */
    if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL)) {
        rc = fail(err, "flush folder", path);
    }
    /* cppcheck-suppress resourceLeak // AUTO closes it */
    return rc;
}

struct chunk {
    const void *data;
    size_t len;
};

/* A new file beside path; its name, or NULL and errno. The number in it is only a first
 * try: a dead process may have left one behind, and in containers process numbers are
 * few. */
static char *
open_temp(const char *path, mode_t mode, int *fd)
{
    static unsigned serial;

    for (int i = 0; i < TEMP_TRIES; i++) {
        AUTO(mem_free)
        char *name = mem_printf("%s.tmp-%d-%u", path, (int)getpid(), serial++);
        *fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (*fd >= 0) {
            return STEAL(name);
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return NULL;
}

static int
write_temp(int temp_fd, struct chunk bytes, bool flush, struct err *err)
{
    AUTO(fd_close) int fd = temp_fd;
    int rc = fd_write(fd, bytes.data, bytes.len, err);

    if (rc < 0) {
        return rc;
    }
    if (flush && fsync(fd) < 0) {
        return err_sys(err, "flush");
    }
    /* NFS reports a full disk here */
    return close(FD_STEAL(fd)) < 0 && errno != EINTR ? err_sys(err, "close") : 0;
}

static int
write_file(const char *path, struct chunk bytes, mode_t mode, bool flush, struct err *err)
{
    int fd = -1;
    AUTO(mem_free) char *temp = open_temp(path, mode, &fd);

    if (temp == NULL) {
        return fail(err, "create a file beside", path);
    }
    int rc = write_temp(fd, bytes, flush, err);
    if (rc < 0) {
        AUTO(mem_free) char *name = str_name_dup(path);
        rc = err_wrap(err, rc, "'%s'", name);
    } else if (rename(temp, path) < 0) {
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
fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
                struct err *err)
{
    return write_file(path, (struct chunk){data, len}, mode, true, err);
}

int
fs_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    return write_file(path, (struct chunk){data, len}, mode, false, err);
}

/* mkdir() for which an existing folder is fine, and nothing else of that name. */
static int
make_folder(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0) {
        return 0;
    }
    if (errno != EEXIST) {
        return -1;
    }
    bool is_folder = fs_is_folder(path);
    errno = EEXIST; /* stat() of a dangling link says ENOENT, which would send us to the
                       parent */
    return is_folder ? 0 : -1;
}

int
fs_mkdirs(const char *path, mode_t mode, struct err *err)
{
    AUTO(mem_free) char *part = mem_strdup(path);

    if (make_folder(path, mode) == 0) {
        return 0;
    }
    if (errno != ENOENT) {
        return fail(err, "make folder", path);
    }
    /* the folders above, from the root on; behind the first byte, which may be the root
     * itself */
    for (char *slash = part;
         *slash != '\0' && (slash = strchr(slash + 1, '/')) != NULL;) {
        *slash = '\0';
        if (make_folder(part, mode) < 0) {
            return fail(err, "make folder", part);
        }
        *slash = '/';
    }
    return make_folder(path, mode) < 0 ? fail(err, "make folder", path) : 0;
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

/* The current folder. One that was removed still has a name that nothing else can take.
 */
static char *
current_folder(void)
{
    char *cwd = getcwd(NULL, 0);

    return cwd == NULL ? mem_strdup("/proc/self/cwd") : cwd;
}

char *
fs_absolute(const char *path)
{
    AUTO(mem_free) char *cwd = path[0] == '/' ? mem_strdup("") : current_folder();
    AUTO(mem_free) char *whole = mem_printf("%s/%s", cwd, path);
    AUTO(buf_clear) struct buf out = BUF_INIT;
    char *save = NULL;

    for (char *part = strtok_r(whole, "/", &save); part != NULL;
         part = strtok_r(NULL, "/", &save)) {
        if (strcmp(part, "..") == 0) {
            const char *slash = strrchr(buf_str(&out), '/');
            buf_cut(&out, slash == NULL ? 0 : (size_t)(slash - out.data));
        } else if (strcmp(part, ".") != 0) {
            buf_addf(&out, "/%s", part);
        }
    }
    if (out.len == 0) {
        buf_addc(&out, '/');
    }
    return buf_steal(&out);
}

char *
fs_join(const char *dir, const char *name)
{
    if (name[0] == '/' || dir[0] == '\0') {
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
    } table[] = {
        {0x6969, "nfs"},        {0xff534d42, "cifs"},  {0xfe534d42, "smb2"},
        {0x517b, "smb"},        {0x01021997, "9p"},    {0x5346414f, "afs"},
        {0x6b414653, "kafs"},   {0x00c36400, "ceph"},  {0x0bd00bd0, "lustre"},
        {0x47504653, "gpfs"},   {0x73757245, "coda"},  {0x564c, "ncp"},
        {0x19830326, "beegfs"}, {0xaad7aaea, "panfs"}, {0x786f4256, "vboxsf"},
        {0x01161970, "gfs2"},   {0x7461636f, "ocfs2"},
    };
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
