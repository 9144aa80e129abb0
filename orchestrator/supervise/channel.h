/*
 * Lines over a pair of pipes on an event loop: how the supervisor and its children speak.
 * One implementation for every side that has a loop (the supervisor towards scribe and
 * triage workers, the scribe towards the supervisor).
 *
 * Threat: the other side may be a triage worker that a target has taken over. A line is
 * bounded, what waits to be written is bounded, nothing is interpreted here.
 */
#ifndef ORCHESTRATOR_SUPERVISE_CHANNEL_H
#define ORCHESTRATOR_SUPERVISE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"

struct channel;

struct channel_events {
    void *user;
    /* A whole line without its newline, NUL-terminated behind len; borrowed until the
     * return. It may itself hold NUL bytes. The channel may be freed from here. */
    void (*line)(void *user, const char *line, size_t len);
    /* Nothing more will come: why->code 0 end of file, -EMSGSIZE a line beyond line_max,
     * -EBADMSG the end within a line, -EPIPE the other side does not read any more, or
     * what read(2) or write(2) said. Called once; the channel may be freed from here. */
    void (*ended)(void *user, const struct err *why);
};

struct channel_config {
    sd_event *event;  /* borrowed */
    int in_fd;        /* stolen, made non-blocking */
    int out_fd;       /* stolen, made non-blocking; may not equal in_fd */
    size_t line_max;  /* bytes of one line that comes */
    size_t queue_max; /* bytes that may wait to be written */
    struct channel_events events;
};

/* On failure both descriptors are closed all the same. */
int channel_new(const struct channel_config *config, struct channel **out,
                struct err *err);
void channel_free(struct channel *channel); /* closes both; NULL is a no-op */
AUTO_DEFINE(struct channel *, channel_free)

/* Queue text and a newline behind it; as much as the pipe takes is written at once, the
 * rest by the loop. -ENOBUFS: queue_max would be passed, nothing was queued; -EPIPE: the
 * channel has ended. The text must hold no newline. */
int channel_send_line(struct channel *channel, const char *text, size_t len,
                      struct err *err);

/* The same for one value; borrowed. */
int channel_send(struct channel *channel, const json_t *value, struct err *err);

/* Bytes that wait to be written. */
size_t channel_waiting(const struct channel *channel);

#endif
