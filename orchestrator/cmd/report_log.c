#include "orchestrator/cmd/report_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum { READ_BYTES = 256 << 10 };

void
report_log_clear(struct report_log *log)
{
    fd_close(log->fd);
    buf_clear(&log->window);
    *log = (struct report_log)REPORT_LOG_INIT;
}

int
report_log_open(struct report_log *log, const char *path, struct err *err)
{
    int rc = fs_open(path, &log->fd, NULL, err);

    log->whole = false;
    if (rc == 0) {
        rc = fd_read_some(log->fd, &log->window, READ_BYTES, err);
        log->ended = rc == 0;
        log->whole = log->window.len > 0 && log->window.data[0] == '{';
    }
    return rc < 0 ? rc : 0;
}

/* Look at the next line; 0: it is not whole, and more may come. */
static int
look(struct report_log *log, struct split_part *part, bool *found)
{
    const char *data = buf_str(&log->window) + log->at;
    size_t len = log->window.len - log->at;
    int64_t from = log->offset + (int64_t)log->at;
    const char *end = len == 0 ? NULL : memchr(data, '\n', len);
    size_t line = end == NULL ? len : (size_t)(end - data);
    size_t next = end == NULL ? len : line + 1;

    *found = false;
    if (len == 0 || (end == NULL && len < SPLIT_LINE_MAX && !log->ended)) {
        return 0;
    }
    if (!log->mid && !log->whole) {
        size_t seen = line < SPLIT_LINE_MAX ? line : SPLIT_LINE_MAX;
        *found = split_line(&log->splitter, data, seen, from, from + (int64_t)next, part);
    }
    log->mid = end == NULL;
    log->at += next;
    return 1;
}

/* What was looked at goes. */
static int
refill(struct report_log *log, struct err *err)
{
    buf_drop(&log->window, log->at);
    log->offset += (int64_t)log->at;
    log->at = 0;
    int rc = fd_read_some(log->fd, &log->window, READ_BYTES, err);
    log->ended = rc == 0;
    return rc < 0 ? rc : 0;
}

int
report_log_next(struct report_log *log, struct split_part *part, struct err *err)
{
    while (!log->done) {
        bool found = false;
        int rc = look(log, part, &found);
        if (found) {
            return 1;
        }
        if (rc == 0 && log->ended) {
            log->done = true;
            *part = split_end(&log->splitter, log->offset + (int64_t)log->at);
            return 1;
        }
        rc = rc == 0 ? refill(log, err) : 0;
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* --- standard input --- */

static int
copy_stdin(int fd, struct err *err)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    int64_t total = 0;
    int rc = 1;

    while ((rc = fd_read_some(STDIN_FILENO, &bytes, READ_BYTES, err)) > 0) {
        total += (int64_t)bytes.len;
        if (total > REPORT_STDIN_MAX) {
            return err_set(err, -EFBIG,
                           "standard input holds more than %d MiB; write it to a file, "
                           "which may be larger",
                           REPORT_STDIN_MAX >> 20);
        }
        rc = fd_write(fd, buf_str(&bytes), bytes.len, err);
        if (rc < 0) {
            return err_wrap(err, rc, "keep standard input");
        }
        buf_drop(&bytes, bytes.len);
    }
    return rc < 0 ? err_wrap(err, rc, "read standard input") : 0;
}

int
report_log_spool(const char *state, char **path, struct err *err)
{
    AUTO(mem_free) char *folder = fs_join(state, "reports");
    char now[CLOCK_TEXT_MAX];
    int rc = fs_mkdirs(folder, 0700, err);

    clock_iso(now, clock_wall_ms());
    AUTO(mem_free)
    char *name = mem_printf("%s/stdin-%s-%d.txt", folder, now, (int)getpid());
    AUTO(fd_close)
    int fd = rc < 0 ? -1 : open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (rc == 0 && fd < 0) {
        AUTO(mem_free) char *shown = str_name_dup(name);
        rc = err_sys(err, "make '%s'", shown);
    }
    rc = rc < 0 ? rc : copy_stdin(fd, err);
    if (rc < 0) {
        (void)unlink(name);
        return rc;
    }
    *path = STEAL(name);
    return 0;
}
