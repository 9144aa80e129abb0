/*
 * The search for a smaller input, apart from how an input is tried. Strategies (one file
 * and one row each, triage/shrink/strategy.h) propose what to take away: ends, blocks,
 * whole elements of structures, repetitions, lines, words, what brackets enclose; at
 * sizes that fall by halves. Lengths and checksums that cover what goes are made right
 * again (triage/shrink/layout.h). When nothing more goes easily, bytes become dull ('0'
 * for what can be printed, NUL for the rest) and numbers small; then what brings little
 * for its runs has its turn, and each time that it does bring something it begins anew.
 * A strategy that brings nothing is soon left alone, and gets four times the patience,
 * and then all of it, when the others have nothing left either.
 *
 * Deterministic: the same input and the same answers give the same result, whatever the
 * width. Whoever tries may try several candidates at a time: they are handed out on the
 * assumption that none succeeds, as most do not (pessimistic speculation, as halfempty
 * does), and the first that does is taken.
 */
#ifndef TRIAGE_SHRINK_H
#define TRIAGE_SHRINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct shrink_progress {
    size_t bytes; /* of the best so far */
    int64_t execs;
    int64_t wall_ms;
};

struct shrink_limits {
    int64_t wall_ms; /* 0: none */
    int64_t execs;   /* 0: none; checked before each trial */
    bool brief; /* end when next to nothing went for long, measured by what it took so
                   far: the rest is slow, and mostly nothing comes of it */
    /* called before each trial; false stops with what there is. May be NULL */
    bool (*report)(void *user, const struct shrink_progress *progress);
    void *user;
};

struct shrink_oracle {
    void *user;
    size_t width; /* candidates offered at a time, 1 to SHRINK_WIDTH_MAX */
    /* Try list[0..n): *shown is the first of them that has what is to be kept, n when
     * none has; adds its runs to *execs. A failure ends the search with what there is;
     * -ECANCELED is none: it was asked to end. */
    int (*test)(void *user, const struct buf *list, size_t n, size_t *shown,
                int64_t *execs, struct err *err);
    /* The best so far is another one. May be NULL */
    void (*keep)(void *user, const struct buf *bytes);
    void *keep_user;
};

enum { SHRINK_WIDTH_MAX = 512 };

struct shrink_result {
    struct buf bytes; /* at worst the original */
    char *kept_right; /* "2 big-endian lengths, CRC-32": what was lowered or summed up
                         again when bytes went; NULL: nothing */
    struct shrink_progress progress;
    bool finished;      /* false: a limit, the caller's word, or a failure came first */
    struct err failure; /* code 0: none */
};

void shrink_result_clear(struct shrink_result *result);
AUTO_DEFINE_CLEAR(struct shrink_result, shrink_result_clear)

/* `input` is known to have what is to be kept. out->progress.execs may hold the runs that
 * were made before; all else of *out is set. No candidate is tried twice. */
void shrink(const struct shrink_oracle *oracle, const struct shrink_limits *limits,
            const void *input, size_t len, struct shrink_result *out);

#endif
