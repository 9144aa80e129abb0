/* Between pipeline.c, which has the loop and the caller's side, and pipeline_desk.c,
 * which brings jobs to workers and their answers to the scribe; nobody else includes
 * this. */
#ifndef ORCHESTRATOR_SUPERVISE_PIPELINE_PRIVATE_H
#define ORCHESTRATOR_SUPERVISE_PIPELINE_PRIVATE_H

#include "orchestrator/supervise/pipeline.h"
#include "orchestrator/supervise/pipeline_intake.h"
#include "orchestrator/supervise/pool.h"
#include "orchestrator/supervise/scribe_link.h"

/* A slot of the pool, as the pipeline sees it. */
enum desk_state {
    DESK_AWAY,    /* the pool starts its worker anew after a death */
    DESK_FREE,    /* it could take a job */
    DESK_ASKED,   /* the scribe was asked for one */
    DESK_DRY,     /* the scribe had none */
    DESK_WORKING, /* it has one */
};

/* While it works: the crash that comes next, fetched meanwhile, so that no worker waits
 * for the scribe. It never waits for long itself: a desk that finds nothing to do gets
 * it, and so does whoever asks next once PIPELINE_POLL_MS have passed. */
enum ahead_state {
    AHEAD_NONE,
    AHEAD_ASKED,
    AHEAD_DRY,  /* the scribe had none */
    AHEAD_HELD, /* `next` */
    AHEAD_OFF,  /* none is wanted before the job at work has ended */
};

struct desk {
    struct pipeline *pipeline;
    int slot;
    enum desk_state state;
    bool hurried; /* its minimization was asked to end */
    enum ahead_state ahead;
    json_t *next;
    bool next_waited; /* it was there at the last poll */
    bool lost;        /* the answer that is due names a file that went with its worker */
    int file;         /* which of the two input files the job at work has */
    int next_file;    /* and the one that was asked for */
};

struct pipeline {
    struct pipeline_config config;
    struct strv hide;
    struct scribe_link *link;
    struct pool *pool;  /* NULL when there are no jobs */
    struct desk *desks; /* config.jobs */
    struct intake *intake;
    struct pipeline_stats stats;
    sd_event_source *settle, *poll, *hurried;
    int64_t campaign;
    bool stirred; /* there may be a job for those who found none */
    bool counted; /* nothing has changed since the store was asked for its counts */
    bool busy;    /* `idle` is due once all is done */
    bool hurry, stopping, failed;
};

/* Something happened: look at everything once the loop has time. */
void pipeline_touch(struct pipeline *pipeline);

void pipeline_trouble(struct pipeline *pipeline, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The store or the pool failed for good; user is the pipeline. */
void pipeline_fail(void *user, const struct err *why);

/* A reply that says no more than that it was done; user is the pipeline. */
void pipeline_told(void *user, const json_t *answer);

/* --- pipeline_desk.c --- */

/* Of the pool (pool.h); user is the pipeline. */
void desk_on_answer(void *user, int slot, json_t *job, const char *line, size_t len);
void desk_on_died(void *user, int slot, json_t *job, const char *reason);
void desk_on_ready(void *user, int slot);

/* Ask the scribe for a job. */
void desk_ask(struct desk *desk);

/* Each desk that could take one, now or ahead. */
void desks_ask(struct pipeline *pipeline);

/* Nothing that was fetched ahead stays; for those alone that it waited too long for. */
void desks_return(struct pipeline *pipeline, bool waited_only);

/* The scribe is a new one, or the job does not end: it is still queued in the store. */
void desk_take_back(struct desk *desk);

bool desk_minimizes(const struct desk *desk);
void desk_hurry(struct desk *desk); /* its minimization, if it has one */

/* A crash does not wait for a minimization, which can go on later. */
void desks_make_room(struct pipeline *pipeline);

/* Nobody works, and nobody wants to. */
bool desks_are_quiet(const struct pipeline *pipeline);

#endif
