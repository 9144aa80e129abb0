#include "triage/similar.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "triage/stack.h"

static const double DEPTH = 0.04;
static const double SHIFT = 0.13;

/* The best pairing of the first i frames of one stack with the first j of the other. */
struct cell {
    double sum;
    size_t shared;
};

static void
list_frames(const struct record *record, struct strv *out)
{
    for (size_t i = 0; i < record->n_frames && out->n < SIMILAR_FRAMES_MAX; i++) {
        const struct frame *frame = &record->frames[i];
        if (frame->stack == STACK_CRASH && frame->counts) {
            AUTO(buf_clear) struct buf key = BUF_INIT;
            stack_frame_key(frame, &key);
            strv_add(out, buf_str(&key));
        }
    }
}

static double
weight(size_t i, size_t j)
{
    size_t least = i < j ? i : j;
    size_t apart = i < j ? j - i : i - j;

    return exp(-(DEPTH * (double)least + SHIFT * (double)apart));
}

static struct cell
best(struct cell a, struct cell b)
{
    return a.sum >= b.sum ? a : b;
}

/* Row by row: only the one above is needed. */
static struct cell
pair(const struct strv *a, const struct strv *b)
{
    struct cell above[SIMILAR_FRAMES_MAX + 1] = {{0}};
    struct cell row[SIMILAR_FRAMES_MAX + 1] = {{0}};

    for (size_t i = 1; i <= a->n; i++) {
        for (size_t j = 1; j <= b->n; j++) {
            struct cell paired = above[j - 1];
            if (strcmp(a->v[i - 1], b->v[j - 1]) == 0) {
                paired.sum += weight(i, j);
                paired.shared++;
            }
            row[j] = best(best(above[j], row[j - 1]), paired);
        }
        memcpy(above, row, sizeof(above));
    }
    return above[b->n];
}

struct similar
similar_records(const struct record *a, const struct record *b)
{
    AUTO(strv_clear) struct strv of_a = {0};
    AUTO(strv_clear) struct strv of_b = {0};
    double whole = 0;

    list_frames(a, &of_a);
    list_frames(b, &of_b);
    for (size_t i = 1; i <= of_a.n && i <= of_b.n; i++) {
        whole += weight(i, i);
    }
    struct cell made = pair(&of_a, &of_b);
    return (struct similar){.score = whole > 0 ? made.sum / whole : 0,
                            .shared = made.shared,
                            .frames_a = of_a.n,
                            .frames_b = of_b.n};
}
