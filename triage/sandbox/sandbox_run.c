/*
 * A sandbox from within, in the child that proc_spawn() forked:
 *
 *   bwrap:           front --- bwrap (its own pid namespace dies with it) --- command
 *   landlock, none:  front --- reaper --- command
 *
 * The front is the process that the caller knows: it passes signals on and ends as the
 * command does. Where no pid namespace takes everything along, front and reaper keep each
 * other's watch: each ends all descendants when the other is killed, so that kill -9 of
 * either leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox/sandbox_private.h"

enum {
    ANCESTORS_MAX = 16,
    EXIT_NOT_EXECUTABLE = 126,
    EXIT_NOT_FOUND = 127,
    EXIT_SIGNALLED = 128
};

int
sandbox_say(const char *fmt, ...)
{
    char text[ERR_MSG_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)dprintf(STDERR_FILENO, "nightjar sandbox: %s\n", text);
    return SANDBOX_EXIT;
}

/* A keeper: unreadable for what it keeps, heir of all orphans, out of reach of `pkill
 * nightjar`. */
static void
become_keeper(const char *name)
{
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    (void)prctl(PR_SET_NAME, name, 0, 0, 0);
}

/* Let go of the command's pipes, so that who is at their other ends sees it go. */
static void
close_outputs(void)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null_fd >= 0) {
        (void)dup2(null_fd, STDIN_FILENO);
        (void)dup2(null_fd, STDOUT_FILENO);
        fd_close(null_fd);
    }
}

/* In a child: die with the parent from now on. */
static void
die_with(pid_t parent, int sig)
{
    (void)prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0);
    if (getppid() != parent) {
        _exit(SANDBOX_EXIT);
    }
}

static void __attribute__((noreturn)) exec_command(char *const argv[], char *const envp[])
{
    (void)execve(argv[0], argv, envp);
    int code = errno == ENOENT || errno == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    AUTO(mem_free) char *name = str_name_dup(argv[0]);
    (void)sandbox_say("start '%s': %s", name, strerrordesc_np(errno));
    _exit(code);
}

/* End as the command did, by its signal too. */
static int
end_as(int status)
{
    sigset_t set;

    if (WIFEXITED(status)) {
        return WEXITSTATUS(status);
    }
    int sig = WTERMSIG(status);
    const struct proc_limits none = {0, 0, 0, 0};
    (void)proc_limit_self(&none);
    (void)signal(sig, SIG_DFL);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, sig);
    (void)kill(getpid(), sig);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    return EXIT_SIGNALLED + sig;
}

/*
 * A fork bomb doubles faster than anybody can look: the kernel must stop it at some
 * multiple of what the watch allows, and then the watch ends it. The kernel counts by uid
 * and user namespace (since Linux 5.14), so where others may run under the same uid there
 * must be room for them.
 */
enum { ROOM_ALONE = 2, ROOM_SHARED = 4 };

static void
limit_processes(pid_t pid, int64_t most)
{
    const struct rlimit limit = {(rlim_t)most, (rlim_t)most};

    (void)prlimit(pid, RLIMIT_NPROC, &limit,
                  NULL); /* lower it is already, if this fails */
}

/* The number of all threads of the machine, from "0.00 0.01 0.05 1/123 4567". */
static int64_t
threads_now(void)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    const char *slash = fs_read("/proc/loadavg", 256, &text, NULL) < 0
                            ? NULL
                            : strchr(buf_str(&text), '/');

    return slash == NULL ? INT16_MAX : strtol(slash + 1, NULL, 10);
}

static int
finish(struct watch *watch, int status)
{
    const char *broken = watch->broken;

    watch_finish(watch);
    if (broken != NULL) {
        return sandbox_say("the command had %s, and was ended", broken);
    }
    return end_as(status);
}

/* --- landlock, none
 * ------------------------------------------------------------------------------- */

static void
add_ancestors(struct pids *out)
{
    pid_t pid = getppid();

    for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
        pids_add(out, pid);
        pid = tree_parent(pid);
    }
}

static int
confine(const struct plan *plan, const char *work, struct err *err)
{
    AUTO(pids_clear) struct pids guarded = {NULL, 0};

    add_ancestors(&guarded);
    if (drop_root(&plan->who) < 0) {
        return err_sys(err, "become uid %u", (unsigned)plan->who.uid);
    }
    int rc = landlock_confine(plan, work, err);
    return rc < 0 ? rc : seccomp_confine(plan, &guarded, err);
}

/* The environment with TMPDIR set. Never freed: exec follows. */
static char **
with_tmpdir(char *const *envp, const char *work)
{
    struct strv env = {NULL, 0};

    strv_addf(&env, "TMPDIR=%s", work);
    for (size_t i = 0; envp[i] != NULL; i++) {
        if (!str_starts(envp[i], "TMPDIR=")) {
            strv_add(&env, envp[i]);
        }
    }
    return env.v;
}

static void __attribute__((noreturn))
be_command(const struct plan *plan, const struct proc_spec *spec, const char *work,
           pid_t parent)
{
    struct err err = ERR_INIT;
    struct proc_limits limits = spec->limits;
    bool confined = plan->rung == SANDBOX_LANDLOCK;
    char *const *envp = with_tmpdir(spec->envp, work);

    if (confined) {
        int64_t others = plan->who.drop ? 0 : threads_now();
        limit_processes(0, others + (int64_t)ROOM_SHARED * plan->processes);
    }
    if (confined && (limits.file_bytes <= 0 || limits.file_bytes > plan->tmp_bytes)) {
        limits.file_bytes = plan->tmp_bytes;
    }
    (void)prctl(PR_SET_NAME, "box-command", 0, 0, 0);
    (void)setsid();
    if (chdir(plan->cwd == NULL ? work : plan->cwd) < 0) {
        (void)err_sys(&err, "enter the work folder");
    } else if (!confined || confine(plan, work, &err) == 0) {
        die_with(parent, SIGKILL); /* only now: a new uid clears it */
        if (proc_limit_self(&limits) == 0 && proc_reset_signals() == 0) {
            exec_command(plan->command.v, envp);
        }
        (void)err_sys(&err, "set the limits");
    }
    _exit(sandbox_say("%s", err.msg));
}

static void __attribute__((noreturn))
be_reaper(const struct proc_spec *spec, struct watch *watch, pid_t parent)
{
    watch->is_front = false;
    die_with(parent, PROC_END_SIGNAL);
    (void)setsid(); /* who kills the front's group shall not kill both */
    become_keeper("box-reaper");
    pid_t self = getpid();
    watch->child = fork();
    if (watch->child == 0) {
        be_command(watch->plan, spec, watch->work, self);
    }
    if (watch->child < 0) {
        _exit(sandbox_say("fork: %s", strerrordesc_np(errno)));
    }
    pids_add(&watch->seen, watch->child);
    close_outputs();
    int status = watch_run(watch);
    _exit(finish(watch, status));
}

static int
run_reaper(const struct plan *plan, const struct proc_spec *spec)
{
    struct err err = ERR_INIT;
    AUTO(mem_free) char *work = NULL;
    AUTO(fd_close) int lock_fd = -1;
    struct watch watch = {
        .plan = plan, .status_fd = -1, .since = clock_wall_ms(), .is_front = true};

    if (work_make(plan->tmp, &plan->who, &work, &lock_fd, &err) < 0) {
        return sandbox_say("%s", err.msg);
    }
    watch.work = work;
    pid_t self = getpid();
    watch.child = fork();
    if (watch.child == 0) {
        be_reaper(spec, &watch, self);
    }
    if (watch.child < 0) {
        int code = errno;
        watch_finish(&watch);
        return sandbox_say("fork: %s", strerrordesc_np(code));
    }
    close_outputs();
    int status = watch_run(&watch);
    return finish(&watch, status);
}

/* --- bwrap
 * ----------------------------------------------------------------------------------------
 */

/* What the dynamic linker acts on, before anything of the sandbox is dropped. */
static bool
steers_loader(const char *variable)
{
    return str_starts(variable, "LD_") || str_starts(variable, "GLIBC_TUNABLES=") ||
           str_starts(variable, "GCONV_PATH=") || str_starts(variable, "LOCPATH=");
}

/* bwrap and what it starts with root's rights get an environment of their own; the
 * command's is set last, and its words for the linker by env(1), when all rights are
 * gone. */
static void
add_environment(char *const *envp, struct strv *args, struct strv *late)
{
    strv_add(args, "--clearenv");
    strv_add(args, "--setenv");
    strv_add(args, "TMPDIR");
    strv_add(args, "/tmp");
    for (size_t i = 0; envp[i] != NULL; i++) {
        const char *equals = strchr(envp[i], '=');
        if (equals == NULL || equals == envp[i] || str_starts(envp[i], "TMPDIR=")) {
            continue;
        }
        if (steers_loader(envp[i])) {
            strv_add(late, envp[i]);
            continue;
        }
        AUTO(mem_free) char *name = mem_dup(envp[i], (size_t)(equals - envp[i]));
        strv_add(args, "--setenv");
        strv_add(args, name);
        strv_add(args, equals + 1);
    }
}

static void
bwrap_arguments(const struct plan *plan, char *const *envp, const int fds[2],
                struct strv *args)
{
    AUTO(strv_clear) struct strv late = {NULL, 0};

    strv_add_all(args, &plan->bwrap);
    strv_add(args, "--seccomp");
    strv_addf(args, "%d", fds[0]);
    strv_add(args, "--json-status-fd");
    strv_addf(args, "%d", fds[1]);
    add_environment(envp, args, &late);
    strv_add(args, "--");
    strv_add_all(args, &plan->inner);
    if (late.n > 0) {
        strv_add(args, "/usr/bin/env");
        strv_add_all(args, &late);
    }
    strv_add_all(args, &plan->command);
}

static void __attribute__((noreturn))
be_bwrap(const struct plan *plan, const struct proc_spec *spec, const int fds[2],
         pid_t parent)
{
    static char path[] =
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *const envp[] = {path, NULL};
    struct strv args = {NULL, 0}; /* exec follows */

    bwrap_arguments(plan, spec->envp, fds, &args);
    (void)setsid();       /* a signal to the front's group is for the front to pass on */
    if (plan->who.drop) { /* root itself is not bound by it */
        limit_processes(0, (int64_t)ROOM_SHARED * plan->processes);
    }
    die_with(parent, SIGKILL);
    if (fcntl(fds[0], F_SETFD, 0) < 0 || fcntl(fds[1], F_SETFD, 0) < 0 ||
        proc_limit_self(&spec->limits) < 0 || proc_reset_signals() < 0) {
        _exit(sandbox_say("prepare bubblewrap: %s", strerrordesc_np(errno)));
    }
    exec_command(args.v, envp);
}

static int
make_filter_file(const struct plan *plan, int *out, struct err *err)
{
    AUTO(fd_close) int fd = memfd_create("filter", MFD_CLOEXEC);

    if (fd < 0) {
        return err_sys(err, "make a file in memory");
    }
    int rc = seccomp_write(plan, fd, err);
    if (rc < 0) {
        return rc;
    }
    if (lseek(fd, 0, SEEK_SET) < 0) {
        return err_sys(err, "rewind a file in memory");
    }
    *out = FD_STEAL(fd);
    return 0;
}

static int
run_bwrap(const struct plan *plan, const struct proc_spec *spec)
{
    struct err err = ERR_INIT;
    AUTO(fd_close) int filter = -1;
    int ends[2] = {-1, -1};

    if (make_filter_file(plan, &filter, &err) < 0 || fd_pipe(ends, &err) < 0) {
        return sandbox_say("%s", err.msg);
    }
    AUTO(fd_close) int status_fd = ends[0];
    AUTO(fd_close) int status_child = ends[1];
    struct watch watch = {.plan = plan, .status_fd = status_fd, .since = clock_wall_ms()};
    const int fds[2] = {filter, status_child};
    pid_t self = getpid();
    (void)fd_set_nonblock(status_fd, true, &err);
    watch.child = plan->who.drop ? users_fork() : fork();
    if (watch.child == 0) {
        be_bwrap(plan, spec, fds, self);
    }
    if (watch.child < 0) {
        return sandbox_say("fork: %s", strerrordesc_np(errno));
    }
    fd_close(FD_STEAL(status_child));
    close_outputs();
    pid_t first = watch_bwrap_first(&watch);
    if (first > 0 &&
        !plan->who
             .drop) { /* the mounts are still being made, the command is not there yet */
        limit_processes(first, (int64_t)ROOM_ALONE * plan->processes);
    }
    int status = watch_run(&watch);
    int meant = watch.broken == NULL ? watch_bwrap_status(&watch, status) : status;
    if (meant < 0) {
        watch_finish(&watch);
        return sandbox_say("bubblewrap could not make it, for the reason above");
    }
    return finish(&watch, meant);
}

int
sandbox_run_words(char *const *words, const struct proc_spec *spec)
{
    AUTO(plan_clear) struct plan plan = {.rung = SANDBOX_AUTO};
    struct err err = ERR_INIT;

    become_keeper("box-front");
    if (plan_parse(words, &plan, &err) < 0) {
        return sandbox_say("%s", err.msg);
    }
    return plan.rung == SANDBOX_BWRAP ? run_bwrap(&plan, spec) : run_reaper(&plan, spec);
}

int
sandbox_run(const struct proc_spec *spec)
{
    return sandbox_run_words(spec->argv + 2, spec);
}
