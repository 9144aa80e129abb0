#include "base/fd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void
fd_close(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

ssize_t
fd_read(int fd, void *data, size_t size)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = read(fd, (char *)data + have, size - have);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        have += (size_t)n;
    }
    return (ssize_t)have;
}

int
fd_read_some(int fd, struct buf *buf, size_t most, struct err *err)
{
    char chunk[16384];
    size_t want = most < sizeof(chunk) ? most : sizeof(chunk);

    assert(most > 0); /* a read of nothing would look like the end of the file */

    for (;;) {
        ssize_t n = read(fd, chunk, want);
        if (n > 0) {
            buf_add(buf, chunk, (size_t)n);
            return 1;
        }
        if (n == 0) {
            return 0;
        }
        if (errno == EAGAIN) {
            return -EAGAIN;
        }
        if (errno != EINTR) {
            return err_sys(err, "read");
        }
    }
}

int
fd_read_all(int fd, struct buf *buf, struct err *err)
{
    int rc;

    do {
        rc = fd_read_some(fd, buf, SIZE_MAX, err);
    } while (rc > 0);
    return rc == -EAGAIN ? err_set(err, rc, "nothing to read yet, and no end of file")
                         : rc;
}

int
fd_write(int fd, const void *data, size_t len, struct err *err)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return err_sys(err, "write %zu bytes", len);
        }
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int
fd_pipe(int ends[2], struct err *err)
{
    return pipe2(ends, O_CLOEXEC) < 0 ? err_sys(err, "make a pipe") : 0;
}

int
fd_set_nonblock(int fd, bool on, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 ||
        fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0) {
        return err_sys(err, "set the flags of descriptor %d", fd);
    }
    return 0;
}
