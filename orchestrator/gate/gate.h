/*
 * The gate: may this go out? Decided from the database alone. A run that did not truly
 * fuzz or has not finished its triage is inconclusive, never green ("fail safely, assume
 * that controls fail", SecSRE). What it found is written by publish/report.h.
 */
#ifndef ORCHESTRATOR_GATE_GATE_H
#define ORCHESTRATOR_GATE_GATE_H

#include "base/err.h"
#include "orchestrator/gate/finding.h"
#include "orchestrator/gate/policy.h"
#include "triage/store.h"

/* Fills in *out, which is empty; on failure it is, too. */
int gate_decide(struct store *store, const struct gate_policy *policy,
                struct findings *out, struct err *err);

#endif
