/*
 * A worker: one engine process (tree) on one target, kept productive. It joins the parts:
 * the machine (state.h) decides, the engine says how to start and read it, the executor
 * runs it, the inbox takes its finds. The supervisor gives it turns (worker_feed) and a
 * tick a few times a second.
 */
#ifndef ORCHESTRATOR_SUPERVISE_WORKER_H
#define ORCHESTRATOR_SUPERVISE_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/executor/executor.h"
#include "orchestrator/supervise/inbox.h"
#include "orchestrator/supervise/state.h"

enum {
    WORKER_POLL_MS = 2000,     /* between two looks at what the engine writes */
    WORKER_LOG_MAX = 16 << 10, /* bytes of output kept in the log of a failed run */
    WORKER_NICE = 5,
};

struct worker;

struct worker_events { /* called from the loop */
    void *user;
    void (*changed)(void *user, struct worker *worker); /* its state */
    void (*say)(void *user, struct worker *worker,
                const char *text); /* one line for a person */
};

struct worker_config {
    sd_event *event; /* borrowed, as all below */
    const struct engine_ops *ops;
    const struct executor_ops *executor;
    const struct engine_caps *caps;
    const struct target *target;
    struct inbox *inbox;
    const char *state;  /* STATE, absolute */
    const char *folder; /* STATE/fuzz/TARGET/ENGINE */
    const char *seeds;  /* STATE/fuzz/TARGET/seeds */
    enum sandbox_rung rung;
    int number, count; /* see engine_job */
    int64_t for_ms;
    bool sliced;
    struct worker_events events;
};

/* What is shown and stored of a worker. */
struct worker_numbers {
    int64_t execs;        /* over all runs, never less than before */
    double execs_per_sec; /* of the present run; 0 without one */
    int64_t edges, corpus;
    int64_t edges_known;   /* see store.h */
    double stability;      /* the same; of the last run that said it */
    int64_t restarts;      /* starts after an end that was not asked for */
    int64_t finds;         /* files submitted */
    int64_t productive_ms; /* in state running or plateaued, with progress */
    int64_t lost_ms;  /* of this campaign: frozen, dead, quarantined, or waiting after a
                         bad end */
    int64_t reloaded; /* inputs of others that it took in while it ran, as it says */
};

struct worker *worker_new(const struct worker_config *config)
    __attribute__((returns_nonnull));
void worker_free(struct worker *worker); /* kills what still runs, and waits for it */
AUTO_DEFINE(struct worker *, worker_free)

const char *worker_name(const struct worker *worker); /* "stb_truetype-aflpp-1" */
const struct target *worker_target(const struct worker *worker);
const struct engine_ops *worker_engine(const struct worker *worker);
enum worker_state worker_state(const struct worker *worker);
const char *worker_reason(const struct worker *worker); /* why it is in its state; "" */
const struct worker_numbers *worker_numbers(const struct worker *worker);
bool worker_alive(const struct worker *worker);     /* there is a process */
pid_t worker_pid(const struct worker *worker);      /* 0: none */
bool worker_was_ready(const struct worker *worker); /* it has fuzzed in this campaign */
/* Milliseconds until its backoff is over; 0 in other states. */
int64_t worker_rest_ms(const struct worker *worker);

/* Numbers of earlier campaigns, to go on from. */
void worker_carry_on(struct worker *worker, int64_t execs, int64_t restarts,
                     int64_t productive_ms);

/* Give it a turn on a processor (-1: any), or another event. */
void worker_go(struct worker *worker, int cpu);
void worker_feed(struct worker *worker, enum worker_event event);

/* Clocks, polls, rescans: call every few hundred milliseconds. */
void worker_tick(struct worker *worker);

/* Look through its folders now; `flags` of inbox.h. */
void worker_look(struct worker *worker, unsigned flags);

/* {"op":"worker",...} for the scribe; new reference. */
json_t *worker_message(const struct worker *worker);

#endif
