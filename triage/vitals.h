/*
 * Numbers for metrics that are no totals and that nobody else asks for, each with at most
 * two labels; and what is remembered of sending them.
 */
#ifndef TRIAGE_VITALS_H
#define TRIAGE_VITALS_H

#include "triage/store.h"

enum vital {                     /* its labels; times are wall ms, 0: never */
             VITAL_HEARTBEAT,    /* when the running campaign last told of its workers;
                                    0: it ended properly */
             VITAL_QUEUE_OLDEST, /* step: since when the oldest job waits */
             VITAL_BUILD,        /* target, kind: when its newest build was first seen */
             VITAL_LINES,        /* target: reached, by the last measurement */
             VITAL_LINES_KNOWN,  /* target: of these */
             VITAL_GROWTH,       /* target: when a measurement was last better */
             VITAL_PUSHED,       /* sink: when it last took numbers */
             VITAL_CORPUS,       /* target: bytes that its corpus took on the disk */
             VITAL_CANARY,       /* target: when its harness last ran trivial inputs */
             VITALS,
};

typedef int vital_visit(void *user, enum vital vital, const char *one, const char *two,
                        int64_t value, struct err *err);
int store_vitals(struct store *store, vital_visit *visit, void *user, struct err *err);

/* Remember a vital that nothing else of the store tells: VITAL_CORPUS, VITAL_CANARY. */
int store_vital_put(struct store *store, enum vital vital, const char *one, int64_t value,
                    struct err *err);

/* The number of a service, by which events tell its budget from others: given when it is
 * asked for first. */
int store_service(struct store *store, const char *name, int64_t *id, struct err *err);

/* A sink took numbers now, or did not. */
int store_pushed(struct store *store, const char *sink, bool ok, struct err *err);

/* The database was held by somebody else for longer than we wait at a time, so often. */
int store_was_busy(struct store *store, int64_t times, struct err *err);

#endif
