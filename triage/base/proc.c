#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
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

extern char **environ;

enum { DRAIN_AFTER_EXIT_MS = 1000 };

/* Everything below until exec runs in the child: no allocation, no return on failure. */
static void __attribute__((noreturn))
child_fail(int report_fd)
{
    int code = errno;

    (void)!write(report_fd, &code, sizeof(code));
    _exit(127);
}

static int
set_limit(__rlimit_resource_t what, int64_t value)
{
    const struct rlimit limit = {(rlim_t)value, (rlim_t)value};

    return value > 0 ? setrlimit(what, &limit) : 0;
}

static int
child_limits(const struct proc_limits *limits)
{
    const struct rlimit no_core = {0, 0};

    if (setrlimit(RLIMIT_CORE, &no_core) < 0 ||
        set_limit(RLIMIT_AS, limits->address_bytes) < 0 ||
        set_limit(RLIMIT_FSIZE, limits->file_bytes) < 0 ||
        set_limit(RLIMIT_CPU, limits->cpu_s) < 0) {
        return -1;
    }
    return set_limit(RLIMIT_NOFILE, limits->files);
}

/* The three standard descriptors, by way of numbers that cannot clash with them. */
static int
child_stdio(const struct proc_spec *spec)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int wanted[3] = {spec->in_fd, spec->out_fd, spec->err_fd};
    int moved[3];

    for (int i = 0; i < 3; i++) {
        moved[i] = fcntl(wanted[i] < 0 ? null_fd : wanted[i], F_DUPFD_CLOEXEC, 3);
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

static int
child_signals(void)
{
    sigset_t none;

    (void)sigemptyset(&none);
    for (int sig = 1; sig < NSIG; sig++) {
        if (sig != SIGKILL && sig != SIGSTOP) {
            (void)signal(sig, SIG_DFL);
        }
    }
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

static void __attribute__((noreturn))
child_main(const struct proc_spec *spec, pid_t parent, int report_fd)
{
    if (!spec->same_group && setsid() < 0) {
        child_fail(report_fd);
    }
    if (!spec->outlive) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(127); /* it died before the line above */
        }
    }
    if (spec->nice != 0) {
        (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + spec->nice);
    }
    if (child_stdio(spec) < 0 || child_signals() < 0 || child_limits(&spec->limits) < 0) {
        child_fail(report_fd);
    }
    if (spec->cwd != NULL && chdir(spec->cwd) < 0) {
        child_fail(report_fd);
    }
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    for (size_t i = 0; i < spec->n_keep; i++) {
        (void)fcntl(spec->keep[i], F_SETFD, 0);
    }
    (void)execvpe(spec->argv[0], spec->argv, spec->envp == NULL ? environ : spec->envp);
    child_fail(report_fd);
}

int
proc_spawn(const struct proc_spec *spec, struct proc *out, struct err *err)
{
    int ends[2];
    pid_t parent = getpid();
    int rc = fd_pipe(ends, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int report = ends[0];
    AUTO(fd_close) int report_child = ends[1];
    pid_t pid = fork();
    if (pid < 0) {
        return err_sys(err, "fork for '%s'", spec->argv[0]);
    }
    if (pid == 0) {
        child_main(spec, parent, report_child);
    }
    fd_close(FD_STEAL(report_child));

    int code = 0;
    struct proc proc = {pid, -1};
    if (fd_read(report, &code, sizeof(code)) == (ssize_t)sizeof(code)) {
        (void)waitpid(pid, NULL, 0);
        errno = code;
        return err_sys(err, "start '%s'", spec->argv[0]);
    }
    proc.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (proc.pidfd < 0) {
        rc = err_sys(err, "watch '%s'", spec->argv[0]);
        proc_clear(&proc);
        return rc;
    }
    (void)fcntl(proc.pidfd, F_SETFD, FD_CLOEXEC);
    *out = proc;
    return 0;
}

int
proc_wait(struct proc *proc, int64_t timeout_ms, int *status, struct err *err)
{
    int64_t end = timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;

    for (;;) {
        int64_t left = timeout_ms < 0 ? -1 : end - clock_mono_ms();
        struct pollfd poll_fd = {proc->pidfd, POLLIN, 0};
        int n = poll(&poll_fd, 1, left < -1 ? 0 : (int)left);
        if (n > 0) {
            break;
        }
        if (n == 0 && timeout_ms >= 0 && clock_mono_ms() >= end) {
            return err_set(err, -ETIMEDOUT, "still running after %lld ms",
                           (long long)timeout_ms);
        }
    }
    while (waitpid(proc->pid, status, 0) < 0) {
        if (errno != EINTR) {
            return err_sys(err, "wait for process %d", (int)proc->pid);
        }
    }
    proc->pid = 0;
    fd_close(FD_STEAL(proc->pidfd));
    return 0;
}

void
proc_kill(const struct proc *proc, int sig)
{
    if (proc->pid > 0) {
        (void)kill(-proc->pid, sig);
        (void)kill(proc->pid, sig);
    }
}

void
proc_clear(struct proc *proc)
{
    if (proc->pid > 0) {
        proc_kill(proc, SIGKILL);
        while (waitpid(proc->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        proc->pid = 0;
    }
    fd_close(proc->pidfd);
    proc->pidfd = -1;
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
        int64_t left = end - clock_mono_ms();
        if (left <= 0) {
            return gone ? 0 : 1;
        }
        if (poll(polls, 2, left > INT32_MAX ? INT32_MAX : (int)left) < 0 && errno != EINTR) {
            return err_sys(err, "poll");
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
    }
}

int
proc_run(const struct proc_spec *spec, int64_t timeout_ms, struct proc_run *run,
         struct err *err)
{
    struct proc_spec piped = *spec;
    int64_t start = clock_mono_ms();
    int64_t end = start + timeout_ms;
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
    rc = drain(out, &proc, end, run, err);
    if (rc < 0) {
        return rc;
    }
    if (rc == 0) { /* it closed its outputs, or has gone; its time goes on until it ends */
        int64_t left = end - clock_mono_ms();
        rc = proc_wait(&proc, left > 0 ? left : 0, &run->status, err) == -ETIMEDOUT ? 1 : 0;
    }
    run->timed_out = rc == 1;
    if (run->timed_out) {
        proc_kill(&proc, SIGKILL);
        rc = proc_wait(&proc, -1, &run->status, err);
        if (rc < 0) {
            return rc;
        }
    }
    run->wall_ms = clock_mono_ms() - start;
    return 0;
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
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path));

    if (len < 0 || (size_t)len >= sizeof(path)) {
        return err_sys(err, "find the program's own file by /proc/self/exe");
    }
    *out = mem_dup(path, (size_t)len);
    return 0;
}
