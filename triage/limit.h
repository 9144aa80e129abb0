/*
 * One hostile process tree run to its end within limits of time, memory and output. What
 * stands around the process (sandbox.h) sees to it that nothing outlives it; this sees to
 * it that it ends, and that a hang leaves a stack: at a limit the processes at the leaves
 * of the tree first get SIGABRT, on which a sanitizer prints where it is, and then, after
 * a grace, all of it is killed.
 */
#ifndef TRIAGE_LIMIT_H
#define TRIAGE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/proc.h"

struct limit {
    /* Of the time that it could run: what it stood in line for a processor is added, up
     * to LIMIT_STRETCH times the limit, so that a busy machine makes no timeouts. */
    int64_t wall_ms;
    int64_t grace_ms;     /* for the last words after SIGABRT; 0: none, kill at once */
    int64_t memory_bytes; /* resident, of all its processes together, polled; 0: none */
    int samples; /* of its stack (hang.h), at equal distances in the second half of
                    samples_ms, and when it comes to its memory limit; 0: none */
    int64_t samples_ms;
    size_t output_bytes; /* kept of what it prints: the head and, mostly, the tail */
    /* What is in the pipe when the process ends is all: nobody waits, a second at most,
     * for descendants that hold it open. */
    bool ends_with_process;
};

enum { LIMIT_STRETCH = 4 };

enum limit_hit { LIMIT_NONE, LIMIT_TIME, LIMIT_MEMORY };

struct limit_run {
    int status; /* waitpid's */
    enum limit_hit hit;
    int64_t wall_ms;   /* until its end or the limit */
    struct buf output; /* both outputs; what was left out in the middle is said there in a
                          line */
    struct buf last_words; /* what it printed after SIGABRT */
    struct strv stacks;    /* the samples, each hang_sample()'s text */
};

void limit_run_clear(struct limit_run *run);
AUTO_DEFINE_CLEAR(struct limit_run, limit_run_clear)

/* in_fd as in spec; both outputs go to one pipe of ours. The errors are proc_spawn()'s.
 */
int limit_run(const struct proc_spec *spec, const struct limit *limit,
              struct limit_run *out, struct err *err);

/* A process that runs already and is somebody else's child: of a fork server. */
struct limit_process {
    pid_t pid;
    int end_fd; /* becomes readable at its end */
    int out_fd; /* both outputs: a non-blocking pipe that others hold open as well, so
                   that what is in it at the end of the process is all */
};

/* The same for such a process; borrows the descriptors. The status is not set, and at a
 * limit the process is left for the caller to kill. */
int limit_watch(const struct limit_process *process, const struct limit *limit,
                struct limit_run *out, struct err *err);

#endif
