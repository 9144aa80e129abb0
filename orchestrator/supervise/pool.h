/*
 * The triage workers: `nightjar triage-worker` processes (triage/worker.h), each in a
 * sandbox of its own, one job at a time. The pool starts and kills them and moves lines;
 * it knows nothing of what they say.
 *
 *   empty -> starting -> idle -> busy -> idle ...
 *
 *  1. A slot stands empty until pool_give() brings a job, or pool_expect() says that some
 * will come: nothing is started for nothing.
 *  2. A worker that starts gets a job of ours first, to read a file that we wrote and to
 * prepare for the command that comes next. Its answer proves that the sandbox, the
 * program and the folder work. A worker that dies
 * before is not the fault of an input: it is started again, and after POOL_STARTS_MAX
 * failures in a row (of any slot) the pool fails.
 *  3. A worker that dies, passes its deadline, says a line too long or a line that nobody
 * asked for, while it has a job: `died`, and the job is the caller's again. The slot is
 * empty then and ready after a pause that grows while deaths come in a row.
 *  4. The sandbox of a worker shows the programs of the targets known when it was
 * started. A job for a target that it cannot see makes the pool start it anew with that
 * program added; it is not otherwise restarted.
 *
 * Threat: a worker parses hostile text and may be taken over. What it says is bounded
 * (WORKER_LINE_MAX) and goes on uninterpreted; its standard error is kept to a short tail
 * and cleaned before it is shown.
 */
#ifndef ORCHESTRATOR_SUPERVISE_POOL_H
#define ORCHESTRATOR_SUPERVISE_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"
#include "triage/build.h"
#include "triage/sandbox.h"

enum {
    POOL_JOBS_MAX = 256,
    POOL_STARTS_MAX = 3,
    POOL_START_MS = 60000, /* a worker's first answer, on a loaded machine */
    POOL_SLACK_MS = 30000, /* of a job beyond what its runs may take, unless configured */
};

struct pool;

struct pool_config {
    sd_event *event;     /* borrowed */
    const char *program; /* what is run as `PROGRAM triage-worker ...`; NULL: this program
                            itself */
    const char
        *state; /* the state folder: work folders lie below it, workers do not see it */
    enum sandbox_rung rung; /* as sandbox_choose() answered */
    int jobs;               /* slots, 1 to POOL_JOBS_MAX */
    int64_t slack_ms;       /* 0: POOL_SLACK_MS */
    const struct strv
        *hide; /* further folders that neither worker nor target may see; or NULL */
    void *user;
    /* The slot can take a job. Called once for each pool_give(), after its end. */
    void (*ready)(void *user, int slot);
    /* The worker's line; job as given to pool_give(), borrowed. `ready` follows. */
    void (*answer)(void *user, int slot, json_t *job, const char *line, size_t len);
    /* The worker died of the job. `ready` follows. */
    void (*died)(void *user, int slot, json_t *job, const char *reason);
    /* No worker can be started: why and the cure. Once; the pool does nothing afterwards.
     */
    void (*failed)(void *user, const struct err *why);
};

/* Makes the work folders. */
int pool_new(const struct pool_config *config, struct pool **out, struct err *err);
/* The workers begin to end, all at once. No further call but pool_free(). */
void pool_close(struct pool *pool);
void pool_free(struct pool *pool); /* kills the workers; NULL is a no-op */
AUTO_DEFINE(struct pool *, pool_free)

/* STATE/work/triage-N of a slot; borrowed. Input and output files of its jobs lie there.
 */
const char *pool_folder(const struct pool *pool, int slot);

/* Run a job in a slot that is ready: `job` holds "request", the line for the worker,
 * whose "command" tells what the worker must be able to see and how long it may take;
 * stolen. */
void pool_give(struct pool *pool, int slot, json_t *job);

/* Jobs for these builds will come, so many: show them to the workers that start from now
 * on, and start as many workers (at most one for each slot) before a job is there. 0:
 * start none. */
void pool_expect(struct pool *pool, const struct build_list *builds, size_t jobs);

/* Kill what the slot runs and forget its job without a word; the slot is ready at once
 * (no call). */
void pool_cancel(struct pool *pool, int slot);

/* Ask the slot's worker to end a minimization with what it has (triage/worker.h). */
void pool_hurry(struct pool *pool, int slot);

/* The job that a slot runs, or NULL; borrowed. */
json_t *pool_job(const struct pool *pool, int slot);

int pool_jobs(const struct pool *pool);       /* number of slots */
int pool_running(const struct pool *pool);    /* of them with a job */
int64_t pool_deaths(const struct pool *pool); /* workers that died of a job */

/* Whether a process is one of the workers. */
bool pool_owns(const struct pool *pool, pid_t pid);

#endif
