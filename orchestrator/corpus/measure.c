#include "orchestrator/corpus/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/corpus/measure_private.h"
#include "triage/sandbox.h"

enum {
    TRIES = 2,        /* sandboxes that an input may cost */
    SLACK_MS = 60000, /* of an answer beyond the limits of its runs */
    END_MS = 2000,    /* of a sandbox that is told to end */
    READ_BYTES = 256 << 10,
    AHEAD = 2,     /* batches of a sandbox that need not wait for the next */
    FDS_MAX = 512, /* of all sandboxes on their way at a time */
};

struct ask {
    char *path;
    size_t tag;
    struct stat st;
    int fd; /* until it was sent; else -1 */
    int tries;
};

struct cell { /* a sandbox */
    struct proc proc;
    int socket;       /* -1: there is none */
    struct ask *asks; /* a ring of measure.room; the first is to be answered next */
    size_t first, n;
    size_t sent;   /* of these */
    size_t closed; /* of the sent, in batches that are at work */
    int64_t bytes; /* of the batch that is being sent */
    size_t batch;  /* how many are run together */
    struct buf in;
    int64_t since; /* mono ms, of the last answer */
};

struct measure {
    struct measure_config config;
    const struct measure_ops *ops;
    struct strv argv; /* of a sandbox */
    struct buf setting;
    struct cell *cells;
    size_t room; /* asks of a cell */
    size_t batch_max;
    bool answered; /* any sandbox, ever: so it is not their making that fails */
};

const struct measure_ops *
measure_ops_of(const struct command *command)
{
    static const struct measure_ops *const table[] = {&measure_libfuzzer, &measure_afl};
    size_t i = 0;

    while (i + 1 < COUNT(table) && !table[i]->takes(command)) {
        i++;
    }
    return table[i];
}

/* --- traces --- */

bool
trace_next(const void *trace, size_t len, size_t *at, int64_t *tuple)
{
    const unsigned char *data = trace;
    uint32_t gap = 0;

    for (unsigned int shift = 0; *at < len && shift < 7 * MEASURE_GAP_MAX; shift += 7) {
        unsigned char digit = data[(*at)++];
        gap |= (uint32_t)(digit & 127) << shift;
        if (digit < 128) {
            *tuple += (int64_t)gap + 1;
            return *tuple < (int64_t)MEASURE_MAP_MAX * MEASURE_BUCKETS;
        }
    }
    return false;
}

/* --- asks --- */

static struct ask *
ask_at(const struct measure *measure, const struct cell *cell, size_t i)
{
    return &cell->asks[(cell->first + i) % measure->room];
}

static void
ask_clear(struct ask *ask)
{
    mem_free(ask->path);
    fd_close(ask->fd);
    *ask = (struct ask){.fd = -1};
}

static void
drop_first(const struct measure *measure, struct cell *cell)
{
    ask_clear(ask_at(measure, cell, 0));
    cell->first = (cell->first + 1) % measure->room;
    cell->n--;
    cell->sent -= cell->sent > 0;
    cell->closed -= cell->closed > 0;
    cell->since = clock_mono_ms();
}

/* --- sandboxes --- */

static void
cell_end(struct cell *cell)
{
    fd_close(FD_STEAL(cell->socket));
    proc_clear(&cell->proc);
    cell->proc = (struct proc)PROC_INIT;
    buf_cut(&cell->in, 0);
}

static int
make_argv(struct measure *measure, struct err *err)
{
    const struct measure_config *config = &measure->config;
    bool alone = config->rung == SANDBOX_BWRAP;
    AUTO(sandbox_policy_clear)
    struct sandbox_policy policy = {.lasting = alone, .nested = !alone};
    AUTO(strv_clear) struct strv inner = {0};
    AUTO(mem_free) char *self = NULL;
    int rc = proc_self(&self, err);

    rc = rc < 0 ? rc : measure_show(config->command, &policy, err);
    if (rc < 0) {
        return rc;
    }
    strv_add(&policy.read, self);
    if (config->hide != NULL && fs_is_folder(config->hide)) {
        AUTO(mem_free) char *hide = fs_absolute(config->hide);
        strv_add(&policy.hide, hide);
    }
    strv_add(&inner, self);
    strv_add(&inner, MEASURE_VERB);
    return sandbox_wrap(config->rung, &policy, &inner, &measure->argv, err);
}

/* A sandbox stays on one processor: its processes run one after another. */
static int
spawn_on(int processor, const struct proc_spec *spec, struct proc *out, struct err *err)
{
    cpu_set_t all;
    cpu_set_t one;
    int seen = 0;
    bool known = sched_getaffinity(0, sizeof(all), &all) == 0 && CPU_COUNT(&all) > 1;

    CPU_ZERO(&one);
    for (size_t i = 0; known && i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &all) && seen++ == processor % CPU_COUNT(&all)) {
            CPU_SET(i, &one);
        }
    }
    if (known) {
        (void)sched_setaffinity(0, sizeof(one), &one);
    }
    int rc = proc_spawn(spec, out, err);
    if (known) {
        (void)sched_setaffinity(0, sizeof(all), &all);
    }
    return rc;
}

static int
cell_begin(const struct measure *measure, struct cell *cell, struct err *err)
{
    char *envp[] = {(char[]){"LANG=C.UTF-8"}, (char[]){"HOME=/nonexistent"}, NULL};
    int sockets[2];

    if (cell->socket >= 0) {
        return 0;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
        return err_sys(err, "make a socket");
    }
    AUTO(fd_close) int theirs = sockets[1];
    cell->socket = sockets[0];
    const struct proc_spec spec = {.argv = measure->argv.v,
                                   .envp = envp,
                                   .in_fd = theirs,
                                   .out_fd = -1,
                                   .err_fd = STDERR_FILENO};
    int rc = spawn_on((int)(cell - measure->cells), &spec, &cell->proc, err);
    uint32_t len = (uint32_t)measure->setting.len;
    rc = rc < 0 ? rc : fd_write(cell->socket, &len, sizeof(len), err);
    rc = rc < 0 ? rc
                : fd_write(cell->socket, buf_str(&measure->setting), measure->setting.len,
                           err);
    if (rc < 0) {
        cell_end(cell);
    }
    return rc;
}

/* Descriptors on their way count against the limit of open ones of all this user's
 * processes. */
static void
set_sizes(struct measure *measure)
{
    size_t share = (size_t)FDS_MAX / AHEAD / (size_t)measure->config.jobs;

    measure->batch_max = measure->ops->batch_max;
    if (measure->ops->ahead && share < measure->batch_max) {
        measure->batch_max = share < 1 ? 1 : share;
    }
    measure->room = measure->ops->ahead ? AHEAD * measure->batch_max : measure->batch_max;
}

int
measure_new(const struct measure_config *config, struct measure **out, struct err *err)
{
    AUTO(measure_free) struct measure *measure = mem_alloc(sizeof(*measure));
    AUTO(json_decref) json_t *object = json_object();

    json_put(object, "command", command_to_json(config->command));
    json_put(object, "sandbox", json_string(sandbox_rung_name(config->rung)));
    AUTO(mem_free) char *text = json_line(object);
    measure->config = *config;
    measure->ops = measure_ops_of(config->command);
    measure->cells = mem_array((size_t)config->jobs, sizeof(*measure->cells));
    set_sizes(measure);
    for (int i = 0; i < config->jobs; i++) {
        struct cell *cell = &measure->cells[i];
        *cell = (struct cell){.proc = PROC_INIT, .socket = -1, .batch = 1};
        cell->in.max = MEASURE_TRACE_MAX + 2 * READ_BYTES;
        cell->asks = mem_array(measure->room, sizeof(*cell->asks));
    }
    buf_adds(&measure->setting, text);
    int rc = make_argv(measure, err);
    if (rc == 0) {
        *out = STEAL(measure);
    }
    return rc;
}

void
measure_free(struct measure *measure)
{
    int status;

    if (measure == NULL) {
        return;
    }
    for (int i = 0; i < measure->config.jobs; i++) { /* all end at a time */
        fd_close(FD_STEAL(measure->cells[i].socket));
    }
    for (int i = 0; i < measure->config.jobs; i++) {
        struct cell *cell = &measure->cells[i];
        if (cell->n == 0 && cell->proc.pid > 0) {
            (void)proc_wait(&cell->proc, END_MS, &status, NULL);
        }
        cell_end(cell);
        while (cell->n > 0) {
            drop_first(measure, cell);
        }
        mem_free(cell->asks);
        buf_clear(&cell->in);
    }
    mem_free(measure->cells);
    strv_clear(&measure->argv);
    buf_clear(&measure->setting);
    mem_free(measure);
}

/* --- asking --- */

/* Up to MEASURE_PACKET asks behind the sent ones, whose descriptors are ours no more. An
 * answer never comes from a sandbox that cannot even be asked: then it is told when that
 * is looked for. */
static void
send_packet(const struct measure *measure, struct cell *cell, size_t n, bool whole)
{
    char what = whole ? MEASURE_RUN : MEASURE_MORE;
    union { /* aligned as a header must be */
        struct cmsghdr head;
        char bytes[CMSG_SPACE(MEASURE_PACKET * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {&what, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int fds[MEASURE_PACKET];
    ssize_t got;

    for (size_t i = 0; i < n; i++) {
        fds[i] = ask_at(measure, cell, cell->sent + i)->fd;
    }
    if (n > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n * sizeof(int));
        control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(n * sizeof(int)),
                                        .cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
    }
    do {
        got = sendmsg(cell->socket, &message, MSG_NOSIGNAL);
    } while (got < 0 && errno == EINTR);
    for (size_t i = 0; i < n; i++) {
        fd_close(FD_STEAL(ask_at(measure, cell, cell->sent + i)->fd));
    }
    cell->sent += n;
    cell->closed = whole ? cell->sent : cell->closed;
}

/* How many of the unsent make the next packet. */
static size_t
next_packet(const struct measure *measure, struct cell *cell, bool *whole)
{
    size_t left = cell->n - cell->sent;
    size_t begun = cell->sent - cell->closed;
    size_t wanted = begun < cell->batch ? cell->batch - begun : 1;
    size_t n = 0;

    while (n < left && n < wanted && n < MEASURE_PACKET &&
           cell->bytes < MEASURE_BATCH_BYTES) {
        int64_t size = ask_at(measure, cell, cell->sent + n)->st.st_size;
        cell->bytes += size <= MEASURE_INPUT_MAX ? size : 0;
        n++;
    }
    *whole = n == wanted || cell->bytes >= MEASURE_BATCH_BYTES;
    return n;
}

/* What was sent to another sandbox is opened again; what is gone has no descriptor, and
 * the file that stands for it makes no trace. */
static int
open_unsent(const struct measure *measure, struct cell *cell, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct ask *ask = ask_at(measure, cell, cell->sent + i);
        if (ask->fd < 0 && fs_open(ask->path, &ask->fd, NULL, NULL) < 0) {
            ask->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
        if (ask->fd < 0) {
            return err_sys(err, "open a file");
        }
    }
    return 0;
}

/* Send what makes packets; `all`: what is there is a batch, too. */
static int
pump(const struct measure *measure, struct cell *cell, bool all, struct err *err)
{
    int rc = 0;

    while (cell->sent < cell->n && (cell->closed == 0 || measure->ops->ahead) &&
           rc == 0) {
        bool whole;
        int64_t before = cell->bytes;
        size_t n = next_packet(measure, cell, &whole);
        if (n < MEASURE_PACKET && !whole && !all) {
            cell->bytes = before;
            break;
        }
        whole = whole || (all && cell->sent + n == cell->n);
        rc = open_unsent(measure, cell, n, err);
        if (rc == 0) {
            send_packet(measure, cell, n, whole);
            cell->bytes = whole ? 0 : cell->bytes;
        }
    }
    if (rc == 0 && all && cell->sent > cell->closed && cell->sent == cell->n) {
        send_packet(measure, cell, 0, true);
        cell->bytes = 0;
    }
    return rc;
}

/* --- answers --- */

static int
tell(struct measure *measure, const struct ask *ask, const struct measure_answer *answer,
     const void *trace, struct err *err)
{
    struct measured told = {.path = ask->path,
                            .tag = ask->tag,
                            .st = ask->st,
                            .kind = (enum measure_kind)answer->kind,
                            .bytes = answer->bytes,
                            .tuples = answer->tuples,
                            .run_us = answer->run_us,
                            .hash = answer->hash,
                            .trace = trace,
                            .trace_bytes = answer->trace_bytes};

    memcpy(told.key, answer->key, sizeof(told.key));
    return measure->config.take(measure->config.user, &told, err);
}

/* The sandbox is dead: what it was at is tried once more, each alone, in a new one. */
static int
begin_again(struct measure *measure, struct cell *cell, struct err *err)
{
    struct measure_answer broken = {.kind = MEASURE_BROKEN};
    struct ask *first = ask_at(measure, cell, 0);
    int rc = 0;

    cell_end(cell);
    if (++first->tries >= TRIES) {
        if (!measure->answered) {
            return err_set(err, -EIO, "no sandbox lives long enough to measure an input");
        }
        rc = tell(measure, first, &broken, "", err);
        drop_first(measure, cell);
    }
    cell->sent = 0;
    cell->closed = 0;
    cell->bytes = 0;
    cell->batch = 1;
    cell->since = clock_mono_ms();
    rc = rc < 0 || cell->n == 0 ? rc : cell_begin(measure, cell, err);
    return rc < 0 ? rc : pump(measure, cell, false, err);
}

/* The next batch is as large as the aim allows. */
static void
set_batch(const struct measure *measure, struct cell *cell, uint32_t run_us)
{
    size_t fits = (size_t)measure->ops->aim_us / (run_us == 0 ? 1 : run_us);

    cell->batch = fits < 1                    ? 1
                  : fits > measure->batch_max ? measure->batch_max
                  : fits > 4 * cell->batch    ? 4 * cell->batch
                                              : fits;
}

/* 1: there is none, whole. */
static int
take_answer(struct measure *measure, struct cell *cell, size_t *at, struct err *err)
{
    struct measure_answer answer;
    size_t left = cell->in.len - *at;

    if (left < sizeof(answer)) {
        return 1;
    }
    memcpy(&answer, cell->in.data + *at, sizeof(answer));
    if (answer.kind < 0 || answer.kind > MEASURE_REFUSED ||
        answer.trace_bytes > MEASURE_TRACE_MAX) {
        return -EPROTO;
    }
    if (left - sizeof(answer) < answer.trace_bytes) {
        return 1;
    }
    const char *trace = cell->in.data + *at + sizeof(answer);
    *at += sizeof(answer) + answer.trace_bytes;
    if (answer.code < 0) {
        return err_set(err, answer.code, "%.*s", (int)answer.trace_bytes, trace);
    }
    measure->answered = true;
    int rc = tell(measure, ask_at(measure, cell, 0), &answer, trace, err);
    drop_first(measure, cell);
    set_batch(measure, cell, answer.run_us);
    return rc;
}

static int
take_answers(struct measure *measure, struct cell *cell, struct err *err)
{
    size_t at = 0;
    int got = fd_read_some(cell->socket, &cell->in, READ_BYTES, NULL);
    int rc = 0;

    while (got == 1 && rc == 0 && cell->closed > 0) {
        rc = take_answer(measure, cell, &at, err);
    }
    buf_drop(&cell->in, at);
    if (got != 1 || rc == -EPROTO) {
        return begin_again(measure, cell, err);
    }
    return rc < 0 ? rc : 0;
}

/* Wait for one answer at least. */
static int
step(struct measure *measure, bool all, struct err *err)
{
    struct pollfd fds[MEASURE_JOBS_MAX];
    nfds_t jobs = (nfds_t)measure->config.jobs;
    int rc = 0;

    for (nfds_t i = 0; i < jobs; i++) {
        const struct cell *cell = &measure->cells[i];
        fds[i] = (struct pollfd){cell->sent > 0 ? cell->socket : -1, POLLIN, 0};
    }
    if (poll(fds, jobs, 1000) < 0) {
        return errno == EINTR ? 0 : err_sys(err, "wait for a sandbox");
    }
    for (nfds_t i = 0; i < jobs && rc == 0; i++) {
        struct cell *cell = &measure->cells[i];
        int64_t most_ms =
            3 * measure->config.command->timeout_ms * (int64_t)cell->closed + SLACK_MS;
        if (cell->closed > 0 && fds[i].revents != 0) {
            rc = take_answers(measure, cell, err);
        } else if (cell->closed > 0 && clock_mono_ms() - cell->since > most_ms) {
            rc = begin_again(measure, cell, err);
        }
        rc = rc < 0 ? rc : pump(measure, cell, all, err);
    }
    return rc;
}

/* Whose batch has begun, else who has least to do. */
static struct cell *
cell_for_next(const struct measure *measure)
{
    struct cell *best = NULL;

    for (int i = 0; i < measure->config.jobs; i++) {
        struct cell *cell = &measure->cells[i];
        size_t most = (measure->ops->ahead ? AHEAD : 1) * cell->batch;
        if (cell->n >= most || (cell->closed > 0 && !measure->ops->ahead)) {
            continue;
        }
        if (cell->n > cell->closed) {
            return cell;
        }
        best = best == NULL || cell->n < best->n ? cell : best;
    }
    return best;
}

int
measure_push(struct measure *measure, const char *path, size_t tag, struct err *err)
{
    struct ask ask = {.tag = tag, .fd = -1};
    struct cell *cell = cell_for_next(measure);

    while (cell == NULL) {
        int rc = step(measure, false, err);
        if (rc < 0) {
            return rc;
        }
        cell = cell_for_next(measure);
    }
    int rc = cell_begin(measure, cell, err);
    rc = rc < 0 ? rc : fs_open(path, &ask.fd, &ask.st, err);
    if (rc < 0) {
        return rc;
    }
    ask.path = mem_strdup(path);
    cell->since = cell->n == 0 ? clock_mono_ms() : cell->since;
    *ask_at(measure, cell, cell->n++) = ask;
    return pump(measure, cell, false, err);
}

int
measure_finish(struct measure *measure, struct err *err)
{
    int rc = 0;

    for (int i = 0; i < measure->config.jobs && rc == 0; i++) {
        rc = pump(measure, &measure->cells[i], true, err);
    }
    for (int i = 0; i < measure->config.jobs && rc == 0; i++) {
        while (measure->cells[i].n > 0 && rc == 0) {
            rc = step(measure, true, err);
        }
    }
    return rc;
}
