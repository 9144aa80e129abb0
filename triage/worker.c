#include "triage/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "triage/native.h"
#include "triage/replay.h"
#include "triage/worker_private.h"

enum { EXIT_BROKEN = 3 };

volatile sig_atomic_t worker_hurry;

static void
on_hurry(int sig)
{
    (void)sig;
    worker_hurry = 1;
}

static void
worker_clear(struct worker *worker)
{
    symbolizer_free(worker->symbolizer);
    mem_free(worker->debugger);
    runner_free(worker->runner);
    known_free(worker->known);
    answered_free(worker->answered);
    if (worker->scratch != NULL) {
        (void)fs_remove(worker->scratch, NULL);
    }
    mem_free(worker->scratch);
    fd_close(worker->out_fd);
    buf_clear(&worker->lines);
}
AUTO_DEFINE_CLEAR(struct worker, worker_clear)

/* --- lines --- */

static int
send_answer(const struct worker *worker, const json_t *answer, const json_t *job,
            struct err *err)
{
    AUTO(mem_free) char *text = json_line(answer);
    AUTO(buf_clear) struct buf line = {.max = WORKER_LINE_MAX};

    buf_adds(&line, text);
    buf_addc(&line, '\n');
    if (line.truncated) {
        AUTO(json_decref) json_t *instead = json_object();
        json_put(instead, "job", json_deep_copy(job));
        json_put(instead, "error",
                 json_string("the answer has more than WORKER_LINE_MAX bytes"));
        AUTO(mem_free) char *shorter = json_line(instead);
        buf_clear(&line);
        buf_addf(&line, "%s\n", shorter);
    }
    return fd_write(worker->out_fd, buf_str(&line), line.len, err);
}

static int
answer_line(struct worker *worker, const char *line, size_t len, struct err *err)
{
    AUTO(json_decref) json_t *request = NULL;
    AUTO(json_decref) json_t *answer = json_object();
    struct err why = ERR_INIT;
    int rc = json_parse(line, len, &request, &why);
    const json_t *number = json_object_get(request, "job");
    AUTO(json_decref)
    json_t *job =
        json_is_integer(number) ? json_integer(json_integer_value(number)) : json_null();

    if (rc == 0 && !json_is_integer(number)) {
        rc = err_set(&why, -EINVAL, "'job' is not a number");
    }
    json_put(answer, "job", json_incref(job));
    rc = rc < 0 ? rc : worker_serve(worker, request, answer, &why);
    if (rc < 0) {
        (void)json_object_clear(answer);
        json_put(answer, "job", json_incref(job));
        json_put(answer, "error", json_text(why.msg));
    }
    return send_answer(worker, answer, job, err);
}

/* Serve what stands in the buffer in whole lines. */
static int
serve_lines(struct worker *worker, struct err *err)
{
    struct buf *lines = &worker->lines;

    for (;;) {
        const char *newline =
            lines->len == 0 ? NULL : memchr(lines->data, '\n', lines->len);
        if (newline == NULL) {
            break;
        }
        size_t len = (size_t)(newline - lines->data);
        int rc = worker->skipping ? 0 : answer_line(worker, lines->data, len, err);
        if (rc < 0) {
            return rc;
        }
        worker->skipping = false;
        buf_drop(lines, len + 1);
    }
    if (lines->len >= WORKER_LINE_MAX) {
        static const char too_long[] =
            "{\"job\":null,\"error\":\"a line of more than WORKER_LINE_MAX bytes\"}\n";
        int rc = worker->skipping
                     ? 0
                     : fd_write(worker->out_fd, too_long, sizeof(too_long) - 1, err);
        worker->skipping = true;
        buf_clear(lines);
        return rc;
    }
    return 0;
}

/* Nothing that we or a library print by accident may stand among the answers. */
static int
take_output(struct worker *worker, struct err *err)
{
    worker->out_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (worker->out_fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        return err_sys(err, "take standard output for the answers");
    }
    return 0;
}

static int
start(struct worker *worker, struct err *err)
{
    const struct sigaction action = {.sa_handler = on_hurry, .sa_flags = SA_RESTART};
    struct err no_symbolizer = ERR_INIT;

    /* a target of the same uid must reach neither our memory nor our descriptors by /proc
     */
    if (prctl(PR_SET_DUMPABLE, 0) < 0) {
        return err_sys(err, "make the worker non-dumpable");
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigaction(SIGUSR1, &action, NULL);
    int rc = take_output(worker, err);
    rc = rc < 0 ? rc : replay_scratch(&worker->scratch, err);
    if (rc < 0) {
        return rc;
    }
    if (worker->config->rung == SANDBOX_BWRAP) {
        const struct runner_config runner = {worker->config->hide, worker->scratch};
        rc = runner_new(&runner, &worker->runner, err);
        if (rc < 0) {
            return rc;
        }
    }
    worker->known = known_new();
    worker->answered = answered_new();
    worker->debugger = native_debugger();
    if (symbolizer_new(NULL, worker->config->roots, &worker->symbolizer, &no_symbolizer) <
        0) {
        log_line(LOG_WARN, "worker", "msg=\"%s\"", no_symbolizer.msg);
    }
    return 0;
}

static int
serve_all(struct worker *worker, struct err *err)
{
    int rc = 1;

    while (rc > 0) {
        rc = fd_read_some(STDIN_FILENO, &worker->lines, WORKER_LINE_MAX, err);
        if (rc > 0) {
            int served = serve_lines(worker, err);
            rc = served < 0 ? served : rc;
        }
    }
    return rc;
}

int
worker_main(const struct worker_config *config)
{
    AUTO(worker_clear)
    struct worker worker = {
        .config = config, .out_fd = -1, .lines.max = (size_t)2 * WORKER_LINE_MAX};
    struct err err = ERR_INIT;
    int rc = start(&worker, &err);

    rc = rc < 0 ? rc : serve_all(&worker, &err);
    if (rc < 0) {
        (void)fprintf(stderr, "nightjar triage-worker: %s\n", err.msg);
        return EXIT_BROKEN;
    }
    return 0;
}
