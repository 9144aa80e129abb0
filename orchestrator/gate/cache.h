/*
 * The state of a gate between runs, as a plain folder that any CI service can keep: what
 * `ci --state-from` fetches and `--state-to` leaves.
 *
 *   CACHE/index                           what belongs together; replaced as a whole
 *   CACHE/objects/<SHA-256>               the database, lists and indexes of corpora
 *   CACHE/blobs/ab/<SHA-256>              inputs of bugs, as in the state folder
 *   CACHE/corpus/TARGET/inputs/ab/<SHA-256>
 *   CACHE/builds/<key>/                   the builds of the run that left the state
 *
 * All but the index are named by what they hold and never change, so that only what is
 * missing is copied, and each appears under its name when it is whole. So a writer that
 * is killed, a folder that was copied by halves and several writers at a time cost
 * inputs or a base build, never a wrong answer. Of two runs that wrote at the same time
 * the later one's database stays; the other's inputs stay beside its own, and what it
 * knew is still known, by signature.
 *
 * What the index and the one before it do not name, and lies there for a day, is removed
 * by the next that writes.
 *
 * Threat: whoever may write the folder may make anything known, and so let it pass; let
 * none but the base branch's runs write it. Names in the index are checked before they
 * become paths.
 */
#ifndef ORCHESTRATOR_GATE_CACHE_H
#define ORCHESTRATOR_GATE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "orchestrator/target.h"
#include "triage/store.h"

enum { CACHE_KNOWN_MAX = 100000 /* signatures */ };

struct cache {
    bool cold;             /* there was none */
    bool kept;             /* the state folder had a database of its own, which stayed */
    int64_t generation;    /* that was fetched; 0: none */
    char *base;            /* folder of the builds that left it; NULL: none */
    struct strv known;     /* "TARGET SIGNATURE", sorted */
    int64_t inputs, bytes; /* copied */
    int64_t damaged;       /* that were not what their names say, and left out */
};
void cache_clear(struct cache *cache);
AUTO_DEFINE_CLEAR(struct cache, cache_clear)

/* Bring database and corpora into the state folder, which is made. blobs are left to
 * cache_fetch_blobs(). */
int cache_fetch(const char *folder, const char *state, struct cache *out,
                struct err *err);

/* The inputs of bugs: all of them, or (untrusted) only of those that are fixed. */
int cache_fetch_blobs(const char *folder, struct store *store, bool untrusted,
                      struct cache *cache, struct err *err);

/* Leave the state; out: the folder of this run's builds, key: their baseline_key() ("":
 * they are not kept); NULL out: none. `cache` is what was fetched, zeroed where nothing
 * was; inputs and bytes are then what was copied. */
int cache_save(const char *folder, struct store *store, const char *out, const char *key,
               struct cache *cache, struct err *err);

/* Whether a signature was known to a run whose database is not this one. */
bool cache_knows(const struct strv *known, const char *target, const char *signature);

#endif
