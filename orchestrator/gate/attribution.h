/*
 * What a bug is to the change that is judged, and whether it fails it: from what was
 * known before, what its input does on the change's build (head) and on the one that it
 * stems from (base), and the policy. Decides alone; runs and stores nothing.
 *
 * The rule of "new" is CIFuzz's, made stricter: a signature that nobody knew, of an input
 * that shows it on the head and not on the base. An input that crashes both, but
 * differently, is a bug that was there and was moved or renamed; it fails only where it
 * shows something more severe than before.
 */
#ifndef ORCHESTRATOR_GATE_ATTRIBUTION_H
#define ORCHESTRATOR_GATE_ATTRIBUTION_H

#include "orchestrator/gate/baseline.h"
#include "orchestrator/gate/finding.h"
#include "orchestrator/gate/policy.h"
#include "triage/regression.h"

struct sighting { /* of a bug's input on a build */
    int64_t bug;
    enum verified_as as;
    int k, n;
    enum severity severity; /* of what it showed */
    char *signature;        /* of that; NULL: nothing */
    char *reason;           /* why it is broken; NULL */
    bool moved;             /* it moved the bug: fixed, or regressed */
};

struct sightings {
    struct sighting *v; /* in the order of the bugs */
    size_t n;
};
void sightings_clear(struct sightings *sightings);
AUTO_DEFINE_CLEAR(struct sightings, sightings_clear)

/* Keep a copy; user is a struct sightings: a verifier's row(). */
void sightings_add(void *user, const struct regression *of, const struct verified *seen);
const struct sighting *sightings_find(const struct sightings *sightings,
                                      int64_t bug); /* or NULL */

struct attribution { /* all borrowed */
    const struct gate_policy *policy;
    bool strict;         /* what cannot be attributed fails as well */
    bool unreproducible; /* and so does what shows in no run */
    bool has_base;       /* a build to compare with was given */
    const struct target_list *base;
    const struct baseline *baseline;
    const struct strv *elsewhere;    /* signatures that other runs knew: gate/cache.h */
    const struct sightings *on_head; /* of what was known */
    const struct sightings *on_base; /* of what was found, and of what is back */
    int64_t now;                     /* wall ms */
    struct strv *warnings;           /* waivers that end soon; appended */
};

/* Whether the bug is to be run on the base: it was not known, or was fixed and is back.
 */
bool attribution_asks_base(const struct attribution *attribution, const struct bug *bug);

/* Fill in class, blocking, waiver, reason, head and base of a finding from its bug.
 * False: it is no finding at all (fixed, or a person said that it is none). */
bool attribution_of(const struct attribution *attribution, struct finding *finding);

/* What kinds and waivers make of a finding whose `blocking` its severity decided; shows:
 * it does on this build. Needs policy, now and warnings alone. */
void attribution_apply(const struct attribution *attribution, bool shows,
                       struct finding *finding);

#endif
