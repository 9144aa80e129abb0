/*
 * A verb of the command line: one file in this folder and one row in the table of
 * orchestrator/main.c. Options are a table too, from which parsing, `--help`, the man
 * page's synopsis and the bash completion are made, so that they cannot disagree.
 */
#ifndef ORCHESTRATOR_CMD_CMD_H
#define ORCHESTRATOR_CMD_CMD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

/* Exit statuses; a verb for which several hold answers 2, 1, 4, 3, 0 in this order. */
enum {
    EXIT_DONE = 0, /* the work was done, or the gate passes */
    EXIT_FOUND =
        1, /* the gate fails, doctor or db check found something, verify still crashes */
    EXIT_USAGE = 2, /* usage or configuration error */
    EXIT_UNDECIDED =
        3, /* could not decide, or did not truly run; input and output errors */
    EXIT_EXHAUSTED = 4, /* the breach budget is exhausted */
};

/* What main() learned before the verb: options that may stand before or behind it. */
struct cmd_context {
    const char *state; /* --state, default ".nightjar" */
    const char
        *config; /* --config, NULL: nightjar.yaml in the current folder if it is there */
    bool json;   /* --json: JSON Lines on standard output, nothing else there */
    bool color;  /* standard output is a terminal and NO_COLOR is unset */
    bool live;   /* standard error is a terminal: progress may redraw; else one line a
                    minute */
};

enum cmd_kind {
    CMD_END,
    CMD_FLAG,
    CMD_TEXT,
    CMD_LIST,
    CMD_NUMBER,
    CMD_DURATION,
    CMD_SIZE,
    CMD_YESNO
};

struct cmd_option {
    enum cmd_kind kind;
    const char *name; /* without the dashes */
    char letter;      /* 0: no short form; -x VALUE or -xVALUE */
    void *out; /* bool * (FLAG, YESNO), const char ** (TEXT, borrowed), struct strv *
                  (LIST), int64_t * (NUMBER, DURATION in ms, SIZE in bytes); holds the
                  default */
    const char *value; /* what --help calls the value, e.g. "DURATION" */
    const char *help;  /* one line */
};

/* A word that makes another verb of a verb: `nightjar bugs merge ...`. */
struct cmd_sub {
    const char *name;  /* NULL ends a table */
    const char *usage; /* behind the name */
    const char *help;  /* one line */
    const char
        *options; /* those of the verb that it takes, separated by blanks; NULL: none */
    /* As struct cmd's; args begin behind the name. */
    int (*run)(const struct cmd_context *context, const struct strv *args);
};

struct cmd {
    const char *name;
    const char *summary; /* one line for `nightjar help` */
    const char *usage;   /* behind "nightjar NAME ", e.g. "[PATH...] [-- COMMAND @@]" */
    const char *about;   /* paragraphs of --help, ending with an example */
    /* Fill in the option table (bound to the verb's own storage) for parsing and for
     * --help. */
    const struct cmd_option *(*options)(void);
    int (*run)(const struct cmd_context *context, const struct strv *args,
               const struct strv *command);
    const struct cmd_sub *subs; /* NULL: none */
    bool hidden;                /* an internal process, not for people */
    bool stateless; /* works with a broken nightjar.yaml too: it is not read for `state:`
                     */
};

/*
 * run() receives the positional arguments in `args` and what stands behind "--" in
 * `command` (both borrowed), after the options were stored; it returns an exit status and
 * has printed its own errors:
 */
int cmd_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Run the sub-verb that args begin with; an option that is not its own, and a word that
 * is no sub-verb, are told and EXIT_USAGE. */
int cmd_run_sub(const struct cmd *cmd, const struct cmd_context *context,
                const struct strv *args);

/* "nightjar: <err->msg>" on standard error; the exit status for err->code (2 for -EINVAL,
 * else 3). */
int cmd_fail_err(const struct err *err);

/* A line that tells what to type next: "next: nightjar show NJ-1" on standard error,
 * unless --json. */
void cmd_next(const struct cmd_context *context, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Who types this, for the history: the user's name; new. */
char *cmd_actor(void);

/* A terminal control sequence when colours are on, else "": cmd_color(context, "31;1").
 */
const char *cmd_color(const struct cmd_context *context, const char *code);

/* Print one verb's help, or the list of verbs. */
void cmd_help(FILE *out, const struct cmd *cmd);
void cmd_help_all(FILE *out, const struct cmd *const *table);

/* Parse argv[0..argc) of a verb. -EINVAL with a message that names the option and
 * suggests one. */
int cmd_parse(const struct cmd *cmd, int argc, char **argv, struct strv *args,
              struct strv *command, struct err *err);

/* The table of main.c, NULL-terminated. */
extern const struct cmd *const cmd_table[];

#endif
