/*
 * A target's corpus in the state folder, each input once, by its content:
 *
 *   STATE/corpus/TARGET/inputs/ab/<SHA-256>  the inputs, in 256 folders
 *   STATE/corpus/TARGET/index                origin, age and coverage of each (index.h)
 *   STATE/corpus/TARGET/quarantine/<SHA-256> what crashed, hung or broke its sandbox when
 *                                            the corpus was pruned, on its way to triage
 *   STATE/corpus/TARGET/traces               what a prune that was killed had measured
 *   STATE/corpus/TARGET/lock                 held while it is changed
 *   STATE/corpus/TARGET/pruning              held while it is pruned
 *
 * The inputs are all there is to know, so that a copy of the folder is a corpus too, and
 * a kill leaves nothing that disagrees with them. Who changes it holds the lock; readers
 * need none. A prune measures without it and takes effect by one exchange of two folders;
 * what was added meanwhile stays.
 */
#ifndef ORCHESTRATOR_CORPUS_LIBRARY_H
#define ORCHESTRATOR_CORPUS_LIBRARY_H

#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "orchestrator/corpus/cover.h"
#include "orchestrator/corpus/index.h"
#include "orchestrator/target.h"

struct library;

/* Where the inputs of a target lie, one of them, and the index, be they there or not; new
 * strings. `state` may also be a copy of the state folder, or a cache laid out like it.
 */
char *library_inputs_path(const char *state, const char *target);
char *library_input_path(const char *state, const char *target, const char *sha256);
char *library_index_path(const char *state, const char *target);

/* `create` makes it; else -ENOENT says how one is made. -EINVAL for a name that is none
 * of a target. What changes it answers -EBUSY while somebody else does. */
int library_open(const char *state, const char *target, bool create, struct library **out,
                 struct err *err);
void library_close(struct library *library); /* NULL is a no-op */
AUTO_DEFINE(struct library *, library_close)

/* Add files, folders, AFL++ queues, archives, and of a folder that holds cargo-fuzz's
 * fuzz/corpus/TARGET or Go's testdata/fuzz/TARGET that one, with the warnings of
 * target_unpack_seeds(); each path within the limits. origin NULL: what their names tell
 * (index_origin_of()). *added receives how many inputs are new. */
int library_import(struct library *library, const struct strv *paths, const char *origin,
                   const struct seed_limits *limits, int64_t *added, struct err *err);

/*
 * Add inputs one at a time, each at once and without a flush, as whoever must not wait
 * does:
 *
 *   1. library_begin()  takes the lock; -EBUSY
 *   2. library_add()    sha256 is that of the bytes, origin a word (index.h). 1: it is
 * new
 *   3. library_end()    writes what the index is to know, gives the lock back
 *
 * A kill in between costs the origins of what was added. */
int library_begin(struct library *library, struct err *err);
int library_add(struct library *library, const void *data, size_t len, const char *sha256,
                const char *origin, struct err *err);
int library_end(struct library *library, struct err *err);

/* Each input, in the order of their names. */
int library_walk(const struct library *library, fs_visit *visit, void *user,
                 struct err *err);

/* What is known of the inputs. */
int library_index(const struct library *library, struct index **out, struct err *err);

const char *library_quarantine(const struct library *library); /* borrowed */

/* Copy all inputs into a flat folder, which is made or empty (-EEXIST), or write an
 * archive of them when the name is one's (pack.h). */
int library_export(const struct library *library, const char *folder, int64_t *count,
                   struct err *err);

/* Whether it grew by a tenth since it was pruned, or never was. */
int library_grew(const struct library *library, bool *out, struct err *err);

struct library_prune {
    const struct cover_config *config; /* spool and what are the library's */
    bool accept;                       /* also what reaches far less than before */
    struct cover_sum sum;              /* what came of it */
    int64_t edges_before;              /* of the last prune of as many inputs or fewer, on
                                          a build of this kind; 0: there was none */
};

/*
 * Leave the fewest and smallest inputs for the same edges (cover.h); what could not be
 * run for its size stays. Does nothing before the choice is verified. To be called daily:
 * a killed one goes on where it stood.
 *
 * -EUCLEAN: all that was left the last time, and perhaps more, reaches more than a tenth
 * fewer edges now, so that the build, or its harness, may be broken. Then nothing is
 * changed, unless `accept` (and never by a build on which nothing is reached); sum and
 * edges_before are set.
 */
int library_prune(struct library *library, struct library_prune *prune, struct err *err);

#endif
