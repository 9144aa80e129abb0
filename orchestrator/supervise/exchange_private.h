/* Between the files of the exchange; nobody else includes this. */
#ifndef ORCHESTRATOR_SUPERVISE_EXCHANGE_PRIVATE_H
#define ORCHESTRATOR_SUPERVISE_EXCHANGE_PRIVATE_H

#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/hash.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/supervise/exchange.h"
#include "orchestrator/supervise/inbox_seen.h"

#define EXCHANGE_CROSS "cross" /* the source of what other targets found */

enum {
    CREDIT_MS = 6000, /* libFuzzer says within this time that it took something in */
};

enum { SIDES_MAX = 8, ROUTES_MAX = SIDES_MAX, OUTLETS_MAX = 256 };

struct route {               /* from a source into an engine */
    const char *source;      /* an engine's name or EXCHANGE_CROSS; borrowed */
    int64_t n, bytes;        /* offered in this campaign */
    int64_t inlet_ms;        /* when the present inlet was begun */
    int64_t turned;          /* n when it was */
    int64_t offered_ms;      /* the last */
    int64_t fresh;           /* offered shortly before, and not credited */
    int64_t offered, useful; /* that were not told yet */
};

struct outlet { /* a folder of an engine's inputs */
    char *folder;
    struct timespec seen; /* its time when all in it had been looked at */
};

struct side { /* an engine of a target */
    const struct engine_ops *ops;
    char *folder;
    int64_t ready_ms;         /* from when on it is offered something */
    int64_t session;          /* names the inlets of this campaign */
    struct seen_files looked; /* names */
    struct outlet outlets[OUTLETS_MAX];
    size_t n_outlets;
    struct route routes[ROUTES_MAX];
    size_t n_routes;
    int nudge_fd; /* a folder into which something was put; -1: none */
    int64_t nudge_ms;
};

struct meeting { /* of the engines of a target */
    const struct target *target;
    struct side sides[SIDES_MAX];
    size_t n_sides;
    struct seen_files passed; /* bytes */
    struct library *library;  /* where they are kept; NULL: not opened yet */
    bool unkept;              /* that it cannot be opened was told */
    int64_t next_ms;
    int64_t crossed_ms; /* by the wall clock; 0: not yet */
};

struct exchange {
    struct exchange_config config;
    struct meeting *meetings; /* by target */
    size_t n;
};

struct offer {
    int fd;  /* of the file; -1: none */
    int dir; /* and its folder, both borrowed by exchange_offer() */
    const char *name;
    const char *target; /* that it is from; NULL: its own */
    struct stat st;
    struct buf *bytes;
    char sha256[HASH_HEX_MAX];
};

uint64_t exchange_key(const char *sha256);

/* Fill in an offer whose `bytes` is set: 1, then fd is the caller's to close; 0: it is
 * still being written; negative: it is none. */
int exchange_read(int dir, const char *name, struct offer *offer);

/* Whether all who would be offered something can take it; `from` NULL: all sides. */
bool exchange_room(struct meeting *meeting, const struct side *from, const char *source);

/* Give it to all sides but `from`, unless these bytes have passed before. */
void exchange_offer(const struct exchange *exchange, struct meeting *meeting,
                    const struct side *from, const char *source, struct offer *offer);

/* --- into one engine (exchange_inlet.c) --- */

/* A full inlet gives way to the next, and the one before it is removed. False: not yet,
 * or the route's bound is reached. */
bool exchange_has_room(const struct side *to, struct route *route, int64_t now);

/* What is there since an earlier campaign, or finds no room on the disk, is passed over.
 */
void exchange_give(struct side *to, struct route *route, const struct offer *offer);

/* A folder that was listed within the same second as it changed is not listed again
 * before it changes in another one: make it so. */
void exchange_nudge(struct side *side, int64_t now);

/* Offer to a target the smallest inputs of the others (exchange_cross.c). */
void exchange_cross(const struct exchange *exchange, size_t target);

#endif
