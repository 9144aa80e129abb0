/*
 * Child processes. The one way to start a program: argument vector, no shell (nor the one
 * that execvp falls back to), only the descriptors that are named, own session, limits,
 * death with the parent, no core files, and the errno of a failed exec reported to the
 * caller. Sandboxing stands above this (triage/sandbox.h).
 *
 * "Death with the parent" is Linux's PDEATHSIG, which follows the *thread* that called
 * proc_spawn(): call it from a thread that lives as long as the process.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct proc_limits { /* 0: not limited; a value above what the caller may set is cut to
                        that */
    int64_t address_bytes; /* RLIMIT_AS; useless below ASan, which maps terabytes */
    int64_t file_bytes;    /* RLIMIT_FSIZE */
    int64_t cpu_s;         /* RLIMIT_CPU */
    int64_t files;         /* RLIMIT_NOFILE */
};

struct proc_spec {
    char *const *argv;         /* argv[0] is looked up in PATH when it has no slash */
    char *const *envp;         /* NULL: the caller's environment */
    const char *cwd;           /* NULL: the caller's */
    int in_fd, out_fd, err_fd; /* borrowed; -1: /dev/null */
    const int *keep; /* further descriptors that stay open, under the same number */
    size_t n_keep;
    struct proc_limits limits;
    int nice;        /* added to the niceness */
    bool same_group; /* stay in the caller's session and process group */
    bool outlive;    /* do not die with the parent */
};

#define PROC_SPEC_INIT                          \
    {                                           \
        .in_fd = -1, .out_fd = -1, .err_fd = -1 \
    }

struct proc {
    pid_t pid;    /* 0: none; also the process group's id unless same_group */
    int pidfd;    /* -1: none; poll()s readable at exit */
    bool guarded; /* a verb, see proc_set_verb(): it ends by PROC_END_SIGNAL, with all
                     that it started */
};

#define PROC_INIT    \
    {                \
        0, -1, false \
    }

/* Start. -ENOENT etc. when exec fails, naming argv[0]. */
int proc_spawn(const struct proc_spec *spec, struct proc *out, struct err *err);

int proc_cpus(void); /* processors that this process may run on, 1 at least */

/* Wait at most timeout_ms (-1: for ever) and reap. *status is waitpid's. -ETIMEDOUT
 * leaves the process alone. */
int proc_wait(struct proc *proc, int64_t timeout_ms, int *status, struct err *err);

/* Signal the process group (and the process, in case it has not become a leader yet). */
void proc_kill(const struct proc *proc, int sig);

/* Begin what proc_clear() does, so that several end at a time; that has to follow. */
void proc_end(const struct proc *proc);

/* Kill the group, reap, close. A guarded process is first asked by PROC_END_SIGNAL, and
 * gets a moment to end its descendants. No-op for PROC_INIT. */
void proc_clear(struct proc *proc);
AUTO_DEFINE_CLEAR(struct proc, proc_clear)

/* The outcome of a program that was run to its end. */
struct proc_run {
    int status;     /* waitpid's */
    bool timed_out; /* it was killed at the limit */
    int64_t wall_ms;
    struct buf output; /* what it wrote to both outputs; set .max before the call */
};

void proc_run_clear(struct proc_run *run);
AUTO_DEFINE_CLEAR(struct proc_run, proc_run_clear)

/* Run to the end: in_fd as given, out_fd and err_fd of spec are replaced by one pipe that
 * is drained into run->output (first run->output.max bytes are kept, the rest is read and
 * dropped). At timeout_ms (-1: never) the group is killed. A background child that keeps
 * the pipe open is waited for at most one further second; what is left of the group at
 * the end is killed. */
int proc_run(const struct proc_spec *spec, int64_t timeout_ms, struct proc_run *run,
             struct err *err);

/* "exit status 3", "signal 11 (SEGV)" for waitpid's status. */
void proc_status_show(char *out, size_t size, int status);

/* Where the running program's own file lies; new string. -ENOENT when it was replaced or
 * removed since the start. */
int proc_self(char **out, struct err *err);

/*
 * A verb of this program that is a step between fork and exec (the sandbox): when argv[0]
 * is PROC_SELF and argv[1] the verb, proc_spawn() calls `run` in the forked child instead
 * of exec. That saves the dynamic linker's time, and keeps what the environment says to
 * it (LD_PRELOAD) away from a step that is trusted. Then spec->envp is never NULL,
 * spec->limits were not applied and are left to `run` (proc_limit_self()), all signals
 * are blocked, and only the standard descriptors and those of spec->keep are open. When
 * the parent dies or proc_clear() is called PROC_END_SIGNAL arrives: end all, and exit.
 * The result of `run` is the exit status. The caller of proc_spawn() must be
 * single-threaded. One verb at a time; the name is borrowed.
 */
#define PROC_SELF       "/proc/self/exe"
#define PROC_END_SIGNAL SIGRTMIN
typedef int proc_verb(const struct proc_spec *spec);
void proc_set_verb(const char *name, proc_verb *run);

/* For such a verb's children, between fork and exec; async-signal-safe, errno on failure.
 * Limits: no core file or handler, then `limits`. Signals: default actions, none blocked.
 */
int proc_limit_self(const struct proc_limits *limits);
int proc_reset_signals(void);

#endif
