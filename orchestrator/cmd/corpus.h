/* Between the files of the verb `corpus`. */
#ifndef ORCHESTRATOR_CMD_CORPUS_H
#define ORCHESTRATOR_CMD_CORPUS_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"
#include "orchestrator/corpus/cover.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/target.h"
#include "triage/command.h"

struct corpus_options {
    const char *output, *origin;
    int64_t jobs, timeout_ms, memory_bytes;
    struct seed_limits limits; /* of an import; 0: nightjar.yaml's */
    bool accept;               /* of a prune: library_prune.accept */
    const char *with;          /* of a diff: another build */
    const char *sandbox;       /* of what is measured; NULL: nightjar.yaml's */
};

/* Visit the inputs of a target's corpus, or of a file, folder or archive, each a file
 * that is named by its content. *room receives the folder that they were unpacked to,
 * which is the caller's to remove, or NULL. */
int corpus_visit(const struct cmd_context *context, const char *name, char **room,
                 fs_visit *visit, void *user, struct err *err);

/* What an AFL build is run with to be measured: argv behind "--". */
int corpus_command(const struct corpus_options *options, const struct strv *argv,
                   struct command *out, struct err *err);

struct corpus_build {            /* borrowed */
    const struct config *config; /* of config_load() */
    const char *target;
    enum build_kind kind; /* BUILD_KINDS: AFL++'s, else libFuzzer's */
};

/* The same of a build of a target: the one that nightjar.yaml names, else the one that a
 * campaign ran. -EINVAL when there is none. */
int corpus_build_command(const struct cmd_context *context,
                         const struct corpus_options *options,
                         const struct corpus_build *build, struct command *out,
                         struct err *err);

/* How many runs at a time: what was asked for, else the cores that this process has. */
int corpus_jobs(const struct corpus_options *options, int *out, struct err *err);

/* The sandbox to measure in, as triage chooses its own: what was asked for, else what
 * nightjar.yaml says. */
int corpus_sandbox(const struct cmd_context *context,
                   const struct corpus_options *options, enum sandbox_rung *out,
                   struct err *err);

/* A line of progress for a terminal; cover_config.progress, user is a cmd_context. */
void corpus_progress(void *user, const struct cover_sum *sum);

/* What was reached and chosen; `what` is "merged" or "pruned". */
void corpus_print_sum(const struct cmd_context *context, const char *what,
                      const struct cover_sum *sum);

/* The fewest and smallest files of args in the new folder options->output. */
int corpus_merge(const struct cmd_context *context, const struct corpus_options *options,
                 const struct strv *args, const struct strv *argv);

/* On the corpora of the state folder (orchestrator/corpus/library.h). */
int corpus_import(const struct cmd_context *context, const struct corpus_options *options,
                  const struct strv *args);
int corpus_export(const struct cmd_context *context, const struct strv *args);
int corpus_stat(const struct cmd_context *context, const struct strv *args);
int corpus_prune(const struct cmd_context *context, const struct corpus_options *options,
                 const struct strv *args, const struct strv *argv);

/* library_prune(), and an event "target.edges" from "ok" to "dropped" or the reverse
 * where the ledger knows the target. */
int corpus_prune_library(const struct cmd_context *context, const char *name,
                         struct library *library, struct library_prune *prune,
                         struct err *err);

/* Two corpora of targets, files, folders or archives: inputs that only one of them has,
 * and edges that only one reaches when argv is a build. */
int corpus_diff(const struct cmd_context *context, const struct corpus_options *options,
                const struct strv *args, const struct strv *argv);

/* One corpus on two builds, options->with and argv: edges gained and lost. */
int corpus_builds(const struct cmd_context *context, const struct corpus_options *options,
                  const struct strv *args, const struct strv *argv);

/* File the inputs in `folder`, which the command crashed or hung on, as crashes of the
 * target, as a worker's finds are, when the state folder has a database; what is filed
 * leaves the folder. *filed receives how many. */
int corpus_file_offenders(const struct cmd_context *context, const char *name,
                          const struct command *command, const char *folder,
                          int64_t *filed, struct err *err);

#endif
