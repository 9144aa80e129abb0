/*
 * What the front and the reaper do while the command runs. All signals are blocked here
 * and taken one by one: no handler, no race.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "triage/sandbox/sandbox_private.h"

enum {
    TICK_FIRST_MS = 50,
    TICK_MAX_MS = 1000,
    TICK_DISK_MS = 200,   /* where no file system of its own limits what it writes */
    TICK_PENDING_MS = 10, /* a signal waits for a command that is not there yet */
    STATUS_MAX = 4096,
    STATUS_MS = 2000,
};

static const int forwarded[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP};

/* The number behind "key": in what bwrap --json-status-fd says; -1 if it has not said it.
 */
static int
status_number(struct watch *watch, const char *key)
{
    struct err ignored = ERR_INIT;

    while (watch->status.len < STATUS_MAX &&
           fd_read_some(watch->status_fd, &watch->status, STATUS_MAX, &ignored) > 0) {
    }
    const char *at = strstr(buf_str(&watch->status), key);
    return at == NULL ? -1 : (int)strtol(at + strlen(key), NULL, 10);
}

int
watch_bwrap_status(struct watch *watch, int status)
{
    static const int fatal[] = {SIGILL,  SIGTRAP, SIGABRT, SIGBUS,  SIGFPE,
                                SIGKILL, SIGSEGV, SIGSYS,  SIGXCPU, SIGXFSZ};

    if (!WIFEXITED(status)) {
        return status;
    }
    if (status_number(watch, "\"exit-code\":") < 0) {
        return -1;
    }
    for (size_t i = 0; i < COUNT(fatal); i++) {
        if (WEXITSTATUS(status) == 128 + fatal[i]) {
            return fatal[i];
        }
    }
    return status;
}

pid_t
watch_bwrap_first(struct watch *watch)
{
    int64_t end = clock_mono_ms() + STATUS_MS;
    int first = -1;

    while ((first = status_number(watch, "\"child-pid\":")) < 0 &&
           clock_mono_ms() < end) {
        struct pollfd poll_fd = {watch->status_fd, POLLIN, 0};
        if (poll(&poll_fd, 1, STATUS_MS) > 0 && (poll_fd.revents & POLLIN) == 0) {
            return 0; /* it went away */
        }
    }
    return first;
}

/* The process group of the command; 0: it has not started. */
static pid_t
command_group(struct watch *watch)
{
    if (watch->status_fd < 0) {
        return watch->child; /* the leader of its own */
    }
    int first = status_number(watch, "\"child-pid\":"); /* process 1 of the namespace */
    pid_t command = first > 0 ? tree_first_child(first) : 0;
    pid_t group = command > 0 ? getpgid(command) : 0;
    return group > 0 ? group : 0;
}

/* A front's child is a reaper, which passes it on itself. */
static bool
forward(struct watch *watch, int sig)
{
    if (watch->is_front) {
        (void)kill(watch->child, sig);
        return true;
    }
    pid_t group = command_group(watch);
    if (group > 0) {
        (void)kill(-group, sig);
    }
    return group > 0;
}

static bool
is_forwarded(int sig)
{
    for (size_t i = 0; i < COUNT(forwarded); i++) {
        if (forwarded[i] == sig) {
            return true;
        }
    }
    return false;
}

/* Reap all that has ended. True, with its status, when the child is among them. */
static bool
reap(struct watch *watch, int *status)
{
    bool ended = false;

    for (;;) {
        int one = 0;
        pid_t pid = waitpid(-1, &one, WNOHANG);
        if (pid <= 0) {
            return ended;
        }
        pids_add(&watch->seen, pid);
        if (pid == watch->child) {
            ended = true;
            *status = one;
        }
    }
}

/* The limits that no rlimit enforces for a whole tree. */
static void
police(struct watch *watch)
{
    AUTO(pids_clear) struct pids tree = {NULL, 0};

    if (watch->is_front) {
        return;
    }
    size_t threads = tree_collect(getpid(), &tree);
    if (threads > (size_t)watch->plan->processes) {
        watch->broken = "too many processes";
        return;
    }
    for (size_t i = 0; i < tree.n && watch->status_fd < 0; i++) {
        pids_add(&watch->seen, tree.v[i]);
    }
    if (watch->plan->rung == SANDBOX_LANDLOCK && watch->work != NULL &&
        work_bytes(watch->work, watch->plan->tmp_bytes) > watch->plan->tmp_bytes) {
        watch->broken = "too much in its work folder";
    }
}

static int
wait_signal(const sigset_t *set, int ms)
{
    const struct timespec timeout = {ms / 1000, (long)(ms % 1000) * 1000000L};

    return sigtimedwait(set, NULL, &timeout);
}

static void
all_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGCHLD);
    (void)sigaddset(set, PROC_END_SIGNAL);
    for (size_t i = 0; i < COUNT(forwarded); i++) {
        (void)sigaddset(set, forwarded[i]);
    }
}

/* 0: time has passed; else the signal. The command's signals are forwarded, now or at the
 * next tick. */
static int
next_event(struct watch *watch, const sigset_t *set, int tick_ms, int *pending)
{
    int sig = wait_signal(
        set, *pending != 0 && tick_ms > TICK_PENDING_MS ? TICK_PENDING_MS : tick_ms);

    if (sig > 0 && is_forwarded(sig)) {
        *pending = sig;
    }
    if (*pending != 0 && forward(watch, *pending)) {
        *pending = 0;
    }
    return sig > 0 ? sig : 0;
}

int
watch_run(struct watch *watch)
{
    sigset_t set;
    int64_t tick_at = clock_mono_ms() + TICK_FIRST_MS;
    const int most = watch->plan->rung == SANDBOX_LANDLOCK ? TICK_DISK_MS : TICK_MAX_MS;
    int interval = TICK_FIRST_MS;
    int pending = 0;
    int status = SANDBOX_EXIT << 8;

    all_signals(&set);
    while (watch->broken == NULL) {
        if (reap(watch, &status)) {
            return status;
        }
        int64_t left = tick_at - clock_mono_ms();
        if (left <= 0) {
            police(watch);
            interval = interval * 2 < most ? interval * 2 : most;
            tick_at = clock_mono_ms() + interval;
            continue;
        }
        if (next_event(watch, &set, (int)left, &pending) == PROC_END_SIGNAL) {
            return SIGKILL; /* as a wait status: killed, which is what now happens to the
                               command */
        }
    }
    return status;
}

void
watch_finish(struct watch *watch)
{
    if (!tree_kill(&watch->seen)) {
        (void)sandbox_say("some processes could not be killed");
    }
    if (watch->plan->rung != SANDBOX_BWRAP) {
        shm_sweep(&watch->seen, watch->plan->who.drop ? watch->plan->who.uid : (uid_t)-1,
                  watch->since);
    }
    if (watch->work != NULL) {
        (void)fs_remove(watch->work, NULL);
    }
    pids_clear(&watch->seen);
    buf_clear(&watch->status);
}
