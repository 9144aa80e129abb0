#include "orchestrator/supervise/scribe.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/supervise/channel.h"
#include "orchestrator/supervise/scribe_message.h"
#include "triage/store.h"

enum {
    ANSWER_QUEUE_MAX = 64 << 20,
    BUSY_TRIES = 12, /* each waits as long as the database's own busy timeout */
};

struct known_target {
    char *name;
    int64_t id;
};

struct scribe {
    sd_event *event;
    sd_event_source *drained; /* runs when nothing more waits to be read */
    struct channel *channel;
    struct store *store;
    struct known_target *targets;
    size_t n_targets;
    int64_t campaign;
    json_t *headed; /* the request that waits for its body; or NULL */
    json_t *batch[SCRIBE_BATCH_MAX];
    size_t n_batch;
    json_t *group[SCRIBE_GROUP_MAX]; /* answers to what is not committed yet */
    size_t n_group;
    int status;
};

/* A request's handler fills in the answer; body is NULL for requests without one. */
typedef int handler(struct scribe *scribe, const json_t *request, const char *body,
                    size_t len, json_t *answer, struct err *err);

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

/* --- targets --- */

static int64_t
target_id(const struct scribe *scribe, const char *name)
{
    for (size_t i = 0; i < scribe->n_targets; i++) {
        if (strcmp(scribe->targets[i].name, name) == 0) {
            return scribe->targets[i].id;
        }
    }
    return 0;
}

static int
op_target(struct scribe *scribe, const json_t *request, const char *body, size_t len,
          json_t *answer, struct err *err)
{
    AUTO(build_list_clear) struct build_list builds = {0};
    AUTO(strv_clear) struct strv ignore = {0};
    const json_t *given = json_object_get(request, "settings");
    const char *name = json_get_str(request, "name", "");
    int64_t id = 0;

    (void)body;
    (void)len;
    int rc = build_list_from_json(json_object_get(request, "builds"), &builds, err);
    if (rc < 0) {
        return rc;
    }
    json_get_strv(given, "ignore_frames", &ignore);
    enum keep_level keep = KEEP_MAJOR;
    (void)keep_level_parse(json_get_str(given, "keep", "major"), &keep, NULL);
    const struct record_settings settings = {
        .keep = keep,
        .ooms_and_hangs = json_get_bool(given, "ooms_and_hangs", true),
        .asserts_are_security = json_get_bool(given, "asserts_are_security", true),
        .checks_are_security = json_get_bool(given, "checks_are_security", false),
        .ignore_frames = ignore};
    /* reports alone need no command */
    rc =
        store_put_target(scribe->store, name, builds.n == 0 ? NULL : &builds.v[0].command,
                         &settings, &id, err);
    rc = rc < 0 || builds.n == 0 ? rc : store_put_builds(scribe->store, id, &builds, err);
    if (rc < 0) {
        return rc;
    }
    if (target_id(scribe, name) == 0) {
        scribe->targets = mem_resize(scribe->targets,
                                     (scribe->n_targets + 1) * sizeof(*scribe->targets));
        scribe->targets[scribe->n_targets++] =
            (struct known_target){mem_strdup(name), id};
    }
    json_put(answer, "target", json_integer(id));
    return 0;
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

    item->target = target_id(scribe, target);
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
        rc = store_intake(scribe->store, items, scribe->n_batch, results, err);
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
    int rc = n == 0 ? 0 : store_group_end(scribe->store, &err);

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

/* --- jobs --- */

static int
op_next(struct scribe *scribe, const json_t *request, const char *body, size_t len,
        json_t *answer, struct err *err)
{
    AUTO(mem_free) char *folder = NULL;
    AUTO(job_clear) struct job job = {0};

    (void)body;
    (void)len;
    int rc = str_unname(json_get_str(request, "folder", ""), &folder, err);
    if (rc < 0) {
        return rc;
    }
    const struct job_options options = {.folder = folder,
                                        .runs = (int)json_get_int(request, "runs", 3),
                                        .minimize_ms =
                                            json_get_int(request, "minimize_ms", 0),
                                        .minimize_only_idle = true};
    rc = store_next_job(scribe->store, &options, &job, err);
    if (rc < 0) {
        return rc;
    }
    json_put(answer, "job", rc == 0 ? json_null() : job_to_json(&job));
    return 0;
}

static void
put_end(json_t *answer, const struct job *job, const struct job_end *end)
{
    struct job_end whole = *end;

    whole.kind = job->kind;
    whole.crash = job->crash;
    json_put(answer, "outcome", job_end_to_json(&whole));
}

/* What a worker answered: hostile, and judged by the store field by field. Only what is
 * not even an answer to this job is refused here. */
static int
read_worker_answer(const char *body, size_t len, const struct job *job, json_t **out,
                   struct err *err)
{
    AUTO(json_decref) json_t *answer = NULL;
    int rc = json_parse(body, len, &answer, err);

    if (rc < 0) {
        return err_wrap(err, rc, "the worker answered");
    }
    if (json_get_int(answer, "job", -1) != job->id) {
        return err_set(err, -EBADMSG,
                       "the worker answered to another job than it was given");
    }
    *out = STEAL(answer);
    return 0;
}

/* An answer that did not settle its crash was refused by the store, or says itself that
 * the machine failed. */
static bool
is_unsettled(const struct job *job, const struct job_outcome *outcome)
{
    return job->kind != JOB_MINIMIZE && !outcome->again &&
           (strcmp(outcome->state, "queued") == 0 ||
            strcmp(outcome->state, "untriageable") == 0);
}

static int
op_finish(struct scribe *scribe, const json_t *request, const char *body, size_t len,
          json_t *answer, struct err *err)
{
    AUTO(job_clear) struct job job = {0};
    AUTO(json_decref) json_t *worker = NULL;
    struct job_end end = {0};
    struct err why = ERR_INIT;
    int rc = job_from_json(json_object_get(request, "job"), &job, err);

    if (rc < 0) {
        return rc;
    }
    if (read_worker_answer(body, len, &job, &worker, &why) < 0) {
        end.died = true;
        end.reason = why.msg;
        rc = store_fail_job(scribe->store, &job, why.msg, &end.outcome, err);
    } else {
        rc = store_finish_job(scribe->store, &job, worker, &end.outcome, err);
        end.died = is_unsettled(&job, &end.outcome);
        end.reason = json_get_str(worker, end.died ? "error" : "reason",
                                  end.died ? "its answer was malformed" : NULL);
    }
    put_end(answer, &job, &end);
    return rc;
}

static int
op_fail(struct scribe *scribe, const json_t *request, const char *body, size_t len,
        json_t *answer, struct err *err)
{
    AUTO(job_clear) struct job job = {0};
    struct job_end end = {.died = true,
                          .reason = json_get_str(request, "reason", "the worker died")};

    (void)body;
    (void)len;
    int rc = job_from_json(json_object_get(request, "job"), &job, err);
    if (rc < 0) {
        return rc;
    }
    rc = store_fail_job(scribe->store, &job, end.reason, &end.outcome, err);
    put_end(answer, &job, &end);
    return rc;
}

/* --- campaigns, workers, events, counts --- */

static int
op_campaign(struct scribe *scribe, const json_t *request, const char *body, size_t len,
            json_t *answer, struct err *err)
{
    const json_t *begin = json_object_get(request, "begin");

    (void)body;
    (void)len;
    if (begin != NULL) {
        int rc = store_campaign_begin(scribe->store, begin, &scribe->campaign, err);
        json_put(answer, "campaign", json_integer(scribe->campaign));
        return rc;
    }
    return store_campaign_end(scribe->store,
                              json_get_int(request, "campaign", scribe->campaign),
                              json_get_str(request, "end", "finished"), err);
}

static int
op_worker(struct scribe *scribe, const json_t *request, const char *body, size_t len,
          json_t *answer, struct err *err)
{
    const struct worker_row row = {
        .name = json_get_str(request, "name", ""),
        .target = target_id(scribe, json_get_str(request, "target", "")),
        .engine = json_get_str(request, "engine", ""),
        .state = json_get_str(request, "state", ""),
        .pid = json_get_int(request, "pid", 0),
        .restarts = json_get_int(request, "restarts", 0),
        .execs = json_get_int(request, "execs", 0),
        .execs_per_sec = json_get_real(request, "execs_per_sec", 0),
        .edges = json_get_int(request, "edges", 0),
        .corpus = json_get_int(request, "corpus", 0),
        .productive_ms = json_get_int(request, "productive_ms", 0),
        .reason = json_get_str(request, "reason", NULL)};

    (void)body;
    (void)len;
    (void)answer;
    if (row.target == 0) {
        return err_set(err, -EPROTO,
                       "worker '%s' of target '%s', which was not registered", row.name,
                       json_get_str(request, "target", ""));
    }
    return store_put_worker(
        scribe->store, json_get_int(request, "campaign", scribe->campaign), &row, err);
}

static int
op_event(struct scribe *scribe, const json_t *request, const char *body, size_t len,
         json_t *answer, struct err *err)
{
    const struct event event = {.kind = json_get_str(request, "kind", ""),
                                .subject = json_get_str(request, "subject", ""),
                                .subject_id = json_get_int(request, "subject_id", 0),
                                .from = json_get_str(request, "from", NULL),
                                .to = json_get_str(request, "to", NULL),
                                .detail = json_object_get(request, "detail")};

    (void)body;
    (void)len;
    (void)answer;
    return store_event(scribe->store, &event, err);
}

static int
op_counts(struct scribe *scribe, const json_t *request, const char *body, size_t len,
          json_t *answer, struct err *err)
{
    struct store_counts counts = {0};
    json_t *object = json_object();

    (void)request;
    (void)body;
    (void)len;
    int rc = store_counts(scribe->store, &counts, err);
    json_put(object, "queued", json_integer(counts.queued));
    json_put(object, "bugs", json_integer(counts.bugs_total));
    json_put(object, "minimize_waiting", json_integer(counts.minimize_waiting));
    json_put(answer, "counts", object);
    return rc;
}

/* --- requests --- */

struct request_kind {
    const char *op;
    handler *run;
    bool grouped; /* with those before and after it, in one transaction */
};

static const struct request_kind *
find_kind(const char *op)
{
    static const struct request_kind table[] = {
        {"next", op_next, true},          {"finish", op_finish, true},
        {"fail", op_fail, true},          {"target", op_target, false},
        {"worker", op_worker, false},     {"event", op_event, false},
        {"campaign", op_campaign, false}, {"counts", op_counts, false}};

    for (size_t i = 0; i < COUNT(table); i++) {
        if (strcmp(table[i].op, op) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

/* The answer, new, or NULL. Another nightjar may hold the database for longer than its
 * busy timeout: that is waited for. */
static json_t *
run_handler(struct scribe *scribe, handler *run, const json_t *request, const char *body,
            size_t len, struct err *err)
{
    for (int tries = 1;; tries++) {
        AUTO(json_decref) json_t *answer = json_object();
        json_put(answer, "seq", json_integer(json_get_int(request, "seq", 0)));
        int rc = run(scribe, request, body, len, answer, err);
        if (rc != -EBUSY || tries == BUSY_TRIES) {
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
    const struct request_kind *kind = find_kind(op);
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
        store_group_begin(scribe->store);
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
    store_close(scribe->store);
    json_decref(scribe->headed);
    for (size_t i = 0; i < scribe->n_targets; i++) {
        mem_free(scribe->targets[i].name);
    }
    mem_free(scribe->targets);
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
    rc = store_open(state, DB_WRITE, &scribe.store, &err);
    if (rc < 0) {
        answer_error(&scribe, 0, &err);
        return 3;
    }
    rc = sd_event_loop(scribe.event);
    return rc < 0 ? 3 : scribe.status;
}
