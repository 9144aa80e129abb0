/*
 * Files like GitHub's CODEOWNERS: which people own which paths of a source tree. The
 * rules are those of GitHub's documentation ("About code owners"), which are gitignore's
 * but for the following: the last line that matches decides, one without owners says that
 * nobody is; a `*` at the end matches files of its folder and none of those below; `!`,
 * `[ ]` and `\#` mean nothing, lines with the first two are passed over.
 *
 * Threat: the file is of the project's own tree, paths are of crash reports, any bytes.
 * Matching takes time proportional to pattern times path at most, and no recursion.
 */
#ifndef TRIAGE_CODEOWNERS_H
#define TRIAGE_CODEOWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    CODEOWNERS_MAX = 3 << 20,      /* bytes of a file: GitHub's own limit */
    CODEOWNERS_RULES_MAX = 20000,  /* of a file */
    CODEOWNERS_PATTERN_MAX = 1024, /* bytes */
    CODEOWNERS_OWNERS_MAX = 500,   /* bytes of all owners of a rule */
};

/* Told of each rule in the order of the file: owners are separated by one blank each, ""
 * where there are none. Both borrowed. A non-zero result ends it and is returned. */
typedef int codeowners_visit(void *user, int line, const char *pattern,
                             const char *owners, struct err *err);

/* -E2BIG: more rules than CODEOWNERS_RULES_MAX. Lines with a pattern or owners beyond
 * their limits are passed over. */
int codeowners_read(const char *text, codeowners_visit *visit, void *user,
                    struct err *err);

/* Whether a pattern matches a file's path below the root of the tree ("lib/a.c"). */
bool codeowners_match(const char *pattern, const char *path);

#endif
