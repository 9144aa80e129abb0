/*
 * GitHub's REST API (2022-11-28). Its issues are as public as the repository. Pull
 * requests are issues there, too, and never hold our marker.
 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/tracker.h"

static int
authorize(const struct notify_sink *sink, const char *token, struct strv *headers,
          struct err *err)
{
    (void)sink;
    (void)err;
    strv_addf(headers, "Authorization: Bearer %s", token);
    strv_add(headers, "Accept: application/vnd.github+json");
    strv_add(headers, "X-GitHub-Api-Version: 2022-11-28");
    return 0;
}

/* The owner's slash stays. */
static char *
url_of(const struct notify_sink *sink, const char *rest)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    const char *slash = strchr(sink->project, '/');
    size_t owner =
        slash == NULL ? strlen(sink->project) : (size_t)(slash - sink->project);
    AUTO(mem_free) char *name = mem_dup(sink->project, owner);

    buf_addf(&out, "%s/repos/", sink->url);
    tracker_url(&out, name);
    buf_addc(&out, '/');
    tracker_url(&out, slash == NULL ? "" : slash + 1);
    buf_adds(&out, rest);
    return buf_steal(&out);
}

static void
set(struct tracker_call *call, const char *method, const struct notify_sink *sink,
    const char *rest)
{
    *call = (struct tracker_call){.method = method, .url = url_of(sink, rest)};
}

static void
set_issue(struct tracker_call *call, const char *method, const struct notify_sink *sink,
          const char *key, const char *rest)
{
    AUTO(buf_clear) struct buf path = BUF_INIT;

    buf_adds(&path, "/issues/");
    tracker_url(&path, key);
    buf_adds(&path, rest);
    set(call, method, sink, buf_str(&path));
}

static void
place(const struct notify_sink *sink, struct tracker_call *call)
{
    set(call, "GET", sink, "");
}

static bool
is_public(const struct notify_sink *sink, const json_t *answer)
{
    (void)sink;
    return !json_get_bool(answer, "private", false);
}

static void
find(const struct notify_sink *sink, const char *marker, const char *since, int page,
     struct tracker_call *call)
{
    AUTO(mem_free)
    char *rest =
        mem_printf("/issues?state=all&labels=nightjar&sort=created&direction=desc"
                   "&since=%s&per_page=%d&page=%d",
                   since, TRACKER_PAGE, page);

    (void)marker;
    set(call, "GET", sink, rest);
}

static bool
has_marker(const json_t *issue, const char *marker)
{
    return tracker_text_has(issue, "body", marker);
}

static char *
key(const json_t *issue)
{
    return tracker_number(issue, "number");
}

static json_t *
fields(const struct tracker_issue *issue)
{
    json_t *o = tracker_fields(issue, "body");

    if (issue->labels != NULL) {
        json_put(o, "labels", json_strv(issue->labels));
    }
    return o;
}

static void
create(const struct notify_sink *sink, const struct tracker_issue *issue,
       struct tracker_call *call)
{
    set(call, "POST", sink, "/issues");
    call->body = fields(issue);
}

static void
look(const struct notify_sink *sink, const char *issue, struct tracker_call *call)
{
    set_issue(call, "GET", sink, issue, "");
}

static void
status(const json_t *answer, struct tracker_status *out)
{
    const json_t *labels = json_object_get(answer, "labels");
    size_t i = 0;
    json_t *label = NULL;

    out->closed = strcmp(json_get_str(answer, "state", ""), "closed") == 0;
    out->wontfix = strcmp(json_get_str(answer, "state_reason", ""), "not_planned") == 0;
    json_array_foreach(labels, i, label)
    {
        strv_add(&out->labels, json_get_str(label, "name", ""));
    }
}

static void
comments(const struct notify_sink *sink, const char *issue, const char *since, int page,
         struct tracker_call *call)
{
    AUTO(mem_free)
    char *rest =
        mem_printf("/comments?since=%s&per_page=%d&page=%d", since, TRACKER_PAGE, page);

    set_issue(call, "GET", sink, issue, rest);
}

static void
comment(const struct notify_sink *sink, const char *issue, const char *text,
        const char *marker, struct tracker_call *call)
{
    set_issue(call, "POST", sink, issue, "/comments");
    call->body = tracker_comment(text, marker);
}

static void
update(const struct notify_sink *sink, const char *issue,
       const struct tracker_issue *what, struct tracker_call *call)
{
    set_issue(call, "PATCH", sink, issue, "");
    call->body = fields(what);
}

static void
move(const struct notify_sink *sink, const char *issue, bool close, const json_t *ways,
     struct tracker_call *call)
{
    (void)ways;
    set_issue(call, "PATCH", sink, issue, "");
    call->body = json_pack("{s:s, s:s}", "state", close ? "closed" : "open",
                           "state_reason", close ? "completed" : "reopened");
}

static const struct tracker_ops ops = {.name = "github",
                                       .body_max = 60000, /* of 65,536 */
                                       .authorize = authorize,
                                       .place = place,
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

const struct notifier_ops notifier_github = {.name = "github", .tracker = &ops};
