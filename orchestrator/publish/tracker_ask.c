#include "orchestrator/publish/tracker_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/publish/dispatch.h"

enum { HOUR_MS = 3600 * 1000, TOKEN_MAX = 4096, NOT_FOUND = 404, GONE = 410 };

void
tracker_clear(struct tracker *tracker)
{
    if (tracker->token != NULL) {
        explicit_bzero(tracker->token, strlen(tracker->token));
    }
    mem_free(tracker->token);
    issue_clear(&tracker->issue);
}
void
tracker_call_clear(struct tracker_call *call)
{
    mem_free(call->url);
    json_decref(call->body);
    *call = (struct tracker_call){0};
}

void
tracker_url(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL) {
            buf_addc(out, *text);
        } else {
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)*text);
        }
    }
}

char *
tracker_marked(const char *text, const char *marker)
{
    return mem_printf("%s\n\n<!-- %s -->\n", text, marker);
}

const json_t *
tracker_array(const json_t *answer)
{
    return answer;
}

bool
tracker_text_has(const json_t *issue, const char *name, const char *marker)
{
    return strstr(json_get_str(issue, name, ""), marker) != NULL;
}

char *
tracker_number(const json_t *issue, const char *name)
{
    int64_t number = json_get_int(issue, name, 0);

    return number <= 0 ? NULL : mem_printf("%lld", (long long)number);
}

json_t *
tracker_fields(const struct tracker_issue *issue, const char *name)
{
    json_t *o = json_object();

    if (issue->title != NULL) {
        json_put(o, "title", json_text(issue->title));
    }
    if (issue->body != NULL) {
        AUTO(mem_free) char *body = tracker_marked(issue->body, issue->marker);
        json_put(o, name, json_text(body));
    }
    return o;
}

json_t *
tracker_comment(const char *text, const char *marker)
{
    AUTO(mem_free) char *marked = tracker_marked(text, marker);

    return json_pack("{s:o}", "body", json_text(marked));
}

int
tracker_token(const struct notify_sink *sink, char **out, struct err *err)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    const char *token = sink->token_env == NULL ? NULL : getenv(sink->token_env);

    if (sink->token_file != NULL) {
        int rc = fs_read(sink->token_file, TOKEN_MAX, &text, err);
        if (rc < 0) {
            return err_set(err, -EINVAL, "its token_file cannot be read");
        }
        buf_cut(&text, strcspn(buf_str(&text), "\r\n"));
        token = buf_str(&text);
    }
    if (token == NULL || token[0] == '\0') {
        return sink->token_file != NULL
                   ? err_set(err, -EINVAL, "its token_file is empty")
                   : err_set(err, -EINVAL, "the environment has no token in '%s'",
                             sink->token_env);
    }
    if (strpbrk(token, "\r\n") != NULL) {
        return err_set(err, -EINVAL, "its token has more than one line");
    }
    *out = mem_strdup(token);
    if (text.data != NULL) {
        explicit_bzero(text.data, text.len);
    }
    return 0;
}

/* A server may send back what it was sent: the token is in no message. */
static int
refused(const struct tracker *tracker, struct err *err)
{
    if (strstr(buf_str(&tracker->answer->body), tracker->token) != NULL) {
        return err_set(err, -EPROTO, "HTTP status %ld", tracker->answer->status);
    }
    return http_accepted(tracker->answer, err);
}

/* 1: *out (new, or NULL when the answer is empty) is the answer; 0: there is no such
 * thing (any more); a failure leaves why in tracker->answer. Steals what is in the call.
 */
int
tracker_ask(struct tracker *tracker, struct tracker_call *call, json_t **out,
            struct err *err)
{
    AUTO(tracker_call_clear) struct tracker_call own = *call;
    AUTO(strv_clear) struct strv headers = {0};
    AUTO(mem_free) char *body = own.body == NULL ? NULL : json_line(own.body);
    const struct http_request request = {.method = own.method,
                                         .url = own.url,
                                         .headers = &headers,
                                         .body = body,
                                         .len = body == NULL ? 0 : strlen(body),
                                         .timeout_ms = DISPATCH_TIMEOUT_MS,
                                         .answer_max = TRACKER_ANSWER_MAX};

    http_answer_clear(tracker->answer);
    *tracker->answer = (struct http_answer){0};
    int rc = tracker->ops->authorize(tracker->sink, tracker->token, &headers, err);
    strv_add(&headers, "Content-Type: application/json");
    rc = rc < 0 ? rc : http_send(&request, tracker->answer, err);
    for (size_t i = 0; i < headers.n; i++) {
        explicit_bzero(headers.v[i], strlen(headers.v[i]));
    }
    if (rc < 0) {
        return rc;
    }
    if (tracker->answer->status == NOT_FOUND || tracker->answer->status == GONE) {
        return 0;
    }
    rc = refused(tracker, err);
    const struct buf *text = &tracker->answer->body;
    if (rc == 0 && text->len > 0) {
        rc = json_parse(buf_str(text), text->len, out, err);
        rc = rc < 0 ? err_wrap(err, -EPROTO, "its answer") : 0;
    }
    return rc < 0 ? rc : 1;
}

int
tracker_demand(struct tracker *tracker, struct tracker_call *call, json_t **out,
               struct err *err)
{
    int rc = tracker_ask(tracker, call, out, err);

    return rc == 0 ? err_set(err, -EPROTO, "HTTP status %ld: no such project or issue",
                             tracker->answer->status)
                   : (rc < 0 ? rc : 0);
}

int
tracker_gone(struct tracker *tracker, const char *marker, struct err *err)
{
    AUTO(json_decref) json_t *answer = NULL;
    struct tracker_call call = {0};
    char since[CLOCK_TEXT_MAX];

    if (tracker->answer->status == GONE) {
        return 0;
    }
    tracker_since(tracker, since);
    tracker->ops->find(tracker->sink, marker, since, 1, &call);
    return tracker_demand(tracker, &call, &answer, err);
}

int
tracker_record(struct tracker *tracker, const char *state, struct err *err)
{
    (void)snprintf(tracker->issue.state, sizeof(tracker->issue.state), "%s", state);
    return store_put_issue(tracker->store, tracker->bug->id, tracker->sink->name,
                           &tracker->issue, err);
}

void
tracker_since(const struct tracker *tracker, char out[CLOCK_TEXT_MAX])
{
    int64_t at = tracker->row != NULL ? tracker->row->at : tracker->bug->filed;

    clock_iso(out, at - HOUR_MS); /* for clocks that differ */
}
