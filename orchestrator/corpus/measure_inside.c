/* Process 1 of a sandbox: inputs in, traces out. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/corpus/measure_private.h"

struct inside {
    int socket;
    struct afl_server server;
    unsigned char *input; /* MEASURE_INPUT_MAX + 1 bytes */
    struct buf trace;
};

static void
inside_clear(struct inside *inside)
{
    afl_server_clear(&inside->server);
    mem_free(inside->input);
    buf_clear(&inside->trace);
    fd_close(inside->socket);
}
AUTO_DEFINE_CLEAR(struct inside, inside_clear)

/* --- the trace --- */

static unsigned int
bucket_of(unsigned char hits)
{
    return hits < 4     ? hits - 1U
           : hits < 8   ? 3
           : hits < 16  ? 4
           : hits < 32  ? 5
           : hits < 128 ? 6
                        : 7;
}

static size_t
put_gap(unsigned char *out, uint32_t gap)
{
    size_t n = 0;

    for (; gap >= 128; gap >>= 7) {
        out[n++] = (unsigned char)(gap | 128);
    }
    out[n++] = (unsigned char)gap;
    return n;
}

struct writing {
    struct buf *out;
    uint32_t last; /* tuple + 1 */
    uint64_t hash; /* FNV-1a over the gaps */
    uint32_t tuples;
};

static void
put_tuple(struct writing *writing, uint32_t tuple)
{
    unsigned char gap[MEASURE_GAP_MAX];
    size_t n = put_gap(gap, tuple - writing->last);

    writing->last = tuple + 1;
    writing->tuples++;
    for (size_t i = 0; i < n; i++) {
        writing->hash = (writing->hash ^ gap[i]) * 0x100000001b3;
    }
    buf_add(writing->out, gap, n);
}

/* Most of a map is zero: eight bytes at a time. */
static void
write_trace(struct inside *inside, struct measure_answer *answer)
{
    const unsigned char *map = inside->server.map;
    struct writing writing = {.out = &inside->trace, .hash = 0xcbf29ce484222325};

    for (uint32_t i = 0; i < inside->server.map_bytes; i += 8) {
        uint64_t word;
        memcpy(&word, map + i, sizeof(word));
        for (uint32_t k = i; word != 0 && k < i + 8; k++) {
            if (map[k] != 0) {
                put_tuple(&writing, k * MEASURE_BUCKETS + bucket_of(map[k]));
            }
        }
    }
    answer->tuples = writing.tuples;
    answer->hash = writing.hash;
    answer->trace_bytes = (uint32_t)inside->trace.len;
}

/* --- one input --- */

static int
receive_input(const struct inside *inside, int *fd)
{
    char byte;
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

    do {
        n = recvmsg(inside->socket, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    const struct cmsghdr *head = n == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (head == NULL || head->cmsg_type != SCM_RIGHTS) {
        return -EPIPE;
    }
    memcpy(fd, CMSG_DATA(head), sizeof(*fd));
    return 0;
}

static void
set_key(struct measure_answer *answer, const void *data, size_t len)
{
    char hex[HASH_HEX_MAX];

    hash_sha256(data, len, hex);
    for (size_t i = 0; i < MEASURE_KEY_BYTES; i++) {
        const char pair[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        answer->key[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
}

static int
measure_one(struct inside *inside, int fd, struct measure_answer *answer)
{
    struct err err = ERR_INIT;
    enum measure_kind kind = MEASURE_REFUSED;
    ssize_t len = fd_read(fd, inside->input, MEASURE_INPUT_MAX + 1);

    if (len > 0 && len <= MEASURE_INPUT_MAX) {
        set_key(answer, inside->input, (size_t)len);
        answer->bytes = (uint32_t)len;
        int rc = afl_server_run(&inside->server, inside->input, (size_t)len, &kind, &err);
        if (rc == -EIO) {
            return rc; /* another sandbox tries it */
        }
        answer->code = rc;
        (void)snprintf(answer->message, sizeof(answer->message), "%.199s", err.msg);
    }
    answer->kind = (int32_t)kind;
    if (kind == MEASURE_TRACE && answer->code == 0) {
        write_trace(inside, answer);
    }
    return 0;
}

static int
serve_one(struct inside *inside)
{
    struct measure_answer answer = {0};
    int received = -1;
    int rc = receive_input(inside, &received);
    AUTO(fd_close) int fd = received;

    buf_cut(&inside->trace, 0);
    rc = rc < 0 ? rc : measure_one(inside, fd, &answer);
    rc = rc < 0 ? rc : fd_write(inside->socket, &answer, sizeof(answer), NULL);
    return rc < 0 ? rc
                  : fd_write(inside->socket, buf_str(&inside->trace), inside->trace.len,
                             NULL);
}

/* --- before the first --- */

static int
take_setting(struct inside *inside, struct err *err)
{
    uint32_t len = 0;
    AUTO(json_decref) json_t *object = NULL;

    if (fd_read(inside->socket, &len, sizeof(len)) != (ssize_t)sizeof(len) ||
        len > MEASURE_SETUP_MAX) {
        return err_set(err, -EPROTO, "there is no setting");
    }
    AUTO(mem_free) char *text = mem_alloc(len + 1);
    if (fd_read(inside->socket, text, len) != (ssize_t)len) {
        return err_set(err, -EPROTO, "the setting is cut");
    }
    int rc = json_parse(text, len, &object, err);
    rc = rc < 0 ? rc : command_from_json(object, &inside->server.command, err);
    return rc < 0 ? rc : afl_server_prepare(&inside->server, err);
}

/* The socket leaves the standard descriptors, which a run's may take the place of. */
static int
make_descriptors(struct inside *inside, struct err *err)
{
    AUTO(fd_close) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    inside->socket = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    return inside->socket < 0 || null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0
               ? err_sys(err, "take the socket")
               : 0;
}

int
measure_inside_main(void)
{
    AUTO(inside_clear)
    struct inside inside = {
        .socket = -1, .server = AFL_SERVER_INIT, .trace.max = MEASURE_TRACE_MAX};
    struct err err = ERR_INIT;

    /* what runs here has this uid too */
    if (prctl(PR_SET_DUMPABLE, 0) < 0) {
        return 1;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    inside.input = mem_alloc(MEASURE_INPUT_MAX + 1);
    int rc = make_descriptors(&inside, &err);
    rc = rc < 0 ? rc : take_setting(&inside, &err);
    if (rc < 0) {
        (void)fprintf(stderr, "nightjar measure: %s\n", err.msg);
        return 1;
    }
    while (rc == 0) {
        rc = serve_one(&inside);
    }
    return 0;
}
