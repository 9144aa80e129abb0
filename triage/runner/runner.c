#include "triage/runner.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "triage/preload.h"
#include "triage/runner/runner_private.h"
#include "triage/sandbox.h"

enum {
    TRIES = 2,        /* sandboxes that one run may cost */
    SLACK_MS = 20000, /* of an answer beyond the limits of a run, on a loaded machine */
    ENDING_MS = 3000, /* of a sandbox that has closed its socket */
    WORDS_MAX = 4096, /* kept of what the sandbox itself says */
};

struct cell { /* a sandbox with a runner in it */
    struct command command;
    bool made;
    struct proc proc;
    int socket, words;
    int64_t used; /* the runner's count at its last run */
};

struct runner {
    struct runner_config config;
    char *preload;
    struct cell cells[RUNNER_SANDBOXES_MAX];
    int64_t runs;
    struct cell *asked; /* of a run that was started and is not finished; or NULL */
    bool refused;       /* it could not even be asked */
};

static const struct cell no_cell = {.proc = PROC_INIT, .socket = -1, .words = -1};

static void
cell_end(struct cell *cell)
{
    command_clear(&cell->command);
    fd_close(cell->socket); /* its runner ends, and the sandbox with it */
    proc_clear(&cell->proc);
    fd_close(cell->words);
    *cell = no_cell;
}

/* --- making a sandbox --- */

static int
make_argv(const struct runner *runner, const struct command *command, struct strv *argv,
          struct err *err)
{
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
    if (runner->config.hide != NULL) {
        strv_add_all(&policy.hide, runner->config.hide);
    }
    strv_add(&policy.read, self);
    strv_add(&policy.read, runner->preload);
    strv_add(&inner, self);
    strv_add(&inner, RUNNER_VERB);
    return sandbox_wrap(SANDBOX_BWRAP, &policy, &inner, argv, err);
}

static int
spawn(struct cell *cell, const struct strv *argv, struct err *err)
{
    char *envp[] = {(char[]){"LANG=C.UTF-8"}, NULL};
    int sockets[2];
    int words[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
        return err_sys(err, "make a socket");
    }
    AUTO(fd_close) int theirs = sockets[1];
    cell->socket = sockets[0];
    int rc = fd_pipe(words, err);
    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int their_words = words[1];
    cell->words = words[0];
    rc = fd_set_nonblock(cell->words, true, err);
    const struct proc_spec spec = {.argv = argv->v,
                                   .envp = envp,
                                   .in_fd = theirs,
                                   .out_fd = -1,
                                   .err_fd = their_words};
    return rc < 0 ? rc : proc_spawn(&spec, &cell->proc, err);
}

static int
send_setting(const struct runner *runner, const struct cell *cell,
             const struct command *command, struct err *err)
{
    AUTO(json_decref) json_t *object = json_object();

    json_put(object, "command", command_to_json(command));
    json_put(object, "preload", json_name(runner->preload));
    AUTO(mem_free) char *text = json_line(object);
    uint32_t len = (uint32_t)strlen(text);
    int64_t end = clock_mono_ms() + SLACK_MS;
    int rc = wire_send(cell->socket, &len, sizeof(len), end, err);
    return rc < 0 ? rc : wire_send(cell->socket, text, len, end, err);
}

/* Whether runs of both may share a sandbox: the limit of time counts only where it is one
 * of the program's arguments. */
static bool
same_start(const struct command *a, const struct command *b)
{
    struct command timed = *a;

    timed.timeout_ms = a->mode == INPUT_LIBFUZZER ? a->timeout_ms : b->timeout_ms;
    return command_same(&timed, b);
}

/* The command's sandbox, or the one that was not used for longest, ended. */
static struct cell *
find_cell(struct runner *runner, const struct command *command)
{
    struct cell *oldest = &runner->cells[0];

    for (size_t i = 0; i < COUNT(runner->cells); i++) {
        struct cell *cell = &runner->cells[i];
        if (cell->made && same_start(&cell->command, command)) {
            return cell;
        }
        oldest = cell->used < oldest->used ? cell : oldest;
    }
    cell_end(oldest);
    return oldest;
}

static int
begin(struct runner *runner, const struct command *command, struct cell **out,
      struct err *err)
{
    AUTO(strv_clear) struct strv argv = {0};
    struct cell *cell = find_cell(runner, command);

    cell->used = ++runner->runs;
    *out = cell;
    if (cell->made) {
        return 0;
    }
    int rc = make_argv(runner, command, &argv, err);
    rc = rc < 0 ? rc : spawn(cell, &argv, err);
    if (rc < 0) {
        cell_end(cell);
        return rc;
    }
    command_copy(&cell->command, command);
    cell->made = true;
    /* one that is dead already says so when it is asked */
    (void)send_setting(runner, cell, command, NULL);
    return 0;
}

int
runner_prepare(struct runner *runner, const struct command *command, struct err *err)
{
    struct cell *cell = NULL;

    return begin(runner, command, &cell, err);
}

/* --- a run --- */

static int
send_ask(const struct cell *cell, const struct limit *limit,
         const struct runner_input *input, int64_t end, struct err *err)
{
    const struct wire_ask ask = {*limit, input->len, input->fresh};
    const char *data = input->data;
    int rc = wire_send(cell->socket, &ask, sizeof(ask), end, err);

    for (size_t at = 0; at < input->len && rc == 0; at += RUNNER_PIECE) {
        size_t len = input->len - at < RUNNER_PIECE ? input->len - at : RUNNER_PIECE;
        rc = wire_send(cell->socket, data + at, len, end, err);
        if (input->mapped && len == RUNNER_PIECE) {
            mem_unload(data + at, len);
        }
    }
    return rc;
}

/* *code: 0, or why the run could not be made, then *why says it. Negative: no answer. */
static int
receive_answer(struct cell *cell, int64_t end, struct limit_run *run, int *code,
               struct err *err)
{
    AUTO(buf_clear) struct buf message = BUF_INIT;
    AUTO(buf_clear) struct buf stacks = BUF_INIT;
    struct wire_answer head;
    int rc = wire_receive(cell->socket, &head, sizeof(head), end, err);

    if (rc == 0 &&
        (head.output_bytes > WIRE_OUTPUT_MAX || head.last_bytes > WIRE_OUTPUT_MAX ||
         head.message_bytes >= WIRE_MESSAGE_MAX || head.code > 0)) {
        rc = err_set(err, -EPROTO, "a runner's answer beyond its limits");
    }
    rc = rc < 0
             ? rc
             : wire_receive_buf(cell->socket, &run->output, head.output_bytes, end, err);
    rc = rc < 0 ? rc
                : wire_receive_buf(cell->socket, &run->last_words, head.last_bytes, end,
                                   err);
    rc = rc < 0 ? rc
                : wire_receive_buf(cell->socket, &stacks, head.stacks_bytes, end, err);
    rc = rc < 0 ? rc
                : wire_receive_buf(cell->socket, &message, head.message_bytes, end, err);
    if (rc < 0) {
        return rc;
    }
    for (size_t at = 0; at < stacks.len; at += strlen(buf_str(&stacks) + at) + 1) {
        strv_add(&run->stacks, buf_str(&stacks) + at);
    }
    run->status = head.status;
    run->hit = head.hit == LIMIT_TIME     ? LIMIT_TIME
               : head.hit == LIMIT_MEMORY ? LIMIT_MEMORY
                                          : LIMIT_NONE;
    run->wall_ms = head.wall_ms;
    *code = head.code < 0 ? err_set(err, head.code, "%s", buf_str(&message)) : 0;
    if (!head.sound) {
        cell_end(cell);
    }
    return 0;
}

/* What the sandbox said last and how it ended stand for what the target did. False: it
 * said nothing of the kind. */
static bool
take_last_words(struct cell *cell, struct limit_run *run)
{
    struct err ignored = ERR_INIT;

    limit_run_clear(run);
    *run = (struct limit_run){.output.max = WORDS_MAX};
    bool ended = cell->proc.pid > 0 &&
                 proc_wait(&cell->proc, ENDING_MS, &run->status, &ignored) == 0;
    while (run->output.len < WORDS_MAX && cell->words >= 0 &&
           fd_read_some(cell->words, &run->output, WORDS_MAX, &ignored) > 0) {
    }
    return ended && run->output.len > 0;
}

/* A run may be made twice (runner.h), each stretched by a busy machine. */
static int64_t
most_ms(const struct limit *limit)
{
    return 2 * (limit->wall_ms * LIMIT_STRETCH + limit->grace_ms) + SLACK_MS;
}

int
runner_start(struct runner *runner, const struct command *command,
             const struct limit *limit, const struct runner_input *input, struct err *err)
{
    if (input->len > WIRE_INPUT_MAX || limit->output_bytes > WIRE_OUTPUT_MAX) {
        return err_set(err, -EFBIG, "an input of %zu bytes is too large to be run",
                       input->len);
    }
    assert(runner->asked == NULL);
    int rc = begin(runner, command, &runner->asked, err);
    if (rc < 0) {
        runner->asked = NULL;
        return rc;
    }
    int64_t end = clock_mono_ms() + most_ms(limit);
    runner->refused = send_ask(runner->asked, limit, input, end, NULL) < 0;
    return 0;
}

int
runner_fd(const struct runner *runner)
{
    return runner->asked == NULL ? -1 : runner->asked->socket;
}

void
runner_cancel(struct runner *runner)
{
    if (runner->asked != NULL) {
        cell_end(STEAL(runner->asked));
    }
}

/* 1: *run holds what the target did; 0: the sandbox died, *spoke: with words that stand
 * in *run. */
static int
take_answer(struct runner *runner, const struct limit *limit, struct limit_run *run,
            bool *spoke, struct err *err)
{
    struct cell *cell = STEAL(runner->asked);
    struct err why = ERR_INIT;
    int code = 0;
    int rc = runner->refused ? err_set(&why, -EPIPE, "the sandbox has gone")
                             : receive_answer(cell, clock_mono_ms() + most_ms(limit), run,
                                              &code, &why);

    if (rc == 0) {
        return code < 0 ? err_set(err, code, "%s", why.msg) : 1;
    }
    *spoke = take_last_words(cell, run);
    cell_end(cell);
    (void)err_set(err, -EIO, "no sandbox lives long enough for a run: %s", why.msg);
    return 0;
}

int
runner_finish(struct runner *runner, const struct command *command,
              const struct limit *limit, const struct runner_input *input,
              struct limit_run *out, struct err *err)
{
    AUTO(limit_run_clear) struct limit_run run = {0};
    bool spoke = false;
    int rc = take_answer(runner, limit, &run, &spoke, err);

    for (int i = 1; i < TRIES && rc == 0; i++) {
        rc = runner_start(runner, command, limit, input, err);
        rc = rc < 0 ? rc : take_answer(runner, limit, &run, &spoke, err);
    }
    if (rc < 0 || (rc == 0 && !spoke)) {
        return rc < 0 ? rc : -EIO;
    }
    *out = run;
    memset(&run, 0, sizeof(run)); /* out owns it now */
    return 0;
}

int
runner_run(struct runner *runner, const struct command *command,
           const struct limit *limit, const struct runner_input *input,
           struct limit_run *out, struct err *err)
{
    int rc = runner_start(runner, command, limit, input, err);

    return rc < 0 ? rc : runner_finish(runner, command, limit, input, out, err);
}

/* --- the runner --- */

int
runner_new(const struct runner_config *config, struct runner **out, struct err *err)
{
    AUTO(runner_free) struct runner *runner = mem_alloc(sizeof(*runner));
    size_t len = 0;
    const void *bytes = preload_bytes(&len);

    runner->config = *config;
    for (size_t i = 0; i < COUNT(runner->cells); i++) {
        runner->cells[i] = no_cell;
    }
    runner->preload = fs_join(config->scratch, "forkserver.so");
    int rc = fs_write(runner->preload, bytes, len, 0755, err);
    if (rc < 0) {
        return rc;
    }
    *out = STEAL(runner);
    return 0;
}

void
runner_free(struct runner *runner)
{
    if (runner == NULL) {
        return;
    }
    for (size_t i = 0; i < COUNT(runner->cells); i++) {
        cell_end(&runner->cells[i]);
    }
    mem_free(runner->preload);
    mem_free(runner);
}
