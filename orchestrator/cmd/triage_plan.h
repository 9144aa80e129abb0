/*
 * What one call of `nightjar triage` is to do: which files, of which target, replayed by
 * which command. Made before anything is written or run, so that a wrong word costs
 * nothing.
 */
#ifndef ORCHESTRATOR_CMD_TRIAGE_PLAN_H
#define ORCHESTRATOR_CMD_TRIAGE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "orchestrator/config.h"
#include "orchestrator/corpus/crash_files.h"
#include "triage/build.h"
#include "triage/store.h"

struct triage_target {
    char *name;
    struct build_list builds; /* none: reports alone, nothing is run */
    struct strv ignore_frames;
    char *source; /* the file that told the command; NULL: the person */
};

struct triage_plan {
    struct crash_files files;
    struct triage_target *targets;
    size_t n_targets;
    size_t *target_of; /* for each group of files */
    bool reports;
};

struct triage_request {
    const struct strv *paths;
    const struct strv *command; /* behind "--" */
    const char *target;         /* --target, or NULL */
    const char *verb;           /* for messages: "triage", "import afl" */
    /* what all of it must be; NULL: anything */
    const enum crash_kind *kind;
    bool reports;                /* --reports */
    int64_t timeout_ms;          /* --timeout; 0: not given */
    const struct config *config; /* targets of --target come from there */
};

/*
 * -EINVAL: what was asked for makes no sense (exit status 2), e.g. libFuzzer artifacts
 * and no command; -ENOENT, -ENOEXEC, -ENOTSUP: a command that cannot be run here. Paths
 * that cannot be read fail nothing: they are files.problems.
 */
int triage_plan_make(const struct triage_request *request, struct triage_plan *out,
                     struct err *err);
void triage_plan_clear(struct triage_plan *plan);
AUTO_DEFINE_CLEAR(struct triage_plan, triage_plan_clear)

/* The index-th file of the plan, all hangs behind all others: its path (borrowed) and its
 * target; NULL beyond the last. Call with a cursor that began as {0}. */
struct triage_cursor {
    size_t group, file;
    bool hangs;
};
const char *triage_plan_next(const struct triage_plan *plan, struct triage_cursor *cursor,
                             const struct triage_target **target);

#endif
