/* Between the files of the pool; nobody else includes this. */
#ifndef ORCHESTRATOR_SUPERVISE_POOL_PRIVATE_H
#define ORCHESTRATOR_SUPERVISE_POOL_PRIVATE_H

#include "base/buf.h"
#include "base/proc.h"
#include "orchestrator/supervise/channel.h"
#include "orchestrator/supervise/pool.h"
#include "orchestrator/supervise/pool_policy.h"

enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY, SLOT_PAUSED };

struct slot {
    struct pool *pool;
    int number;
    enum slot_state state;
    char *folder;
    struct proc proc;
    struct channel *channel;
    int err_fd;
    struct buf tail;
    sd_event_source *err_source, *timer;
    size_t knows;    /* of the pool's known commands */
    bool owes_ready; /* its job died: `ready` is to follow the pause */
    json_t *job;
};

struct pool {
    struct pool_config config;
    struct pool_policy policy;
    struct slot *slots;
    int bad_starts; /* in a row */
    int bad_ends;   /* deaths of a job in a row */
    int64_t deaths;
    bool failed;
    char *worker_path; /* PATH of the workers' environment */
    /* the last request's command (or what is expected), its builds, and how many of the
     * known commands it needs */
    json_t *usual, *usual_builds;
    size_t usual_needs;
};

/* --- pool_worker.c: a slot's process --- */

/* Make it, in the slot's folder, and send it the first job, a text of our own. */
int slot_spawn(struct slot *slot, const struct channel_events *events, struct err *err);

/* Kill and reap it, and append how it ended and what it said last to `how`. A worker that
 * ends by itself is given a moment to do so: its exit status tells more than our signal.
 */
void slot_reap(struct slot *slot, bool by_itself, struct buf *how);

/* A worker that was taken over may have left anything there. */
int slot_clean_folder(struct slot *slot, struct err *err);

#endif
