/*
 * What the store knows, as numbers. All label combinations that can occur are there from
 * the start at 0, since increase() misses the first event of a series that was born with
 * it.
 */
#ifndef ORCHESTRATOR_PUBLISH_COLLECT_H
#define ORCHESTRATOR_PUBLISH_COLLECT_H

#include "base/err.h"
#include "orchestrator/gate/policy.h"
#include "orchestrator/gate/slo.h"
#include "orchestrator/publish/metrics.h"
#include "triage/store.h"

/* What is said of numbers outside of the store, in nightjar.yaml; borrowed. */
struct collect_policy {
    const struct slo_policy *slo;
    const struct gate_waivers *waivers;
};

/* Read everything; *out is new. */
int collect_metrics(struct store *store, const struct collect_policy *policy,
                    struct metrics *out, struct err *err);

#endif
