/*
 * Triage workers for one person who waits: a pool with an event loop and a passing state
 * folder of its own, behind one blocking call. `minimize FILE`, `repro` and `verify`
 * stand on it: so they need no database, and what a target prints is parsed in a sandbox
 * here as everywhere.
 */
#ifndef ORCHESTRATOR_SUPERVISE_SOLO_H
#define ORCHESTRATOR_SUPERVISE_SOLO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "triage/sandbox.h"

enum { SOLO_JOBS_MAX = 64, SOLO_ATTEMPTS = 2 /* workers that one job may cost */ };

struct solo;

struct solo_config {
    enum sandbox_rung rung;  /* as sandbox_choose() answered */
    int jobs;                /* workers at a time, 1 to SOLO_JOBS_MAX */
    const struct strv *hide; /* further folders that targets must not see; or NULL */
    /* An interruption asks the jobs to end with what they have (SIGUSR1 of
     * triage/worker.h), and the next one ends them. Else the first does. */
    bool patient;
    /* Called twice a second while a call waits, for progress; may be NULL. */
    void (*tick)(void *user);
    void *user;
};

/* From here to solo_free() SIGINT, SIGTERM, SIGHUP and SIGCHLD are blocked and looked at
 * by solo_run(). */
int solo_new(const struct solo_config *config, struct solo **out, struct err *err);
void solo_free(struct solo *solo); /* NULL is a no-op */
AUTO_DEFINE(struct solo *, solo_free)

/*
 * Run n jobs at a time, at most solo_config.jobs: requests[i] is a request of
 * triage/worker.h, borrowed, without "job", "input", "output" and "journal", which are
 * put there; inputs[i] its input. answers[i] is a new reference: what the worker said, an
 * object. -ECANCELED when the person interrupts; -EIO when workers die of a job
 * SOLO_ATTEMPTS times, or say what is no answer; no answers[] then.
 */
int solo_run(struct solo *solo, json_t *const *requests, const struct buf *inputs,
             size_t n, json_t **answers, struct err *err);

/* A stream of jobs, for as many as there are: no worker waits for another. */
struct solo_stream {
    void *user;
    /* The next job: a new request as above, its input appended to *input, and *id, which
     * comes back with its answer. 1; 0: none now (asked again after each answer);
     * negative: the stream ends with that. */
    int (*next)(void *user, json_t **request, struct buf *input, int64_t *id,
                struct err *err);
    /* What the worker said to it, borrowed, and the "job" that it had there; NULL:
     * workers died of it SOLO_ATTEMPTS times, or said what is no answer, and `why`.
     * Negative ends the stream. */
    int (*done)(void *user, int64_t id, int64_t job, const json_t *answer,
                const char *why, struct err *err);
};

/* Run all of them; 0 when none runs any more and next() has none. -ECANCELED when the
 * person interrupts: what runs is given up. */
int solo_stream(struct solo *solo, const struct solo_stream *stream, struct err *err);

/* The work folder of the i-th job at a time: input, output, and what else its worker
 * leaves there or is to find there. Borrowed. */
const char *solo_folder(const struct solo *solo, size_t i);

/* Whether the person has interrupted. */
bool solo_interrupted(const struct solo *solo);

#endif
