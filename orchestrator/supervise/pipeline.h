/*
 * The pipeline that every crash goes through, on the supervisor's event loop: inbox -> ledger ->
 * triage workers -> bugs. It owns two kinds of children and never parses what a target printed:
 *
 *   scribe         `nightjar scribe` (hidden verb): the only process that writes the database while a
 *                  supervisor runs, so that no fsync stands on the loop. JSON lines both ways.
 *   triage worker  `nightjar triage-worker` (hidden verb) in a sandbox, one job at a time (triage/worker.h).
 *
 * Either may be killed at any time: the scribe is started again and gets all that it did not acknowledge
 * again (everything is idempotent); a worker's job is retried once, then the input is `untriageable`.
 * `nightjar triage` and `nightjar fuzz` both stand on this.
 */
#ifndef ORCHESTRATOR_SUPERVISE_PIPELINE_H
#define ORCHESTRATOR_SUPERVISE_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/json.h"
#include "triage/command.h"
#include "triage/sandbox.h"
#include "triage/store.h"

struct pipeline;

struct pipeline_stats {
    int64_t submitted;  /* files given by pipeline_submit() */
    int64_t filed;      /* acknowledged by the ledger, new or known */
    int64_t refused;    /* unreadable, too large, ... */
    int64_t fresh;      /* of filed: bytes not seen before */
    int64_t queued;     /* waiting for triage, those of earlier runs included */
    int64_t running;    /* jobs in triage workers now */
    int64_t triaged, unparsed, untriageable, broken;
    int64_t new_bugs;   /* in this run */
    int64_t bugs;       /* in the store */
    int64_t minimizing, minimized, minimize_waiting;
};

struct pipeline_events { /* called from the loop; any may be NULL */
    void *user;
    /* a bug was created by this run */
    void (*new_bug)(void *user, const struct job_outcome *outcome);
    /* a file was refused, a replay is broken, a worker died: one line for a person */
    void (*trouble)(void *user, const char *text);
    /* something in stats changed */
    void (*changed)(void *user, const struct pipeline_stats *stats);
    /* nothing is queued, running or waiting any more (also called at once when idle) */
    void (*idle)(void *user);
    /* the store failed for good (disk full, read-only): the run must end with exit status 3 */
    void (*failed)(void *user, const struct err *err);
};

struct pipeline_config {
    sd_event *event;          /* borrowed; SIGCHLD is blocked by the caller */
    const char *state;
    enum sandbox_rung rung;   /* as sandbox_choose() answered */
    int jobs;                 /* triage workers at a time, >= 1 */
    int runs;                 /* replays, see store.h */
    int64_t minimize_ms;      /* per bug; 0: none */
    const struct strv *hide;  /* further folders that targets must not see */
    struct pipeline_events events;
};

int pipeline_new(const struct pipeline_config *config, struct pipeline **out, struct err *err);
void pipeline_free(struct pipeline *pipeline); /* kills what still runs */
AUTO_DEFINE(struct pipeline *, pipeline_free)

/* Register a target before its first file. */
int pipeline_target(struct pipeline *pipeline, const char *name, const struct command *command,
                    const struct record_settings *settings, struct err *err);

/* Hand over a file. `done` (may be NULL) is called once it is in the ledger (code 0) or refused: only then may
 * the caller delete or forget it. path is copied. */
typedef void pipeline_done(void *user, const char *path, int code, bool is_new);
void pipeline_submit(struct pipeline *pipeline, const char *target, const char *source, const char *path,
                     bool is_report, pipeline_done *done, void *user);

/* Store the state of workers and campaign ({"op":"worker",...}, {"op":"campaign",...}); steals message. */
void pipeline_tell(struct pipeline *pipeline, json_t *message);

const struct pipeline_stats *pipeline_stats(const struct pipeline *pipeline);

/* No further minimization is begun and running ones are asked to end: the run is about to end. */
void pipeline_hurry(struct pipeline *pipeline);

/* The hidden verbs' mains. */
int scribe_main(const char *state);

#endif
