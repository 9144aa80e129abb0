/*
 * Regressions (triage/regression.h) on builds of their targets, streamed through
 * supervise/solo: what `nightjar verify` shows, and what the gate asks of the build of a
 * change and of the one that it stems from.
 *
 * On the builds that there are now (call->elsewhere false) the targets are registered
 * first, what was seen is left in the bugs' histories, and evidence moves them. Builds of
 * another version (true), and a program that a person names, only answer.
 */
#ifndef ORCHESTRATOR_SUPERVISE_VERIFIER_H
#define ORCHESTRATOR_SUPERVISE_VERIFIER_H

#include "orchestrator/config.h"
#include "triage/regression.h"
#include "triage/sandbox.h"

struct verifier_call { /* all borrowed */
    struct store *store;
    const struct config *config; /* how reports are read: `triage:` */
    const struct regression_list *list;
    const struct target_list *targets; /* a target that is not among them: as stored */
    bool elsewhere;                    /* targets are the builds of another version */
    const struct strv *command;   /* a person's, for all of them; NULL or empty: none */
    const struct revision *build; /* whose programs are run; NULL: the present ones */
    enum sandbox_rung rung;
    int64_t jobs; /* replays at a time; 0: cores */
    int runs;     /* of each; 0: regression_runs() */
    /* Clean ones until an open bug counts as fixed, where `runs` is 0: three that agreed
     * when it was filed may have been luck. 0: regression_runs(). */
    int fix_runs;
    /* Told of each in the order of the list, as soon as it is settled. */
    void (*row)(void *user, const struct regression *of, const struct verified *seen);
    void *user;
};

/* *tried (may be NULL) receives how many rows were told; -ECANCELED when the person
 * interrupts, with those told that were settled. */
int verifier_run(const struct verifier_call *call, size_t *tried, struct err *err);

/* Put a target's present builds, and how its reports are read, into the store. */
int verifier_register(struct store *store, const struct config *config,
                      const struct target *target, struct err *err);

#endif
