/* Between the files of collect; nobody else includes this. */
#ifndef ORCHESTRATOR_PUBLISH_COLLECT_PRIVATE_H
#define ORCHESTRATOR_PUBLISH_COLLECT_PRIVATE_H

#include "orchestrator/publish/collect.h"

struct collect {
    struct store *store;
    const struct collect_policy *policy;
    struct metrics *out;
    struct strv targets; /* that are known by now */
    struct strv sinks;   /* of numbers: what `push` knows */
};

void collect_target(struct collect *collect, const char *name);

/* A step: reads from the store, fills in families. */
typedef int collect_step(struct collect *collect, struct err *err);
collect_step collect_workers, collect_bugs, collect_counts, collect_outbox; /* _state.c */
collect_step collect_totals; /* _totals.c */
collect_step collect_slo;    /* _slo.c */

/* Of labels, in their order. */
extern const char *const collect_severities[]; /* NULL behind the last */

#endif
