/*
 * Files below a worker's folder, in which a hostile program may put anything: links to
 * elsewhere, pipes, devices, endless files. Nothing here follows a link below `root`,
 * blocks, or reads without a limit. `root` itself is ours: its path is trusted.
 */
#ifndef ORCHESTRATOR_ENGINE_FOLDER_H
#define ORCHESTRATOR_ENGINE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"

enum { FOLDER_ENTRIES_MAX = 200000 }; /* names that one visit looks at */

/* Open the folder root/relative ("" or NULL: root itself). -ENOENT, -ENOTDIR, -ELOOP. */
int folder_open(const char *root, const char *relative, int *out_fd, struct err *err);

/* Append to out the last `max` bytes of the regular file root/relative. */
int folder_read_tail(const char *root, const char *relative, size_t max, struct buf *out,
                     struct err *err);

/* Call visit for each name in root/relative but "." and "..", in no order; a non-zero
 * result ends it and is returned. `dir` is the folder's descriptor, for *at() calls
 * without following links. */
typedef int folder_visit(void *user, int dir, const char *name, unsigned char type);
int folder_list(const char *root, const char *relative, folder_visit *visit, void *user,
                struct err *err);

/* Remove the file root/folder/name; absent is fine. */
int folder_unlink(const char *root, const char *folder, const char *name,
                  struct err *err);

/* Whether two regular files hold the same bytes; the second may be longer when prefix is
 * true. Reads at most `max` bytes. Descriptors are rewound. */
bool folder_same(int a, int b, bool prefix, size_t max);

#endif
