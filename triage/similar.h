/*
 * How alike two stacks are: the Position Dependent Model of ReBucket in the form that
 * CASR uses. Frames that both stacks have, in the same order, add
 *
 *   exp(-(0.04 * min(i, j) + 0.13 * |i - j|))
 *
 * where i and j are their places from the top, from 1 on; the largest sum over all ways
 * to pair them is divided by that of a stack with itself as long as the shorter of the
 * two. So the top weighs most, and what moved by some frames a little less.
 *
 * A frame is compared as a signature names it (stack_frame_key), where CASR compares
 * file, line and column: lines move between builds, and what is suggested here is never
 * merged unasked.
 */
#ifndef TRIAGE_SIMILAR_H
#define TRIAGE_SIMILAR_H

#include <stddef.h>

#include "triage/record.h"

enum { SIMILAR_FRAMES_MAX = 64 }; /* from the top; those below weigh less than 8 % each */

/* From this on CASR puts two stacks into one cluster: its dissimilarity of 0.3. */
#define SIMILAR_CLUSTER 0.7

struct similar {
    double score;    /* 0: no frame in common, 1: all that count */
    size_t shared;   /* pairs that made the score */
    size_t frames_a; /* that count, at most SIMILAR_FRAMES_MAX */
    size_t frames_b;
};

/* Over the frames of the crash's own stack that no rule drops. After record_finish(). */
struct similar similar_records(const struct record *a, const struct record *b);

#endif
