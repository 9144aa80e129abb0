#include "orchestrator/publish/tracker_private.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* Once: not when it stands there already. */
static int
say(struct tracker *tracker, struct err *err)
{
    const char *key = tracker->issue.key;
    char since[CLOCK_TEXT_MAX];
    char marker[TRACKER_MARKER_MAX];

    tracker_since(tracker, since);
    AUTO(mem_free) char *what = mem_printf("e%lld", (long long)tracker->row->event);
    tracker_mark(tracker, what, marker);
    for (int page = 1; page <= TRACKER_PAGES_MAX; page++) {
        AUTO(json_decref) json_t *answer = NULL;
        struct tracker_call call = {0};
        tracker->ops->comments(tracker->sink, key, since, page, &call);
        int rc = tracker_demand(tracker, &call, &answer, err);
        if (rc < 0) {
            return rc;
        }
        if (strstr(buf_str(&tracker->answer->body), marker) != NULL) {
            return 0;
        }
        const json_t *list =
            json_is_array(answer) ? answer : json_object_get(answer, "comments");
        if (json_array_size(list) < TRACKER_PAGE) {
            break;
        }
    }
    AUTO(json_decref) json_t *answer = NULL;
    AUTO(mem_free)
    char *text =
        mem_printf("%s: %s (%s)", tracker->bug->name, tracker_sentence(tracker->row),
                   severity_name(tracker->bug->severity));
    struct tracker_call call = {0};
    tracker->ops->comment(tracker->sink, key, text, marker, &call);
    return tracker_demand(tracker, &call, &answer, err);
}

static int
move(struct tracker *tracker, bool close, struct err *err)
{
    AUTO(json_decref) json_t *ways = NULL;
    AUTO(json_decref) json_t *answer = NULL;
    const char *key = tracker->issue.key;
    struct tracker_call call = {0};
    int rc = 0;

    if (tracker->ops->ways != NULL) {
        tracker->ops->ways(tracker->sink, key, &call);
        rc = tracker_demand(tracker, &call, &ways, err);
        call = (struct tracker_call){0};
    }
    if (rc == 0) {
        tracker->ops->move(tracker->sink, key, close, ways, &call);
    }
    if (rc < 0 || call.url == NULL) {
        return rc; /* what was said has to do */
    }
    rc = tracker_demand(tracker, &call, &answer, err);
    return rc < 0 ? rc : tracker_record(tracker, close ? "closed" : "filed", err);
}

/* The labels of persons stay. */
static int
relabel(struct tracker *tracker, const struct tracker_status *status, struct err *err)
{
    AUTO(json_decref) json_t *answer = NULL;
    AUTO(strv_clear) struct strv labels = {0};
    char marker[TRACKER_MARKER_MAX];
    struct tracker_call call = {0};

    tracker_marker(tracker, marker);
    tracker_labels(tracker, &labels);
    for (size_t i = 0; i < status->labels.n; i++) {
        const char *label = status->labels.v[i];
        if (!str_starts(label, "severity-") && !strv_has(&labels, label)) {
            strv_add(&labels, label);
        }
    }
    const struct tracker_issue issue = {.labels = &labels, .marker = marker};
    tracker->ops->update(tracker->sink, tracker->issue.key, &issue, &call);
    return tracker_demand(tracker, &call, &answer, err);
}

/* An issue that we closed (or whose closing the evidence confirmed) is opened again; one
 * that a person closed otherwise is theirs. */
static int
follow_state(struct tracker *tracker, const struct tracker_status *status,
             struct err *err)
{
    bool close = !bug_is_open(tracker->row->to);
    bool ours = strcmp(tracker->issue.state, "closed") == 0;

    if (close && status->closed) {
        return !ours && !status->wontfix ? tracker_record(tracker, "closed", err) : 0;
    }
    if (!close && !status->closed) { /* if we closed it, a person opened it: the next
                                        closing may be theirs */
        return ours ? tracker_record(tracker, "filed", err) : 0;
    }
    if (close) {
        return move(tracker, true, err);
    }
    return ours && !status->wontfix ? move(tracker, false, err) : 0;
}

static void
status_clear(struct tracker_status *status)
{
    strv_clear(&status->labels);
}
AUTO_DEFINE_CLEAR(struct tracker_status, status_clear)

static int
follow(struct tracker *tracker, struct err *err)
{
    AUTO(json_decref) json_t *answer = NULL;
    AUTO(status_clear) struct tracker_status status = {0};
    bool moved = strcmp(tracker->row->kind, "bug.state") == 0;
    bool weighed = strcmp(tracker->row->kind, "bug.severity") == 0;
    char marker[TRACKER_MARKER_MAX];
    struct tracker_call call = {0};

    if (!moved && !weighed) {
        return 0; /* it is filed */
    }
    tracker->ops->look(tracker->sink, tracker->issue.key, &call);
    int rc = tracker_ask(tracker, &call, &answer, err);
    if (rc == 0) { /* a person deleted it? */
        tracker_marker(tracker, marker);
        rc = tracker_gone(tracker, marker, err);
        return rc < 0 ? rc : tracker_record(tracker, "gone", err);
    }
    if (rc > 0) {
        tracker->ops->status(answer, &status);
        rc = say(tracker, err);
    }
    if (rc == 0 && weighed) {
        rc = relabel(tracker, &status, err);
    }
    return rc < 0 || !moved ? rc : follow_state(tracker, &status, err);
}

bool
tracker_wants(const struct notify_sink *sink, const struct notice *notice)
{
    static const char *const kinds[] = {"bug.new", "bug.backlog", "bug.state",
                                        "bug.severity"};

    for (size_t i = 0; notice->bug != NULL && i < COUNT(kinds); i++) {
        if (strcmp(notice->row->kind, kinds[i]) == 0) {
            return sink->events.n == 0 || strv_has(&sink->events, kinds[i]);
        }
    }
    return false;
}

int
tracker_deliver(struct store *store, const struct notify_sink *sink,
                const struct notice *notice, struct http_answer *answer, struct err *err)
{
    AUTO(tracker_clear)
    struct tracker tracker = {.store = store,
                              .sink = sink,
                              .ops = notify_find(sink->kind)->tracker,
                              .row = notice->row,
                              .bug = notice->bug,
                              .mark = notice->row->key,
                              .answer = answer};
    int rc = tracker_token(sink, &tracker.token, err);

    if (rc < 0) {
        return rc;
    }
    rc = store_issue(store, notice->bug->id, sink->name, &tracker.issue, err);
    if (rc < 0 || strcmp(tracker.issue.state, "gone") == 0) {
        return rc;
    }
    bool has = tracker.issue.key != NULL && strcmp(tracker.issue.state, "digest") != 0;
    rc = has ? follow(&tracker, err) : tracker_file(&tracker, err);
    if (rc < 0 && answer->status / 100 == 2) {
        answer->status = 0; /* not the tracker: a proxy's page, or our own store */
    }
    return rc;
}
