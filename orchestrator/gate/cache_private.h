/* What fetching and saving of a gate's state have in common: see cache.h. */
#ifndef ORCHESTRATOR_GATE_CACHE_PRIVATE_H
#define ORCHESTRATOR_GATE_CACHE_PRIVATE_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "orchestrator/gate/cache.h"

enum {
    CACHE_FORMAT = 1,
    CACHE_INDEX_MAX = 64 << 20,     /* bytes of the index, of a list */
    CACHE_DATABASE_MAX = 512 << 20, /* bytes */
    CACHE_SWEEP_MAX = 20000,
};

bool cache_is_hash(const char *text); /* NULL is none */

/* Write a file of a folder that is made; under a passing name first. */
int cache_put(const char *path, const void *data, size_t len, struct err *err);

/* The object of a name: -EUCLEAN when it is not what that says. Appends to out. */
int cache_object(const char *folder, const char *sha256, size_t max, struct buf *out,
                 struct err *err);

/* The names in an object that lists some; appends. -EBADMSG: it is none. */
int cache_list(const char *folder, const char *sha256, struct strv *out, struct err *err);

/* An input, unless it is there; one that is not what its name says, or that cannot be
 * read, counts as damaged. */
int cache_copy_input(struct cache *cache, const char *from, const char *to,
                     struct err *err);

/* The same of a blob, which is compressed: the store checks it when it is read. */
int cache_copy_blob(struct cache *cache, const char *from, const char *to,
                    struct err *err);

/* New; NULL: there is none. */
int cache_index(const char *folder, json_t **out, struct err *err);

/* Remove what neither index names (`before` may be NULL) and lies there for a day: a run
 * may be fetching by the one that was replaced, another may be writing. At most
 * CACHE_SWEEP_MAX files; the next save goes on. What cannot be removed stays. */
void cache_sweep(const char *folder, const json_t *now, const json_t *before);

/* Sort, each text once. */
void cache_sort(struct strv *list);

#endif
