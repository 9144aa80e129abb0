#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "triage/runner.h"
#include "triage/runner/runner_private.h"

/* 0: the descriptor is ready (or broken: the next call says so). */
static int
await(int fd, short events, int64_t end, struct err *err)
{
    for (;;) {
        struct pollfd poll_fd = {fd, events, 0};
        int64_t left = end < 0 ? -1 : end - clock_mono_ms();
        int ms = left < 0 ? (end < 0 ? -1 : 0) : left > INT_MAX ? INT_MAX : (int)left;
        int n = poll(&poll_fd, 1, ms);
        if (n > 0) {
            return 0;
        }
        if (n == 0 && end >= 0) {
            return err_set(err, -ETIMEDOUT, "no answer in time");
        }
        if (n < 0 && errno != EINTR) {
            return err_sys(err, "poll");
        }
    }
}

int
wire_send(int fd, const void *data, size_t len, int64_t end, struct err *err)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            at += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            int rc = await(fd, POLLOUT, end, err);
            if (rc < 0) {
                return rc;
            }
        } else if (errno != EINTR) {
            return err_sys(err, "send");
        }
    }
    return 0;
}

int
wire_receive(int fd, void *data, size_t len, int64_t end, struct err *err)
{
    char *at = data;

    while (len > 0) {
        ssize_t n = recv(fd, at, len, MSG_DONTWAIT);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        } else if (n == 0) {
            return err_set(err, -EPIPE, "the other side has gone");
        } else if (errno == EAGAIN) {
            int rc = await(fd, POLLIN, end, err);
            if (rc < 0) {
                return rc;
            }
        } else if (errno != EINTR) {
            return errno == ECONNRESET ? err_set(err, -EPIPE, "the other side has gone")
                                       : err_sys(err, "receive");
        }
    }
    return 0;
}

int
wire_receive_buf(int fd, struct buf *out, size_t len, int64_t end, struct err *err)
{
    char chunk[WIRE_PIECE];

    buf_clear(out);
    out->max = len + 1;
    while (out->len < len) {
        size_t left = len - out->len;
        size_t n = left < sizeof(chunk) ? left : sizeof(chunk);
        int rc = wire_receive(fd, chunk, n, end, err);
        if (rc < 0) {
            return rc;
        }
        buf_add(out, chunk, n);
    }
    return 0;
}

int
wire_copy(int from, int to, struct err *err)
{
    off_t at = 0;
    ssize_t n;

    do {
        n = sendfile(to, from, &at, RUNNER_PIECE);
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 ? err_sys(err, "copy the input") : 0;
}
