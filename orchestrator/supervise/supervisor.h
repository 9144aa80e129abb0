/*
 * The supervisor: one thread, one event loop, many workers, one pipeline. Its phases:
 *
 *   fuzzing    workers take turns, until the time is over, somebody interrupts, or none
 *              can go on
 *   stopping   all are asked to stop, and killed when they do not
 *   triaging   their last finds and what else is left is triaged and minimized, for at
 *              most as long again as the campaign
 *   closing    the last words reach the store
 *
 * SIGINT or SIGTERM once: stop and triage what is left; twice: end now. Either way, and
 * also when this process is killed, nothing that a worker started lives on (sandbox.h),
 * and nothing that was found is lost: what is not in the ledger lies in the workers'
 * folders or the inbox and is taken up by the next run.
 */
#ifndef ORCHESTRATOR_SUPERVISE_SUPERVISOR_H
#define ORCHESTRATOR_SUPERVISE_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "orchestrator/corpus/disk.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/supervise/exchange.h"
#include "orchestrator/supervise/herald.h"
#include "orchestrator/target.h"
#include "triage/sandbox.h"
#include "triage/store.h"

struct supervisor_config {
    const char *state; /* STATE, made and locked by the caller */
    const struct target_list *targets;
    const struct engine_ops *engine; /* NULL: every one that a target has a build for */
    enum sandbox_rung rung;          /* as sandbox_choose() answered */
    int64_t for_ms;                  /* 0: until interrupted */
    int jobs;                        /* workers at a time */
    int triage_jobs;
    int runs; /* replays */
    int64_t minimize_ms;
    bool ooms_and_hangs, asserts_are_security, checks_are_security;
    enum keep_level keep;        /* of minimization */
    enum exchange_cross cross;   /* between targets */
    struct disk_limits disk;     /* when workers pause for it */
    bool discreet;               /* of a new bug only number and severity are said */
    bool live;                   /* standard error is a terminal */
    struct herald_config herald; /* who is told meanwhile: config, jobs, n */
};

enum supervisor_end { SUPERVISOR_DONE, SUPERVISOR_INTERRUPTED, SUPERVISOR_FAILED };

struct supervisor_target { /* what became of a target in this campaign */
    int64_t execs;
    int64_t productive_ms; /* of its workers' time, that they fuzzed */
    int64_t lost_ms;       /* of the same: frozen, dead, quarantined, waiting after a bad
                              end; not what a start or a find takes */
};

struct supervisor_result {
    enum supervisor_end how;
    bool fuzzed;  /* at least one worker truly ran */
    bool bounded; /* triage was cut short: crashes are left for `nightjar triage` */
    int64_t execs;
    int64_t crashes; /* files that reached the ledger in this run */
    int64_t new_bugs;
    struct supervisor_target *targets; /* as many as config->targets, in their order */
    struct strv casualties;            /* "NAME: quarantined: REASON" */
    struct err failure;                /* with SUPERVISOR_FAILED */
};

void supervisor_result_clear(struct supervisor_result *result);
AUTO_DEFINE_CLEAR(struct supervisor_result, supervisor_result_clear)

/* Run a campaign to its end; progress goes to standard error. Fails only before it began:
 * -ENOENT when no target has a build for an engine that is installed here. */
int supervisor_run(const struct supervisor_config *config, struct supervisor_result *out,
                   struct err *err);

#endif
