/*
 * `nightjar ci`, step by step: fetch state, choose targets, replay regressions, fuzz,
 * compare with the base build, judge, write. Part of the verb: ci.c calls the steps in
 * this order, ci_view.c says what came of them.
 */
#ifndef ORCHESTRATOR_CMD_CI_H
#define ORCHESTRATOR_CMD_CI_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"
#include "orchestrator/gate/affected.h"
#include "orchestrator/gate/attribution.h"
#include "orchestrator/gate/baseline.h"
#include "orchestrator/gate/cache.h"
#include "orchestrator/gate/finding.h"
#include "orchestrator/supervise/supervisor.h"

struct ci_options {
    const char *out, *base; /* folders of builds; base NULL: none */
    int64_t for_ms, jobs, minimize_ms;
    const char *fail_on; /* NULL: the policy's */
    const char *policy_from, *report_dir, *rung;
    const char *diff, *base_commit;    /* a file; what git compares with; or NULL */
    const char *override, *token;      /* why, and by whose right; NULL: nobody does */
    const char *state_from, *state_to; /* cache folders; NULL: none */
    bool strict, untrusted, warn, cifuzz;
    bool all_targets; /* those that the change cannot have touched as well */
    bool timeouts, ooms, unreproducible; /* fail, whatever the policy says */
    bool dry_run;                        /* found bugs do not fail */
};

struct ci {
    const struct cmd_context *context;
    const struct ci_options *options;
    struct config *config;     /* the change's, or that of --policy-from */
    struct gate_policy policy; /* the configuration's, whose waivers it borrows */
    struct change change;      /* the diff */
    struct target_list head, base;
    struct target_list chosen; /* those of head that are run; borrowed from it */
    const char *base_folder;   /* given, or fetched; NULL: none */
    struct cache cache;        /* what was fetched */
    struct store *store;
    int lock;
    enum sandbox_rung rung;
    char key[HASH_HEX_MAX]; /* of all builds of the head */
    struct baseline baseline;
    struct sightings on_head, on_base;
    struct findings findings;
    struct strv doubts;         /* why it did not truly run: inconclusive */
    struct strv warnings;       /* what a person should know besides */
    int64_t fuzz_ms, replay_ms; /* wall time of these two; the rest is ours */
};

void ci_clear(struct ci *ci);
AUTO_DEFINE_CLEAR(struct ci, ci_clear)

/* Read configuration, policy and builds; fetch and open the state. */
int ci_open(struct ci *ci, struct err *err);

/* Which targets the change can have touched. */
int ci_choose(struct ci *ci, struct err *err);

/* Leave out those that do not run at all (ci_health.c). */
int ci_health(struct ci *ci, struct err *err);

/* For a verdict that is not green: a target did not do what it was to do. */
void ci_did_not_run(struct ci *ci, const char *target, const char *why);

/* Replay what is known of the chosen targets on the head. */
int ci_replay(struct ci *ci, struct err *err);

/* Fuzz the chosen targets and triage what is found; keep what their corpora gained. */
int ci_fuzz(struct ci *ci, struct err *err);

/* Run what is new, or back, on the base. */
int ci_ask_base(struct ci *ci, const struct attribution *attribution, struct err *err);

/* Do so, judge all, decide. */
int ci_judge(struct ci *ci, struct err *err);

/* It could not be brought to an end. */
void ci_give_up(struct ci *ci, const struct err *err);

/* Leave the state for later runs. */
void ci_save(struct ci *ci);

/* Reports, artifacts, the event. *folder receives where they lie, new. */
int ci_write(struct ci *ci, char **folder, struct err *err);

/* For a person, and the last line, one JSON object, for a machine. */
void ci_show(const struct ci *ci, const char *folder, int status);

#endif
