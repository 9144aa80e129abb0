#include "orchestrator/publish/tracker_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/dispatch.h"

enum { DIGEST_LINES_MAX = 500 };
#define DAY_MS INT64_C(86400000)

/* --- new issues --- */

/* 1: an issue with the marker is there, and tracker->issue.key is its key. */
static int
find(struct tracker *tracker, const char *marker, struct err *err)
{
    char since[CLOCK_TEXT_MAX];

    tracker_since(tracker, since);
    for (int page = 1; page <= TRACKER_PAGES_MAX; page++) {
        AUTO(json_decref) json_t *answer = NULL;
        struct tracker_call call = {0};
        tracker->ops->find(tracker->sink, marker, since, page, &call);
        int rc = tracker_demand(tracker, &call, &answer, err);
        if (rc < 0) {
            return rc;
        }
        const json_t *issues = tracker->ops->issues(answer);
        for (size_t i = 0; i < json_array_size(issues); i++) {
            const json_t *issue = json_array_get(issues, i);
            if (tracker->ops->has_marker(issue, marker)) {
                tracker->issue.key = tracker->ops->key(issue);
                return tracker->issue.key != NULL;
            }
        }
        if (json_array_size(issues) < TRACKER_PAGE) {
            break;
        }
    }
    return 0;
}

/* Whether details may stand there now. */
static int
decide_embargo(struct tracker *tracker, struct err *err)
{
    const struct tracker_ops *ops = tracker->ops;
    AUTO(json_decref) json_t *answer = NULL;
    int64_t over = tracker->bug->filed + tracker->sink->embargo_ms;

    if (ops->place != NULL) {
        struct tracker_call call = {0};
        ops->place(tracker->sink, &call);
        int rc = tracker_demand(tracker, &call, &answer, err);
        if (rc < 0) {
            return rc;
        }
    }
    bool open = ops->is_public(tracker->sink, answer);
    if (open && ops->place != NULL && tracker->sink->confidential) {
        return err_set(err, -EINVAL,
                       "'%s' can be read by all: take a private one, or say "
                       "`confidential: no` (details then wait for the embargo)",
                       tracker->sink->project);
    }
    bool withhold = open && tracker->bug->security && over > clock_wall_ms();
    tracker->issue.until = withhold ? over : 0;
    return 0;
}

static int
create(struct tracker *tracker, const char *title, const char *body, const char *marker,
       const struct strv *labels, struct err *err)
{
    AUTO(json_decref) json_t *answer = NULL;
    const struct tracker_issue issue = {.title = title,
                                        .body = body,
                                        .labels = labels,
                                        .marker = marker,
                                        .confidential = tracker->sink->confidential};
    struct tracker_call call = {0};

    tracker->ops->create(tracker->sink, &issue, &call);
    int rc = tracker_demand(tracker, &call, &answer, err);
    if (rc < 0) {
        return rc;
    }
    tracker->issue.key = tracker->ops->key(answer);
    return tracker->issue.key != NULL
               ? 0
               : err_set(err, -EPROTO, "its answer to a new issue has no number");
}

/* --- the digest --- */

struct digest {
    struct strv bugs; /* numbers */
    char *key;
};

static int
note_digest(void *user, int64_t bug, const char *key, struct err *err)
{
    struct digest *digest = user;

    (void)err;
    if (digest->bugs.n < DIGEST_LINES_MAX) {
        strv_addf(&digest->bugs, "NJ-%lld", (long long)bug);
    }
    if (digest->key == NULL) {
        digest->key = mem_strdup(key);
    }
    return 0;
}

static char *
digest_body(const struct tracker *tracker, struct digest *digest)
{
    AUTO(buf_clear) struct buf out = {.max = tracker->ops->body_max};
    AUTO(page_clear) struct page page;

    if (!strv_has(&digest->bugs, tracker->bug->name)) {
        strv_add(&digest->bugs, tracker->bug->name);
    }
    tracker_page(tracker, &page, &out);
    page_text(&page, "More bugs were found than get an issue of their own in one day "
                     "(per_day: of nightjar.yaml). `nightjar show` explains each.");
    for (size_t i = 0; i < digest->bugs.n; i++) {
        page_item(&page, digest->bugs.v[i]);
    }
    return buf_steal(&out);
}

/* The day's digest is made, or has one line more. */
static int
put_digest(struct tracker *tracker, struct err *err)
{
    AUTO(strv_clear) struct strv labels = {0};
    struct digest digest = {0};
    char marker[TRACKER_MARKER_MAX];
    char day[CLOCK_TEXT_MAX];
    int64_t now = clock_wall_ms();
    int rc = store_issues_digest(tracker->store, tracker->sink->name, now - now % DAY_MS,
                                 note_digest, &digest, err);

    clock_iso(day, now);
    day[strcspn(day, "T")] = '\0';
    tracker_mark(tracker, day, marker);
    AUTO(mem_free) char *title = mem_printf("nightjar: further bugs of %s", day);
    AUTO(mem_free) char *body = digest_body(tracker, &digest);
    strv_clear(&digest.bugs);
    strv_add(&labels, "nightjar");
    mem_free(tracker->issue.key);
    tracker->issue.key = digest.key;
    if (rc == 0 && tracker->issue.key == NULL) {
        rc = find(tracker, marker, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (tracker->issue.key == NULL) {
        rc = create(tracker, title, body, marker, &labels, err);
    } else {
        AUTO(json_decref) json_t *answer = NULL;
        const struct tracker_issue issue = {.body = body, .marker = marker};
        struct tracker_call call = {0};
        tracker->ops->update(tracker->sink, tracker->issue.key, &issue, &call);
        rc = tracker_ask(tracker, &call, &answer, err);
        /* who deleted it wants none */
        rc = rc == 0 ? tracker_gone(tracker, marker, err) : rc;
        rc = rc < 0 ? rc : 0;
    }
    tracker->issue.until = 0;
    return rc < 0 ? rc : tracker_record(tracker, "digest", err);
}

int
tracker_file(struct tracker *tracker, struct err *err)
{
    AUTO(strv_clear) struct strv labels = {0};
    char marker[TRACKER_MARKER_MAX];
    int64_t today = 0;

    if (!bug_is_open(tracker->bug->state) ||
        tracker->bug->severity < tracker->sink->at_least) {
        return 0;
    }
    tracker_marker(tracker, marker);
    issue_clear(&tracker->issue);
    int found = find(tracker, marker, err);
    int rc = found < 0 ? found : decide_embargo(tracker, err);
    if (rc < 0 || found == 1) {
        return rc < 0 ? rc : tracker_record(tracker, "filed", err);
    }
    rc = store_issues_since(tracker->store, tracker->sink->name, clock_wall_ms() - DAY_MS,
                            &today, err);
    if (rc == 0 && today >= tracker->sink->per_day) {
        return put_digest(tracker, err);
    }
    AUTO(mem_free) char *title = tracker_title(tracker);
    AUTO(mem_free) char *body = tracker_body(tracker);
    tracker_labels(tracker, &labels);
    rc = rc < 0 ? rc : create(tracker, title, body, marker, &labels, err);
    return rc < 0 ? rc : tracker_record(tracker, "filed", err);
}

/* --- the end of an embargo --- */

static int
note_due(void *user, int64_t bug, const char *key, struct err *err)
{
    (void)key;
    (void)err;
    strv_addf(user, "%lld", (long long)bug);
    return 0;
}

static int
disclose(const struct tracker *of, int64_t number, struct err *err)
{
    AUTO(bug_clear) struct bug bug = {0};
    AUTO(json_decref) json_t *answer = NULL;
    struct tracker tracker = *of; /* whose token is borrowed */
    char marker[TRACKER_MARKER_MAX];
    struct tracker_call call = {0};
    int rc = store_bug(of->store, number, &bug, err);

    rc =
        rc < 0 ? rc : store_issue(of->store, number, of->sink->name, &tracker.issue, err);
    if (rc < 0) {
        return rc;
    }
    tracker.bug = &bug;
    tracker.issue.until = 0;
    tracker_marker(&tracker, marker);
    AUTO(mem_free) char *title = tracker_title(&tracker);
    AUTO(mem_free) char *body = tracker_body(&tracker);
    const struct tracker_issue issue = {.title = title, .body = body, .marker = marker};
    of->ops->update(of->sink, tracker.issue.key, &issue, &call);
    rc = tracker_ask(&tracker, &call, &answer, err);
    if (rc == 0 && tracker_gone(&tracker, marker, err) < 0) {
        rc = -EPROTO;
    }
    AUTO(mem_free) char *state = mem_strdup(rc == 0 ? "gone" : tracker.issue.state);
    rc = rc < 0 ? rc : tracker_record(&tracker, state, err);
    issue_clear(&tracker.issue);
    return rc;
}

int
tracker_disclose(struct store *store, const struct notify_sink *sink,
                 struct http_answer *answer, struct err *err)
{
    AUTO(strv_clear) struct strv bugs = {0};
    AUTO(mem_free) char *mark = NULL;
    AUTO(tracker_clear)
    struct tracker tracker = {.store = store,
                              .sink = sink,
                              .ops = notify_find(sink->kind)->tracker,
                              .answer = answer};
    int rc = store_issues_due(store, sink->name, clock_wall_ms(), note_due, &bugs, err);

    if (rc < 0 || bugs.n == 0) {
        return rc;
    }
    rc = store_sink_key(store, sink->name, &mark, err);
    rc = rc < 0 ? rc : tracker_token(sink, &tracker.token, err);
    tracker.mark = mark;
    int first = rc;
    for (size_t i = 0; rc == 0 && i < bugs.n; i++) {
        struct err own = ERR_INIT;
        int64_t number = 0;
        int one = str_number("bug", bugs.v[i], 1, INT64_MAX, &number, &own);
        one = one < 0 ? one : disclose(&tracker, number, &own);
        if (one < 0 && first == 0) {
            first = one;
            *err = own;
        }
        if (one < 0 && dispatch_is_down(answer)) {
            break; /* one that is refused keeps no other waiting */
        }
    }
    return first;
}
