/*
 * One HTTP request. http and https only, no redirect is followed, what comes back is cut
 * at a bound and hostile.
 */
#ifndef ORCHESTRATOR_PUBLISH_HTTP_H
#define ORCHESTRATOR_PUBLISH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { HTTP_ANSWER_MAX = 64 << 10, HTTP_TRIES_MAX = 4 };

struct http_request {
    const char *method, *url;
    const struct strv *headers; /* "Content-Type: text/plain"; NULL: none */
    const void *body;           /* NULL: none */
    size_t len;
    int64_t timeout_ms; /* of the whole exchange */
    size_t answer_max;  /* bytes; 0: HTTP_ANSWER_MAX */
};

struct http_answer {
    long status;     /* 100 to 599 */
    int64_t date_ms; /* the server's clock by its Date header; 0: it did not tell */
    int64_t retry_after_ms; /* in how long to come again; 0: it did not tell */
    bool exhausted;         /* no more requests are taken, */
    int64_t limit_ms;       /* for so long; then it is what retry_after_ms says, too */
    struct buf body;
};

void http_answer_clear(struct http_answer *answer);
AUTO_DEFINE_CLEAR(struct http_answer, http_answer_clear)

/* -EIO: there was no answer. Any status is one. */
int http_send(const struct http_request *request, struct http_answer *out,
              struct err *err);

/* Which answers are worth another try: what could not be connected always is. */
struct http_retry {
    const long *statuses; /* ends with 0 */
    bool server_errors;   /* all from 500 on, too */
};

/* The same with further tries (HTTP_TRIES_MAX in all) after a growing wait, at least as
 * long as the receiver asks for, as long as they are within the request's timeout, which
 * is for all of them. The last answer; one that asks for a longer wait is given back at
 * once, with retry_after_ms. */
int http_send_again(const struct http_request *request, const struct http_retry *retry,
                    struct http_answer *out, struct err *err);

/* -EPROTO with status and the beginning of the body, unless the status is 2xx. */
int http_accepted(const struct http_answer *answer, struct err *err);

#endif
