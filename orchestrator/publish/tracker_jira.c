/*
 * Jira's REST API, version 2 (Server, Data Center, Cloud). Its text is wiki markup: ours
 * stands in {noformat}, in which nothing is markup, and nothing can end it since a word
 * joiner (which has no width) stands behind each "{". The marker is a label, since a
 * search looks for words. What a transition is called is each project's own affair: the
 * first that leads to a status of the wanted category is taken.
 */
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/tracker.h"

enum {
    BODY_MAX = 16 * 1000,
    WRAPPED_MAX = 32 * 1000, /* Jira takes 32,767 characters, usually */
};

static int
authorize(const struct notify_sink *sink, const char *token, struct strv *headers,
          struct err *err)
{
    (void)err;
    if (sink->user == NULL) {
        strv_addf(headers, "Authorization: Bearer %s", token);
        return 0;
    }
    AUTO(mem_free) char *both = mem_printf("%s:%s", sink->user, token);
    size_t size = sodium_base64_encoded_len(strlen(both), sodium_base64_VARIANT_ORIGINAL);
    AUTO(mem_free) char *base64 = mem_alloc(size);
    (void)sodium_bin2base64(base64, size, (const unsigned char *)both, strlen(both),
                            sodium_base64_VARIANT_ORIGINAL);
    strv_addf(headers, "Authorization: Basic %s", base64);
    return 0;
}

static void
set(struct tracker_call *call, const char *method, const struct notify_sink *sink,
    const char *key, const char *rest)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    buf_addf(&out, "%s/rest/api/2/", sink->url);
    if (key != NULL) {
        buf_adds(&out, "issue/");
        tracker_url(&out, key);
    }
    buf_adds(&out, rest);
    *call = (struct tracker_call){.method = method, .url = buf_steal(&out)};
}

static bool
is_public(const struct notify_sink *sink, const json_t *answer)
{
    (void)answer;
    return !sink->confidential || sink->security_level == NULL;
}

/* "nightjar:DIGITS:" as a label, which holds neither blanks nor, in JQL, colons. */
static char *
label_of(const char *marker)
{
    char *label = mem_strdup(marker);

    for (char *c = label; *c != '\0'; c++) {
        if (*c == ':') {
            *c = '-';
        }
    }
    return label;
}

static void
find(const struct notify_sink *sink, const char *marker, const char *since, int page,
     struct tracker_call *call)
{
    AUTO(buf_clear) struct buf rest = BUF_INIT;
    AUTO(mem_free) char *label = label_of(marker);
    AUTO(mem_free)
    char *jql = mem_printf("project = \"%s\" AND labels = \"%s\"", sink->project, label);

    (void)since;
    buf_addf(&rest, "search?fields=labels&maxResults=%d&startAt=%d&jql=", TRACKER_PAGE,
             (page - 1) * TRACKER_PAGE);
    tracker_url(&rest, jql);
    set(call, "GET", sink, NULL, buf_str(&rest));
}

static const json_t *
issues(const json_t *answer)
{
    return json_object_get(answer, "issues");
}

static bool
has_marker(const json_t *issue, const char *marker)
{
    AUTO(mem_free) char *label = label_of(marker);
    AUTO(strv_clear) struct strv labels = {0};

    json_get_strv(json_object_get(issue, "fields"), "labels", &labels);
    return strv_has(&labels, label);
}

static char *
key(const json_t *issue)
{
    const char *text = json_get_str(issue, "key", "");

    return text[0] == '\0' || strlen(text) > TRACKER_MARKER_MAX ? NULL : mem_strdup(text);
}

static json_t *
noformat(const char *text)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    buf_adds(&out, "{noformat}\n");
    for (; *text != '\0' && out.len < WRAPPED_MAX; text++) {
        buf_addc(&out, *text);
        buf_adds(&out, *text == '{' ? "\xe2\x81\xa0" : "");
    }
    buf_adds(&out, "\n{noformat}");
    return json_text(buf_str(&out));
}

/* The label that is our marker is among all that are set. */
static json_t *
fields(const struct tracker_issue *issue)
{
    AUTO(mem_free) char *label = label_of(issue->marker);
    json_t *o = json_object();

    if (issue->title != NULL) {
        json_put(o, "summary", json_text(issue->title));
    }
    if (issue->body != NULL) {
        json_put(o, "description", noformat(issue->body));
    }
    if (issue->labels != NULL) {
        json_t *labels = json_strv(issue->labels);
        if (!strv_has(issue->labels, label)) {
            (void)json_array_append_new(labels, json_text(label));
        }
        json_put(o, "labels", labels);
    }
    return o;
}

static void
create(const struct notify_sink *sink, const struct tracker_issue *issue,
       struct tracker_call *call)
{
    json_t *o = fields(issue);

    json_put(o, "project", json_pack("{s:o}", "key", json_text(sink->project)));
    json_put(o, "issuetype",
             json_pack("{s:o}", "name",
                       json_text(sink->issue_type == NULL ? "Bug" : sink->issue_type)));
    if (issue->confidential && sink->security_level != NULL) {
        json_put(o, "security",
                 json_pack("{s:o}", "name", json_text(sink->security_level)));
    }
    set(call, "POST", sink, NULL, "issue");
    call->body = json_pack("{s:o}", "fields", o);
}

static void
look(const struct notify_sink *sink, const char *issue, struct tracker_call *call)
{
    set(call, "GET", sink, issue, "?fields=status,resolution,labels");
}

static const char *
category(const json_t *state)
{
    return json_get_str(json_object_get(state, "statusCategory"), "key", "");
}

static void
status(const json_t *answer, struct tracker_status *out)
{
    static const char *const refusals[] = {"Won't Fix", "Won't Do", "Wontfix",
                                           "Declined"};
    const json_t *all = json_object_get(answer, "fields");
    const char *resolution = json_get_str(json_object_get(all, "resolution"), "name", "");

    json_get_strv(all, "labels", &out->labels);
    out->closed = strcmp(category(json_object_get(all, "status")), "done") == 0;
    for (size_t i = 0; i < COUNT(refusals); i++) {
        out->wontfix = out->wontfix || strcasecmp(resolution, refusals[i]) == 0;
    }
}

static void
comments(const struct notify_sink *sink, const char *issue, const char *since, int page,
         struct tracker_call *call)
{
    AUTO(mem_free)
    char *rest = mem_printf("/comment?orderBy=-created&maxResults=%d&startAt=%d",
                            TRACKER_PAGE, (page - 1) * TRACKER_PAGE);

    (void)since;
    set(call, "GET", sink, issue, rest);
}

static void
comment(const struct notify_sink *sink, const char *issue, const char *text,
        const char *marker, struct tracker_call *call)
{
    AUTO(mem_free) char *marked = mem_printf("%s\n%s", text, marker);

    set(call, "POST", sink, issue, "/comment");
    call->body = json_pack("{s:o}", "body", noformat(marked));
}

static void
update(const struct notify_sink *sink, const char *issue,
       const struct tracker_issue *what, struct tracker_call *call)
{
    set(call, "PUT", sink, issue, "");
    call->body = json_pack("{s:o}", "fields", fields(what));
}

static void
ways(const struct notify_sink *sink, const char *issue, struct tracker_call *call)
{
    set(call, "GET", sink, issue, "/transitions");
}

static void
move(const struct notify_sink *sink, const char *issue, bool close, const json_t *answer,
     struct tracker_call *call)
{
    const json_t *all = json_object_get(answer, "transitions");
    size_t i = 0;
    json_t *way = NULL;

    json_array_foreach(all, i, way)
    {
        const char *to = category(json_object_get(way, "to"));
        if ((strcmp(to, "done") == 0) == close) {
            set(call, "POST", sink, issue, "/transitions");
            call->body = json_pack("{s:{s:o}}", "transition", "id",
                                   json_text(json_get_str(way, "id", "")));
            return;
        }
    }
}

static const struct tracker_ops ops = {.name = "jira",
                                       .plain = true,
                                       .body_max = BODY_MAX,
                                       .authorize = authorize,
                                       .is_public = is_public,
                                       .find = find,
                                       .issues = issues,
                                       .has_marker = has_marker,
                                       .key = key,
                                       .create = create,
                                       .look = look,
                                       .status = status,
                                       .comments = comments,
                                       .comment = comment,
                                       .update = update,
                                       .ways = ways,
                                       .move = move};

const struct notifier_ops notifier_jira = {.name = "jira", .tracker = &ops};
