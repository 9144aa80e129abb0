/*
 * Inputs between the live engines of one target, each once and in one direction:
 *
 *   1. a file appears among the inputs of an engine (engine_ops.inputs), and it is its
 *      own find
 *   2. its bytes have not passed by here in this campaign (SHA-256)
 *   3. it is linked to where each other engine of the target takes in what is new
 *      (engine_ops.inlet), and its bytes are remembered
 *
 * What came from the other side says so by its name, in the engine's own folder, for
 * good, and is never sent back: AFL++ names an import `sync:from-libfuzzer-...`, for
 * libFuzzer we name it `aflpp-SHA256`. So there is no state besides the folders; a killed
 * supervisor loses nothing, and the next campaign offers to AFL++ what libFuzzer keeps
 * once more.
 *
 * With `exchange: cross:` the smallest inputs of the other targets of a campaign are
 * offered to each target in the same way, as source `cross`, at its beginning or every
 * day; who takes them in keeps only what reaches something new.
 *
 * Useful is what the receiver kept: AFL++ has a file in its queue of each; libFuzzer says
 * how its corpus grew in RELOAD lines, of which as much is credited as was offered just
 * before (with several libFuzzer workers the finds of their siblings may be among them).
 *
 * What is looked at so is added to the target's corpus, too (corpus/library.h), as of
 * origin worker:ENGINE or cross:TARGET, also where there is one engine alone: a copy that
 * no worker can change. While somebody else changes the corpus, nothing is exchanged.
 *
 * Files are hard links (no inode, no bytes; a copy only on another file system). Bounded:
 * EXCHANGE_PASS_* for one pass, which runs on the supervisor's loop, EXCHANGE_ROUTE_* for
 * a campaign and direction, engine_ops.inlet_room for what lies at AFL++'s.
 *
 * Threat: all that lies in an engine's folder may be a target's doing. Names are read in
 * fixed forms, files opened without following links, and only what is a regular file of a
 * bounded size is linked, by its descriptor's identity.
 */
#ifndef ORCHESTRATOR_SUPERVISE_EXCHANGE_H
#define ORCHESTRATOR_SUPERVISE_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/json.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/target.h"

enum {
    EXCHANGE_PASS_FILES = 128,     /* files read in one pass of a target */
    EXCHANGE_PASS_BYTES = 4 << 20, /* their bytes */
    EXCHANGE_INPUT_MAX = 1 << 20,  /* bytes of an input: AFL++'s MAX_FILE */
    EXCHANGE_ROUTE_FILES = 100000, /* offered in a campaign and direction */
    EXCHANGE_ROUTE_BYTES = 1 << 30,
    EXCHANGE_EVERY_MS = 1000,   /* between two passes, if they are cheap */
    EXCHANGE_WAIT_MS = 30000,   /* for an engine that does not come up */
    EXCHANGE_CROSS_FILES = 256, /* of other targets, offered at a time */
};

/* `exchange: cross:` */
enum exchange_cross { EXCHANGE_CROSS_NO, EXCHANGE_CROSS_START, EXCHANGE_CROSS_DAILY };

struct exchange_config {
    const char *state; /* STATE, absolute; borrowed, as all here */
    const struct target_list *targets;
    enum exchange_cross cross;
    /* {"op":"exchange","target":,"direction":,"result":,"n":} for the scribe; the message
     * is the callee's */
    void (*tell)(void *user, json_t *message);
    void *user;
};

struct exchange;

struct exchange *exchange_new(const struct exchange_config *config)
    __attribute__((returns_nonnull));
void exchange_free(struct exchange *exchange);
AUTO_DEFINE(struct exchange *, exchange_free)

/* An engine works on targets->v[target]; again is fine. Removes what an earlier campaign
 * left at its inlet. */
void exchange_join(struct exchange *exchange, size_t target,
                   const struct engine_ops *ops);

/* A worker of the engine fuzzes. Until then, and for at most EXCHANGE_WAIT_MS, what would
 * be offered to it waits where it is: of what is there when it begins libFuzzer does not
 * say whether it was of use. */
void exchange_ready(struct exchange *exchange, size_t target,
                    const struct engine_ops *ops);

/* An engine said that so many inputs that appeared beside it were of use. */
void exchange_credit(struct exchange *exchange, size_t target,
                     const struct engine_ops *ops, int64_t inputs);

/* Some times a second. */
void exchange_tick(struct exchange *exchange);

/* When no engine runs any more: a last pass. */
void exchange_settle(struct exchange *exchange);

#endif
