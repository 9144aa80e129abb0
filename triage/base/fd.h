/* File descriptors: every one is CLOEXEC, every call is retried after a signal. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"

void fd_close(int fd); /* -1 is a no-op */
AUTO_DEFINE(int, fd_close)

/* Gives up a descriptor variable: yields its value and leaves -1. */
#define FD_STEAL(var)        \
    __extension__({          \
        int stolen_ = (var); \
        (var) = -1;          \
        stolen_;             \
    })

/* Read until size bytes or end of file. -1 and errno on failure. */
ssize_t fd_read(int fd, void *data, size_t size);

/* Append to buf until end of file; what is beyond the bound of buf is read and dropped.
 * For pipes and sockets of programs that end: a file that grows for ever never ends
 * (fs_read() stops). */
int fd_read_all(int fd, struct buf *buf, struct err *err);

/* Append what one read() gives, at most `most` (> 0) bytes.
 * 1: bytes came; 0: end of file; -EAGAIN: nothing now (non-blocking descriptor; err is
 * not set). */
int fd_read_some(int fd, struct buf *buf, size_t most, struct err *err);

/* Write all bytes of a blocking descriptor. */
int fd_write(int fd, const void *data, size_t len, struct err *err);

/* Two ends of a pipe, both CLOEXEC; [0] reads. */
int fd_pipe(int ends[2], struct err *err);

int fd_set_nonblock(int fd, bool on, struct err *err);

#endif
