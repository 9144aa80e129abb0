/*
 * Child processes. The one way to start a program: argument vector, no shell, only the
 * descriptors that are named, own session, limits, death with the parent, and the errno of a
 * failed exec reported to the caller. Sandboxing stands above this (triage/sandbox.h).
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct proc_limits { /* 0: not limited */
    int64_t address_bytes; /* RLIMIT_AS; useless below ASan, which maps terabytes */
    int64_t file_bytes;    /* RLIMIT_FSIZE */
    int64_t cpu_s;         /* RLIMIT_CPU */
    int64_t files;         /* RLIMIT_NOFILE */
};

struct proc_spec {
    char *const *argv; /* argv[0] is looked up in PATH when it has no slash */
    char *const *envp; /* NULL: the caller's environment */
    const char *cwd;   /* NULL: the caller's */
    int in_fd, out_fd, err_fd; /* borrowed; -1: /dev/null */
    const int *keep; /* further descriptors that stay open, under the same number */
    size_t n_keep;
    struct proc_limits limits;
    int nice;         /* added to the niceness */
    bool same_group;  /* stay in the caller's session and process group */
    bool outlive;     /* do not die with the parent */
};

#define PROC_SPEC_INIT                             \
    {                                              \
        .in_fd = -1, .out_fd = -1, .err_fd = -1    \
    }

struct proc {
    pid_t pid; /* 0: none; also the process group's id unless same_group */
    int pidfd; /* -1: none; poll()s readable at exit */
};

#define PROC_INIT \
    {             \
        0, -1     \
    }

/* Start. Core dumps are off. -ENOENT etc. when exec fails, naming argv[0]. */
int proc_spawn(const struct proc_spec *spec, struct proc *out, struct err *err);

/* Wait at most timeout_ms (-1: for ever) and reap. *status is waitpid's. -ETIMEDOUT leaves
 * the process alone. */
int proc_wait(struct proc *proc, int64_t timeout_ms, int *status, struct err *err);

/* Signal the process group (and the process, in case it has not become a leader yet). */
void proc_kill(const struct proc *proc, int sig);

/* Kill the group, reap, close. No-op for PROC_INIT. */
void proc_clear(struct proc *proc);
AUTO_DEFINE_CLEAR(struct proc, proc_clear)

/* The outcome of a program that was run to its end. */
struct proc_run {
    int status;      /* waitpid's */
    bool timed_out;  /* it was killed at the limit */
    int64_t wall_ms;
    struct buf output; /* what it wrote to both outputs; set .max before the call */
};

void proc_run_clear(struct proc_run *run);
AUTO_DEFINE_CLEAR(struct proc_run, proc_run_clear)

/* Run to the end: in_fd as given, out_fd and err_fd of spec are replaced by one pipe that is
 * drained into run->output (first run->output.max bytes are kept, the rest is read and dropped).
 * At timeout_ms the group is killed. A background child that keeps the pipe open is waited for
 * at most one further second. */
int proc_run(const struct proc_spec *spec, int64_t timeout_ms, struct proc_run *run,
             struct err *err);

/* "exit status 3", "signal 11 (SEGV)" for waitpid's status. */
void proc_status_show(char *out, size_t size, int status);

/* Where the running program's own file lies; new string. */
int proc_self(char **out, struct err *err);

#endif
