/*
 * Many runs of hostile programs in few sandboxes. A sandbox costs four times what a run
 * costs, so one is kept for a command, and in it, as process 1 of its pid namespace, a
 * runner: this very program, which takes an input over a socket, starts the command on
 * it, collects its output within limits, and then makes the sandbox as it was.
 *
 *   worker (runner.c)  --socket--  runner (inside.c)  --fork server or plain start--  run
 *
 *  - What a run leaves: processes are killed (nobody survives kill(-1) by process 1), the
 *    private folders are emptied, SysV objects removed. Where something is odd - what
 *    cannot be removed, a changed mode of /tmp - the sandbox is thrown away.
 *  - The runner is not dumpable, so that a run of the same uid reaches neither its memory
 *    nor its descriptors; process 1 cannot be killed from inside; no run may change
 *    limits and priorities of another process (sandbox_policy.lasting). Answers are
 * framed by the runner, and what a target printed in them is preceded by its length.
 *  - A sandbox that dies in the middle of a run is made anew and the run tried once more;
 *    if that ends alike the sandbox's last words stand for what the target printed.
 *  - Starts: where the command's program takes it, a fork server (triage/preload.h) is
 * put into it, and runs are forked from it just before main(). A `fresh` run is a process
 *    start of its own, with another layout of the address space. So is, without being
 *    asked, any run of which a fork is no good witness: one that comes to a limit, and
 * one in which the server itself died.
 *
 * Only for SANDBOX_BWRAP: without namespaces every run needs confinement of its own.
 */
#ifndef TRIAGE_RUNNER_H
#define TRIAGE_RUNNER_H

#include <stddef.h>

#include "base/auto.h"
#include "base/err.h"
#include "triage/command.h"
#include "triage/limit.h"

enum {
    RUNNER_SANDBOXES_MAX = 4,    /* of different commands, kept at a time */
    RUNNER_FILE_MAX = 256 << 20, /* bytes of a file that a target writes */
    RUNNER_PIECE = 1 << 20,      /* of an input on its way: no process holds it whole */
};

struct runner;

struct runner_config {
    const struct strv *hide; /* see sandbox_policy; or NULL; borrowed */
    const char *scratch;     /* a folder of this process; borrowed */
};

int runner_new(const struct runner_config *config, struct runner **out, struct err *err);
void runner_free(struct runner *runner); /* ends the sandboxes; NULL is a no-op */
AUTO_DEFINE(struct runner *, runner_free)

struct runner_input {
    const void *data;
    size_t len;
    bool fresh;  /* a process start of its own */
    bool mapped; /* a file's mapping, whole: its pages need not stay in memory */
};

/*
 * One run of the command on the bytes. The target sees them in the file "input" of its
 * empty work folder. The errors are those of limit_run() and sandbox_wrap(), and
 * -EIO when no sandbox lives long enough to answer.
 */
int runner_run(struct runner *runner, const struct command *command,
               const struct limit *limit, const struct runner_input *input,
               struct limit_run *out, struct err *err);

/*
 * The same in two steps, so that several runners may be at work at a time: one run is
 * started and not finished at most. The arguments of both are those of the run, and stay
 * as they are between. runner_fd() can be read when there is something to finish; -1:
 * nothing is started. runner_cancel() ends the run together with its sandbox, which costs
 * a new one; a no-op where nothing is started.
 */
int runner_start(struct runner *runner, const struct command *command,
                 const struct limit *limit, const struct runner_input *input,
                 struct err *err);
int runner_fd(const struct runner *runner);
int runner_finish(struct runner *runner, const struct command *command,
                  const struct limit *limit, const struct runner_input *input,
                  struct limit_run *out, struct err *err);
void runner_cancel(struct runner *runner);

/* Begin to make the command's sandbox, with the program started in it as far as a fork
 * server takes it, before its first run. */
int runner_prepare(struct runner *runner, const struct command *command, struct err *err);

/* The hidden verb's main: the runner within. Its standard input is the socket. */
#define RUNNER_VERB "run-inside"
int runner_inside_main(void);

#endif
