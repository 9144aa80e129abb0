#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    DRAIN_AFTER_EXIT_MS = 1000,
    DRAIN_AFTER_KILL_BYTES =
        2 << 20, /* more than a pipe holds (fs.pipe-max-size: 1 MiB) */
    GUARD_GRACE_MS = 3000,
    OLD_KERNEL_FILES =
        65536, /* descriptors that are tried where close_range() is missing */
};

static const char *verb_name;
static proc_verb *verb_run;

void
proc_set_verb(const char *name, proc_verb *run)
{
    verb_name = name;
    verb_run = run;
}

static bool
is_verb(const struct proc_spec *spec)
{
    return verb_run != NULL && strcmp(spec->argv[0], PROC_SELF) == 0 &&
           spec->argv[1] != NULL && strcmp(spec->argv[1], verb_name) == 0;
}

/* --- in the child: async-signal-safe until exec, no return on failure
 * --------------------------- */

static void __attribute__((noreturn)) child_fail(int report_fd)
{
    int code = errno;

    (void)!write(report_fd, &code, sizeof(code));
    _exit(127);
}

static int
set_limit(__rlimit_resource_t what, int64_t value)
{
    struct rlimit limit;

    if (value <= 0) {
        return 0;
    }
    if (getrlimit(what, &limit) < 0) {
        return -1;
    }
    if ((rlim_t)value < limit.rlim_max) {
        limit.rlim_max = (rlim_t)value;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(what, &limit);
}

/* 1, not 0: the kernel ignores 0 where core_pattern is a pipe and would start the handler
 * for every crash; 1 stops both that and a core file (fs/coredump.c). Not allowed when
 * the hard limit is 0 already. */
static int
limit_core(void)
{
    const struct rlimit none = {1, 1};

    return setrlimit(RLIMIT_CORE, &none) < 0 && errno != EPERM ? -1 : 0;
}

int
proc_limit_self(const struct proc_limits *limits)
{
    if (limit_core() < 0 || set_limit(RLIMIT_AS, limits->address_bytes) < 0 ||
        set_limit(RLIMIT_FSIZE, limits->file_bytes) < 0 ||
        set_limit(RLIMIT_CPU, limits->cpu_s) < 0) {
        return -1;
    }
    return set_limit(RLIMIT_NOFILE, limits->files);
}

int
proc_reset_signals(void)
{
    static const unsigned char
        default_action[64]; /* the kernel's struct sigaction: SIG_DFL is 0 */
    sigset_t none;

    for (int sig = 1; sig < NSIG;
         sig++) { /* the kernel, for the C library keeps 32 and 33 to itself */
        (void)syscall(SYS_rt_sigaction, sig, default_action, NULL,
                      (size_t)(NSIG - 1) / 8);
    }
    (void)sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The three standard descriptors, by way of numbers that cannot clash with them. */
static int
child_stdio(const struct proc_spec *spec)
{
    const int wanted[3] = {spec->in_fd, spec->out_fd, spec->err_fd};
    int moved[3];

    for (int i = 0; i < 3; i++) {
        int fd = wanted[i] < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : wanted[i];
        moved[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (moved[i] < 0) {
            return -1;
        }
    }
    for (int i = 0; i < 3; i++) {
        if (dup2(moved[i], i) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Everything beyond the standard descriptors is closed by exec, except what is kept. */
static int
child_cloexec(const struct proc_spec *spec)
{
    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
        for (int fd = 3; fd < OLD_KERNEL_FILES; fd++) { /* Linux < 5.11 */
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
    }
    for (size_t i = 0; i < spec->n_keep; i++) {
        if (fcntl(spec->keep[i], F_SETFD, 0) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The same now, for a verb, which no exec follows. */
static void
child_close(const struct proc_spec *spec)
{
    for (unsigned low = 3; low <= INT_MAX;) {
        unsigned next =
            (unsigned)INT_MAX + 1; /* the lowest kept descriptor from low on */
        for (size_t i = 0; i < spec->n_keep; i++) {
            unsigned kept = (unsigned)spec->keep[i];
            next = kept >= low && kept < next ? kept : next;
        }
        if (next > low && syscall(SYS_close_range, low, next - 1, 0U) < 0) {
            for (unsigned fd = low; fd < next && fd < OLD_KERNEL_FILES; fd++) {
                (void)close((int)fd);
            }
        }
        low = next + 1;
    }
}

/* execvpe() without its fall-back to a shell for files that are no programs. */
static void
child_exec(char *const argv[], char *const envp[])
{
    const char *path = getenv("PATH");
    size_t name_len = strlen(argv[0]);
    int worst = ENOENT;

    if (strchr(argv[0], '/') != NULL) {
        (void)execve(argv[0], argv, envp);
        return;
    }
    path = path == NULL ? "/usr/local/bin:/usr/bin:/bin" : path;
    for (const char *end; *path != '\0'; path = *end == ':' ? end + 1 : end) {
        char full[PATH_MAX];
        end = strchrnul(path, ':');
        size_t len = (size_t)(end - path);
        if (len == 0 || len + name_len + 2 > sizeof(full)) {
            continue; /* an empty part would mean the current folder: never a place for
                         programs */
        }
        memcpy(full, path, len);
        full[len] = '/';
        memcpy(full + len + 1, argv[0], name_len + 1);
        (void)execve(full, argv, envp);
        int code = errno;
        if (code != ENOENT && code != ENOTDIR && access(full, F_OK) == 0) {
            worst = code; /* it is there; of a folder that we may not search nothing is
                             known */
        }
    }
    errno = worst;
}

static int
child_setup(const struct proc_spec *spec)
{
    if (spec->nice != 0) {
        (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + spec->nice);
    }
    if (child_stdio(spec) < 0 || (spec->cwd != NULL && chdir(spec->cwd) < 0)) {
        return -1;
    }
    return child_cloexec(spec);
}

static void __attribute__((noreturn))
child_main(const struct proc_spec *spec, pid_t parent, int report_fd)
{
    struct proc_spec own = *spec;
    bool verb = is_verb(spec);

    own.envp = own.envp == NULL ? environ : own.envp;
    if (!own.same_group && setsid() < 0) {
        child_fail(report_fd);
    }
    if (!own.outlive) {
        (void)prctl(PR_SET_PDEATHSIG, verb ? PROC_END_SIGNAL : SIGKILL);
        if (getppid() != parent) {
            _exit(127); /* it died before the line above */
        }
    }
    if (child_setup(&own) < 0) {
        child_fail(report_fd);
    }
    if (verb) {
        child_close(&own); /* the report too: it has started */
        _exit(verb_run(&own));
    }
    if (proc_limit_self(&own.limits) < 0 || proc_reset_signals() < 0) {
        child_fail(report_fd);
    }
    child_exec(own.argv, own.envp);
    child_fail(report_fd);
}

/* --- in the parent
 * ------------------------------------------------------------------------------ */

/* All signals are blocked across the fork: no handler of the parent may run in the child.
 */
static pid_t
fork_child(const struct proc_spec *spec, int report_fd)
{
    pid_t parent = getpid();
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        child_main(spec, parent, report_fd);
    }
    int saved = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

static int
reap(pid_t pid, int *status)
{
    while (waitpid(pid, status, 0) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

/* The words for a start that failed; keeps errno for err_sys(). */
static int
start_failed(const struct proc_spec *spec, struct err *err)
{
    int saved = errno;
    AUTO(mem_free) char *name = str_name_dup(spec->argv[0]);

    errno = saved;
    return err_sys(err, "start '%s'", name);
}

int
proc_spawn(const struct proc_spec *spec, struct proc *out, struct err *err)
{
    int ends[2];
    int rc = fd_pipe(ends, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int report = ends[0];
    AUTO(fd_close) int report_child = ends[1];
    struct proc proc = {fork_child(spec, report_child), -1, is_verb(spec)};
    if (proc.pid < 0) {
        return start_failed(spec, err);
    }
    fd_close(FD_STEAL(report_child));

    int code = 0;
    if (fd_read(report, &code, sizeof(code)) == (ssize_t)sizeof(code)) {
        (void)reap(proc.pid, NULL);
        errno = code;
        return start_failed(spec, err);
    }
    proc.pidfd = (int)syscall(SYS_pidfd_open, proc.pid, 0); /* always CLOEXEC */
    if (proc.pidfd < 0) {
        rc = start_failed(spec, err);
        proc_clear(&proc);
        return rc;
    }
    *out = proc;
    return 0;
}

/* The point in time that lies timeout_ms ahead; negative: never. */
static int64_t
deadline(int64_t now, int64_t timeout_ms)
{
    return timeout_ms < 0 || timeout_ms > INT64_MAX - now ? INT64_MAX : now + timeout_ms;
}

/* What is left until then, as poll() takes it; 0 when it has passed. */
static int
poll_left(int64_t end)
{
    int64_t left = end - clock_mono_ms();

    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* 1: it has exited (and is not reaped); 0: it runs on at `end`. */
static int
await_exit(int pidfd, int64_t end, struct err *err)
{
    for (;;) {
        struct pollfd poll_fd = {pidfd, POLLIN, 0};
        int n = poll(&poll_fd, 1, poll_left(end));
        if (n > 0) {
            return 1;
        }
        if (n < 0 && errno != EINTR) {
            return err_sys(err, "wait for a process");
        }
        if (clock_mono_ms() >= end) {
            return 0;
        }
    }
}

int
proc_wait(struct proc *proc, int64_t timeout_ms, int *status, struct err *err)
{
    int rc = await_exit(proc->pidfd, deadline(clock_mono_ms(), timeout_ms), err);

    if (rc < 0) {
        return rc;
    }
    if (rc == 0) {
        return err_set(err, -ETIMEDOUT, "still running after %lld ms",
                       (long long)timeout_ms);
    }
    rc = reap(proc->pid, status) < 0 ? err_sys(err, "wait for process %d", (int)proc->pid)
                                     : 0;
    proc->pid =
        0; /* also when someone else has reaped it: the number is no longer ours */
    fd_close(FD_STEAL(proc->pidfd));
    return rc;
}

void
proc_kill(const struct proc *proc, int sig)
{
    /* its own group does not exist if it stayed in ours */
    if (proc->pid > 0 && kill(-proc->pid, sig) < 0) {
        (void)kill(proc->pid, sig);
    }
}

int
proc_cpus(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) == 0
               ? 1
               : CPU_COUNT(&set);
}

void
proc_end(const struct proc *proc)
{
    if (proc->pid > 0 && proc->guarded && proc->pidfd >= 0) {
        (void)kill(proc->pid, PROC_END_SIGNAL);
    } else {
        proc_kill(proc, SIGKILL);
    }
}

/* End it and its group, without reaping. */
static void
end_all(const struct proc *proc)
{
    if (proc->guarded && proc->pidfd >= 0) {
        proc_end(proc);
        (void)await_exit(proc->pidfd, deadline(clock_mono_ms(), GUARD_GRACE_MS), NULL);
    }
    proc_kill(proc, SIGKILL);
}

void
proc_clear(struct proc *proc)
{
    if (proc->pid > 0) {
        end_all(proc);
        (void)reap(proc->pid, NULL);
        proc->pid = 0;
    }
    fd_close(FD_STEAL(proc->pidfd));
}

void
proc_run_clear(struct proc_run *run)
{
    buf_clear(&run->output);
}

/* Move output into the buffer until the pipe ends, the program has gone and its grace is
 * over, or `end` comes. 1: the program's time is up. */
static int
drain(int fd, const struct proc *proc, int64_t end, struct proc_run *run, struct err *err)
{
    bool gone = false;

    for (;;) {
        struct pollfd polls[2] = {{fd, POLLIN, 0}, {gone ? -1 : proc->pidfd, POLLIN, 0}};
        if (poll(polls, 2, poll_left(end)) < 0 && errno != EINTR) {
            return err_sys(err, "wait for output");
        }
        if (!gone && polls[1].revents != 0) {
            gone = true;
            int64_t grace = clock_mono_ms() + DRAIN_AFTER_EXIT_MS;
            end = grace < end ? grace : end;
        }
        if (polls[0].revents != 0) {
            int rc = fd_read_some(fd, &run->output, SIZE_MAX, err);
            if (rc <= 0) {
                return rc; /* end of file: all writers have gone */
            }
        }
        if (clock_mono_ms() >= end) {
            return gone ? 0 : 1;
        }
    }
}

/* What a killed program had written is still in the pipe, and is what tells why it hung.
 */
static void
drain_rest(int fd, struct proc_run *run)
{
    struct err ignored = ERR_INIT;
    size_t before = run->output.len;

    if (fd_set_nonblock(fd, true, &ignored) < 0) {
        return;
    }
    for (int64_t end = clock_mono_ms() + DRAIN_AFTER_EXIT_MS; clock_mono_ms() < end;) {
        if (run->output.truncated || run->output.len - before > DRAIN_AFTER_KILL_BYTES ||
            fd_read_some(fd, &run->output, SIZE_MAX, &ignored) <= 0) {
            return;
        }
    }
}

/* From its start to its end; the program's time counts on when it has closed its outputs.
 */
static int
run_to_end(int out, struct proc *proc, int64_t end, struct proc_run *run, struct err *err)
{
    int rc = drain(out, proc, end, run, err);

    if (rc == 0) {
        rc = await_exit(proc->pidfd, end, err);
        rc = rc == 0 ? 1 : rc > 0 ? 0 : rc;
    }
    if (rc < 0) {
        return rc;
    }
    run->timed_out = rc == 1;
    if (run->timed_out) {
        end_all(proc);
    } else {
        proc_kill(proc,
                  SIGKILL); /* before it is reaped, while the group's number is ours */
    }
    rc = proc_wait(proc, -1, &run->status, err);
    if (run->timed_out) {
        drain_rest(out, run);
    }
    return rc;
}

int
proc_run(const struct proc_spec *spec, int64_t timeout_ms, struct proc_run *run,
         struct err *err)
{
    struct proc_spec piped = *spec;
    int64_t start = clock_mono_ms();
    int ends[2];
    int rc = fd_pipe(ends, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int out = ends[0];
    AUTO(fd_close) int out_child = ends[1];
    AUTO(proc_clear) struct proc proc = PROC_INIT;
    piped.out_fd = out_child;
    piped.err_fd = out_child;
    rc = proc_spawn(&piped, &proc, err);
    if (rc < 0) {
        return rc;
    }
    fd_close(FD_STEAL(out_child));
    rc = run_to_end(out, &proc, deadline(start, timeout_ms), run, err);
    run->wall_ms = clock_mono_ms() - start;
    return rc;
}

void
proc_status_show(char *out, size_t size, int status)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        (void)snprintf(out, size, "signal %d (%s)", WTERMSIG(status),
                       name == NULL ? "?" : name);
    } else {
        (void)snprintf(out, size, "exit status %d", WEXITSTATUS(status));
    }
}

int
proc_self(char **out, struct err *err)
{
    static const char gone[] =
        " (deleted)"; /* what the kernel adds to the name, proc(5) */
    char path[PATH_MAX];
    ssize_t len = readlink(PROC_SELF, path, sizeof(path) - 1);

    if (len < 0) {
        return err_sys(err, "find the program's own file by " PROC_SELF);
    }
    path[len] = '\0';
    if (str_ends(path, gone) && access(path, F_OK) < 0) {
        path[(size_t)len - strlen(gone)] = '\0';
        return err_set(err, -ENOENT,
                       "'%s' was replaced or removed while it ran: start nightjar again",
                       path);
    }
    *out = mem_dup(path, strlen(path));
    return 0;
}
