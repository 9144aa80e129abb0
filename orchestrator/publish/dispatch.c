#include "orchestrator/publish/dispatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/publish/bug.h"
#include "orchestrator/publish/tracker.h"

enum {
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    HTTP_REQUEST_TIMEOUT = 408,
    HTTP_TOO_MANY = 429,
    HTTP_UNAVAILABLE = 503
};

int64_t
dispatch_wait_ms(int64_t tries, int64_t retry_after_ms, uint32_t random)
{
    int64_t wait = DISPATCH_WAIT_MS;

    for (int64_t i = 0; i < tries && wait < DISPATCH_WAIT_MAX_MS; i++) {
        wait *= 2;
    }
    wait = wait < DISPATCH_WAIT_MAX_MS ? wait : DISPATCH_WAIT_MAX_MS;
    wait -= (int64_t)random % (wait / 2 + 1);
    if (retry_after_ms > DISPATCH_WAIT_MAX_MS) {
        retry_after_ms = DISPATCH_WAIT_MAX_MS;
    }
    return wait > retry_after_ms ? wait : retry_after_ms;
}

struct dispatch {
    struct store *store;
    const struct notify_sink *sink;
    const struct notifier_ops *ops;
    struct dispatch_result *result;
};

/* 403 with a time to come again is GitHub's limit of requests. */
bool
dispatch_is_down(const struct http_answer *answer)
{
    return answer->status == 0 || answer->status == HTTP_UNAUTHORIZED ||
           (answer->status == HTTP_FORBIDDEN && answer->retry_after_ms > 0) ||
           answer->status == HTTP_REQUEST_TIMEOUT || answer->status == HTTP_TOO_MANY ||
           answer->status == HTTP_UNAVAILABLE;
}

static int
note_failure(struct dispatch *dispatch, const struct outbox_row *row,
             const struct http_answer *answer, struct err *err)
{
    struct err why = *err;
    bool down = dispatch_is_down(answer);
    bool refused = !down && answer->status / 100 != 5;
    bool dead = refused || row->tries + 1 >= DISPATCH_TRIES_MAX;
    int64_t again = clock_wall_ms() + dispatch_wait_ms(row->tries, answer->retry_after_ms,
                                                       randombytes_random());
    const struct outbox_tried tried = {
        .state = dead ? "dead" : "pending", .next_try = again, .error = why.msg};

    dispatch->result->dead += dead;
    dispatch->result->why = why;
    if (down) {
        dispatch->result->rest_until = again;
    }
    return store_outbox_tried(dispatch->store, row->id, &tried, err);
}

/* -EINVAL: the settings are wrong; else *answer says what became of it. */
static int
post(struct dispatch *dispatch, const struct notice *notice, struct http_answer *answer,
     struct err *err)
{
    AUTO(strv_clear) struct strv headers = {0};
    AUTO(buf_clear) struct buf body = BUF_INIT;
    const char *url = dispatch->sink->url;

    if (url[0] == '$' && (url = getenv(url + 1)) == NULL) {
        return err_set(err, -EINVAL, "the environment has no '%s'",
                       dispatch->sink->url + 1);
    }
    int rc = dispatch->ops->request(dispatch->sink, notice, clock_wall_ms(), &headers,
                                    &body, err);
    if (rc < 0) {
        return err_set(err, -EINVAL, "%s", err->msg);
    }
    const struct http_request request = {.method = "POST",
                                         .url = url,
                                         .headers = &headers,
                                         .body = buf_str(&body),
                                         .len = body.len,
                                         .timeout_ms = DISPATCH_TIMEOUT_MS};
    rc = http_send(&request, answer, err);
    return rc < 0 ? rc : http_accepted(answer, err);
}

static int
send_notice(struct dispatch *dispatch, const struct notice *notice, struct err *err)
{
    AUTO(http_answer_clear) struct http_answer answer = {0};
    struct err why = ERR_INIT;
    int rc =
        dispatch->ops->tracker == NULL
            ? post(dispatch, notice, &answer, &why)
            : tracker_deliver(dispatch->store, dispatch->sink, notice, &answer, &why);

    if (rc == -EINVAL) {
        *err = why;
        return err_wrap(err, rc, "%s: notify: %s", dispatch->sink->origin,
                        dispatch->sink->name);
    }
    if (rc < 0) {
        *err = why;
        return note_failure(dispatch, notice->row, &answer, err);
    }
    dispatch->result->sent++;
    const struct outbox_tried sent = {.state = "sent", .told = true};
    return store_outbox_tried(dispatch->store, notice->row->id, &sent, err);
}

static int
deliver(void *user, const struct outbox_row *row, struct err *err)
{
    struct dispatch *dispatch = user;
    AUTO(bug_clear) struct bug bug = {0};
    AUTO(json_decref) json_t *bug_json = NULL;
    struct notice notice = {.row = row};

    if (strcmp(row->subject, "bug") == 0) {
        int rc = store_bug(dispatch->store, row->subject_id, &bug, err);
        if (rc < 0) {
            return rc;
        }
        bug_json = bug_to_json(&bug);
        notice.bug = &bug;
        notice.bug_json = bug_json;
    }
    if (dispatch->ops->tracker == NULL ? !notify_wants(dispatch->sink, &notice)
                                       : !tracker_wants(dispatch->sink, &notice)) {
        const struct outbox_tried unwanted = {.state = "sent"};
        dispatch->result->unwanted++;
        return store_outbox_tried(dispatch->store, row->id, &unwanted, err);
    }
    return send_notice(dispatch, &notice, err);
}

int
dispatch_due(struct store *store, const struct notify_sink *sink,
             struct dispatch_result *out, struct err *err)
{
    struct dispatch dispatch = {
        .store = store, .sink = sink, .ops = notify_find(sink->kind), .result = out};
    int rc = 1;

    if (out->rest_until > clock_wall_ms() + DISPATCH_WAIT_MAX_MS) {
        out->rest_until = 0; /* the clock was set back */
    }
    if (dispatch.ops->tracker != NULL && out->rest_until <= clock_wall_ms()) {
        AUTO(http_answer_clear) struct http_answer answer = {0};
        struct err why = ERR_INIT;
        if (tracker_disclose(store, sink, &answer, &why) < 0) {
            out->why = why; /* nothing is lost: it is looked for again */
            if (dispatch_is_down(&answer)) {
                out->rest_until =
                    clock_wall_ms() +
                    dispatch_wait_ms(0, answer.retry_after_ms, randombytes_random());
            }
        }
    }
    while (rc == 1 && out->rest_until <= clock_wall_ms()) {
        rc =
            store_outbox_due(store, sink->name, clock_wall_ms(), deliver, &dispatch, err);
    }
    return rc < 0 ? rc : store_outbox_next_try(store, sink->name, &out->next_try, err);
}
