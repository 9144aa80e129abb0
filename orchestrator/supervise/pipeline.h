/*
 * The pipeline that every crash goes through, on the supervisor's event loop: inbox ->
 * ledger -> triage workers -> bugs. It owns two kinds of children and never parses what a
 * target printed:
 *
 *   scribe         `nightjar scribe` (hidden verb, scribe.h): the only process that
 *                  writes the database while a supervisor runs, so that no fsync stands
 * on the loop. triage worker  `nightjar triage-worker` (hidden verb, triage/worker.h) in
 * a sandbox, one job at a time (pool.h).
 *
 * Either may be killed at any time: the scribe is started again and gets all that it did
 * not acknowledge again (everything is idempotent); a worker's job is retried once, then
 * the input is `untriageable`. Rows that others queue meanwhile (`nightjar triage` beside
 * a running `fuzz`) are found within PIPELINE_POLL_MS. Each worker's next crash is
 * fetched while it works, and given back where it would have to wait. A crash that finds
 * all workers busy interrupts a minimization, which goes on later and loses none of its
 * attempts.
 *
 * Their ends are watched by their pipes and reaped by their own pids: who else reaps in
 * this process must leave children that it did not start alone (waitid with WNOWAIT,
 * pipeline_owns()). `nightjar triage` and `nightjar fuzz` both stand on this.
 */
#ifndef ORCHESTRATOR_SUPERVISE_PIPELINE_H
#define ORCHESTRATOR_SUPERVISE_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/json.h"
#include "triage/command.h"
#include "triage/sandbox.h"
#include "triage/store.h"

struct pipeline;

enum { PIPELINE_POLL_MS = 2000 };

struct pipeline_stats {
    int64_t submitted; /* files given by pipeline_submit() */
    int64_t filed;     /* acknowledged by the ledger, new or known */
    int64_t refused;   /* unreadable, too large, ... */
    int64_t fresh;     /* of filed: bytes not seen before */
    int64_t queued;    /* waiting for triage, those of earlier runs included */
    int64_t running;   /* jobs in triage workers now */
    int64_t triaged, unparsed, untriageable, broken; /* in this run */
    int64_t unreproducible; /* of triaged: no run of it crashed */
    int64_t new_bugs;       /* in this run */
    int64_t bugs;           /* in the store */
    int64_t minimizing, minimized, minimize_waiting;
    int64_t caught_up;     /* bugs that a later build was tried with, in this run */
    int64_t worker_deaths; /* triage workers that died of a job */
    int64_t scribe_restarts;
};

struct pipeline_events { /* called from the loop; any may be NULL */
    void *user;
    /* a bug was created by this run */
    void (*new_bug)(void *user, const struct job_outcome *outcome);
    /* a file was refused, a replay is broken, a worker died: one line for a person */
    void (*trouble)(void *user, const char *text);
    /* a job has ended; `reason`: why its replay is broken or the worker died, else NULL
     */
    void (*finished)(void *user, const struct job_outcome *outcome, const char *reason);
    /* something in stats changed */
    void (*changed)(void *user, const struct pipeline_stats *stats);
    /* nothing is queued, running or waiting any more (also called at once when idle) */
    void (*idle)(void *user);
    /* the store failed for good (disk full, read-only), or no worker can be started: the
     * run must end with exit status 3 */
    void (*failed)(void *user, const struct err *err);
};

struct pipeline_config {
    sd_event *event; /* borrowed; SIGCHLD is blocked by the caller */
    const char *state;
    enum sandbox_rung rung; /* as sandbox_choose() answered */
    int jobs; /* triage workers at a time; 0: only take files into the ledger */
    int runs; /* replays, see store.h */
    int64_t minimize_ms;     /* per bug; 0: none */
    const struct strv *hide; /* more that targets must not see; copied; or NULL */
    const char *program;     /* what scribe and workers are; NULL: this program itself */
    struct pipeline_events events;
};

/* Unless jobs is 0 the caller holds store_lock() until the pipeline has been freed. No
 * callback may free it. */
int pipeline_new(const struct pipeline_config *config, struct pipeline **out,
                 struct err *err);

/* The store exists and is migrated (store_open() with DB_CREATE): what was handed over
 * goes there from now on. Once. */
int pipeline_open(struct pipeline *pipeline, struct err *err);

/* Nothing will be handed over any more and nothing runs (`idle` was called): the workers
 * begin to end. pipeline_free() waits for that. */
void pipeline_close(struct pipeline *pipeline);

void pipeline_free(struct pipeline *pipeline); /* kills what still runs */
AUTO_DEFINE(struct pipeline *, pipeline_free)

/* Register a target before its first file: the builds that it is replayed on, the first
 * by preference; none: there are only reports. */
int pipeline_target(struct pipeline *pipeline, const char *name,
                    const struct build_list *builds,
                    const struct record_settings *settings, struct err *err);

/* So many files will come for a target of these builds: what a triage worker takes to
 * start overlaps with their way into the ledger. 0: for targets of which others follow.
 */
void pipeline_expect(struct pipeline *pipeline, const struct build_list *builds,
                     size_t files);

/* A file on its way into the ledger, as struct intake_item has it. */
struct pipeline_file {
    const char *target, *source, *path; /* source is a constant */
    bool is_report, backlog;
    int64_t written, from, bytes;
};

/* Hand over a file. `done` (may be NULL) is called once it is in the ledger (code 0) or
 * refused: only then may the caller delete or forget it. -ECANCELED: pipeline_stop() came
 * first. All but source is copied. */
typedef void pipeline_done(void *user, const char *path, int code, bool is_new);
void pipeline_submit(struct pipeline *pipeline, const struct pipeline_file *file,
                     pipeline_done *done, void *user);

/* Store the state of workers and campaign ({"op":"worker",...}, {"op":"campaign",...},
 * {"op":"event",...}: see scribe.h; "campaign" of a message may be left out); steals
 * message. */
void pipeline_tell(struct pipeline *pipeline, json_t *message);

const struct pipeline_stats *pipeline_stats(const struct pipeline *pipeline);

/* No further minimization is begun and running ones are asked to end: the run is about to
 * end. */
void pipeline_hurry(struct pipeline *pipeline);

/* Nothing more is begun: files that the scribe has not got yet are refused (-ECANCELED),
 * minimization ends, jobs that run are finished, then `idle` is called. What is queued
 * stays queued for a later run. */
void pipeline_stop(struct pipeline *pipeline);

/* Whether a process is the scribe or a triage worker: for sandbox_reap_orphans(). */
bool pipeline_owns(const struct pipeline *pipeline, pid_t pid);

#endif
