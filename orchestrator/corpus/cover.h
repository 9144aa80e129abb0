/*
 * The fewest and smallest inputs that reach the same edges, equally often: a set cover
 * over the tuples of measure.h, of any number of inputs.
 *
 *   1. cover_open()   a spool, which may hold what a killed run measured
 *   2. cover_add()    each file; measured on all sandboxes, unless the spool has it
 *   3. cover_solve()  equal traces: the smallest input stands for all. What alone has a
 *                     tuple is in; then whoever adds most, the smaller of two (the
 *                     greedy rule; Chvatal 1979: within ln(n) of the best); at last the
 *                     largest first goes whoever the others make superfluous.
 *   4. the chosen are run again. What they show no more (a target that depends on more
 *      than its input) costs further inputs that showed it, in the end all of them.
 *      So all that is still missing has lost no witness: it is unstable, and counted.
 *   5. cover_next()   what was chosen
 *
 * The choice is the same in whatever order inputs were measured.
 *
 * In memory: 40 bytes for each distinct trace, 6 for each tuple; traces are mapped.
 */
#ifndef ORCHESTRATOR_CORPUS_COVER_H
#define ORCHESTRATOR_CORPUS_COVER_H

#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "orchestrator/corpus/measure.h"

struct cover_sum {
    int64_t known;  /* inputs that the spool held already when it was opened */
    int64_t inputs; /* all that were given */
    int64_t bytes;
    int64_t kinds[MEASURE_REFUSED + 1]; /* of the inputs */
    int64_t distinct;                   /* traces */
    int64_t edges, tuples;              /* that all inputs reach together */
    int64_t kept, kept_bytes;
    int64_t kept_edges, kept_tuples; /* that the chosen reached when they ran again */
    int64_t unstable; /* tuples that no witness showed again; all of these are kept */
    int64_t unstable_edges; /* of which no count was seen again */
    int64_t flaky;          /* chosen inputs that took another way when they ran again */
};

struct cover_config {
    const struct command *command; /* of an AFL build */
    enum sandbox_rung rung;        /* measure_config's */
    const char *hide;              /* measure_config's */
    int jobs;
    const char *spool; /* a file in a folder that no target sees */
    const char *what;  /* where the inputs come from: another answer empties the spool */
    /* At times while runs are made; or NULL. */
    void (*progress)(void *user, const struct cover_sum *sum);
    void *user;
};

struct cover;

/* config's pointers are borrowed until cover_close(). */
int cover_open(const struct cover_config *config, struct cover **out, struct err *err);
void cover_close(struct cover *cover); /* the spool's file stays; NULL is a no-op */
AUTO_DEFINE(struct cover *, cover_close)

/* Give a file; what is gone or no regular file is passed over. */
int cover_add(struct cover *cover, const char *path, const struct stat *st,
              struct err *err);

/* Whether the file, as it is, was given and measured. */
bool cover_knows(const struct cover *cover, const char *path, const struct stat *st);

int cover_solve(struct cover *cover, struct cover_sum *sum, struct err *err);

/* Chosen inputs, *at from 0; out->path is borrowed; *alone receives how many tuples no
 * other chosen one has. False: there is no more. */
bool cover_next(struct cover *cover, size_t *at, struct measured *out, uint32_t *alone);

/* All inputs, chosen or not, *at from 0: offenders are among them. */
bool cover_each(const struct cover *cover, int64_t *at, struct measured *out);

#endif
