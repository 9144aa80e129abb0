/* git of the repository in the current folder, asked for facts. Its answers are as
 * hostile as the commits are. */
#ifndef ORCHESTRATOR_GATE_GIT_H
#define ORCHESTRATOR_GATE_GIT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

enum { GIT_OUTPUT_MAX = 64 << 20, GIT_MS = 60 * 1000 };

/* Run `git WORDS` (n of them); *out (empty) receives what it wrote, *good whether its
 * exit status was 0. -ENOENT: there is no git. */
int git_run(const char *const *words, size_t n, struct buf *out, bool *good,
            struct err *err);

/* The same, and what is not good is -EINVAL, in git's words. */
int git_ask(const char *const *words, size_t n, struct buf *out, struct err *err);

/* Whether a text may stand where git wants a commit: no option. */
bool git_is_commit(const char *text);

#endif
