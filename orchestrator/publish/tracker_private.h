/* What the files of the trackers share; nobody else includes this. */
#ifndef ORCHESTRATOR_PUBLISH_TRACKER_PRIVATE_H
#define ORCHESTRATOR_PUBLISH_TRACKER_PRIVATE_H

#include "base/clock.h"
#include "orchestrator/cmd/page.h"
#include "orchestrator/publish/tracker.h"
#include "triage/issue.h"

struct tracker {
    struct store *store;
    const struct notify_sink *sink;
    const struct tracker_ops *ops;
    const struct outbox_row *row; /* NULL: no event, an embargo is over */
    const struct bug *bug;
    struct http_answer *answer; /* of the last request */
    const char *mark;           /* of this sink in this store: nobody else has it */
    char *token;
    struct issue_row issue;
};

void tracker_clear(struct tracker *tracker);
AUTO_DEFINE_CLEAR(struct tracker, tracker_clear)

/* --- requests (tracker_ask.c) --- */

/* The token of the settings, new. -EINVAL: there is none. */
int tracker_token(const struct notify_sink *sink, char **out, struct err *err);

/* 1: *out (new, or NULL when the answer is empty) is the answer; 0: there is no such
 * thing (any more); a failure leaves why in tracker->answer. Takes what is in the call.
 */
int tracker_ask(struct tracker *tracker, struct tracker_call *call, json_t **out,
                struct err *err);

/* The same for what must be there: 0 or a failure. */
int tracker_demand(struct tracker *tracker, struct tracker_call *call, json_t **out,
                   struct err *err);

/* What answered 404 (status of tracker->answer): 0, it was deleted; a failure where the
 * project cannot be seen either, so that a token which lost it loses no bug. */
int tracker_gone(struct tracker *tracker, const char *marker, struct err *err);

/* The store remembers what the issue is now: filed closed digest gone. */
int tracker_record(struct tracker *tracker, const char *state, struct err *err);

/* When whatever was written for the event can have been written first. */
void tracker_since(const struct tracker *tracker, char out[CLOCK_TEXT_MAX]);

/* --- text (tracker_text.c) --- */

/* What marks what is written about `what`. The sink's key is no part of it: who reads one
 * marker could write those that are to come. */
void tracker_mark(const struct tracker *tracker, const char *what,
                  char out[TRACKER_MARKER_MAX]);

/* What marks the bug's issue. */
void tracker_marker(const struct tracker *tracker, char out[TRACKER_MARKER_MAX]);

/* New texts: without details while tracker->issue.until is set. */
char *tracker_title(const struct tracker *tracker);
char *tracker_body(const struct tracker *tracker);
void tracker_labels(const struct tracker *tracker, struct strv *out); /* appends */
void tracker_page(const struct tracker *tracker, struct page *page, struct buf *out);

/* What happened, a sentence. */
const char *tracker_sentence(const struct outbox_row *row);

/* --- new issues (tracker_file.c) --- */

/* The bug gets its issue, or a line in the day's digest, unless it is over already. */
int tracker_file(struct tracker *tracker, struct err *err);

#endif
