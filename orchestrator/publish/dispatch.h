/*
 * Delivery of one sink's messages from the outbox, one after the other: at least once,
 * with ids by which a receiver can tell what it has seen, and in order for each bug.
 *
 *   2xx                      sent
 *   no answer, 408, 429, 503 the sink itself is down: all its messages wait; so it is
 *                            with 401, and with 403 that says when to come again
 *   other 5xx                this message waits, and what comes later of its subject
 *   what else                dead: it would be refused for ever
 *
 * A wait is 5 s, doubled with each try to at most an hour, of which a random half is left
 * out, so that many nightjars do not come back together; Retry-After is honoured. After
 * DISPATCH_TRIES_MAX tries, about a day, a message is dead: `nightjar outbox` lists it,
 * and sends it again.
 */
#ifndef ORCHESTRATOR_PUBLISH_DISPATCH_H
#define ORCHESTRATOR_PUBLISH_DISPATCH_H

#include "orchestrator/publish/notify.h"

enum {
    DISPATCH_TRIES_MAX = 32,
    DISPATCH_WAIT_MS = 5000,
    DISPATCH_WAIT_MAX_MS = OUTBOX_WAIT_MAX_MS,
    DISPATCH_TIMEOUT_MS = 10000, /* of one exchange */
};

struct dispatch_result {
    int64_t sent, unwanted, dead;
    int64_t next_try;   /* wall ms; -1: nothing waits */
    int64_t rest_until; /* wall ms; the sink is down: nothing goes there before */
    struct err why;     /* why the last one failed */
};

/* Deliver what is due now. Negative: the store failed, or the sink's settings are wrong.
 * Adds to *out. */
int dispatch_due(struct store *store, const struct notify_sink *sink,
                 struct dispatch_result *out, struct err *err);

/* Whether a receiver is not there now, rather than refusing what it was sent. */
bool dispatch_is_down(const struct http_answer *answer);

/* How long to wait after `tries` tries, and Retry-After (0: not said). `random`: any. */
int64_t dispatch_wait_ms(int64_t tries, int64_t retry_after_ms, uint32_t random);

#endif
