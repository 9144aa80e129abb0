#include "orchestrator/supervise/pool_private.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/worker.h"

enum {
    TAIL_MAX = 600, /* bytes kept of a worker's standard error */
    ENDING_MS = 300,
};

static int
on_stderr(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct slot *slot = user;
    struct err err = ERR_INIT;

    (void)events;
    int rc = fd_read_some(fd, &slot->tail, SIZE_MAX, &err);
    if (rc <= 0 && rc != -EAGAIN) {
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    }
    if (slot->tail.len > TAIL_MAX) {
        buf_drop(&slot->tail, slot->tail.len - TAIL_MAX);
    }
    return 0;
}

/* --- its start --- */

struct pipes {
    int in[2], out[2], err[2];
};

static void
pipes_clear(struct pipes *pipes)
{
    int *all[] = {pipes->in, pipes->out, pipes->err};

    for (size_t i = 0; i < COUNT(all); i++) {
        fd_close(all[i][0]);
        fd_close(all[i][1]);
    }
}
AUTO_DEFINE_CLEAR(struct pipes, pipes_clear)

static int
spawn(struct slot *slot, struct pipes *pipes, struct err *err)
{
    struct pool *pool = slot->pool;
    AUTO(strv_clear) struct strv argv = {0};
    char *envp[] = {pool->worker_path, (char[]){"LANG=C.UTF-8"}, (char[]){"TZ=UTC"},
                    (char[]){"HOME=/nonexistent"}, NULL};
    int rc = pool_policy_wrap(&pool->policy, slot->folder, &argv, err);

    rc = rc < 0 ? rc : fd_pipe(pipes->in, err);
    rc = rc < 0 ? rc : fd_pipe(pipes->out, err);
    rc = rc < 0 ? rc : fd_pipe(pipes->err, err);
    rc = rc < 0 ? rc : fd_set_nonblock(pipes->err[0], true, err);
    if (rc < 0) {
        return rc;
    }
    const struct proc_spec spec = {.argv = argv.v,
                                   .envp = envp,
                                   .in_fd = pipes->in[0],
                                   .out_fd = pipes->out[1],
                                   .err_fd = pipes->err[1]};
    return proc_spawn(&spec, &slot->proc, err);
}

static int
watch(struct slot *slot, struct pipes *pipes, const struct channel_events *events,
      struct err *err)
{
    struct pool *pool = slot->pool;

    int from = FD_STEAL(pipes->out[0]);
    int to = FD_STEAL(pipes->in[1]);

    slot->err_fd = FD_STEAL(pipes->err[0]);
    int rc = sd_event_add_io(pool->config.event, &slot->err_source, slot->err_fd, EPOLLIN,
                             on_stderr, slot);
    if (rc < 0) {
        fd_close(from);
        fd_close(to);
        return err_set(err, rc, "watch a pipe: %s", strerror(-rc));
    }
    const struct channel_config config = {.event = pool->config.event,
                                          .in_fd = from,
                                          .out_fd = to,
                                          .line_max = WORKER_LINE_MAX,
                                          .queue_max = WORKER_LINE_MAX,
                                          .events = *events};
    return channel_new(&config, &slot->channel, err);
}

/* The first job: to read a file of ours, and to prepare for what is likely to come. Its
 * answer shows that everything stands. */
static int
say_hello(struct slot *slot, struct err *err)
{
    static const char text[] = "nightjar: a worker's first text\n";
    AUTO(mem_free) char *path = fs_join(slot->folder, "hello");
    AUTO(json_decref) json_t *request = json_object();
    int rc = fs_write(path, text, sizeof(text) - 1, 0644, err);

    if (rc < 0) {
        return rc;
    }
    json_put(request, "job", json_integer(0));
    json_put(request, "op", json_string("prepare"));
    json_put(request, "input", json_name(path));
    json_put(request, "options", json_object());
    if (slot->pool->usual != NULL) {
        json_put(request, "command", json_incref(slot->pool->usual));
    }
    return channel_send(slot->channel, request, err);
}

int
slot_spawn(struct slot *slot, const struct channel_events *events, struct err *err)
{
    AUTO(pipes_clear) struct pipes pipes = {{-1, -1}, {-1, -1}, {-1, -1}};
    int rc = spawn(slot, &pipes, err);

    slot->knows = slot->pool->policy.keys.n;
    rc = rc < 0 ? rc : watch(slot, &pipes, events, err);
    return rc < 0 ? rc : say_hello(slot, err);
}

/* --- its end --- */

/* What it said last, on one line. */
static void
add_tail(const struct slot *slot, struct buf *how)
{
    AUTO(buf_clear) struct buf clean = BUF_INIT;

    str_clean(&clean, buf_str(&slot->tail), slot->tail.len);
    while (clean.len > 0 && strchr("\n ", clean.data[clean.len - 1]) != NULL) {
        buf_cut(&clean, clean.len - 1);
    }
    for (size_t i = 0; i < clean.len; i++) {
        if (clean.data[i] == '\n') {
            clean.data[i] = ' ';
        }
    }
    buf_addf(how, "%s%s", clean.len > 0 ? ": " : "", buf_str(&clean));
}

void
slot_reap(struct slot *slot, bool by_itself, struct buf *how)
{
    struct err ignored = ERR_INIT;
    int status = 0;
    char text[80];

    slot->timer = sd_event_source_disable_unref(slot->timer);
    channel_free(STEAL(slot->channel));
    if (slot->proc.pid > 0 && by_itself &&
        proc_wait(&slot->proc, ENDING_MS, &status, &ignored) == 0) {
        proc_status_show(text, sizeof(text), status);
        buf_addf(how, " (%s)", text);
    }
    proc_clear(&slot->proc);
    if (slot->err_fd >= 0) { /* what it said just before its end */
        (void)fd_read_some(slot->err_fd, &slot->tail, TAIL_MAX, &ignored);
    }
    slot->err_source = sd_event_source_disable_unref(slot->err_source);
    fd_close(FD_STEAL(slot->err_fd));
    add_tail(slot, how);
    buf_clear(&slot->tail);
}

int
slot_clean_folder(struct slot *slot, struct err *err)
{
    int rc = fs_remove(slot->folder, err);

    return rc < 0 ? rc : sandbox_mkdir(slot->folder, err);
}
