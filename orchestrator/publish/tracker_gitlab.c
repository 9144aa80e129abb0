/*
 * GitLab's REST API, version 4. An issue is confidential from its first moment, unless
 * `confidential: no`. A person says that nothing will be done by the label "wontfix".
 */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/tracker.h"

static int
authorize(const struct notify_sink *sink, const char *token, struct strv *headers,
          struct err *err)
{
    (void)sink;
    (void)err;
    strv_addf(headers, "PRIVATE-TOKEN: %s", token);
    return 0;
}

static void
set(struct tracker_call *call, const char *method, const struct notify_sink *sink,
    const char *key, const char *rest)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    buf_addf(&out, "%s/api/v4/projects/", sink->url);
    tracker_url(&out, sink->project);
    buf_adds(&out, "/issues");
    if (key != NULL) {
        buf_addc(&out, '/');
        tracker_url(&out, key);
    }
    buf_adds(&out, rest);
    *call = (struct tracker_call){.method = method, .url = buf_steal(&out)};
}

static bool
is_public(const struct notify_sink *sink, const json_t *answer)
{
    (void)answer;
    return !sink->confidential;
}

static void
find(const struct notify_sink *sink, const char *marker, const char *since, int page,
     struct tracker_call *call)
{
    AUTO(mem_free)
    char *rest = mem_printf("?scope=all&labels=nightjar&order_by=created_at&sort=desc"
                            "&updated_after=%s&per_page=%d&page=%d",
                            since, TRACKER_PAGE, page);

    (void)marker;
    set(call, "GET", sink, NULL, rest);
}

static bool
has_marker(const json_t *issue, const char *marker)
{
    return tracker_text_has(issue, "description", marker);
}

static char *
key(const json_t *issue)
{
    return tracker_number(issue, "iid");
}

static json_t *
fields(const struct tracker_issue *issue)
{
    json_t *o = tracker_fields(issue, "description");

    if (issue->labels != NULL) {
        AUTO(buf_clear) struct buf list = BUF_INIT;
        for (size_t i = 0; i < issue->labels->n; i++) {
            buf_addf(&list, "%s%s", i == 0 ? "" : ",", issue->labels->v[i]);
        }
        json_put(o, "labels", json_text(buf_str(&list)));
    }
    return o;
}

static void
create(const struct notify_sink *sink, const struct tracker_issue *issue,
       struct tracker_call *call)
{
    set(call, "POST", sink, NULL, "");
    call->body = fields(issue);
    json_put(call->body, "confidential", json_boolean(issue->confidential));
}

static void
look(const struct notify_sink *sink, const char *issue, struct tracker_call *call)
{
    set(call, "GET", sink, issue, "");
}

static void
status(const json_t *answer, struct tracker_status *out)
{
    json_get_strv(answer, "labels", &out->labels);
    out->closed = strcmp(json_get_str(answer, "state", ""), "closed") == 0;
    for (size_t i = 0; i < out->labels.n; i++) {
        out->wontfix = out->wontfix || strcasecmp(out->labels.v[i], "wontfix") == 0;
    }
}

static void
comments(const struct notify_sink *sink, const char *issue, const char *since, int page,
         struct tracker_call *call)
{
    AUTO(mem_free)
    char *rest = mem_printf("/notes?order_by=created_at&sort=desc&per_page=%d&page=%d",
                            TRACKER_PAGE, page);

    (void)since;
    set(call, "GET", sink, issue, rest);
}

static void
comment(const struct notify_sink *sink, const char *issue, const char *text,
        const char *marker, struct tracker_call *call)
{
    set(call, "POST", sink, issue, "/notes");
    call->body = tracker_comment(text, marker);
}

static void
update(const struct notify_sink *sink, const char *issue,
       const struct tracker_issue *what, struct tracker_call *call)
{
    set(call, "PUT", sink, issue, "");
    call->body = fields(what);
}

static void
move(const struct notify_sink *sink, const char *issue, bool close, const json_t *ways,
     struct tracker_call *call)
{
    (void)ways;
    set(call, "PUT", sink, issue, "");
    call->body = json_pack("{s:s}", "state_event", close ? "close" : "reopen");
}

static const struct tracker_ops ops = {.name = "gitlab",
                                       .body_max = 60000,
                                       .authorize = authorize,
                                       .is_public = is_public,
                                       .find = find,
                                       .issues = tracker_array,
                                       .has_marker = has_marker,
                                       .key = key,
                                       .create = create,
                                       .look = look,
                                       .status = status,
                                       .comments = comments,
                                       .comment = comment,
                                       .update = update,
                                       .move = move};

const struct notifier_ops notifier_gitlab = {.name = "gitlab", .tracker = &ops};
