#include "orchestrator/supervise/scribe_link.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "orchestrator/supervise/channel.h"
#include "orchestrator/supervise/scribe.h"

enum {
    CHANNEL_FULL =
        1 << 20, /* bytes waiting in the channel beyond which requests wait here */
    RESTART_FIRST_MS = 50,
    RESTART_MAX_MS = 5000,
    REAP_MS = 2000,
};

/* What becomes of a request when the scribe starts anew. */
enum rank { RANK_TARGET, RANK_USUAL, RANK_NEXT };

struct request {
    struct request *next;
    enum rank rank;
    int64_t seq;
    char *line;
    char *body; /* NULL: none */
    size_t body_len;
    scribe_reply *reply;
    void *user;
};

struct queue {
    struct request *head, **tail;
    size_t n;
};

struct scribe_link {
    struct scribe_link_config config;
    char *program, *state;
    struct proc proc;
    struct channel *channel; /* NULL: not running */
    struct queue sent;       /* written, not answered */
    struct queue unsent;
    struct queue targets; /* copies, said again to every new scribe */
    int64_t seq;
    int deaths; /* since the last answer */
    int64_t restarts;
    sd_event_source *restart; /* timer */
    bool failed;
};

/* --- queues --- */

static void
queue_init(struct queue *queue)
{
    *queue = (struct queue){.tail = &queue->head};
}

static void
queue_push(struct queue *queue, struct request *request)
{
    request->next = NULL;
    *queue->tail = request;
    queue->tail = &request->next;
    queue->n++;
}

static struct request *
queue_pop(struct queue *queue)
{
    struct request *request = queue->head;

    if (request != NULL) {
        queue->head = request->next;
        queue->tail = queue->head == NULL ? &queue->head : queue->tail;
        queue->n--;
    }
    return request;
}

static void
request_free(struct request *request)
{
    if (request != NULL) {
        mem_free(request->line);
        mem_free(request->body);
        mem_free(request);
    }
}
AUTO_DEFINE(struct request *, request_free)

static void
queue_clear(struct queue *queue)
{
    struct request *request;

    while ((request = queue_pop(queue)) != NULL) {
        request_free(request);
    }
}

/* --- failure and restart --- */

static void
fail(struct scribe_link *link, const struct err *why)
{
    if (link->failed) {
        return;
    }
    link->failed = true;
    queue_clear(&link->unsent);
    queue_clear(&link->sent);
    link->config.failed(link->config.user, why);
}

static int
on_restart(sd_event_source *source, uint64_t usec, void *user)
{
    struct scribe_link *link = user;
    struct err err = ERR_INIT;

    (void)usec;
    (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    if (!link->failed && scribe_link_start(link, &err) < 0) {
        fail(link, &err);
    }
    return 0;
}

static void
restart_later(struct scribe_link *link)
{
    int64_t ms = (int64_t)RESTART_FIRST_MS << (2 * (link->deaths - 1));

    ms = ms > RESTART_MAX_MS ? RESTART_MAX_MS : ms;
    link->restart = sd_event_source_disable_unref(link->restart);
    int rc =
        sd_event_add_time_relative(link->config.event, &link->restart, CLOCK_MONOTONIC,
                                   (uint64_t)ms * 1000, 0, on_restart, link);
    if (rc < 0) {
        struct err err = ERR_INIT;
        (void)err_set(&err, rc, "event loop: %s", strerror(-rc));
        fail(link, &err);
    }
}

/* Sent and unsent requests become one queue again, in the order of their ranks. */
static void
requeue(struct scribe_link *link)
{
    struct queue ranks[RANK_NEXT + 1];
    struct request *request;

    for (size_t i = 0; i < COUNT(ranks); i++) {
        queue_init(&ranks[i]);
    }
    for (struct queue *from = &link->sent; from != NULL;
         from = from == &link->sent ? &link->unsent : NULL) {
        while ((request = queue_pop(from)) != NULL) {
            if (request->rank == RANK_TARGET && request->reply == NULL) {
                request_free(request); /* say_targets() will say it */
            } else {
                queue_push(&ranks[request->rank], request);
            }
        }
    }
    for (size_t i = 0; i < COUNT(ranks); i++) {
        while ((request = queue_pop(&ranks[i])) != NULL) {
            queue_push(&link->unsent, request);
        }
    }
}

static void
on_end(void *user, const struct err *why)
{
    struct scribe_link *link = user;
    struct err err = ERR_INIT;
    char how[80] = "gone";
    int status = 0;

    channel_free(STEAL(link->channel));
    proc_kill(&link->proc, SIGKILL); /* it may be alive and have closed its output */
    if (proc_wait(&link->proc, REAP_MS, &status, &err) == 0) {
        proc_status_show(how, sizeof(how), status);
    }
    proc_clear(&link->proc);
    if (link->failed) {
        return;
    }
    link->deaths++;
    if (why->code != 0) {
        log_line(LOG_WARN, "scribe", "msg=\"%s\"", why->msg);
    }
    if (link->deaths >= SCRIBE_DEATHS_MAX) {
        (void)err_set(
            &err, -EIO,
            "the process that writes the database died %d times without an answer, "
            "the last time by %s; `nightjar db check` tells the state of the database",
            link->deaths, how);
        fail(link, &err);
        return;
    }
    link->restarts++;
    /* first, for what is given back there goes before what is asked for */
    if (link->config.restarted != NULL) {
        link->config.restarted(link->config.user, how);
    }
    requeue(link);
    restart_later(link);
}

/* --- sending --- */

static int
write_request(struct scribe_link *link, const struct request *request, struct err *err)
{
    int rc = channel_send_line(link->channel, request->line, strlen(request->line), err);

    if (rc == 0 && request->body != NULL) {
        rc = channel_send_line(link->channel, request->body, request->body_len, err);
    }
    return rc;
}

static void
pump(struct scribe_link *link)
{
    struct request *request;

    while (!link->failed && link->channel != NULL &&
           channel_waiting(link->channel) < CHANNEL_FULL &&
           (request = queue_pop(&link->unsent)) != NULL) {
        struct err err = ERR_INIT;
        queue_push(&link->sent, request);
        if (write_request(link, request, &err) < 0) {
            return; /* it has gone: the loop will say so, and everything is sent again */
        }
    }
}

static struct request *
request_new(struct scribe_link *link, json_t *message, scribe_reply *reply, void *user)
{
    struct request *request = mem_alloc(sizeof(*request));
    const char *op = json_get_str(message, "op", "");

    request->seq = ++link->seq;
    request->reply = reply;
    request->user = user;
    request->rank = strcmp(op, "target") == 0 ? RANK_TARGET
                    : strcmp(op, "next") == 0 ? RANK_NEXT
                                              : RANK_USUAL;
    json_put(message, "seq", json_integer(request->seq));
    request->line = json_line(message);
    return request;
}

static void
submit(struct scribe_link *link, struct request *request)
{
    if (link->failed) {
        request_free(request);
        return;
    }
    queue_push(&link->unsent, request);
    pump(link);
}

void
scribe_link_send(struct scribe_link *link, json_t *request, scribe_reply *reply,
                 void *user)
{
    AUTO(json_decref) json_t *message = request;
    struct request *wanted = request_new(link, message, reply, user);

    if (wanted->rank == RANK_TARGET) {
        struct request *copy = request_new(link, message, NULL, NULL);
        queue_push(&link->targets, copy);
    }
    submit(link, wanted);
}

void
scribe_link_send_body(struct scribe_link *link, json_t *request, const char *body,
                      size_t len, scribe_reply *reply, void *user)
{
    AUTO(json_decref) json_t *message = request;

    json_put(message, "body", json_true());
    struct request *wanted = request_new(link, message, reply, user);
    wanted->body = mem_dup(body, len);
    wanted->body_len = len;
    submit(link, wanted);
}

/* --- answers --- */

static void
take_answer(struct scribe_link *link, const json_t *answer)
{
    int64_t seq = json_get_int(answer, "seq", -1);
    const json_t *error = json_object_get(answer, "error");
    struct err why = ERR_INIT;

    if (error != NULL) {
        (void)err_set(&why, (int)json_get_int(error, "code", -EIO), "%s",
                      json_get_str(error, "message", "the store failed"));
        fail(link, &why);
        return;
    }
    if (link->sent.head == NULL || link->sent.head->seq != seq) {
        (void)err_set(&why, -EPROTO,
                      "the scribe answered request %lld, which was not next",
                      (long long)seq);
        fail(link, &why);
        return;
    }
    AUTO(request_free) struct request *request = queue_pop(&link->sent);
    /* targets are said again to every scribe: only the rest is progress */
    link->deaths = request->rank == RANK_TARGET ? link->deaths : 0;
    if (request->reply != NULL) {
        request->reply(request->user, answer);
    }
    pump(link);
}

static void
on_line(void *user, const char *line, size_t len)
{
    struct scribe_link *link = user;
    AUTO(json_decref) json_t *answer = NULL;
    struct err why = ERR_INIT;

    if (link->failed) {
        return;
    }
    if (json_parse(line, len, &answer, &why) < 0) {
        fail(link, &why);
        return;
    }
    take_answer(link, answer);
}

/* --- the process --- */

static int
spawn(struct scribe_link *link, int *to, int *from, struct err *err)
{
    char *argv[] = {link->program, (char[]){"scribe"}, (char[]){"--state"}, link->state,
                    NULL};
    int in[2];
    int out[2];
    int rc = fd_pipe(in, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int in_child = in[0];
    AUTO(fd_close) int in_ours = in[1];
    rc = fd_pipe(out, err);
    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int out_ours = out[0];
    AUTO(fd_close) int out_child = out[1];
    const struct proc_spec spec = {
        .argv = argv, .in_fd = in_child, .out_fd = out_child, .err_fd = STDERR_FILENO};
    rc = proc_spawn(&spec, &link->proc, err);
    if (rc < 0) {
        return rc;
    }
    *to = FD_STEAL(in_ours);
    *from = FD_STEAL(out_ours);
    return 0;
}

/* Before anything else the new scribe learns all targets. */
static void
say_targets(struct scribe_link *link)
{
    struct queue rest = link->unsent;

    if (rest.head == NULL) {
        rest.tail = NULL;
    }
    queue_init(&link->unsent);
    for (const struct request *target = link->targets.head; target != NULL;
         target = target->next) {
        struct request *copy = mem_alloc(sizeof(*copy));
        *copy = (struct request){
            .rank = RANK_TARGET, .seq = target->seq, .line = mem_strdup(target->line)};
        queue_push(&link->unsent, copy);
    }
    for (struct request *request; (request = queue_pop(&rest)) != NULL;) {
        queue_push(&link->unsent, request);
    }
}

int
scribe_link_start(struct scribe_link *link, struct err *err)
{
    int to = -1;
    int from = -1;
    int rc = spawn(link, &to, &from, err);

    if (rc < 0) {
        return rc;
    }
    const struct channel_config config = {.event = link->config.event,
                                          .in_fd = from,
                                          .out_fd = to,
                                          .line_max = SCRIBE_LINE_MAX,
                                          .queue_max =
                                              CHANNEL_FULL + 2 * SCRIBE_LINE_MAX + 2,
                                          .events = {link, on_line, on_end}};
    rc = channel_new(&config, &link->channel, err);
    if (rc < 0) {
        return rc;
    }
    if (link->restarts > 0) { /* the first one gets them as they were sent */
        say_targets(link);
    }
    pump(link);
    return 0;
}

int
scribe_link_new(const struct scribe_link_config *config, struct scribe_link **out,
                struct err *err)
{
    AUTO(scribe_link_free) struct scribe_link *link = mem_alloc(sizeof(*link));

    link->config = *config;
    link->proc = (struct proc)PROC_INIT;
    queue_init(&link->sent);
    queue_init(&link->unsent);
    queue_init(&link->targets);
    link->state = mem_strdup(config->state);
    int rc = 0;
    if (config->program == NULL) {
        rc = proc_self(&link->program, err);
    } else {
        link->program = mem_strdup(config->program);
    }
    if (rc == 0) {
        *out = STEAL(link);
    }
    return rc;
}

void
scribe_link_free(struct scribe_link *link)
{
    if (link == NULL) {
        return;
    }
    channel_free(link->channel);
    proc_clear(&link->proc);
    (void)sd_event_source_disable_unref(link->restart);
    queue_clear(&link->sent);
    queue_clear(&link->unsent);
    queue_clear(&link->targets);
    mem_free(link->program);
    mem_free(link->state);
    mem_free(link);
}

size_t
scribe_link_waiting(const struct scribe_link *link)
{
    return link->sent.n + link->unsent.n;
}

int64_t
scribe_link_restarts(const struct scribe_link *link)
{
    return link->restarts;
}

pid_t
scribe_link_pid(const struct scribe_link *link)
{
    return link->proc.pid;
}
