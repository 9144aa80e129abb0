/*
 * How an AFL++ (or AFL) instance ran its target, from what it left behind: fuzzer_setup
 * (AFL++ since 3.0: environment and the quoted command line), cmdline (AFL++ since 2.6:
 * the target's part, one argument a line), fuzzer_stats (every AFL: the command line,
 * unquoted). The folder in which afl-fuzz was started is not recorded: it is found by its
 * -o option, which names the tree as it was seen from there.
 *
 * The files were written by a program that ran hostile input, or by whoever made the
 * tree: bounded, parsed without a shell, and the command is only ever run in a sandbox.
 */
#ifndef ORCHESTRATOR_CORPUS_AFL_TREE_H
#define ORCHESTRATOR_CORPUS_AFL_TREE_H

#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "triage/command.h"

enum {
    AFL_SETUP_MAX = 1 << 20,   /* bytes of one of these files */
    AFL_TIMEOUT_MIN_MS = 5000, /* of a replay: sanitizers and a loaded machine are slow */
};

struct afl_setup {
    char *source;        /* the file that told it, absolute */
    struct strv options; /* afl-fuzz's own words: the program and its options */
    struct strv argv;    /* the target's */
    struct strv env;     /* NAME=value of the environment that afl-fuzz recorded */
    char *output;        /* -o; NULL: not told */
    char *input_file;    /* -f; NULL: none */
    int64_t timeout_ms;  /* of -t or exec_timeout; 0: not told */
};

void afl_setup_clear(struct afl_setup *setup);
AUTO_DEFINE_CLEAR(struct afl_setup, afl_setup_clear)

/* Read an instance's folder. -ENODATA: it holds none of the files, or no command. */
int afl_setup_read(const char *instance, struct afl_setup *out, struct err *err);

/*
 * When afl-fuzz found a file of an instance's crashes/ or hangs/, wall ms, from its name
 * (",time:" since the start) and fuzzer_stats; 0: the file's own time tells, since it
 * lies within the campaign, or nothing does. A copied tree has the copy's times.
 */
int64_t afl_found_at(const char *path);

/*
 * The command that replays an input of the instance: the program found where it lay, or
 * in the folders above the tree if all was moved; AFL_PRELOAD and AFL_TARGET_ENV in its
 * environment; -f turned into "@@"; a time limit with room over AFL's own. -ENOENT with
 * every place that was looked at and the cure; -ENOTSUP where only AFL itself can run it.
 */
int afl_setup_command(const struct afl_setup *setup, const char *instance,
                      struct command *out, struct err *err);

/* The best command of several instances of one tree: they run builds of one program, and
 * the one with a sanitizer tells most. Fails with the first instance's reason when none
 * can be run. *source (may be NULL) is the file that told it; new. */
int afl_tree_command(const struct strv *instances, struct command *out, char **source,
                     struct err *err);

#endif
