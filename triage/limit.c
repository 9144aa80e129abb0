#include "triage/limit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "triage/hang.h"
#include "triage/usage.h"

enum {
    CHUNK = 64 << 10,
    MEMORY_POLL_MS = 200,
    EXIT_GRACE_MS = 1000, /* for output that is still in the pipe after the exit */
    PATIENCE_MS = 5,
    LAST_WORDS_MAX = 256 << 10,
    ABORTS_MAX = 16,
    MEMORY_SAMPLES = 3, /* of the stack, when memory is out */
    HEAD_PART = 4,      /* one fourth of the kept output is its head */
};

void
limit_run_clear(struct limit_run *run)
{
    buf_clear(&run->output);
    buf_clear(&run->last_words);
    strv_clear(&run->stacks);
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

/* --- the run --- */

/* SIGABRT to those that do the work. */
static void
abort_leaves(pid_t root)
{
    AUTO(usage_clear) struct usage usage = {0};
    pid_t leaves[ABORTS_MAX];

    usage_read(root, &usage);
    for (size_t n = usage_leaves(&usage, leaves, ABORTS_MAX); n > 0; n--) {
        (void)kill(leaves[n - 1], SIGABRT);
    }
}

struct watch {
    const struct limit *limit;
    struct proc proc; /* our child, or none */
    pid_t pid;
    int end_fd;  /* readable when the process has ended */
    int fd;      /* -1 once all writers have gone */
    bool shared; /* others hold the pipe open, and it is not ours to close */
    struct spool output, last_words;
    struct spool *spool; /* where output goes now */
    int64_t memory_bytes;
    int64_t start_ms, next_memory_ms, next_sample_ms; /* monotonic */
    /* until then the pipe may fill: a report is many small writes, and each would wake us
     * up and take the processor from who prints it */
    int64_t patient_ms;
    int samples; /* still to be taken */
    struct strv stacks;
    bool gone; /* the process ended */
};

static void
watch_clear(struct watch *watch)
{
    proc_clear(&watch->proc);
    if (!watch->shared) {
        fd_close(watch->fd);
    }
    spool_clear(&watch->output);
    spool_clear(&watch->last_words);
    strv_clear(&watch->stacks);
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
        int fd = FD_STEAL(watch->fd);
        fd_close(watch->shared ? -1 : fd);
    } else if (n > 0) {
        spool_add(watch->spool, chunk, (size_t)n);
    }
    watch->patient_ms = n == CHUNK ? 0 : clock_mono_ms() + PATIENCE_MS;
    return 0;
}

static bool
over_memory(struct watch *watch, int64_t now)
{
    if (watch->memory_bytes == 0 || watch->gone || now < watch->next_memory_ms) {
        return false;
    }
    watch->next_memory_ms = now + MEMORY_POLL_MS;
    AUTO(usage_clear) struct usage usage = {0};
    usage_read(watch->pid, &usage);
    return usage_bytes(&usage) > watch->memory_bytes;
}

static void
take_stack(struct watch *watch)
{
    AUTO(buf_clear) struct buf stack = BUF_INIT;

    if (hang_sample(watch->pid, &stack, NULL) == 0) {
        strv_add(&watch->stacks, buf_str(&stack));
    }
}

static void
take_samples(struct watch *watch, int64_t now)
{
    if (watch->samples > 0 && !watch->gone && now >= watch->next_sample_ms) {
        watch->samples--;
        watch->next_sample_ms += watch->limit->samples_ms / 2 / watch->limit->samples;
        take_stack(watch);
    }
}

/* What the program did not get of its time, since others had the processor, it gets at
 * the end. */
static int64_t
end_of_time(const struct watch *watch)
{
    AUTO(usage_clear) struct usage usage = {0};
    int64_t most = watch->limit->wall_ms * LIMIT_STRETCH;

    usage_read(watch->pid, &usage);
    int64_t all = watch->limit->wall_ms + usage_waited_ms(&usage);
    return watch->start_ms + (all < most ? all : most);
}

/* Whether what it prints is not looked at yet. */
static bool
is_patient(const struct watch *watch, int64_t now)
{
    return !watch->gone && now < watch->patient_ms;
}

/* The next moment that something is to be done. */
static int64_t
next_moment(const struct watch *watch, int64_t now, int64_t end)
{
    int64_t next = end;

    if (is_patient(watch, now) && watch->patient_ms < next) {
        next = watch->patient_ms;
    }
    if (watch->memory_bytes > 0 && !watch->gone && watch->next_memory_ms < next) {
        next = watch->next_memory_ms;
    }
    if (watch->samples > 0 && !watch->gone && watch->next_sample_ms < next) {
        next = watch->next_sample_ms;
    }
    return next;
}

/* Until the process has ended and its output too, or a limit. */
static int
watch_until(struct watch *watch, int64_t end, enum limit_hit *hit, struct err *err)
{
    *hit = LIMIT_NONE;
    while (!watch->gone || watch->fd >= 0) {
        int64_t now = clock_mono_ms();
        struct pollfd polls[2] = {{is_patient(watch, now) ? -1 : watch->fd, POLLIN, 0},
                                  {watch->gone ? -1 : watch->end_fd, POLLIN, 0}};
        if (now >= end && !watch->gone && watch->spool == &watch->output) {
            end = end_of_time(watch);
        }
        if (now >= end) {
            *hit = watch->gone ? LIMIT_NONE : LIMIT_TIME;
            return 0;
        }
        take_samples(watch, now);
        if (over_memory(watch, now)) {
            *hit = LIMIT_MEMORY;
            return 0;
        }
        bool last = watch->gone && (watch->shared || watch->limit->ends_with_process);
        int64_t next = last ? now : next_moment(watch, now, end);
        if (poll(polls, 2, next > now ? (int)(next - now) : 0) < 0 && errno != EINTR) {
            return err_sys(err, "poll");
        }
        if (last && polls[0].revents == 0) {
            return 0;
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
    rc = proc_spawn(&piped, &watch->proc, err);
    watch->pid = watch->proc.pid;
    watch->end_fd = watch->proc.pidfd;
    return rc;
}

/* At a limit: ask for a stack, then end it. */
static int
watch_end(struct watch *watch, enum limit_hit hit, struct err *err)
{
    int memory_samples =
        hit == LIMIT_MEMORY && watch->limit->samples > 0 ? MEMORY_SAMPLES : 0;
    int64_t grace_ms = watch->limit->grace_ms;
    enum limit_hit again;
    int rc = 0;

    if (memory_samples > 0) { /* of what it does now, not of what it did before */
        strv_clear(&watch->stacks);
    }
    for (int i = 0; i < memory_samples; i++) {
        take_stack(watch);
    }
    watch->spool = &watch->last_words;
    watch->memory_bytes = 0;
    watch->samples = 0;
    if (grace_ms > 0) {
        abort_leaves(watch->pid);
        rc = watch_until(watch, clock_mono_ms() + grace_ms, &again, err);
    }
    proc_clear(&watch->proc);
    return rc;
}

static void
watch_prepare(struct watch *watch, const struct limit *limit)
{
    size_t head = limit->output_bytes / HEAD_PART;

    watch->limit = limit;
    watch->start_ms = clock_mono_ms();
    watch->patient_ms = watch->start_ms + PATIENCE_MS;
    watch->samples = limit->samples;
    watch->next_sample_ms = watch->start_ms + limit->samples_ms / 2;
    watch->output.head.max = head;
    watch->output.ring_size = limit->output_bytes - head;
    watch->last_words.head.max = LAST_WORDS_MAX / HEAD_PART;
    watch->last_words.ring_size = LAST_WORDS_MAX - LAST_WORDS_MAX / HEAD_PART;
    watch->spool = &watch->output;
    watch->memory_bytes = limit->memory_bytes;
    watch->next_memory_ms = watch->start_ms + MEMORY_POLL_MS;
}

/* From the start to the end or to a limit. */
static int
watch_run(struct watch *watch, struct limit_run *out, struct err *err)
{
    AUTO(limit_run_clear) struct limit_run run = {0};
    int64_t end = watch->start_ms + watch->limit->wall_ms;
    int rc = watch_until(watch, end, &run.hit, err);

    if (rc < 0) {
        return rc;
    }
    run.wall_ms = clock_mono_ms() - watch->start_ms;
    if (run.hit != LIMIT_NONE) {
        run.status = SIGKILL;
        rc = watch_end(watch, run.hit, err);
    } else if (watch->proc.pid > 0) {
        proc_kill(&watch->proc,
                  SIGKILL); /* what it left in its group; its own end stands */
        rc = proc_wait(&watch->proc, -1, &run.status, err);
    }
    if (rc < 0) {
        return rc;
    }
    spool_finish(&watch->output, &run.output);
    spool_finish(&watch->last_words, &run.last_words);
    run.stacks = watch->stacks;
    watch->stacks = (struct strv){0};
    *out = run;
    memset(&run, 0, sizeof(run)); /* out owns it now */
    return 0;
}

int
limit_run(const struct proc_spec *spec, const struct limit *limit, struct limit_run *out,
          struct err *err)
{
    AUTO(watch_clear) struct watch watch = {.proc = PROC_INIT, .fd = -1};

    watch_prepare(&watch, limit);
    int rc = watch_start(&watch, spec, err);
    return rc < 0 ? rc : watch_run(&watch, out, err);
}

int
limit_watch(const struct limit_process *process, const struct limit *limit,
            struct limit_run *out, struct err *err)
{
    AUTO(watch_clear)
    struct watch watch = {.proc = PROC_INIT,
                          .pid = process->pid,
                          .end_fd = process->end_fd,
                          .fd = process->out_fd,
                          .shared = true};

    watch_prepare(&watch, limit);
    return watch_run(&watch, out, err);
}
