/*
 * A command: how one build of a target is run on one input. Plain data that travels to
 * the triage worker as JSON and is stored with the target. argv[0] is an absolute path.
 */
#ifndef TRIAGE_COMMAND_H
#define TRIAGE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

enum input_mode {
    INPUT_ARGUMENT, /* a "@@" in argv, alone or within an argument, stands for the input's
                       path */
    INPUT_STDIN,    /* no "@@": the input is standard input */
    INPUT_LIBFUZZER, /* the path is appended; libFuzzer's own flags are added */
};

enum {
    COMMAND_TIMEOUT_MS = 25000, /* ClusterFuzz's -timeout */
    COMMAND_TIMEOUT_MAX_MS = 24 * 3600 * 1000,
    COMMAND_MEMORY_MB = 2560,     /* ClusterFuzz's -rss_limit_mb */
    COMMAND_OUTPUT_MAX = 1 << 20, /* bytes of output kept of one run */
};

struct command {
    struct strv argv;
    struct strv env; /* "NAME=value" that the target wants; sanitizer options are merged,
                        see below */
    enum input_mode mode;
    int64_t timeout_ms; /* of one run */
    int64_t
        memory_bytes; /* RSS limit where the sanitizer or engine offers one; 0: none */
    struct strv read; /* what it reads besides its own folder and what its arguments name;
                         absolute, and harmless in the sense of sandbox_add_program() */
    bool asan; /* maps shadow memory (ASan, MSan, TSan), or may: it limits its memory
                  itself */
};

void command_clear(struct command *command);
AUTO_DEFINE_CLEAR(struct command, command_clear)
void command_copy(struct command *to,
                  const struct command *from); /* to is cleared first */
bool command_same(const struct command *a, const struct command *b); /* in every field */

/*
 * From a command line as a person types it behind `--`: resolves argv[0] in PATH to an
 * absolute path, makes the files that arguments name absolute (the target runs
 * elsewhere), and sets mode (INPUT_LIBFUZZER when the file holds libFuzzer and no "@@" is
 * given; then -timeout= and -rss_limit_mb= among the arguments set the limits). Takes
 * sanitizer options and LD_LIBRARY_PATH from the caller's environment. -ENOENT when there
 * is no such program, -ENOEXEC when it cannot be executed; the message says what to do.
 */
int command_from_argv(const struct strv *argv, struct command *out, struct err *err);

json_t *command_to_json(const struct command *command); /* new reference */
int command_from_json(const json_t *object, struct command *out, struct err *err);

/* The environment for a run outside a fuzzing engine: a small allow-list (PATH,
 * LANG=C.UTF-8, TZ=UTC, HOME=/nonexistent), the sanitizer options that reports need
 * (reference: ClusterFuzz's defaults, symbolize=0, handle_abort=1, redzone, exitcode...),
 * the command's own env merged over them option by option. `abort_on_error` for AFL++.
 * Appends to env. */
void command_environment(const struct command *command, bool abort_on_error,
                         struct strv *env);

/* The argument vector with the input's path in place; appends to argv. */
void command_arguments(const struct command *command, const char *input,
                       struct strv *argv);

/* What of that environment a person needs who runs it by hand: "NAME=value", appended. */
void command_shell_environment(const struct command *command, struct strv *env);

/* Add a sanitizer's options, "ASAN_OPTIONS=redzone=256", to the command's own. NULL is a
 * no-op. */
void command_add_options(struct command *command, const char *pair);

/* One line that a person can paste into a shell to run it on `input` with the right
 * environment. */
char *command_shell(const struct command *command, const char *input);

#endif
