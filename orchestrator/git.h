/*
 * git, asked for facts. It takes no lock and runs no hook, monitor or signature check
 * that the repository's settings name; filters of files it does run, for without them
 * nothing can be said of changes. Its answers are as hostile as the commits are.
 */
#ifndef ORCHESTRATOR_GIT_H
#define ORCHESTRATOR_GIT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

enum { GIT_OUTPUT_MAX = 64 << 20, GIT_MS = 60 * 1000 };

/* Run `git WORDS` (n of them) in a folder (NULL: the current one); *out (empty) receives
 * what it wrote, warnings too, *good whether its exit status was 0 and all was taken.
 * -ENOENT: there is no git. */
int git_run(const char *folder, const char *const *words, size_t n, struct buf *out,
            bool *good, struct err *err);

/* The same in the current folder, and what is not good is -EINVAL, in git's words. */
int git_ask(const char *const *words, size_t n, struct buf *out, struct err *err);

/* Whether a text may stand where git wants a commit: no option. */
bool git_is_commit(const char *text);

#endif
