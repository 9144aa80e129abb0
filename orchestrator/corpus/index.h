/*
 * What is known of each input of a corpus: since when it is there, from where it came,
 * what it reaches. A text file beside the inputs, one line each:
 *
 *   SHA-256 SECONDS ORIGIN EDGES ALONE MICROSECONDS
 *   = SECONDS INPUTS BYTES EDGES TUPLES     what a prune found and left, oldest first; a
 *                                           line with =libfuzzer counts as libFuzzer does
 *
 * "-" stands for what is not known. The inputs themselves are the truth: a line without
 * its input means nothing, and an input without a line is of origin "unknown", since its
 * file's time. Whatever is malformed is passed over. Origins are words (of letters,
 * digits and "_-.@:"; whatever else stands there is read as "_"): "import", "seed",
 * "worker:NAME", "sync:NAME", "cross:TARGET", ...
 *
 * In memory 48 bytes for each input.
 */
#ifndef ORCHESTRATOR_CORPUS_INDEX_H
#define ORCHESTRATOR_CORPUS_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    INDEX_ORIGIN_MAX = 64,   /* bytes of an origin, with its NUL */
    INDEX_ORIGINS_MAX = 512, /* different ones; further ones are "other" */
    INDEX_PRUNES_MAX = 400,  /* the newest are kept: a year of daily ones */
    INDEX_UNKNOWN = -1,
};

struct index_entry {
    int64_t added_s;    /* since 1970 */
    const char *origin; /* borrowed from the index; NULL in index_put(): "unknown" */
    int64_t edges;      /* that it reaches; INDEX_UNKNOWN */
    int64_t alone;      /* counts that no other input of the corpus shows */
    int64_t run_us;
};

struct index_prune {
    int64_t at_s, inputs, bytes, edges, tuples;
    bool libfuzzer; /* measured on such a build, else on AFL++'s: counts of one kind each
                     */
};

struct index;

/* A missing file is an empty index. */
int index_open(const char *path, struct index **out, struct err *err);
void index_free(struct index *index); /* writes nothing; NULL is a no-op */
AUTO_DEFINE(struct index *, index_free)

/* Write it anew, whole; only lines that `keep` agrees to (NULL: all). */
typedef bool index_keep(void *user, const char *sha256);
int index_save(struct index *index, index_keep *keep, void *user, struct err *err);

/* sha256: 64 hex digits. False: it is not known, and *out is all unknown. */
bool index_get(const struct index *index, const char *sha256, struct index_entry *out);
void index_put(struct index *index, const char *sha256, const struct index_entry *entry);

void index_add_prune(struct index *index, const struct index_prune *prune);

/* Append the line of an input of which nothing else is known: for who adds some to a file
 * that may be large. A later line wins. */
void index_line(struct buf *out, const char *sha256, int64_t added_s, const char *origin);

/* All prunes, oldest first; borrowed. */
const struct index_prune *index_prunes(const struct index *index, size_t *n);

/* The origin that a file's name and folder tell of: AFL++'s queue names, otherwise
 * "import". */
void index_origin_of(const char *path, char out[INDEX_ORIGIN_MAX]);

#endif
