/*
 * The life of a worker as a table [state][event] of small handlers. Pure: no process, no
 * clock, no output. The worker (worker.h) feeds events and does what the machine asks
 * for; tests feed events and look.
 *
 *             go          alive
 *   paused ---------> starting ---------> running <---> slow, plateaued
 *      ^                  |   exit, or silent   |
 *      |   waited         v                     v
 *      +------------- backoff <------------- frozen (being killed)
 *                         |
 *                         v  too many bad ends in a row, or one that cannot get better
 *                    quarantined          dead: it could not even be started
 *
 * `paused` has no process, or one that was asked to stop since its turn is over;
 * `finished` the same at the end of the campaign. Whether a process is there is the
 * worker's knowledge, not the machine's.
 */
#ifndef ORCHESTRATOR_SUPERVISE_STATE_H
#define ORCHESTRATOR_SUPERVISE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "orchestrator/engine/engine.h"

enum worker_state { /* the design's words */
                    WORKER_STARTING,
                    WORKER_RUNNING,
                    WORKER_FROZEN,
                    WORKER_SLOW,
                    WORKER_BACKOFF,
                    WORKER_QUARANTINED,
                    WORKER_PLATEAUED,
                    WORKER_PAUSED,
                    WORKER_FINISHED,
                    WORKER_DEAD,
                    WORKER_STATES,
};

enum worker_event {
    WORKER_GO,          /* the scheduler gives it a turn */
    WORKER_ALIVE,       /* it has begun to fuzz */
    WORKER_SILENT,      /* no sign of life for too long */
    WORKER_BELOW_SPEED, /* slower than the policy's bound for its time */
    WORKER_AT_SPEED,
    WORKER_NO_NEWS,     /* no new coverage for the policy's time */
    WORKER_NEWS,        /* new coverage */
    WORKER_YIELD,       /* its turn is over */
    WORKER_STOP,        /* the campaign is over */
    WORKER_OVERDUE,     /* it was asked to stop, or killed, and is still there */
    WORKER_WAITED,      /* the time of its backoff is over */
    WORKER_UNSTARTABLE, /* it could not be started */
    WORKER_ENDED,    /* its process is gone: it had nothing more to do, or was told to */
    WORKER_FOUND,    /* gone: with a find */
    WORKER_REPAIRED, /* gone: what ended it was put right */
    WORKER_FAILED,   /* gone: broken */
    WORKER_HOPELESS, /* gone: and the next start would fail in the same way */
    WORKER_EVENTS,
};

enum worker_action { /* what the worker has to do; bits */
                     WORKER_DO_START = 1 << 0,
                     WORKER_DO_ASK = 1 << 1,  /* ask the process to stop */
                     WORKER_DO_KILL = 1 << 2, /* kill its tree */
                     WORKER_DO_WAIT = 1 << 3, /* WORKER_WAITED after machine.wait_ms */
                     WORKER_DO_SAY = 1 << 4,  /* tell a person: with machine.state and the
                                                 worker's reason */
};

struct machine {
    enum worker_state state;
    const struct engine_policy *policy; /* borrowed */
    int bad_ends;                       /* in a row */
    int same_finds;                     /* shallow finds of the same key in a row */
    uint64_t find_key;
    int64_t wait_ms; /* set with WORKER_DO_WAIT */
    uint64_t jitter; /* state of the generator that spreads waits; any seed */
};

/* What the events of an end need to know. */
struct worker_end {
    int64_t ran_ms;    /* how long the process lived */
    bool was_ready;    /* it had begun to fuzz */
    uint64_t find_key; /* 0: none */
};

void machine_init(struct machine *machine, const struct engine_policy *policy,
                  uint64_t seed);

/* Feed an event; `end` for the five events of an end, else NULL. Returns the actions.
 * Events that mean nothing in a state are ignored. */
unsigned machine_feed(struct machine *machine, enum worker_event event,
                      const struct worker_end *end);

const char *worker_state_name(enum worker_state state);

/* States that a process belongs to and in which it is meant to go on: starting running
 * slow plateaued frozen. */
bool worker_state_busy(enum worker_state state);

/* States that a worker does not leave in this campaign: quarantined finished dead. */
bool worker_state_final(enum worker_state state);

#endif
