/*
 * A folder as one archive (pack.h) and back, with all paths below it: what a backup of a
 * state folder is sent as.
 *
 * Threat: an archive is somebody's file. Only regular files with plain relative names are
 * taken, none twice, below a new folder; anything else in it is a failure. What unpacks
 * without end stops at a hundredth of the disk.
 */
#ifndef ORCHESTRATOR_CORPUS_UNPACK_H
#define ORCHESTRATOR_CORPUS_UNPACK_H

#include "base/err.h"

/* All regular files below folder, in the order of their names. The archive appears when
 * it is whole, and is on the disk then; -EEXIST when it is there. */
int unpack_pack(const char *folder, const char *archive, struct err *err);

/* Into folder, which is there and empty. -EBADMSG: it is no such archive. What a failure
 * left is the caller's to remove. */
int unpack_archive(const char *archive, const char *folder, struct err *err);

#endif
