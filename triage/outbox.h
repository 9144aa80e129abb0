/*
 * The outbox: what sinks have yet to be told of events, written with them
 * (store_event()).
 */
#ifndef TRIAGE_OUTBOX_H
#define TRIAGE_OUTBOX_H

#include "triage/store.h"

/* No message waits longer than this for its next try: one that says so was written by a
 * clock that was ahead, and is due. */
enum { OUTBOX_WAIT_MAX_MS = 3600 * 1000 };

struct sink_row {
    const char *name, *kind; /* as nightjar.yaml says */
};

/* Make these the sinks that events go to from now on; others are told nothing new. */
int store_put_sinks(struct store *store, const struct sink_row *rows, size_t n,
                    struct err *err);

struct sink_counts {
    const char *name, *kind;
    bool active; /* nightjar.yaml names it */
    int64_t pending, dead;
    int64_t oldest; /* when what waits longest happened; wall ms, 0: nothing waits */
};
typedef int sink_visit(void *user, const struct sink_counts *counts, struct err *err);
int store_sinks(struct store *store, sink_visit *visit, void *user, struct err *err);

struct outbox_row {
    int64_t id, event;
    int64_t tries, next_try; /* wall ms */
    const char *state;       /* pending, sent, dead */
    const char *error;       /* of the last try; "" */
    const char *sink;
    const char *key; /* of this sink in this store: makes an id that nobody else has */
    /* the event */
    int64_t at;
    const char *kind, *subject;
    int64_t subject_id;
    const char *name;              /* of a target, a worker, a service (budget); "" */
    const char *from, *to, *actor; /* "": none */
    const json_t *detail;          /* NULL: none */
};
typedef int outbox_visit(void *user, const struct outbox_row *row, struct err *err);

/* Visit the first message of a sink that is due, of whose subject none that is earlier
 * waits: 1; 0: none. visit may use the store. */
int store_outbox_due(struct store *store, const char *sink, int64_t now,
                     outbox_visit *visit, void *user, struct err *err);

/* When the next message of a sink is due; -1: none waits. */
int store_outbox_next_try(struct store *store, const char *sink, int64_t *out,
                          struct err *err);

struct outbox_tried {
    const char *state; /* what it is now: pending, sent, dead */
    int64_t next_try;
    const char *error; /* NULL: none */
    bool told;         /* the sink took it; not so what it does not want */
};
int store_outbox_tried(struct store *store, int64_t id, const struct outbox_tried *what,
                       struct err *err);

/* Visit the events that sinks were told of since then (wall ms): when each happened, and
 * when the first sink had it. visit may not use the store. */
typedef int alert_visit(void *user, int64_t at, int64_t told, struct err *err);
int store_alerts(struct store *store, int64_t since, alert_visit *visit, void *user,
                 struct err *err);

/* Visit what is pending or dead, oldest first; sink NULL: of all. */
int store_outbox(struct store *store, const char *sink, int limit, outbox_visit *visit,
                 void *user, struct err *err);

/* Try again now, or never: one message (id), or all (0) of a sink (NULL: of all).
 * -ENODATA: no such message waits, no such sink. */
int store_outbox_again(struct store *store, int64_t id, const char *sink,
                       int64_t *changed, struct err *err);
int store_outbox_drop(struct store *store, int64_t id, const char *sink, int64_t *changed,
                      struct err *err);

#endif
