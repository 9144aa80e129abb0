/*
 * What changed in a span of time, for people who read one message a day.
 */
#ifndef TRIAGE_DIGEST_H
#define TRIAGE_DIGEST_H

#include "triage/store.h"

enum digest_change { /* of a bug, worst first */
                     DIGEST_REGRESSED,
                     DIGEST_NEW,
                     DIGEST_RAISED,  /* its severity */
                     DIGEST_BLOCKS,  /* nothing else happened to it */
                     DIGEST_OVERDUE, /* its time has run out in the span, likewise */
                     DIGEST_FIXED,   /* by nightjar verify, or a report's by hand */
                     DIGEST_DECIDED, /* another state by hand, or a lower severity */
                     DIGEST_CHANGES
};

struct digest_bug {
    int64_t bug;
    char name[24];             /* "NJ-12" */
    enum digest_change change; /* where what happened to it left it */
    enum severity severity;
    char *state, *target, *crash_type, *crash_state;
    int64_t crashes; /* filed in the span */
    bool overdue;    /* at the end of the span */
    bool blocks;     /* open, and most of what its target's fuzzing finds */
};
struct digest {
    int64_t from, to;        /* wall ms; the end is not within */
    int64_t crashes;         /* filed */
    struct digest_bug *bugs; /* by change, severity, crashes; backlog is not told */
    size_t n;
    int64_t counts[DIGEST_CHANGES];
    int64_t blocking;
    int64_t overdue;    /* of all bugs, at the end of the span */
    struct strv others; /* a line each: targets and workers that are out of order */
};
void digest_clear(struct digest *digest);
AUTO_DEFINE_CLEAR(struct digest, digest_clear)

enum {                            /* an open bug blocks fuzzing with */
       DIGEST_BLOCK_LEAST = 50,   /* so many crashes of the span */
       DIGEST_BLOCK_PERCENT = 80, /* that are so much of its target's */
};

/* Fill in out from out->from and out->to. */
int store_digest(struct store *store, struct digest *out, struct err *err);

#endif
