/* What runs in a sandbox before any target does: inputs in, traces out. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/corpus/measure_private.h"

enum { ANSWERS_BYTES = 128 << 10 }; /* that are written at a time */

struct asked { /* an input, as it was received */
    size_t at; /* in inside.bytes */
    size_t len;
};

struct inside {
    int socket;
    struct measure_place place;
    const struct measure_ops *ops;
    void *state;
    struct buf bytes; /* of the batch's inputs */
    struct asked *asked;
    struct measure_shot *shots;
    size_t n;
    struct buf answers;
};

static void
inside_clear(struct inside *inside)
{
    if (inside->state != NULL) {
        inside->ops->close(inside->state);
    }
    for (size_t i = 0; inside->shots != NULL && i < MEASURE_BATCH_MAX; i++) {
        buf_clear(&inside->shots[i].trace);
    }
    measure_place_clear(&inside->place);
    buf_clear(&inside->bytes);
    buf_clear(&inside->answers);
    mem_free(inside->asked);
    mem_free(inside->shots);
    fd_close(inside->socket);
}
AUTO_DEFINE_CLEAR(struct inside, inside_clear)

/* --- the trace --- */

void
measure_put_tuple(struct measure_shot *shot, int64_t *last, uint32_t tuple)
{
    uint32_t gap = (uint32_t)((int64_t)tuple - *last - 1);
    char digits[MEASURE_GAP_MAX];
    size_t n = 0;

    *last = tuple;
    shot->tuples++;
    for (; gap >= 128; gap >>= 7) {
        digits[n++] = (char)(gap | 128);
    }
    digits[n++] = (char)gap;
    for (size_t i = 0; i < n; i++) { /* FNV-1a */
        shot->hash = (shot->hash ^ (unsigned char)digits[i]) * 0x100000001b3;
    }
    buf_add(&shot->trace, digits, n);
}

/* --- answers --- */

static int
flush(struct inside *inside)
{
    int rc =
        fd_write(inside->socket, buf_str(&inside->answers), inside->answers.len, NULL);

    buf_cut(&inside->answers, 0);
    return rc;
}

static int
put_answer(struct inside *inside, const struct measure_answer *answer, const void *tail)
{
    buf_add(&inside->answers, answer, sizeof(*answer));
    buf_add(&inside->answers, tail, answer->trace_bytes);
    return inside->answers.len < ANSWERS_BYTES ? 0 : flush(inside);
}

static void
set_key(struct measure_answer *answer, const void *data, size_t len)
{
    char hex[HASH_HEX_MAX];

    hash_sha256(data, len, hex);
    (void)hash_bytes(hex, answer->key, MEASURE_KEY_BYTES);
}

static int
answer_shot(struct inside *inside, const struct measure_shot *shot, int64_t run_us)
{
    struct measure_answer answer = {.kind = (int32_t)shot->kind,
                                    .bytes = (uint32_t)shot->len,
                                    .tuples = shot->tuples,
                                    .trace_bytes = (uint32_t)shot->trace.len,
                                    .run_us = (uint32_t)run_us,
                                    .hash = shot->hash};

    if (shot->kind != MEASURE_REFUSED) {
        set_key(&answer, shot->data, shot->len);
    }
    return put_answer(inside, &answer, buf_str(&shot->trace));
}

/* Of the back end: nothing can be measured. */
static int
answer_failure(struct inside *inside, int code, const struct err *err)
{
    struct measure_answer answer = {.code = code};
    size_t len = strnlen(err->msg, MEASURE_MESSAGE_MAX);

    answer.trace_bytes = (uint32_t)len;
    return put_answer(inside, &answer, err->msg);
}

/* --- a batch --- */

static void
begin_shot(struct inside *inside, size_t i)
{
    struct measure_shot *shot = &inside->shots[i];

    shot->data = buf_str(&inside->bytes) + inside->asked[i].at;
    shot->len = inside->asked[i].len;
    shot->kind = MEASURE_REFUSED;
    shot->tuples = 0;
    shot->hash = 0xcbf29ce484222325;
    buf_cut(&shot->trace, 0);
}

/* Those from first on that can be run, up to the next that cannot. */
static int
run_some(struct inside *inside, size_t first, size_t *done)
{
    struct err err = ERR_INIT;
    int64_t begin = clock_mono_us();
    size_t n = 0;
    int rc = 0;

    while (first + n < inside->n && inside->shots[first + n].len > 0) {
        n++;
    }
    *done = 1;
    if (n > 0) {
        rc = inside->ops->run(inside->state, &inside->shots[first], n, done, &err);
    }
    if (rc == -EIO) {
        return rc; /* another sandbox tries it */
    }
    if (rc < 0) {
        return answer_failure(inside, rc, &err);
    }
    int64_t each_us = (clock_mono_us() - begin) / (int64_t)*done;
    for (size_t i = first; i < first + *done && rc == 0; i++) {
        rc = answer_shot(inside, &inside->shots[i], each_us < INT32_MAX ? each_us : 0);
    }
    return rc;
}

static int
run_batch(struct inside *inside)
{
    size_t done;
    int rc = 0;

    for (size_t i = 0; i < inside->n; i++) {
        begin_shot(inside, i);
    }
    for (size_t i = 0; i < inside->n && rc == 0; i += done) {
        rc = run_some(inside, i, &done);
    }
    inside->n = 0;
    buf_cut(&inside->bytes, 0);
    return rc < 0 ? rc : flush(inside);
}

/* --- packets --- */

static int
take_input(struct inside *inside, int received)
{
    AUTO(fd_close) int fd = received;
    char piece[16 << 10];
    struct asked asked = {.at = inside->bytes.len};
    ssize_t n = 0;

    if (inside->n == MEASURE_BATCH_MAX || inside->bytes.len > MEASURE_BATCH_BYTES) {
        return -EPROTO;
    }
    while (asked.len <= MEASURE_INPUT_MAX &&
           (n = fd_read(fd, piece, sizeof(piece))) > 0) {
        buf_add(&inside->bytes, piece, (size_t)n);
        asked.len += (size_t)n;
    }
    if (n < 0 || asked.len > MEASURE_INPUT_MAX) {
        buf_cut(&inside->bytes, asked.at);
        asked.len = 0; /* it is refused */
    }
    inside->asked[inside->n++] = asked;
    return 0;
}

static int
receive_packet(struct inside *inside, char *what)
{
    union { /* aligned as a header must be */
        struct cmsghdr head;
        char bytes[CMSG_SPACE(MEASURE_PACKET * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {what, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int fds[MEASURE_PACKET];
    ssize_t got;
    int rc = 0;

    do {
        got = recvmsg(inside->socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got != 1) {
        return -EPIPE;
    }
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    size_t len =
        head == NULL || head->cmsg_type != SCM_RIGHTS ? 0 : head->cmsg_len - CMSG_LEN(0);
    if (len > 0) {
        memcpy(fds, CMSG_DATA(head), len);
    }
    for (size_t i = 0; i < len / sizeof(int); i++) {
        int one = take_input(inside, fds[i]);
        rc = rc < 0 ? rc : one;
    }
    return rc;
}

static int
serve(struct inside *inside)
{
    char what = MEASURE_MORE;
    int rc = 0;

    while (rc == 0 && what == MEASURE_MORE) {
        rc = receive_packet(inside, &what);
    }
    return rc < 0 ? rc : run_batch(inside);
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
    rc = rc < 0 ? rc
                : command_from_json(json_object_get(object, "command"),
                                    &inside->place.command, err);
    rc = rc < 0 ? rc
                : sandbox_rung_parse(json_get_str(object, "sandbox", ""),
                                     &inside->place.rung, err);
    rc = rc < 0 ? rc : measure_place_begin(&inside->place, err);
    if (rc < 0) {
        return rc;
    }
    inside->ops = measure_ops_of(&inside->place.command);
    return inside->ops->open(&inside->place, &inside->state, err);
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
        .socket = -1,
        .bytes.max = MEASURE_BATCH_BYTES + 2 * MEASURE_INPUT_MAX,
        .answers.max = MEASURE_TRACE_MAX + 2 * ANSWERS_BYTES,
    };
    struct err err = ERR_INIT;

    /* what runs here has this uid too */
    if (prctl(PR_SET_DUMPABLE, 0) < 0) {
        return 1;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    inside.asked = mem_array(MEASURE_BATCH_MAX, sizeof(*inside.asked));
    inside.shots = mem_array(MEASURE_BATCH_MAX, sizeof(*inside.shots));
    for (size_t i = 0; i < MEASURE_BATCH_MAX; i++) {
        inside.shots[i].trace.max = MEASURE_TRACE_MAX;
    }
    int rc = make_descriptors(&inside, &err);
    rc = rc < 0 ? rc : take_setting(&inside, &err);
    if (rc < 0) {
        (void)fprintf(stderr, "nightjar measure: %s\n", err.msg);
        return 1;
    }
    while (rc == 0) {
        rc = serve(&inside);
    }
    return 0;
}
