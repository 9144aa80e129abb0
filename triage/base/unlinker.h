/*
 * Files that are removed while the caller goes on: where a file system gives the freed
 * blocks back to the disk at once (ext4 with discard), unlink() waits for the disk, some
 * tenths of a millisecond for each file.
 */
#ifndef BASE_UNLINKER_H
#define BASE_UNLINKER_H

#include "base/auto.h"
#include "base/buf.h"

struct unlinker; /* one thread, which starts at the first file and takes no signals */

struct unlinker *unlinker_new(void);

/* Remove the files in this order; one that is gone or cannot be removed is passed over.
 * Takes the names, and leaves *paths empty. Where no thread can be had they are removed
 * before it returns. */
void unlinker_add(struct unlinker *unlinker, struct strv *paths);

/* Until all that was added is removed. */
void unlinker_wait(struct unlinker *unlinker);

void unlinker_free(struct unlinker *unlinker); /* waits; NULL is allowed */

AUTO_DEFINE(struct unlinker *, unlinker_free)

#endif
