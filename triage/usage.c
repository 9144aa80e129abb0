#include "triage/usage.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

enum { PROCESSES_MAX = 16384, THREADS_MAX = 4096, LEAVES_MAX = 64 };

void
usage_clear(struct usage *usage)
{
    mem_free(usage->v);
    *usage = (struct usage){0};
}

/* --- reading --- */

/* A small file of /proc as text; false when it is gone. */
static bool
read_text(const char *path, char *text, size_t size)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : fd_read(fd, text, size - 1);

    if (len <= 0) {
        return false;
    }
    text[len] = '\0';
    return true;
}

static bool
read_stat(const char *path, struct usage_process *out)
{
    char text[1024];
    int64_t fields[25] = {0};
    char *save = NULL;

    if (!read_text(path, text, sizeof(text))) {
        return false;
    }
    /* the name in parentheses may hold anything, so the fields count from the last one; 4
     * is the parent, 14 and 15 processor time, 24 the resident pages (proc(5)) */
    char *rest = strrchr(text, ')');
    char *field = rest == NULL ? NULL : strtok_r(rest + 1, " ", &save);
    for (int i = 3; field != NULL && i <= 24; i++) {
        fields[i] = strtoll(field, NULL, 10);
        field = strtok_r(NULL, " ", &save);
    }
    *out = (struct usage_process){.pid = (pid_t)strtol(text, NULL, 10),
                                  .parent = (pid_t)fields[4],
                                  .ticks = fields[14] + fields[15],
                                  .bytes = fields[24] * sysconf(_SC_PAGESIZE)};
    return true;
}

static void
close_dir(DIR *dir)
{
    if (dir != NULL) {
        (void)closedir(dir);
    }
}
AUTO_DEFINE(DIR *, close_dir)

/* The next entry that is a number; NULL at the end. */
static const char *
next_number(DIR *dir)
{
    const struct dirent *entry = NULL;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            return entry->d_name;
        }
    }
    return NULL;
}

static void
read_all(struct usage *out)
{
    AUTO(close_dir) DIR *dir = opendir("/proc");
    const char *name = NULL;

    out->v = mem_array(PROCESSES_MAX, sizeof(*out->v));
    while (out->n < PROCESSES_MAX && (name = next_number(dir)) != NULL) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/proc/%.20s/stat", name);
        out->n += read_stat(path, &out->v[out->n]) ? 1 : 0;
    }
}

static int
by_pid(const void *a, const void *b)
{
    const struct usage_process *left = a;
    const struct usage_process *right = b;

    return (left->pid > right->pid) - (left->pid < right->pid);
}

void
usage_read(pid_t root, struct usage *out)
{
    bool more = true;

    usage_clear(out);
    read_all(out);
    qsort(out->v, out->n, sizeof(*out->v), by_pid);
    while (more) { /* at most one round for each generation */
        more = false;
        for (size_t i = 0; i < out->n; i++) {
            struct usage_process *process = &out->v[i];
            const struct usage_process key = {.pid = process->parent};
            const struct usage_process *parent =
                bsearch(&key, out->v, out->n, sizeof(*out->v), by_pid);
            if (!process->counted &&
                (process->pid == root || (parent != NULL && parent->counted))) {
                process->counted = true;
                more = true;
            }
        }
    }
}

/* --- what it says --- */

int64_t
usage_bytes(const struct usage *usage)
{
    int64_t sum = 0;

    for (size_t i = 0; i < usage->n; i++) {
        sum += usage->v[i].counted ? usage->v[i].bytes : 0;
    }
    return sum;
}

static bool
has_child(const struct usage *usage, pid_t pid)
{
    for (size_t i = 0; i < usage->n; i++) {
        if (usage->v[i].counted && usage->v[i].parent == pid) {
            return true;
        }
    }
    return false;
}

size_t
usage_leaves(const struct usage *usage, pid_t *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < usage->n && n < max; i++) {
        if (usage->v[i].counted && !has_child(usage, usage->v[i].pid)) {
            out[n++] = usage->v[i].pid;
        }
    }
    return n;
}

/* --- threads --- */

typedef int64_t thread_figure(const char *task);

static int64_t
ticks_of(const char *task)
{
    char path[128];
    struct usage_process thread;

    (void)snprintf(path, sizeof(path), "%.100s/stat", task);
    return read_stat(path, &thread) ? thread.ticks : -1;
}

/* schedstat: time on a processor, time in the run queue, both ns. */
static int64_t
waited_ns(const char *task)
{
    char path[128];
    char text[128];
    char *rest = NULL;

    (void)snprintf(path, sizeof(path), "%.100s/schedstat", task);
    if (!read_text(path, text, sizeof(text))) {
        return 0;
    }
    (void)strtoll(text, &rest, 10);
    return strtoll(rest, NULL, 10);
}

/* The largest figure among the threads of a process, and whose it is. */
static int64_t
largest(pid_t pid, thread_figure *figure, pid_t *whose)
{
    char folder[64];
    int64_t most = -1;
    const char *name = NULL;

    (void)snprintf(folder, sizeof(folder), "/proc/%d/task", (int)pid);
    AUTO(close_dir) DIR *dir = opendir(folder);
    for (int i = 0; i < THREADS_MAX && (name = next_number(dir)) != NULL; i++) {
        char task[96];
        (void)snprintf(task, sizeof(task), "%s/%.20s", folder, name);
        int64_t value = figure(task);
        if (value > most) {
            most = value;
            *whose = (pid_t)strtol(name, NULL, 10);
        }
    }
    return most;
}

pid_t
usage_busiest(const struct usage *usage)
{
    pid_t leaves[LEAVES_MAX];
    size_t n = usage_leaves(usage, leaves, LEAVES_MAX);
    int64_t most = -1;
    pid_t busiest = 0;

    for (size_t i = 0; i < n; i++) {
        pid_t thread = 0;
        int64_t ticks = largest(leaves[i], ticks_of, &thread);
        if (ticks > most) {
            most = ticks;
            busiest = thread;
        }
    }
    return busiest;
}

int64_t
usage_waited_ms(const struct usage *usage)
{
    int64_t most = 0;

    for (size_t i = 0; i < usage->n; i++) {
        pid_t thread = 0;
        int64_t ns =
            usage->v[i].counted ? largest(usage->v[i].pid, waited_ns, &thread) : 0;
        most = ns > most ? ns : most;
    }
    return most / 1000000;
}
