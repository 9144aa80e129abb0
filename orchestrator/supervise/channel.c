#include "orchestrator/supervise/channel.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"

enum {
    READS_PER_WAKE = 8
}; /* of 16 KiB each: one loud child must not starve the others */

struct channel {
    struct channel_config config;
    struct buf in;
    size_t scanned; /* of `in`: bytes known to hold no newline */
    struct buf out;
    size_t written; /* of `out` */
    sd_event_source *in_source, *out_source;
    bool ended;
    bool *freed; /* set while a callback runs: tells it that the channel has gone */
};

/* Nothing more is read or written; tell the owner, once. The channel may be gone
 * afterwards. */
static void
end(struct channel *channel, const struct err *why)
{
    if (channel->ended) {
        return;
    }
    channel->ended = true;
    channel->in_source = sd_event_source_disable_unref(channel->in_source);
    channel->out_source = sd_event_source_disable_unref(channel->out_source);
    if (channel->config.events.ended != NULL) {
        channel->config.events.ended(channel->config.events.user, why);
    }
}

static void
end_with(struct channel *channel, int code, const char *text)
{
    struct err why = ERR_INIT;

    (void)err_set(&why, code, "%s", text);
    end(channel, &why);
}

/* Hand over the whole lines of the buffer. False: the channel has gone or has ended. */
static bool
take_lines(struct channel *channel)
{
    bool freed = false;
    size_t start = 0;

    /* cppcheck-suppress autoVariables // taken away again before the return */
    channel->freed = &freed;
    while (!channel->ended) {
        size_t from = channel->scanned > start ? channel->scanned : start;
        char *at = channel->in.data == NULL
                       ? NULL
                       : memchr(channel->in.data + from, '\n', channel->in.len - from);
        if (at == NULL) {
            break;
        }
        size_t len = (size_t)(at - channel->in.data) - start;
        if (len > channel->config.line_max) {
            break;
        }
        *at = '\0';
        channel->config.events.line(channel->config.events.user, channel->in.data + start,
                                    len);
        if (freed) {
            return false;
        }
        start += len + 1;
    }
    channel->freed = NULL;
    if (channel->ended) {
        return false;
    }
    buf_drop(&channel->in, start);
    channel->scanned = channel->in.len;
    if (channel->in.len > channel->config.line_max) {
        end_with(channel, -EMSGSIZE, "a line is longer than allowed");
        return false;
    }
    return true;
}

static int
on_readable(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct channel *channel = user;

    (void)source;
    (void)events;
    for (int i = 0; i < READS_PER_WAKE; i++) {
        struct err why = ERR_INIT;
        int rc = fd_read_some(fd, &channel->in, SIZE_MAX, &why);
        if (rc == -EAGAIN) {
            return 0;
        }
        if (rc > 0) {
            if (!take_lines(channel)) {
                return 0;
            }
            continue;
        }
        if (rc == 0 && channel->in.len > 0) {
            (void)err_set(&why, -EBADMSG, "it ended within a line");
        }
        end(channel, &why);
        return 0;
    }
    return 0;
}

/* Write what the pipe takes. */
static int
flush(struct channel *channel, struct err *err)
{
    while (channel->written < channel->out.len) {
        ssize_t n = write(channel->config.out_fd, channel->out.data + channel->written,
                          channel->out.len - channel->written);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n < 0) {
            return err_sys(err, "write");
        }
        channel->written += (size_t)n;
    }
    /* moving the rest to the front for each few bytes would be quadratic */
    if (channel->written == channel->out.len || channel->written > channel->out.len / 2) {
        buf_drop(&channel->out, channel->written);
        channel->written = 0;
    }
    return 0;
}

static void
watch_out(struct channel *channel)
{
    bool wanted = channel_waiting(channel) > 0;

    (void)sd_event_source_set_enabled(channel->out_source,
                                      wanted ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int
on_writable(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct channel *channel = user;
    struct err why = ERR_INIT;

    (void)source;
    (void)fd;
    (void)events;
    if (flush(channel, &why) < 0) {
        end(channel, &why);
    } else {
        watch_out(channel);
    }
    return 0;
}

static int
attach(struct channel *channel, struct err *err)
{
    struct channel_config *config = &channel->config;
    int rc = fd_set_nonblock(config->in_fd, true, err);

    if (rc == 0) {
        rc = fd_set_nonblock(config->out_fd, true, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = sd_event_add_io(config->event, &channel->in_source, config->in_fd, EPOLLIN,
                         on_readable, channel);
    if (rc >= 0) {
        rc = sd_event_add_io(config->event, &channel->out_source, config->out_fd,
                             EPOLLOUT, on_writable, channel);
    }
    if (rc < 0) {
        return err_set(err, rc, "watch a pipe: %s", strerror(-rc));
    }
    watch_out(channel);
    return 0;
}

int
channel_new(const struct channel_config *config, struct channel **out, struct err *err)
{
    AUTO(channel_free) struct channel *channel = mem_alloc(sizeof(*channel));

    assert(config->in_fd != config->out_fd && config->events.line != NULL);
    channel->config = *config;
    /* one read beyond the longest line, so that a cut never hides a newline */
    channel->in.max = config->line_max + (1 << 20);
    channel->out.max = config->queue_max + 1;
    int rc = attach(channel, err);
    if (rc < 0) {
        return rc;
    }
    *out = STEAL(channel);
    return 0;
}

void
channel_free(struct channel *channel)
{
    if (channel == NULL) {
        return;
    }
    if (channel->freed != NULL) {
        *channel->freed = true;
    }
    (void)sd_event_source_disable_unref(channel->in_source);
    (void)sd_event_source_disable_unref(channel->out_source);
    fd_close(channel->config.in_fd);
    fd_close(channel->config.out_fd);
    buf_clear(&channel->in);
    buf_clear(&channel->out);
    mem_free(channel);
}

int
channel_send_line(struct channel *channel, const char *text, size_t len, struct err *err)
{
    assert(memchr(text, '\n', len) == NULL);
    if (channel->ended) {
        return err_set(err, -EPIPE, "the other side has gone");
    }
    /* queue_max bounds buf.out as it stands, the part that was written included */
    if (channel->out.len + len + 1 > channel->config.queue_max) {
        buf_drop(&channel->out, channel->written);
        channel->written = 0;
    }
    if (channel->out.len + len + 1 > channel->config.queue_max) {
        return err_set(err, -ENOBUFS, "%zu bytes wait to be written, %zu more do not fit",
                       channel_waiting(channel), len);
    }
    bool was_empty = channel_waiting(channel) == 0;
    buf_add(&channel->out, text, len);
    buf_addc(&channel->out, '\n');
    if (was_empty) {
        struct err ignored = ERR_INIT;
        /* a failure shows again in the loop, where the owner expects to be called */
        (void)flush(channel, &ignored);
        watch_out(channel);
    }
    return 0;
}

int
channel_send(struct channel *channel, const json_t *value, struct err *err)
{
    AUTO(mem_free) char *line = json_line(value);

    return channel_send_line(channel, line, strlen(line), err);
}

size_t
channel_waiting(const struct channel *channel)
{
    return channel->out.len - channel->written;
}
