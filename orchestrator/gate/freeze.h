/*
 * An exhausted breach budget that is frozen (`gate: budget: on_exhausted: freeze`) lets
 * nothing pass but what may refill it, or cannot make it worse:
 *
 *   fix       commits of the change say `Nightjar-Fixes: NJ-12`, and each bug that they
 *             name was open before, was replayed and is clean on the change's builds
 *   revert    every file that the change touches is as it was in an earlier commit of the
 *             base branch, one of the last FREEZE_COMMITS
 *   override  the change's last commit says `Nightjar-Override: why`, is not older than
 *             FREEZE_OVERRIDE_HOURS nor of the future, and its signature is by somebody
 *             whom the base branch's file of allowed signers names (ssh-keygen(1)); or
 *             whoever runs the gate gives a reason, and a token whose hash the policy
 *             knows: that ends so long after it was first used for the commit
 *
 * What a commit says proves nothing; replays, files, signatures and tokens do.
 */
#ifndef ORCHESTRATOR_GATE_FREEZE_H
#define ORCHESTRATOR_GATE_FREEZE_H

#include "orchestrator/gate/attribution.h"
#include "orchestrator/gate/slo.h"

enum { FREEZE_COMMITS = 100, FREEZE_FILES_MAX = 1000, FREEZE_OVERRIDE_HOURS = 72 };

struct freeze {          /* what is asked about; all borrowed */
    const char *base;    /* the commit that the change stems from */
    const char *signers; /* file of allowed signers, as the base names it; NULL: none */
    const struct gate_tokens *tokens;
    const char *token, *reason;      /* to override with; NULL: no token is given */
    const struct baseline *baseline; /* what was open before this run */
    const struct sightings *on_head;
    int64_t now; /* wall ms */
};

/* Whether the budget of the window is spent. */
bool freeze_is_due(const struct slo *slo);

/* 1: the change is exempt, and *why (new) says so; 0: it is not, and *why (new, or NULL)
 * says what was claimed and does not do. An override is left as an event of the store,
 * with who, why, by what and until when. */
int freeze_exempts(const struct freeze *freeze, struct store *store, char **why,
                   struct err *err);

#endif
