/*
 * Which files the inbox has submitted. A file is told by where it lies on disk, when it
 * was written and how long it is: its name moves with its folder. Bounded; when full the
 * memory begins anew, and a file may be submitted a second time, which the ledger takes
 * for nothing.
 */
#ifndef ORCHESTRATOR_SUPERVISE_INBOX_SEEN_H
#define ORCHESTRATOR_SUPERVISE_INBOX_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/auto.h"

enum { SEEN_MAX = 1 << 20 }; /* files remembered */

struct seen_file {
    uint64_t key; /* 0: empty */
    bool filed;   /* it is in the ledger */
};

struct seen_files { /* zeroed: empty */
    struct seen_file *table;
    size_t room, n;
};

uint64_t seen_key(const struct stat *st); /* never 0 */

/* NULL: not seen. Borrowed until the next seen_add(). */
struct seen_file *seen_find(const struct seen_files *seen, uint64_t key);

void seen_add(struct seen_files *seen, uint64_t key); /* not filed yet */

void seen_clear(struct seen_files *seen);
AUTO_DEFINE_CLEAR(struct seen_files, seen_clear)

#endif
