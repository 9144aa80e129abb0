/*
 * Which targets a change can have touched, so that the others cost no time:
 *
 *   1. all their builds have the same code and data as the base builds: not affected
 *   2. there is coverage of a target (triage/coverage.h): affected when its corpus
 * reaches a file of the diff; not when the files are in it, but out of reach
 *   3. else the source files that the debug information lists. A header that none of
 * these lists is not ruled out: of macros and types nothing is listed
 *   4. what none of these can say is affected: no diff, a file that is no source (a build
 *      file, say), no debug information
 *
 * Threat: the diff is the change's own. Its names are compared, never opened.
 */
#ifndef ORCHESTRATOR_GATE_AFFECTED_H
#define ORCHESTRATOR_GATE_AFFECTED_H

#include "orchestrator/target.h"
#include "triage/store.h"

enum { CHANGE_FILES_MAX = 100000, CHANGE_HUNKS_MAX = 2000 };

struct change_hunk { /* lines of a file as it is now; of what only goes, those around it
                      */
    size_t file;     /* in change.files */
    int from, to;    /* both are its */
};

struct change {
    bool known;        /* there is a diff */
    bool beyond;       /* it has files that are no sources: they may touch everything */
    struct strv files; /* sources, as the diff names them */
    /* Where it says so; none: of CHANGE_HUNKS_MAX or more, or of a list of names. */
    struct change_hunk *hunks;
    size_t n_hunks;
};
void change_clear(struct change *change);
AUTO_DEFINE_CLEAR(struct change, change_clear)

/* A unified diff as `git diff` writes it, text[0..len), or a list of names, one a line
 * (`git diff --name-only`). */
void change_read(const char *text, size_t len, struct change *out);

/* Whether a source file, by whatever path it was compiled, may be one of the change's:
 * one of both paths ends with the other. */
bool change_find(const struct change *change, const char *path, size_t *file);

/* 1: it is, 0: it is not; *why (new) is a sentence either way. base NULL: no builds to
 * compare with, or no such target among them. */
int affected(struct store *store, const struct target *head, const struct target *base,
             const struct change *change, char **why, struct err *err);

#endif
