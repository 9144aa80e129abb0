/*
 * Workers as children of this process, in the sandbox. The sandbox's own process stands
 * for the tree: signals that are sent to it reach the command, and with it everything
 * that the command started ends.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "orchestrator/executor/executor.h"

enum {
    READ_MAX = 64 << 10,      /* bytes a turn of the loop */
    DRAIN_MAX = 1 << 20,      /* bytes that are still read once it has gone */
    THROTTLE_US = 100 * 1000, /* how long output waits after too much of it */
    PROCESSES_MAX = 65536,
};

struct execution {
    struct proc proc;
    int out_fd; /* -1: ended */
    bool told_to_end;
    sd_event_source *exit_source, *output_source, *throttle_source;
    struct executor_spec spec; /* argv, env and policy are not kept */
    int64_t window_ms;         /* since when `window_bytes` is counted */
    size_t window_bytes;
};

static void
stop_reading(struct execution *execution)
{
    execution->output_source = sd_event_source_disable_unref(execution->output_source);
    execution->throttle_source =
        sd_event_source_disable_unref(execution->throttle_source);
    fd_close(FD_STEAL(execution->out_fd));
}

static void
local_free(struct execution *execution)
{
    if (execution == NULL) {
        return;
    }
    execution->exit_source = sd_event_source_disable_unref(execution->exit_source);
    stop_reading(execution);
    proc_clear(&execution->proc);
    mem_free(execution);
}

AUTO_DEFINE(struct execution *, local_free)

/* 1: something was read; 0: the end; -EAGAIN: nothing now. */
static int
read_some(struct execution *execution, size_t most)
{
    AUTO(buf_clear) struct buf chunk = BUF_INIT;
    int rc = fd_read_some(execution->out_fd, &chunk, most, NULL);

    if (chunk.len > 0) {
        execution->window_bytes += chunk.len;
        execution->spec.output(execution->spec.user, chunk.data, chunk.len);
    }
    return rc;
}

static int
on_throttle(sd_event_source *source, uint64_t usec, void *user)
{
    struct execution *execution = user;

    (void)source;
    (void)usec;
    if (execution->output_source != NULL) {
        (void)sd_event_source_set_enabled(execution->output_source, SD_EVENT_ON);
    }
    return 0;
}

/* The pipe fills up and the writer waits: that is its own time. */
static void
throttle(struct execution *execution)
{
    int64_t now = clock_mono_ms();

    if (now - execution->window_ms >= 1000) {
        execution->window_ms = now;
        execution->window_bytes = 0;
    }
    if (execution->window_bytes < EXECUTOR_OUTPUT_PER_S) {
        return;
    }
    (void)sd_event_source_set_enabled(execution->output_source, SD_EVENT_OFF);
    (void)sd_event_source_set_time_relative(execution->throttle_source, THROTTLE_US);
    (void)sd_event_source_set_enabled(execution->throttle_source, SD_EVENT_ONESHOT);
}

static int
on_output(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct execution *execution = user;

    (void)source;
    (void)fd;
    (void)events;
    int rc = read_some(execution, READ_MAX);
    if (rc == 0 || (rc < 0 && rc != -EAGAIN)) {
        stop_reading(execution);
        return 0;
    }
    throttle(execution);
    return 0;
}

static int
on_exit_readable(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct execution *execution = user;
    int status = 0;

    (void)fd;
    (void)events;
    (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    for (int left = DRAIN_MAX / READ_MAX; execution->out_fd >= 0 && left > 0; left--) {
        if (read_some(execution, READ_MAX) <= 0) {
            break;
        }
    }
    stop_reading(execution);
    /* what has outlived the sandbox's process is in its group or was reaped by it */
    proc_kill(&execution->proc, SIGKILL);
    (void)proc_wait(&execution->proc, -1, &status, NULL);
    execution->spec.gone(execution->spec.user, status);
    return 0;
}

static int
watch(struct execution *execution, struct err *err)
{
    sd_event *event = execution->spec.event;
    int rc = sd_event_add_io(event, &execution->exit_source, execution->proc.pidfd,
                             EPOLLIN, on_exit_readable, execution);

    if (rc >= 0) {
        rc = sd_event_add_io(event, &execution->output_source, execution->out_fd, EPOLLIN,
                             on_output, execution);
    }
    if (rc >= 0) {
        rc = sd_event_add_time_relative(event, &execution->throttle_source,
                                        CLOCK_MONOTONIC, THROTTLE_US, 0, on_throttle,
                                        execution);
    }
    if (rc >= 0) {
        rc = sd_event_source_set_enabled(execution->throttle_source, SD_EVENT_OFF);
    }
    return rc < 0 ? err_set(err, rc, "event loop: %s", strerror(-rc)) : 0;
}

static int
local_start(const struct executor_spec *spec, struct execution **out, struct err *err)
{
    AUTO(local_free) struct execution *execution = mem_alloc(sizeof(*execution));
    AUTO(strv_clear) struct strv argv = {0};
    int ends[2];

    execution->proc = (struct proc)PROC_INIT;
    execution->out_fd = -1;
    execution->spec = *spec;
    int rc = sandbox_wrap(spec->rung, spec->policy, spec->argv, &argv, err);
    if (rc < 0) {
        return rc;
    }
    rc = fd_pipe(ends, err);
    if (rc < 0) {
        return rc;
    }
    execution->out_fd = ends[0];
    AUTO(fd_close) int child_end = ends[1];
    struct proc_spec child = PROC_SPEC_INIT;
    child.argv = argv.v;
    child.envp = spec->env->v;
    child.cwd = spec->policy->cwd;
    child.out_fd = child_end;
    child.err_fd = child_end;
    child.nice = spec->nice;
    child.limits.file_bytes = EXECUTOR_FILE_MAX;
    rc = fd_set_nonblock(execution->out_fd, true, err);
    rc = rc < 0 ? rc : proc_spawn(&child, &execution->proc, err);
    rc = rc < 0 ? rc : watch(execution, err);
    if (rc < 0) {
        return rc;
    }
    execution->spec.argv = NULL;
    execution->spec.env = NULL;
    execution->spec.policy = NULL;
    *out = STEAL(execution);
    return 0;
}

static void
local_ask(struct execution *execution, int signal_number)
{
    if (execution->proc.pid > 0) {
        (void)kill(execution->proc.pid, signal_number);
    }
}

/* The sandbox's own process gets the chance to end its descendants; the second time it
 * gets none. */
static void
local_kill(struct execution *execution)
{
    if (execution->proc.guarded && !execution->told_to_end && execution->proc.pid > 0) {
        execution->told_to_end = true;
        (void)kill(execution->proc.pid, PROC_END_SIGNAL);
        return;
    }
    proc_kill(&execution->proc, SIGKILL);
}

static pid_t
local_pid(const struct execution *execution)
{
    return execution->proc.pid;
}

/* --- processor time of a tree --- */

struct process {
    pid_t pid, parent;
    int64_t ticks; /* with those of its children that it has waited for */
    bool ours;
};

/* The numbers behind the name and the state, proc(5)'s field 4 onwards; how many there
 * are. */
static int
read_fields(char *text, long long *fields, int max)
{
    char *save = NULL;
    int n = 0;

    for (char *word = strtok_r(text, " ", &save); word != NULL && n < max;
         word = strtok_r(NULL, " ", &save)) {
        fields[n++] = strtoll(word, NULL, 10);
    }
    return n;
}

/* "PID (NAME) STATE PPID ...": the name may hold anything, also ')'. */
static bool
read_process(const char *pid, struct process *out)
{
    enum { PPID = 0, UTIME = 10, FIELDS = 14 }; /* then stime, cutime and cstime */
    char path[64];
    char text[1024];
    long long fields[FIELDS] = {0};

    (void)snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : fd_read(fd, text, sizeof(text) - 1);
    if (len <= 0) {
        return false;
    }
    text[len] = '\0';
    char *name_end = strrchr(text, ')');
    if (name_end == NULL || strlen(name_end) < 4 ||
        read_fields(name_end + 4, fields, FIELDS) < FIELDS) {
        return false;
    }
    *out = (struct process){.pid = (pid_t)strtol(pid, NULL, 10),
                            .parent = (pid_t)fields[PPID]};
    for (int i = UTIME; i < FIELDS; i++) {
        out->ticks += fields[i];
    }
    return true;
}

static size_t
read_processes(struct process **out)
{
    DIR *proc = opendir("/proc");
    size_t n = 0;
    size_t room = 0;
    struct dirent *entry;

    while (proc != NULL && n < PROCESSES_MAX && (entry = readdir(proc)) != NULL) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') {
            continue;
        }
        if (n == room) {
            room = room == 0 ? 256 : room * 2;
            *out = mem_resize(*out, room * sizeof(**out));
        }
        n += read_process(entry->d_name, *out + n) ? 1 : 0;
    }
    if (proc != NULL) {
        (void)closedir(proc);
    }
    return n;
}

static bool
is_ours(const struct process *list, size_t n, pid_t pid)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].pid == pid) {
            return list[i].ours;
        }
    }
    return false;
}

static int64_t
local_cpu_ms(const struct execution *execution)
{
    AUTO(mem_free) struct process *list = NULL;
    size_t n = read_processes(&list);
    int64_t ticks = 0;
    bool more = true;

    for (size_t i = 0; i < n; i++) {
        list[i].ours = list[i].pid == execution->proc.pid;
    }
    while (more) {
        more = false;
        for (size_t i = 0; i < n; i++) {
            if (!list[i].ours && is_ours(list, n, list[i].parent)) {
                list[i].ours = true;
                more = true;
            }
        }
    }
    bool seen = false;
    for (size_t i = 0; i < n; i++) {
        ticks += list[i].ours ? list[i].ticks : 0;
        seen = seen || list[i].ours;
    }
    return seen ? ticks * 1000 / sysconf(_SC_CLK_TCK) : -1;
}

const struct executor_ops executor_local = {
    .name = "local",
    .start = local_start,
    .ask = local_ask,
    .kill = local_kill,
    .free = local_free,
    .pid = local_pid,
    .cpu_ms = local_cpu_ms,
};
