/*
 * Issues of a tracker, kept in step with bugs: one issue a bug, found again by the number
 * that the store remembers and by a marker in it; a comment when something happened to
 * the bug; closed when its fix is verified, opened again when it is back, unless a person
 * closed it as not to be fixed. A kind of tracker is one file with one row
 * in the table of notify.c.
 *
 *   - At least once and idempotent: before an issue or a comment is made it is looked
 * for, so that a sender that was killed in between makes no second one.
 *   - Nothing that tells an attacker how stands where all can read it before the embargo
 *     of a bug with consequences for security is over. GitHub's issues are as public as
 *     their repository, GitLab's are made confidential, Jira's get a security level.
 *   - Beyond `per_day` new issues in 24 hours the day's further bugs are lines of one
 *     issue, the digest.
 *   - The token stands in the environment or in a file, and nowhere else.
 *
 * What a tracker answers is hostile: bounded JSON of which only numbers and words are
 * taken that are checked.
 */
#ifndef ORCHESTRATOR_PUBLISH_TRACKER_H
#define ORCHESTRATOR_PUBLISH_TRACKER_H

#include "base/json.h"
#include "orchestrator/publish/http.h"
#include "orchestrator/publish/notify.h"

enum {
    TRACKER_PER_DAY = 10,
    TRACKER_EMBARGO_DAYS = 90,
    TRACKER_PAGE = 30,            /* issues or comments that are asked for at a time */
    TRACKER_PAGES_MAX = 20,       /* that are looked through */
    TRACKER_ANSWER_MAX = 8 << 20, /* bytes: a page of the longest issues */
    TRACKER_TITLE_MAX = 200,      /* bytes; Jira takes 255 characters */
    TRACKER_MARKER_MAX = 96,
};

struct tracker_call {
    const char *method;
    char *url;
    json_t *body; /* NULL: none */
};
void tracker_call_clear(struct tracker_call *call);
AUTO_DEFINE_CLEAR(struct tracker_call, tracker_call_clear)

struct tracker_issue { /* what is NULL is left as it is */
    const char *title, *body;
    const struct strv *labels;
    const char *marker;
    bool confidential;
};

struct tracker_status {
    bool closed;
    bool wontfix; /* and a person said that it is not to be fixed */
    struct strv labels;
};

/* How a tracker spells it. Each fills in a call, or reads the answer to one. */
struct tracker_ops {
    const char *name;
    bool plain;      /* its text is no Markdown */
    size_t body_max; /* bytes of an issue's text */
    int (*authorize)(const struct notify_sink *sink, const char *token,
                     struct strv *headers, struct err *err);
    /* Whether all can read what is filed; `place` NULL: the settings say it. */
    void (*place)(const struct notify_sink *sink, struct tracker_call *call);
    bool (*is_public)(const struct notify_sink *sink, const json_t *answer);
    /* Issues that may hold the marker, newest first, changed since. Pages from 1. */
    void (*find)(const struct notify_sink *sink, const char *marker, const char *since,
                 int page, struct tracker_call *call);
    const json_t *(*issues)(const json_t *answer); /* the array; borrowed */
    bool (*has_marker)(const json_t *issue, const char *marker);
    char *(*key)(const json_t *issue); /* new; NULL: it has none */
    void (*create)(const struct notify_sink *sink, const struct tracker_issue *issue,
                   struct tracker_call *call);
    void (*look)(const struct notify_sink *sink, const char *key,
                 struct tracker_call *call);
    void (*status)(const json_t *answer, struct tracker_status *out);
    void (*comments)(const struct notify_sink *sink, const char *key, const char *since,
                     int page, struct tracker_call *call);
    void (*comment)(const struct notify_sink *sink, const char *key, const char *text,
                    const char *marker, struct tracker_call *call);
    void (*update)(const struct notify_sink *sink, const char *key,
                   const struct tracker_issue *issue, struct tracker_call *call);
    /* What a move needs to know first; NULL: nothing, `ways` is NULL. */
    void (*ways)(const struct notify_sink *sink, const char *key,
                 struct tracker_call *call);
    /* Fills in nothing where the project has no such move. */
    void (*move)(const struct notify_sink *sink, const char *key, bool close,
                 const json_t *ways, struct tracker_call *call);
};

/* Whether an event is one that an issue is kept in step with. */
bool tracker_wants(const struct notify_sink *sink, const struct notice *notice);

/* Bring the issue in step with one event. -EINVAL: the settings are wrong; else *answer
 * says what was refused (status 0: there was no answer). */
int tracker_deliver(struct store *store, const struct notify_sink *sink,
                    const struct notice *notice, struct http_answer *answer,
                    struct err *err);

/* Put the details into issues whose embargo is over. */
int tracker_disclose(struct store *store, const struct notify_sink *sink,
                     struct http_answer *answer, struct err *err);

/* A text as one part of a URL's path or query: all but unreserved characters are %XX. */
void tracker_url(struct buf *out, const char *text);

/* What trackers whose texts are Markdown have in common: the array that an answer is; an
 * issue's text, by its name, holds the marker; its number, by its name, as a key (new;
 * NULL: none); title and text to set; a comment. */
const json_t *tracker_array(const json_t *answer);
bool tracker_text_has(const json_t *issue, const char *name, const char *marker);
char *tracker_number(const json_t *issue, const char *name);
json_t *tracker_fields(const struct tracker_issue *issue, const char *name);
json_t *tracker_comment(const char *text, const char *marker);

/* "<!-- MARKER -->" behind a text, where that is hidden. New. */
char *tracker_marked(const char *text, const char *marker);

#endif
