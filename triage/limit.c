#include "triage/limit.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

enum {
    CHUNK = 64 << 10,
    MEMORY_POLL_MS = 200,
    EXIT_GRACE_MS = 1000, /* for output that is still in the pipe after the exit */
    LAST_WORDS_MAX = 256 << 10,
    PROCESSES_MAX = 16384,
    ABORTS_MAX = 16,
    HEAD_PART = 4, /* one fourth of the kept output is its head */
};

void
limit_run_clear(struct limit_run *run)
{
    buf_clear(&run->output);
    buf_clear(&run->last_words);
}

/* --- output: the head, and a ring that holds the tail --- */

struct spool {
    struct buf head;
    char *ring;
    size_t ring_size;
    uint64_t beyond; /* bytes that went to the ring so far */
};

static void
spool_add(struct spool *spool, const char *data, size_t len)
{
    size_t room = spool->head.max - spool->head.len;
    size_t first = len < room ? len : room;

    if (first > 0) {
        buf_add(&spool->head, data, first);
        data += first;
        len -= first;
    }
    if (len > 0 && spool->ring == NULL) {
        spool->ring = mem_alloc(spool->ring_size);
    }
    if (len > spool->ring_size) { /* only its end can survive */
        spool->beyond += len - spool->ring_size;
        data += len - spool->ring_size;
        len = spool->ring_size;
    }
    while (len > 0) {
        size_t at = (size_t)(spool->beyond % spool->ring_size);
        size_t n = spool->ring_size - at < len ? spool->ring_size - at : len;
        memcpy(spool->ring + at, data, n);
        spool->beyond += n;
        data += n;
        len -= n;
    }
}

/* Everything in order; the spool is empty afterwards. */
static void
spool_finish(struct spool *spool, struct buf *out)
{
    size_t size = spool->ring_size;

    out->max = spool->head.max + size + 128;
    buf_add(out, buf_str(&spool->head), spool->head.len);
    if (spool->beyond > size) {
        size_t at = (size_t)(spool->beyond % size);
        buf_addf(out, "\n[nightjar: %llu bytes left out here]\n",
                 (unsigned long long)(spool->beyond - size));
        buf_add(out, spool->ring + at, size - at);
        buf_add(out, spool->ring, at);
    } else if (spool->beyond > 0) {
        buf_add(out, spool->ring, (size_t)spool->beyond);
    }
    buf_clear(&spool->head);
    mem_free(STEAL(spool->ring));
    spool->beyond = 0;
}

static void
spool_clear(struct spool *spool)
{
    buf_clear(&spool->head);
    mem_free(STEAL(spool->ring));
}

/* --- memory --- */

struct usage {
    pid_t pid, parent;
    int64_t bytes;
    bool counted;
};

static bool
read_usage(const char *name, struct usage *out)
{
    char path[64];
    char text[1024];
    int parent = 0;
    long long pages = 0;

    (void)snprintf(path, sizeof(path), "/proc/%.20s/stat", name);
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : fd_read(fd, text, sizeof(text) - 1);
    if (len <= 0) {
        return false;
    }
    text[len] = '\0';
    /* the name in parentheses may hold anything, so the fields count from the last one; 4
     * is the parent, 24 the resident pages (proc(5)) */
    char *save = NULL;
    char *rest = strrchr(text, ')');
    char *field = rest == NULL ? NULL : strtok_r(rest + 1, " ", &save);
    for (int i = 3; field != NULL && i <= 24; i++) {
        parent = i == 4 ? (int)strtol(field, NULL, 10) : parent;
        pages = i == 24 ? strtoll(field, NULL, 10) : pages;
        field = strtok_r(NULL, " ", &save);
    }
    *out = (struct usage){(pid_t)strtol(name, NULL, 10), parent,
                          pages * sysconf(_SC_PAGESIZE), false};
    return true;
}

static size_t
read_all_usages(struct usage *list)
{
    DIR *dir = opendir("/proc");
    size_t n = 0;
    const struct dirent *entry;

    while (dir != NULL && n < PROCESSES_MAX && (entry = readdir(dir)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) &&
            read_usage(entry->d_name, &list[n])) {
            n++;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return n;
}

static int
by_pid(const void *a, const void *b)
{
    const struct usage *left = a;
    const struct usage *right = b;

    return (left->pid > right->pid) - (left->pid < right->pid);
}

/* Mark a process and all its descendants in a list of all processes. */
static void
count_tree(struct usage *list, size_t n, pid_t root)
{
    bool more = true;

    qsort(list, n, sizeof(*list), by_pid);
    while (more) { /* at most one round for each generation */
        more = false;
        for (size_t i = 0; i < n; i++) {
            const struct usage key = {.pid = list[i].parent};
            const struct usage *parent = bsearch(&key, list, n, sizeof(*list), by_pid);
            if (!list[i].counted &&
                (list[i].pid == root || (parent != NULL && parent->counted))) {
                list[i].counted = true;
                more = true;
            }
        }
    }
}

int64_t
limit_resident(pid_t root)
{
    AUTO(mem_free) struct usage *list = mem_array(PROCESSES_MAX, sizeof(*list));
    size_t n = read_all_usages(list);
    int64_t sum = 0;

    count_tree(list, n, root);
    for (size_t i = 0; i < n; i++) {
        sum += list[i].counted ? list[i].bytes : 0;
    }
    return sum;
}

static bool
has_child(const struct usage *list, size_t n, pid_t pid)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].counted && list[i].parent == pid) {
            return true;
        }
    }
    return false;
}

/* SIGABRT to those that do the work: what stands above them is the sandbox, or waits for
 * them. */
static void
abort_leaves(pid_t root)
{
    AUTO(mem_free) struct usage *list = mem_array(PROCESSES_MAX, sizeof(*list));
    size_t n = read_all_usages(list);
    int sent = 0;

    count_tree(list, n, root);
    for (size_t i = 0; i < n && sent < ABORTS_MAX; i++) {
        if (list[i].counted && !has_child(list, n, list[i].pid)) {
            (void)kill(list[i].pid, SIGABRT);
            sent++;
        }
    }
}

/* --- the run --- */

struct watch {
    struct proc proc;
    int fd; /* -1 once all writers have gone */
    struct spool output, last_words;
    struct spool *spool; /* where output goes now */
    int64_t memory_bytes;
    int64_t next_memory_ms; /* monotonic */
    bool gone;              /* the process ended */
};

static void
watch_clear(struct watch *watch)
{
    proc_clear(&watch->proc);
    fd_close(watch->fd);
    spool_clear(&watch->output);
    spool_clear(&watch->last_words);
}
AUTO_DEFINE_CLEAR(struct watch, watch_clear)

static int
take_output(struct watch *watch, struct err *err)
{
    static char chunk[CHUNK];
    ssize_t n = read(watch->fd, chunk, CHUNK);

    if (n < 0 && errno != EINTR && errno != EAGAIN) {
        return err_sys(err, "read what the target prints");
    }
    if (n == 0) {
        fd_close(FD_STEAL(watch->fd));
    } else if (n > 0) {
        spool_add(watch->spool, chunk, (size_t)n);
    }
    return 0;
}

static bool
over_memory(struct watch *watch, int64_t now)
{
    if (watch->memory_bytes == 0 || watch->gone || now < watch->next_memory_ms) {
        return false;
    }
    watch->next_memory_ms = now + MEMORY_POLL_MS;
    return limit_resident(watch->proc.pid) > watch->memory_bytes;
}

/* Until the process has ended and its output too, or a limit. */
static int
watch_until(struct watch *watch, int64_t end, enum limit_hit *hit, struct err *err)
{
    *hit = LIMIT_NONE;
    while (!watch->gone || watch->fd >= 0) {
        struct pollfd polls[2] = {{watch->fd, POLLIN, 0},
                                  {watch->gone ? -1 : watch->proc.pidfd, POLLIN, 0}};
        int64_t now = clock_mono_ms();
        if (now >= end) {
            *hit = watch->gone ? LIMIT_NONE : LIMIT_TIME;
            return 0;
        }
        if (over_memory(watch, now)) {
            *hit = LIMIT_MEMORY;
            return 0;
        }
        int64_t next =
            watch->memory_bytes > 0 && !watch->gone && watch->next_memory_ms < end
                ? watch->next_memory_ms
                : end;
        if (poll(polls, 2, next > now ? (int)(next - now) : 0) < 0 && errno != EINTR) {
            return err_sys(err, "poll");
        }
        if (polls[1].revents != 0) {
            watch->gone = true;
            int64_t grace = clock_mono_ms() + EXIT_GRACE_MS;
            end = grace < end ? grace : end;
        }
        int rc = polls[0].revents == 0 ? 0 : take_output(watch, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int
watch_start(struct watch *watch, const struct proc_spec *spec, struct err *err)
{
    struct proc_spec piped = *spec;
    int ends[2];
    int rc = fd_pipe(ends, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int theirs = ends[1];
    watch->fd = ends[0];
    piped.out_fd = theirs;
    piped.err_fd = theirs;
    return proc_spawn(&piped, &watch->proc, err);
}

/* At a limit: ask for a stack, then end it. */
static int
watch_end(struct watch *watch, int64_t grace_ms, struct err *err)
{
    enum limit_hit again;
    int rc = 0;

    watch->spool = &watch->last_words;
    watch->memory_bytes = 0;
    if (grace_ms > 0) {
        abort_leaves(watch->proc.pid);
        rc = watch_until(watch, clock_mono_ms() + grace_ms, &again, err);
    }
    proc_clear(&watch->proc);
    return rc;
}

int
limit_run(const struct proc_spec *spec, const struct limit *limit, struct limit_run *out,
          struct err *err)
{
    AUTO(watch_clear) struct watch watch = {.proc = PROC_INIT, .fd = -1};
    AUTO(limit_run_clear) struct limit_run run = {0};
    size_t head = limit->output_bytes / HEAD_PART;
    int64_t start = clock_mono_ms();

    watch.output.head.max = head;
    watch.output.ring_size = limit->output_bytes - head;
    watch.last_words.head.max = LAST_WORDS_MAX / HEAD_PART;
    watch.last_words.ring_size = LAST_WORDS_MAX - LAST_WORDS_MAX / HEAD_PART;
    watch.spool = &watch.output;
    watch.memory_bytes = limit->memory_bytes;
    watch.next_memory_ms = start + MEMORY_POLL_MS;
    int rc = watch_start(&watch, spec, err);
    rc = rc < 0 ? rc : watch_until(&watch, start + limit->wall_ms, &run.hit, err);
    if (rc < 0) {
        return rc;
    }
    run.wall_ms = clock_mono_ms() - start;
    if (run.hit == LIMIT_NONE) {
        proc_kill(&watch.proc,
                  SIGKILL); /* what it left in its group; its own end stands */
        rc = proc_wait(&watch.proc, -1, &run.status, err);
    } else {
        run.status = SIGKILL;
        rc = watch_end(&watch, limit->grace_ms, err);
    }
    if (rc < 0) {
        return rc;
    }
    spool_finish(&watch.output, &run.output);
    spool_finish(&watch.last_words, &run.last_words);
    *out = run;
    memset(&run, 0, sizeof(run)); /* out owns it now */
    return 0;
}
