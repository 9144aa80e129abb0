/*
 * Replay: run one input on one command, once, in a sandbox with limits, and say
 * what happened; repeat.h does so several times. Runs inside the triage worker (or in the
 * process of `nightjar minimize FILE -- CMD`).
 */
#ifndef TRIAGE_REPLAY_H
#define TRIAGE_REPLAY_H

#include "base/buf.h"
#include "base/err.h"
#include "triage/command.h"
#include "triage/known.h"
#include "triage/limit.h"
#include "triage/record.h"
#include "triage/runner.h"
#include "triage/sandbox.h"
#include "triage/symbolize.h"

enum replay_outcome {
    REPLAY_CLEAN,    /* ran to its end, no report, no fatal signal */
    REPLAY_CRASH,    /* a report or a fatal signal; record is set */
    REPLAY_TIMEOUT,  /* killed at the limit, or the engine's own timeout report */
    REPLAY_BROKEN,   /* never truly ran: exec, loader, usage, missing file */
    REPLAY_UNPARSED, /* it failed, or its text says so, but no parser knows how: no record
                      */
};

struct replay_config {
    enum sandbox_rung rung;
    const struct command *command;
    const struct record_options *options;
    struct symbolizer *symbolizer; /* borrowed; NULL: frames stay bare */
    const struct strv *hide;       /* see sandbox_policy; or NULL */
    const char *scratch;   /* of replay_scratch(): where the folder of a run is made */
    struct runner *runner; /* borrowed; keeps sandboxes for many runs; NULL: each run has
                              one of its own, of `rung` */
    struct known *known;   /* borrowed; spares repeat() runs of duplicates; or NULL */
    bool fresh;            /* no fork of a program that was started before */
    bool mapped;           /* the input is a file's mapping, see runner_input */
    bool hasty;            /* what comes to its limit is ended at once, with no stack */
    /* gdb, for crashes that left no report (native.h): an absolute path; NULL: they stay
     * bare signals */
    const char *debugger;
};

/* A new private folder for the runs of this process, below TMPDIR or /tmp; the caller
 * removes it with fs_remove(). New string. */
int replay_scratch(char **out, struct err *err);

struct replay_run {
    enum replay_outcome outcome;
    struct record *record; /* finished; REPLAY_CRASH and REPLAY_TIMEOUT have one, no other
                              outcome has */
    struct buf
        report; /* what it printed, about COMMAND_OUTPUT_MAX (head and tail kept) */
    char
        *reason; /* why it is broken, unparsed, or clean in spite of a limit; else NULL */
    int status;  /* waitpid's */
    int64_t wall_ms;
};

void replay_run_clear(struct replay_run *run);
AUTO_DEFINE_CLEAR(struct replay_run, replay_run_clear)

/*
 * One run on the bytes of an input: alone in a sandbox, in an empty folder that holds
 * nothing but the input under the name "input"; the target may do to it what it likes. A
 * timeout without a report still gets a record of type "Timeout", with the stack of where
 * it hung when a sanitizer is there to print it; a fatal signal without a report gets one
 * of its signal. With options->ooms_and_hangs unset a run that came to a limit is clean,
 * and `reason` says so. Fails only for reasons of this machine (no memory for a pipe,
 * sandbox gone, a bad ignore pattern), never for what the target does.
 */
int replay_once(const struct replay_config *config, const void *input, size_t len,
                struct replay_run *out, struct err *err);

/*
 * The same in three steps, for whoever has several at work, each on a runner of its own
 * (runner_start()), or looks at what a run left before it is judged. Without a runner
 * nothing is started before it is finished. *broken: why the target never ran, a new
 * string, then there is nothing to finish or to judge; else NULL. replay_judge() takes
 * the output out of *run.
 */
int replay_start(const struct replay_config *config, const void *input, size_t len,
                 char **broken, struct err *err);
int replay_finish(const struct replay_config *config, const void *input, size_t len,
                  struct limit_run *out, char **broken, struct err *err);
int replay_judge(const struct replay_config *config, const void *input, size_t len,
                 struct limit_run *run, struct replay_run *out, struct err *err);

/* What runs in place of the command, around it: a debugger. */
struct replay_tool {
    const void *user;
    /* append the argument vector, an absolute path first; input: the file's path */
    void (*arguments)(const void *user, const struct command *command, const char *input,
                      struct strv *argv);
    const struct strv *env; /* all of its environment */
    struct limit limit;
};

/* Run a tool where replay_once() would have run the command, in a sandbox that shows it
 * the same files; what it printed is in *out. Its standard input is empty. The errors are
 * those of replay_once(), and -ENOENT where the tool is not there. */
int replay_with(const struct replay_config *config, const struct replay_tool *tool,
                const void *input, size_t len, struct limit_run *out, struct err *err);

const char *replay_outcome_name(
    enum replay_outcome outcome); /* clean crash timeout broken unparsed */

#endif
