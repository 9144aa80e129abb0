#include "orchestrator/corpus/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
    AHEAD = 2, /* inputs that a sandbox has at a time: it never waits for the next */
    TRIES = 2, /* sandboxes that an input may cost */
    SLACK_MS = 60000, /* of an answer beyond the limits of its runs */
};

struct ask {
    char *path;
    struct stat st;
    int tries;
};

struct cell { /* a sandbox */
    struct proc proc;
    int socket;             /* -1: there is none */
    struct ask asks[AHEAD]; /* the first is at work */
    size_t n;
    int64_t since; /* mono ms, of the first */
};

struct measure {
    struct measure_config config;
    struct strv argv; /* of a sandbox */
    struct buf setting;
    struct cell *cells;
    struct buf trace;
    bool answered; /* any sandbox, ever: so it is not their making that fails */
};

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

/* --- sandboxes --- */

static void
cell_end(struct cell *cell)
{
    fd_close(FD_STEAL(cell->socket));
    proc_clear(&cell->proc);
    cell->proc = (struct proc)PROC_INIT;
}

static void
ask_clear(struct ask *ask)
{
    mem_free(ask->path);
    *ask = (struct ask){0};
}

static void
drop_first(struct cell *cell)
{
    ask_clear(&cell->asks[0]);
    cell->n--;
    memmove(cell->asks, cell->asks + 1, cell->n * sizeof(cell->asks[0]));
    cell->asks[cell->n] = (struct ask){0};
    cell->since = clock_mono_ms();
}

static int
make_argv(struct measure *measure, struct err *err)
{
    const struct command *command = measure->config.command;
    AUTO(sandbox_policy_clear) struct sandbox_policy policy = {.lasting = true};
    AUTO(strv_clear) struct strv shown = {0};
    AUTO(strv_clear) struct strv inner = {0};
    AUTO(mem_free) char *self = NULL;
    int rc = proc_self(&self, err);

    strv_add_all(&shown, &command->argv);
    strv_add_all(&shown, &command->read);
    rc = rc < 0 ? rc : sandbox_add_program(&policy, &shown, err);
    if (rc < 0) {
        return rc;
    }
    strv_add(&policy.read, self);
    strv_add(&inner, self);
    strv_add(&inner, MEASURE_VERB);
    return sandbox_wrap(SANDBOX_BWRAP, &policy, &inner, &measure->argv, err);
}

static int
cell_begin(const struct measure *measure, struct cell *cell, struct err *err)
{
    char *envp[] = {(char[]){"LANG=C.UTF-8"}, NULL};
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
    int rc = proc_spawn(&spec, &cell->proc, err);
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

int
measure_new(const struct measure_config *config, struct measure **out, struct err *err)
{
    AUTO(measure_free) struct measure *measure = mem_alloc(sizeof(*measure));
    AUTO(json_decref) json_t *object = command_to_json(config->command);
    AUTO(mem_free) char *text = json_line(object);

    measure->config = *config;
    measure->trace.max = MEASURE_TRACE_MAX;
    measure->cells = mem_array((size_t)config->jobs, sizeof(*measure->cells));
    for (int i = 0; i < config->jobs; i++) {
        measure->cells[i] = (struct cell){.proc = PROC_INIT, .socket = -1};
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
    if (measure == NULL) {
        return;
    }
    for (int i = 0; i < measure->config.jobs; i++) {
        struct cell *cell = &measure->cells[i];
        cell_end(cell);
        for (size_t k = 0; k < cell->n; k++) {
            ask_clear(&cell->asks[k]);
        }
    }
    mem_free(measure->cells);
    strv_clear(&measure->argv);
    buf_clear(&measure->setting);
    buf_clear(&measure->trace);
    mem_free(measure);
}

/* --- asking --- */

static int
send_descriptor(int socket, int fd)
{
    char byte = 'i';
    union { /* aligned as a header must be */
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t n;

    control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
                                    .cmsg_level = SOL_SOCKET,
                                    .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    do {
        n = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n == 1 ? 0 : -EPIPE;
}

/* An answer never comes from a sandbox that cannot even be asked: then it is told when
 * that is looked for. */
static int
send_ask(const struct cell *cell, struct ask *ask, struct err *err)
{
    int opened = -1;
    int rc = fs_open(ask->path, &opened, &ask->st, err);
    AUTO(fd_close) int fd = opened;

    if (rc == 0) {
        (void)send_descriptor(cell->socket, fd);
    }
    return rc;
}

static int
tell(struct measure *measure, const struct ask *ask, const struct measure_answer *answer,
     struct err *err)
{
    struct measured told = {.path = ask->path,
                            .st = ask->st,
                            .kind = (enum measure_kind)answer->kind,
                            .bytes = answer->bytes,
                            .tuples = answer->tuples,
                            .hash = answer->hash,
                            .trace = buf_str(&measure->trace),
                            .trace_bytes = answer->trace_bytes};

    memcpy(told.key, answer->key, sizeof(told.key));
    return measure->config.take(measure->config.user, &told, err);
}

/* The sandbox is dead: what it was at is tried once more, alone, in a new one. */
static int
begin_again(struct measure *measure, struct cell *cell, struct err *err)
{
    struct measure_answer broken = {.kind = MEASURE_BROKEN};
    int rc = 0;

    cell_end(cell);
    buf_cut(&measure->trace, 0);
    if (++cell->asks[0].tries >= TRIES) {
        if (!measure->answered) {
            return err_set(err, -EIO, "no sandbox lives long enough to measure an input");
        }
        rc = tell(measure, &cell->asks[0], &broken, err);
        drop_first(cell);
    }
    rc = rc < 0 || cell->n == 0 ? rc : cell_begin(measure, cell, err);
    for (size_t i = 0; i < cell->n && rc == 0; i++) {
        rc = send_ask(cell, &cell->asks[i], err);
    }
    cell->since = clock_mono_ms();
    return rc;
}

static bool
receive(struct measure *measure, const struct cell *cell, struct measure_answer *answer)
{
    char piece[16 << 10];

    buf_cut(&measure->trace, 0);
    if (fd_read(cell->socket, answer, sizeof(*answer)) != (ssize_t)sizeof(*answer) ||
        answer->kind < 0 || answer->kind > MEASURE_REFUSED ||
        answer->trace_bytes > MEASURE_TRACE_MAX) {
        return false;
    }
    for (size_t left = answer->trace_bytes; left > 0;) {
        size_t most = left < sizeof(piece) ? left : sizeof(piece);
        if (fd_read(cell->socket, piece, most) != (ssize_t)most) {
            return false;
        }
        buf_add(&measure->trace, piece, most);
        left -= most;
    }
    return true;
}

static int
take_answer(struct measure *measure, struct cell *cell, struct err *err)
{
    struct measure_answer answer;

    if (!receive(measure, cell, &answer)) {
        return begin_again(measure, cell, err);
    }
    if (answer.code < 0) {
        return err_set(err, answer.code, "%.*s", (int)sizeof(answer.message),
                       answer.message);
    }
    measure->answered = true;
    int rc = tell(measure, &cell->asks[0], &answer, err);
    drop_first(cell);
    return rc;
}

/* Wait for one answer at least. */
static int
step(struct measure *measure, struct err *err)
{
    struct pollfd fds[MEASURE_JOBS_MAX];
    nfds_t jobs = (nfds_t)measure->config.jobs;
    int64_t most_ms = 3 * measure->config.command->timeout_ms + SLACK_MS;
    int rc = 0;

    for (nfds_t i = 0; i < jobs; i++) {
        const struct cell *cell = &measure->cells[i];
        fds[i] = (struct pollfd){cell->n > 0 ? cell->socket : -1, POLLIN, 0};
    }
    if (poll(fds, jobs, 1000) < 0) {
        return errno == EINTR ? 0 : err_sys(err, "wait for a sandbox");
    }
    for (nfds_t i = 0; i < jobs && rc == 0; i++) {
        struct cell *cell = &measure->cells[i];
        if (cell->n > 0 && fds[i].revents != 0) {
            rc = take_answer(measure, cell, err);
        } else if (cell->n > 0 && clock_mono_ms() - cell->since > most_ms) {
            rc = begin_again(measure, cell, err);
        }
    }
    return rc;
}

static struct cell *
most_idle(const struct measure *measure)
{
    struct cell *best = NULL;

    for (int i = 0; i < measure->config.jobs; i++) {
        struct cell *cell = &measure->cells[i];
        if (cell->n < AHEAD && (best == NULL || cell->n < best->n)) {
            best = cell;
        }
    }
    return best;
}

int
measure_push(struct measure *measure, const char *path, struct err *err)
{
    struct cell *cell = most_idle(measure);
    struct ask ask = {0};
    int rc = 0;

    while (cell == NULL) {
        rc = step(measure, err);
        if (rc < 0) {
            return rc;
        }
        cell = most_idle(measure);
    }
    rc = cell_begin(measure, cell, err);
    if (rc < 0) {
        return rc;
    }
    ask.path = mem_strdup(path);
    rc = send_ask(cell, &ask, err);
    if (rc < 0) {
        ask_clear(&ask);
        return rc;
    }
    cell->since = cell->n == 0 ? clock_mono_ms() : cell->since;
    cell->asks[cell->n++] = ask;
    return 0;
}

int
measure_finish(struct measure *measure, struct err *err)
{
    int rc = 0;

    for (int i = 0; i < measure->config.jobs && rc == 0; i++) {
        while (measure->cells[i].n > 0 && rc == 0) {
            rc = step(measure, err);
        }
    }
    return rc;
}
