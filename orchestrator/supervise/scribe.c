#include "orchestrator/supervise/scribe.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/supervise/channel.h"
#include "orchestrator/supervise/scribe_ops.h"
#include "triage/store.h"
#include "triage/vitals.h"

enum {
    ANSWER_QUEUE_MAX = 64 << 20,
    HEAP_KEPT = 16 << 20,
    BUSY_TRIES = 12, /* each waits as long as the database's own busy timeout */
};

struct scribe {
    sd_event *event;
    sd_event_source *drained; /* runs when nothing more waits to be read */
    struct channel *channel;
    struct scribe_books books;
    json_t *headed; /* the request that waits for its body; or NULL */
    json_t *batch[SCRIBE_BATCH_MAX];
    size_t n_batch;
    json_t *group[SCRIBE_GROUP_MAX]; /* answers to what is not committed yet */
    size_t n_group;
    int status;
};

static void
answer_send(struct scribe *scribe, json_t *answer)
{
    struct err err = ERR_INIT;

    if (channel_send(scribe->channel, answer, &err) < 0) {
        log_line(LOG_ERROR, "scribe", "msg=\"answer: %s\"", err.msg);
        scribe->status = 3;
        (void)sd_event_exit(scribe->event, 0);
    }
}

static void
answer_error(struct scribe *scribe, int64_t seq, const struct err *err)
{
    AUTO(json_decref) json_t *answer = json_object();
    json_t *error = json_object();

    json_put(error, "code", json_integer(err->code));
    json_put(error, "message", json_text(err->msg));
    json_put(answer, "seq", json_integer(seq));
    json_put(answer, "error", error);
    answer_send(scribe, answer);
}

/* --- the ledger --- */

static json_t *
intake_answer(const json_t *request, const struct intake_result *result)
{
    json_t *answer = json_object();

    json_put(answer, "seq", json_integer(json_get_int(request, "seq", 0)));
    json_put(answer, "code", json_integer(result->code));
    json_put(answer, "crash", json_integer(result->crash));
    json_put(answer, "fresh", json_boolean(result->is_new));
    if (result->code != 0) {
        json_put(answer, "reason", json_text(result->reason));
    }
    return answer;
}

/* The request's fields as an item; *path is new and owns item->path. */
static int
intake_item(const struct scribe *scribe, const json_t *request, struct intake_item *item,
            char **path, struct err *err)
{
    const char *target = json_get_str(request, "target", "");

    item->target = scribe_target(&scribe->books, target);
    if (item->target == 0) {
        return err_set(err, -EPROTO, "intake for target '%s', which was not registered",
                       target);
    }
    int rc = str_unname(json_get_str(request, "path", ""), path, err);
    if (rc < 0) {
        return rc;
    }
    item->path = *path;
    item->source = json_get_str(request, "source", "triage");
    item->is_report = json_get_bool(request, "report", false);
    item->backlog = json_get_bool(request, "backlog", false);
    item->written = json_get_int(request, "written", 0);
    item->from = json_get_int(request, "from", 0);
    item->bytes = json_get_int(request, "bytes", 0);
    if (item->from < 0 || item->bytes < 0) {
        return err_set(err, -EPROTO, "intake of a part that no file has");
    }
    return 0;
}

static int
batch_file(struct scribe *scribe, struct intake_result *results, struct err *err)
{
    struct intake_item items[SCRIBE_BATCH_MAX] = {0};
    AUTO(strv_clear) struct strv paths = {0};
    int rc = 0;

    for (size_t i = 0; i < scribe->n_batch && rc == 0; i++) {
        AUTO(mem_free) char *path = NULL;
        rc = intake_item(scribe, scribe->batch[i], &items[i], &path, err);
        if (rc == 0) {
            strv_add(&paths, path);
            items[i].path = paths.v[i];
        }
    }
    for (int tries = 1; rc == 0; tries++) {
        rc = store_intake(scribe->books.store, items, scribe->n_batch, results, err);
        if (rc != -EBUSY || tries == BUSY_TRIES) {
            return rc;
        }
        rc = 0;
    }
    return rc;
}

/* File what was collected and answer each. */
static void
batch_flush(struct scribe *scribe)
{
    static struct intake_result results[SCRIBE_BATCH_MAX];
    struct err err = ERR_INIT;

    if (scribe->n_batch == 0) {
        return;
    }
    memset(results, 0, sizeof(results));
    int rc = batch_file(scribe, results, &err);
    for (size_t i = 0; i < scribe->n_batch; i++) {
        AUTO(json_decref) json_t *request = STEAL(scribe->batch[i]);
        if (rc < 0) {
            answer_error(scribe, json_get_int(request, "seq", 0), &err);
        } else {
            AUTO(json_decref) json_t *answer = intake_answer(request, &results[i]);
            answer_send(scribe, answer);
        }
    }
    scribe->n_batch = 0;
}

/* --- groups --- */

/* Commit what was done for the requests before, and answer them. */
static void
group_end(struct scribe *scribe)
{
    struct err err = ERR_INIT;
    size_t n = scribe->n_group;
    int rc = n == 0 ? 0 : store_group_end(scribe->books.store, &err);

    scribe->n_group = 0;
    for (size_t i = 0; i < n; i++) {
        AUTO(json_decref) json_t *answer = STEAL(scribe->group[i]);
        if (rc < 0) {
            answer_error(scribe, json_get_int(answer, "seq", 0), &err);
        } else {
            answer_send(scribe, answer);
        }
    }
}

/* --- requests --- */

/* What fails here fails at what is asked next, too. */
static void
count_busy(struct scribe *scribe, int times)
{
    struct err err = ERR_INIT;

    if (times > 0) {
        (void)store_was_busy(scribe->books.store, times, &err);
    }
}

/* The answer, new, or NULL. Another nightjar may hold the database for longer than its
 * busy timeout: that is waited for. */
static json_t *
run_handler(struct scribe *scribe, scribe_handler *run, const json_t *request,
            const char *body, size_t len, struct err *err)
{
    for (int tries = 1;; tries++) {
        AUTO(json_decref) json_t *answer = json_object();
        json_put(answer, "seq", json_integer(json_get_int(request, "seq", 0)));
        int rc = run(&scribe->books, request, body, len, answer, err);
        if (rc != -EBUSY || tries == BUSY_TRIES) {
            count_busy(scribe, tries - 1);
            return rc < 0 ? NULL : STEAL(answer);
        }
    }
}

/* The answer waits for those of its group. */
static void
group_add(struct scribe *scribe, json_t *answer)
{
    scribe->group[scribe->n_group++] = answer;
    if (scribe->n_group == SCRIBE_GROUP_MAX) {
        group_end(scribe);
    }
    (void)sd_event_source_set_enabled(scribe->drained, SD_EVENT_ONESHOT);
}

static void
serve(struct scribe *scribe, const json_t *request, const char *body, size_t len)
{
    const char *op = json_get_str(request, "op", "");
    const struct scribe_op *kind = scribe_op_find(op);
    struct err err = ERR_INIT;

    batch_flush(scribe);
    if (kind == NULL) {
        group_end(scribe); /* answers come in the order of the requests */
        (void)err_set(&err, -EPROTO, "there is no request '%s'", op);
        answer_error(scribe, json_get_int(request, "seq", 0), &err);
        return;
    }
    if (!kind->grouped) {
        group_end(scribe);
    } else if (scribe->n_group == 0) {
        store_group_begin(scribe->books.store);
    }
    AUTO(json_decref)
    json_t *answer = run_handler(scribe, kind->run, request, body, len, &err);
    if (answer == NULL) {
        group_end(scribe);
        answer_error(scribe, json_get_int(request, "seq", 0), &err);
    } else if (kind->grouped) {
        group_add(scribe, STEAL(answer));
    } else {
        answer_send(scribe, answer);
    }
}

static void
on_line(void *user, const char *line, size_t len)
{
    struct scribe *scribe = user;
    AUTO(json_decref) json_t *request = STEAL(scribe->headed);
    struct err err = ERR_INIT;

    if (request != NULL) {
        serve(scribe, request, line, len);
        return;
    }
    if (json_parse(line, len, &request, &err) < 0) {
        answer_error(scribe, 0, &err);
        return;
    }
    if (json_get_bool(request, "body", false)) {
        scribe->headed = STEAL(request);
        return;
    }
    if (strcmp(json_get_str(request, "op", ""), "intake") != 0) {
        serve(scribe, request, NULL, 0);
        return;
    }
    group_end(scribe);
    scribe->batch[scribe->n_batch++] = STEAL(request);
    if (scribe->n_batch == SCRIBE_BATCH_MAX) {
        batch_flush(scribe);
    }
    (void)sd_event_source_set_enabled(scribe->drained, SD_EVENT_ONESHOT);
}

static int
on_drained(sd_event_source *source, void *user)
{
    (void)source;
    batch_flush(user);
    group_end(user);
    return 0;
}

/* The supervisor has gone: what it had said in full is done, then this process ends. */
static void
on_end(void *user, const struct err *why)
{
    struct scribe *scribe = user;

    (void)why;
    batch_flush(scribe);
    group_end(scribe);
    (void)sd_event_exit(scribe->event, 0);
}

static int
attach(struct scribe *scribe, struct err *err)
{
    const struct channel_config config = {.in_fd = dup(STDIN_FILENO),
                                          .out_fd = dup(STDOUT_FILENO),
                                          .event = scribe->event,
                                          .line_max = SCRIBE_LINE_MAX,
                                          .queue_max = ANSWER_QUEUE_MAX,
                                          .events = {scribe, on_line, on_end}};
    int rc = sd_event_add_defer(scribe->event, &scribe->drained, on_drained, scribe);

    if (rc >= 0) {
        (void)sd_event_source_set_enabled(scribe->drained, SD_EVENT_OFF);
        rc = sd_event_source_set_priority(scribe->drained, SD_EVENT_PRIORITY_IDLE);
    }
    return rc < 0 ? err_set(err, rc, "event loop: %s", strerror(-rc))
                  : channel_new(&config, &scribe->channel, err);
}

static void
scribe_clear(struct scribe *scribe)
{
    channel_free(scribe->channel);
    (void)sd_event_source_disable_unref(scribe->drained);
    scribe_books_clear(&scribe->books);
    json_decref(scribe->headed);
    (void)sd_event_unref(scribe->event);
}
AUTO_DEFINE_CLEAR(struct scribe, scribe_clear)

int
scribe_main(const char *state)
{
    AUTO(scribe_clear) struct scribe scribe = {0};
    struct err err = ERR_INIT;
    int rc = sd_event_new(&scribe.event);

    rc = rc < 0 ? err_set(&err, rc, "event loop: %s", strerror(-rc))
                : attach(&scribe, &err);
    if (rc < 0) {
        log_line(LOG_ERROR, "scribe", "msg=\"%s\"", err.msg);
        return 3;
    }
    /* the heap shrinks and grows with each request otherwise */
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
    rc = store_open(state, DB_WRITE, &scribe.books.store, &err);
    if (rc < 0) {
        answer_error(&scribe, 0, &err);
        return 3;
    }
    rc = sd_event_loop(scribe.event);
    return rc < 0 ? 3 : scribe.status;
}
