/*
 * The gate: may this go out? Decided from the database alone. A run that did not truly
 * fuzz or has not finished its triage is inconclusive, never green ("fail safely, assume
 * that controls fail", SecSRE).
 */
#ifndef ORCHESTRATOR_GATE_GATE_H
#define ORCHESTRATOR_GATE_GATE_H

#include "base/err.h"
#include "base/json.h"
#include "triage/store.h"

enum verdict {
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_INCONCLUSIVE,
    VERDICT_BUDGET_EXHAUSTED
};

struct gate_policy {
    enum severity fail_on; /* an open bug of this severity or worse fails the gate */
};

struct gate {
    enum verdict verdict;
    struct strv reasons; /* sentences for a person, the decisive one first */
    json_t *blocking; /* array: the bugs that fail the gate, as `bugs --json` has them */
    int64_t open[5];  /* open bugs by severity */
    int64_t execs;    /* executions of all workers */
    int64_t triaged, queued;
};

void gate_clear(struct gate *gate);
AUTO_DEFINE_CLEAR(struct gate, gate_clear)

int gate_decide(struct store *store, const struct gate_policy *policy, struct gate *out,
                struct err *err);

/* Write verdict.json into folder (made when absent); *path receives its path, new. */
int gate_write(const struct gate *gate, const struct gate_policy *policy,
               const char *folder, char **path, struct err *err);

const char *
verdict_name(enum verdict verdict);     /* pass fail inconclusive budget_exhausted */
int verdict_exit(enum verdict verdict); /* the design's exit statuses: 0 1 3 4 */

#endif
