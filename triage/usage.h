/*
 * What a tree of processes uses, by one look at /proc: memory, processor time, and how
 * long it stood in line for a processor. Processes that come and go meanwhile are missed;
 * all is 0 where /proc is masked.
 */
#ifndef TRIAGE_USAGE_H
#define TRIAGE_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/auto.h"

struct usage_process {
    pid_t pid, parent;
    int64_t bytes; /* resident */
    int64_t ticks; /* of processor time, clock ticks */
    bool counted;  /* belongs to the tree */
};

struct usage { /* of all processes; the tree's are marked */
    struct usage_process *v;
    size_t n;
};

void usage_clear(struct usage *usage);
AUTO_DEFINE_CLEAR(struct usage, usage_clear)

/* A process and all its descendants. */
void usage_read(pid_t root, struct usage *out);

int64_t usage_bytes(const struct usage *usage);

/* The processes of the tree that have no children, which do the work: what stands above
 * them is the sandbox, or waits for them. At most `max`; returns how many. */
size_t usage_leaves(const struct usage *usage, pid_t *out, size_t max);

/* The thread that has used most processor time, of the leaf that has; 0: none. */
pid_t usage_busiest(const struct usage *usage);

/* How long a thread of the tree has stood in the run queue while others had the
 * processor: of all threads the longest. Time that a program is not to blame for. */
int64_t usage_waited_ms(const struct usage *usage);

#endif
