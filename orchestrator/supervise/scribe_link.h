/*
 * The supervisor's end towards the scribe (scribe.h): starts it, sends requests, matches
 * answers, and when the scribe dies starts it again and repeats whatever it had not
 * answered.
 *
 *   - Requests are answered in order; each is kept until its answer is there.
 *   - After a death: targets first (the new scribe knows none), then what was not
 * answered in its order, requests for a job last: a job must not be handed out again
 * before the finished one is filed.
 *   - `restarted` is called before anything is sent again. Whoever gave out jobs takes
 * them back there: the new scribe does not know that they run.
 *   - A scribe that dies SCRIBE_DEATHS_MAX times without having answered anything is a
 * failure for good, and so is a request that the store refused.
 */
#ifndef ORCHESTRATOR_SUPERVISE_SCRIBE_LINK_H
#define ORCHESTRATOR_SUPERVISE_SCRIBE_LINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"

enum { SCRIBE_DEATHS_MAX = 5 };

struct scribe_link;

struct scribe_link_config {
    sd_event *event;     /* borrowed */
    const char *program; /* what is run as `PROGRAM scribe --state STATE`; NULL: this
                            program itself */
    const char *state;
    void *user;
    void (*restarted)(void *user, const char *why); /* may be NULL */
    void (*failed)(void *user,
                   const struct err *why); /* once; the link is silent afterwards */
};

/* Requests may be sent from now on; they wait for the process. */
int scribe_link_new(const struct scribe_link_config *config, struct scribe_link **out,
                    struct err *err);
int scribe_link_start(struct scribe_link *link, struct err *err); /* once */
void scribe_link_free(struct scribe_link *link); /* kills it; NULL is a no-op */
AUTO_DEFINE(struct scribe_link *, scribe_link_free)

/* answer is borrowed. Not called for requests that were never answered. */
typedef void scribe_reply(void *user, const json_t *answer);

/* Send a request; steals it and adds "seq". `reply` may be NULL. */
void scribe_link_send(struct scribe_link *link, json_t *request, scribe_reply *reply,
                      void *user);

/* The same with a body line behind it (scribe.h), copied; it holds no newline. */
void scribe_link_send_body(struct scribe_link *link, json_t *request, const char *body,
                           size_t len, scribe_reply *reply, void *user);

/* How many requests wait for their answer. */
size_t scribe_link_waiting(const struct scribe_link *link);

int64_t scribe_link_restarts(const struct scribe_link *link);

pid_t scribe_link_pid(const struct scribe_link *link); /* 0: it is not running */

#endif
