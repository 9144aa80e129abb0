/*
 * Files and folders. Names may be any bytes; messages show them through str_name(). What
 * must survive a power cut goes through fs_write_atomic(), which flushes the file and its
 * folder.
 */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"

/* Append a regular file's bytes to out, whose bound is raised to hold max more unless the
 * caller set one. -EFBIG when it holds more than max bytes (or than fit), also while it
 * grows; -EINVAL when it is not a regular file (never blocks on a FIFO or a device). On
 * failure out holds what it held. */
int fs_read(const char *path, size_t max, struct buf *out, struct err *err);

/* Open a regular file for reading; the same refusals. *st may be NULL. */
int fs_open(const char *path, int *out_fd, struct stat *st, struct err *err);

/* Replace path (a link itself, not what it points to) by data so that after a crash the
 * old or the new file stands there, whole: temporary file beside it, fsync, rename, fsync
 * of the folder. */
int fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
                    struct err *err);

/* The same without the flushes, for files that can be made again. */
int fs_write(const char *path, const void *data, size_t len, mode_t mode,
             struct err *err);

/* Copy a regular file into a new one (-EEXIST), without a flush; *bytes may be NULL. What
 * a failure left is the caller's to remove. */
int fs_copy(const char *from, const char *to, mode_t mode, int64_t *bytes,
            struct err *err);

int fs_sync_folder(const char *path, struct err *err);

/* Make a folder and its parents; an existing folder is fine. */
int fs_mkdirs(const char *path, mode_t mode, struct err *err);

/* Remove a file or a folder with all below it, never following a link; absent is fine.
 * Whatever a hostile program left there: any depth (with few descriptors), folders
 * without permissions. */
int fs_remove(const char *path, struct err *err);

bool fs_exists(const char *path);
bool fs_is_folder(const char *path);

/* Absolute path with links resolved as a new string. */
int fs_real(const char *path, char **out, struct err *err);

/* Absolute path without following links, as a new string; "." and ".." are folded. */
char *fs_absolute(const char *path);

/* dir/name as a new string; an absolute name stays as it is; an empty dir is the current
 * one. */
char *fs_join(const char *dir, const char *name);

/* The part behind the last slash; borrowed from path. */
const char *fs_base(const char *path);

/* The name of the network file system that path lies on ("nfs", "cifs", ...), NULL for a
 * local one: SQLite's WAL needs shared memory between all its users
 * (sqlite.org/wal.html). */
const char *fs_network_name(const char *path);

/* Call visit for each regular file below root (root may itself be a file or a link to
 * one), in byte order of the names. Links below root are passed over: they can name what
 * the caller may read and others may not. What cannot be looked at (an unreadable folder
 * or entry, more than 64 folders deep) is given to visit with st NULL. A non-zero result
 * of visit ends the walk and is returned. */
typedef int fs_visit(void *user, const char *path, const struct stat *st,
                     struct err *err);
int fs_walk(const char *root, fs_visit *visit, void *user, struct err *err);

/* The same, with links to regular files taken for the files: for folders that the
 * caller's user made. */
int fs_walk_links(const char *root, fs_visit *visit, void *user, struct err *err);

#endif
