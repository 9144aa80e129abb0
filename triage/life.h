/*
 * When things happened to each bug, for service level indicators.
 */
#ifndef TRIAGE_LIFE_H
#define TRIAGE_LIFE_H

#include "triage/store.h"

struct life_change {
    int64_t at;
    char to[16]; /* the state */
};
struct bug_life { /* times are wall ms, 0: never */
    int64_t bug;
    char *target;
    enum severity severity;
    bool backlog;
    bool released; /* it shows on a build that is shipped: the target's release build, or
                      one of a revision that has a release */
    /* When the oldest revision on which it showed was committed, and the newest older one
     * that nightjar verify found clean (0: it may be older still): triage/revision.h */
    int64_t introduced, clean_before;
    int64_t written;      /* the file of its first crash that is no backlog */
    int64_t filed;        /* in the ledger */
    int64_t told;         /* its first event that goes to sinks */
    int64_t campaign;     /* the campaign before `written` began */
    int64_t cpu_ms;       /* time of its target's workers from then on */
    int64_t acknowledged; /* the first thing that a person did to it */
    int64_t claimed;      /* last said to be in work (fixing) */
    int64_t verified;     /* nightjar verify last saw it clean */
    char *owner;          /* "": nobody's */
    bool noted_deadline, noted_introduced,
        noted_incident;          /* as an event, by slo_note() */
    struct life_change *changes; /* of state, in order */
    size_t n;
};
void bug_life_clear(struct bug_life *life);
AUTO_DEFINE_CLEAR(struct bug_life, bug_life_clear)

/* Visit each bug but those that do not reproduce, duplicates too, by number. What came
 * back by itself has that change even where nobody has written it down. visit may use the
 * store, and may take the life over (leaving zeroes). */
typedef int life_visit(void *user, struct bug_life *life, struct err *err);
int store_lives(struct store *store, life_visit *visit, void *user, struct err *err);

#endif
