#include "orchestrator/supervise/scribe_ops.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/supervise/scribe_message.h"
#include "triage/control.h"

void
scribe_books_clear(struct scribe_books *books)
{
    store_close(books->store);
    for (size_t i = 0; i < books->n_targets; i++) {
        mem_free(books->targets[i].name);
    }
    mem_free(books->targets);
    scribe_news_clear(&books->news);
}

/* --- targets --- */

int64_t
scribe_target(const struct scribe_books *books, const char *name)
{
    for (size_t i = 0; i < books->n_targets; i++) {
        if (strcmp(books->targets[i].name, name) == 0) {
            return books->targets[i].id;
        }
    }
    return 0;
}

static int
op_target(struct scribe_books *books, const json_t *request, const char *body, size_t len,
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
    rc = store_put_target(books->store, name, builds.n == 0 ? NULL : &builds.v[0].command,
                          &settings, &id, err);
    rc = rc < 0 || builds.n == 0 ? rc : store_put_builds(books->store, id, &builds, err);
    if (rc < 0) {
        return rc;
    }
    if (scribe_target(books, name) == 0) {
        books->targets =
            mem_resize(books->targets, (books->n_targets + 1) * sizeof(*books->targets));
        books->targets[books->n_targets++] = (struct scribe_target){mem_strdup(name), id};
    }
    json_put(answer, "target", json_integer(id));
    return 0;
}

/* --- jobs --- */

static int
op_next(struct scribe_books *books, const json_t *request, const char *body, size_t len,
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
    const struct job_options options = {
        .folder = folder,
        .input = json_get_str(request, "input", NULL),
        .runs = (int)json_get_int(request, "runs", 3),
        .minimize_ms = json_get_int(request, "minimize_ms", 0),
        .crashes_only = json_get_bool(request, "ahead", false)};
    rc = store_next_job(books->store, &options, &job, err);
    if (rc < 0) {
        return rc;
    }
    if (rc > 0 && job.kind == JOB_TRIAGE) {
        scribe_news_give(&books->news, folder, job.request);
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
op_finish(struct scribe_books *books, const json_t *request, const char *body, size_t len,
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
        rc = store_fail_job(books->store, &job, why.msg, &end.outcome, err);
    } else {
        rc = store_finish_job(books->store, &job, worker, &end.outcome, err);
        end.died = is_unsettled(&job, &end.outcome);
        if (rc == 0 && !end.died && job.kind == JOB_TRIAGE) {
            scribe_news_take(&books->news, json_object_get(worker, "known"));
        }
        end.reason = json_get_str(worker, end.died ? "error" : "reason",
                                  end.died ? "its answer was malformed" : NULL);
    }
    put_end(answer, &job, &end);
    return rc;
}

static int
op_fail(struct scribe_books *books, const json_t *request, const char *body, size_t len,
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
    rc = store_fail_job(books->store, &job, end.reason, &end.outcome, err);
    put_end(answer, &job, &end);
    return rc;
}

static int
op_return(struct scribe_books *books, const json_t *request, const char *body, size_t len,
          json_t *answer, struct err *err)
{
    AUTO(job_clear) struct job job = {0};

    (void)body;
    (void)len;
    (void)answer;
    int rc = job_from_json(json_object_get(request, "job"), &job, err);
    return rc < 0 ? rc : store_return_job(books->store, &job, err);
}

/* --- campaigns, workers, events, counts --- */

static int
op_campaign(struct scribe_books *books, const json_t *request, const char *body,
            size_t len, json_t *answer, struct err *err)
{
    const json_t *begin = json_object_get(request, "begin");

    (void)body;
    (void)len;
    if (begin != NULL) {
        int rc = store_campaign_begin(books->store, begin, &books->campaign, err);
        json_put(answer, "campaign", json_integer(books->campaign));
        return rc;
    }
    return store_campaign_end(books->store,
                              json_get_int(request, "campaign", books->campaign),
                              json_get_str(request, "end", "finished"), err);
}

static int
op_worker(struct scribe_books *books, const json_t *request, const char *body, size_t len,
          json_t *answer, struct err *err)
{
    const struct worker_row row = {
        .name = json_get_str(request, "name", ""),
        .target = scribe_target(books, json_get_str(request, "target", "")),
        .engine = json_get_str(request, "engine", ""),
        .state = json_get_str(request, "state", ""),
        .pid = json_get_int(request, "pid", 0),
        .restarts = json_get_int(request, "restarts", 0),
        .execs = json_get_int(request, "execs", 0),
        .execs_per_sec = json_get_real(request, "execs_per_sec", 0),
        .edges = json_get_int(request, "edges", 0),
        .corpus = json_get_int(request, "corpus", 0),
        .edges_known = json_get_int(request, "edges_known", 0),
        .stability = json_get_real(request, "stability", -1),
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
        books->store, json_get_int(request, "campaign", books->campaign), &row, err);
}

static int
op_exchange(struct scribe_books *books, const json_t *request, const char *body,
            size_t len, json_t *answer, struct err *err)
{
    (void)body;
    (void)len;
    (void)answer;
    return store_count_exchange(books->store, json_get_str(request, "target", ""),
                                json_get_str(request, "direction", ""),
                                json_get_str(request, "result", ""),
                                json_get_int(request, "n", 0), err);
}

static int
op_control(struct scribe_books *books, const json_t *request, const char *body,
           size_t len, json_t *answer, struct err *err)
{
    const json_t *faults = json_object_get(request, "faults");
    int64_t target = scribe_target(books, json_get_str(request, "target", ""));
    struct control_slice slice = {
        .minute = json_get_int(request, "minute", 0),
        .counts = json_get_bool(request, "counts", false),
        .cause = json_get_str(request, "cause", ""),
        .scheduled_ms = json_get_int(request, "scheduled_ms", 0),
        .productive_ms = json_get_int(request, "productive_ms", 0)};

    (void)body;
    (void)len;
    (void)answer;
    for (size_t i = 0; control_cause_name(i) != NULL; i++) {
        const char *cause = control_cause_name(i);
        if (json_object_get(faults, cause) != NULL) {
            slice.faults[slice.n_faults++] =
                (struct control_fault){cause, json_get_int(faults, cause, 0)};
        }
    }
    return target == 0 ? err_set(err, -EPROTO, "a minute of a target without a name")
                       : store_put_control(books->store, target, &slice, err);
}

static int
op_event(struct scribe_books *books, const json_t *request, const char *body, size_t len,
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
    return store_event(books->store, &event, err);
}

static int
op_counts(struct scribe_books *books, const json_t *request, const char *body, size_t len,
          json_t *answer, struct err *err)
{
    struct store_counts counts = {0};
    json_t *object = json_object();

    (void)request;
    (void)body;
    (void)len;
    int rc = store_counts(books->store, &counts, err);
    json_put(object, "queued", json_integer(counts.queued));
    json_put(object, "bugs", json_integer(counts.bugs_total));
    json_put(object, "minimize_waiting", json_integer(counts.minimize_waiting));
    json_put(answer, "counts", object);
    return rc;
}

/* --- requests --- */

const struct scribe_op *
scribe_op_find(const char *op)
{
    static const struct scribe_op table[] = {
        {"next", op_next, true},       {"finish", op_finish, true},
        {"fail", op_fail, true},       {"return", op_return, true},
        {"target", op_target, false},  {"worker", op_worker, false},
        {"event", op_event, false},    {"campaign", op_campaign, false},
        {"counts", op_counts, false},  {"exchange", op_exchange, false},
        {"control", op_control, false}};

    for (size_t i = 0; i < COUNT(table); i++) {
        if (strcmp(table[i].op, op) == 0) {
            return &table[i];
        }
    }
    return NULL;
}
