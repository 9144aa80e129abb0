#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum { CHUNK = 1 << 20 };

/* Where the kernel cannot copy between these two. */
static int
copy_by_hand(int from, int to, int64_t *bytes, struct err *err)
{
    int rc = 0;

    do {
        AUTO(buf_clear) struct buf chunk = {.max = CHUNK};
        rc = fd_read_some(from, &chunk, CHUNK, err);
        if (rc > 0) {
            int wrote = fd_write(to, buf_str(&chunk), chunk.len, err);
            *bytes += (int64_t)chunk.len;
            rc = wrote < 0 ? wrote : rc;
        }
    } while (rc > 0);
    return rc;
}

/* File systems that can share the bytes between the two files do. */
static int
copy_all(int from, int to, int64_t *bytes, struct err *err)
{
    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)CHUNK, 0);
        if (n < 0 && *bytes == 0 &&
            (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
             errno == EOPNOTSUPP)) {
            return copy_by_hand(from, to, bytes, err);
        }
        if (n < 0) {
            return err_sys(err, "copy");
        }
        if (n == 0) {
            /* what /proc and the like hold is copied by nobody but by hand */
            return *bytes == 0 ? copy_by_hand(from, to, bytes, err) : 0;
        }
        *bytes += n;
    }
}

int
fs_copy(const char *from, const char *to, mode_t mode, int64_t *bytes, struct err *err)
{
    AUTO(fd_close) int in = -1;
    AUTO(mem_free) char *name = str_name_dup(to);
    int64_t n = 0;
    int rc = fs_open(from, &in, NULL, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close)
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (out < 0) {
        return err_sys(err, "create '%s'", name);
    }
    rc = copy_all(in, out, &n, err);
    if (rc < 0) {
        return err_wrap(err, rc, "write '%s'", name);
    }
    if (bytes != NULL) {
        *bytes = n;
    }
    return 0;
}
