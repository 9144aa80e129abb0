/*
 * Keeping a state folder: a copy of it while it is in use, and what of it may go.
 *
 * What may go: files of bytes that no row names (a full disk or a kill left them), and
 * inputs of bugs that have better examples (store_example.c has the rule; it is what
 * spare time does anyway, for all bugs at once). A bug's reproducer, first input,
 * examples, reports and pins, and whatever belongs to no bug yet, never go.
 *
 * A backup is a state folder itself: database, blobs, regressions, corpora. It needs no
 * tool to be restored: a backup of it, to where the state was, is the state again. Made
 * in this order:
 *
 *   1. the blobs are held: nothing of them is removed from now on (new ones may come)
 *   2. the database is copied by SQLite's backup interface, as of one moment, while
 *      others write
 *   3. each blob that this copy knows as a file is copied, then the regressions, then
 *      the inputs of corpora (corpus/TARGET/inputs, by their SHA-256; the index beside
 * them), of which each is read: one whose bytes are not those of its name is left out,
 * and counted
 *   4. all of it is flushed, proven by store_check(), and renamed to its place
 *
 * so that whoever is killed, or meets a full disk, leaves no half of a backup under its
 * name.
 */
#ifndef TRIAGE_UPKEEP_H
#define TRIAGE_UPKEEP_H

#include "triage/store.h"

struct backup_order {
    const char *folder;     /* to be made */
    bool deep;              /* every blob of the copy is read */
    check_finding *finding; /* told what store_check() finds in the copy, the same bytes
                               wrong as in the state */
    void *user;
};

struct backup {
    int64_t database_bytes;
    int64_t blobs;      /* in the database and as files */
    int64_t blob_bytes; /* of the files, on the disk */
    int64_t regressions;
    int64_t corpora, corpora_bytes; /* inputs of corpora */
    int64_t damaged;                /* of them, that were left out */
    int64_t missing; /* blobs that the state has lost, and therefore its copy */
};

/*
 * -EEXIST: something is there already, which stays as it is. -ENOSPC: the disk has no
 * room for all of it and a hundredth of its own size besides (looked at before, since
 * this may be the disk that others fill right now), or is full. Returns how many findings
 * there were; the backup stays all the same.
 */
int store_backup(struct store *store, const struct backup_order *order,
                 struct backup *out, struct err *err);

/* Whether bytes of this SHA-256 were ever filed. */
int store_knows(struct store *store, const char *sha256, bool *known, struct err *err);

/* Forget the bytes of all inputs and reports but of what is fixed: for a copy of the
 * state where a stranger's program runs. Bugs are still known; they cannot be replayed.
 */
int store_withhold(struct store *store, struct err *err);

struct garbage {
    int64_t orphans, orphan_bytes; /* files that no row names */
    int64_t surplus; /* inputs with better examples; of a dry run: at most so many */
};

/* Remove it, or only count it. Safe beside all others and when killed. -EAGAIN: a backup
 * is being made. */
int store_gc(struct store *store, bool dry_run, struct garbage *out, struct err *err);

#endif
