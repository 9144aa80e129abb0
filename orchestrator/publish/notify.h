/*
 * Telling people and their machines what happened: one message for each event, taken from
 * the outbox. A kind of receiver is one file and one row in the table of notify.c.
 */
#ifndef ORCHESTRATOR_PUBLISH_NOTIFY_H
#define ORCHESTRATOR_PUBLISH_NOTIFY_H

#include "base/buf.h"
#include "base/err.h"
#include "orchestrator/publish/http.h"
#include "triage/outbox.h"

/* An entry of `notify:` in nightjar.yaml. */
struct notify_sink {
    char *name, *kind;
    char *url; /* or "$NAME": in the environment, since it is a secret itself */
    struct strv secret_env; /* variables that hold a secret each: the first signs, as do
                               the others while they are replaced */
    struct strv events;     /* kinds of events, empty: notify_wants()' own choice */
    enum severity at_least; /* of events of a bug; default info */
    char *origin;           /* "nightjar.yaml:12" */
    /* of a tracker (tracker.h) */
    char *project;                     /* "owner/name", "group/name", "KEY" */
    char *token_env, *token_file;      /* where its token stands: one of the two */
    char *user;                        /* Jira Cloud: whose token it is; NULL */
    char *issue_type, *security_level; /* Jira; NULL: "Bug", none */
    struct strv labels;                /* besides "nightjar" and "severity-high" */
    bool confidential;  /* default yes: where all can read it, nothing is filed */
    int64_t per_day;    /* new issues */
    int64_t embargo_ms; /* from when a bug was filed, until all may read its details */
};

struct tracker_ops;

struct notice {
    const struct outbox_row *row;
    const struct bug *bug; /* NULL: not about one */
    json_t *bug_json;      /* bug_to_json(); NULL */
};

struct notifier_ops {
    const char *name; /* of the kind */
    /* Fill in url, headers and body (appended). `now`: wall ms, for signatures. */
    int (*request)(const struct notify_sink *sink, const struct notice *notice,
                   int64_t now, struct strv *headers, struct buf *body, struct err *err);
    const struct tracker_ops *tracker; /* instead: it takes more than one request */
};

const struct notifier_ops *notify_find(const char *kind); /* NULL: no such kind */
void notify_kinds(struct buf *out);                       /* appends "webhook, slack" */

/* Whether a sink is told of such an event. By default: a bug is new, is fixed, is back,
 * is decided about, has another severity, missed its deadline or is in what is shipped; a
 * target's replays broke, its coverage dropped, its disk is full, it is not being fuzzed
 * (and each of these is over); a worker is given up; the state of the breach budget. */
bool notify_wants(const struct notify_sink *sink, const struct notice *notice);

/* One line for a person: "NJ-7 is new: high, Heap-buffer-overflow WRITE in f (png)".
 * Appends; what is hostile in it is made printable, no more. */
void notify_line(const struct notice *notice, struct buf *out);

extern const struct notifier_ops notifier_webhook;
extern const struct notifier_ops notifier_slack;
extern const struct notifier_ops notifier_github;
extern const struct notifier_ops notifier_gitlab;
extern const struct notifier_ops notifier_jira;

#endif
