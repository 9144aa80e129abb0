/*
 * Deletion without a thought of what the bytes mean: both ends by bisection, blocks, and
 * when all else is done, windows of odd sizes that lie on no block's
 * boundary.
 */
#include "triage/shrink/strategy.h"

#include <string.h>

enum {
    WINDOWS_INPUT_MAX = 2048, /* larger inputs are not worth WINDOW_MAX runs a byte */
    WINDOW_MAX = 12,
};

enum { ENDS_ALL, ENDS_BACK, ENDS_FRONT, ENDS_DONE };

/* Everything; then the shortest beginning that still shows it, then the shortest end: a
 * parser reads from the front, and what lies behind the bug often goes at once. Bisection
 * assumes that it shows from some length on, so it is a first step only. cursor->again
 * counts the bytes that are known not to be enough. */
static bool
ends_next(const struct sketch *sketch, size_t grain, struct cursor *cursor, void **plan,
          struct step *step)
{
    size_t len = sketch->bytes.len;

    (void)plan;
    for (; grain * 2 >= len && cursor->stage < ENDS_DONE; cursor->stage++) {
        size_t keep =
            cursor->stage == ENDS_ALL ? 0 : cursor->again + (len - cursor->again + 1) / 2;
        if (keep < len) {
            bool front = cursor->stage == ENDS_FRONT;
            step->edit.from = front ? 0 : keep;
            step->edit.to = front ? len - keep : len;
            step->taken = *cursor;
            step->taken_set = true;
            cursor->stage += cursor->stage == ENDS_ALL ? 1 : 0;
            cursor->again = keep;
            return true;
        }
        cursor->again = 0;
    }
    return false; /* other grains: it was done */
}

/* The same bytes come right behind it: without those it was the same candidate. */
static bool
is_repeated(const struct buf *bytes, size_t from, size_t to)
{
    return bytes->len - to >= to - from &&
           memcmp(bytes->data + from, bytes->data + to, to - from) == 0;
}

static bool
blocks_next(const struct sketch *sketch, size_t grain, struct cursor *cursor, void **plan,
            struct step *step)
{
    (void)plan;
    while (cursor->at > 0) {
        step->edit.to = cursor->at;
        step->edit.from = cursor->at > grain ? cursor->at - grain : 0;
        cursor->at = step->edit.from;
        if (!is_repeated(&sketch->bytes, step->edit.from, step->edit.to)) {
            return true;
        }
    }
    return false;
}

static bool
is_power_of_two(size_t n)
{
    return (n & (n - 1)) == 0;
}

static bool
windows_next(const struct sketch *sketch, size_t grain, struct cursor *cursor,
             void **plan, struct step *step)
{
    (void)plan;
    if (!sketch->desperate || grain != 1 || sketch->bytes.len > WINDOWS_INPUT_MAX) {
        return false;
    }
    for (; cursor->at > 0; cursor->at--) {
        while (cursor->again < WINDOW_MAX) {
            size_t size = WINDOW_MAX - cursor->again++;
            /* blocks tried these that lie on their boundaries */
            bool block = is_power_of_two(size) && cursor->at % size == 0;
            if (size <= cursor->at && !block) {
                step->edit.to = cursor->at;
                step->edit.from = cursor->at - size;
                return true;
            }
        }
        cursor->again = 0;
    }
    return false;
}

const struct strategy strategy_ends = {.next = ends_next};
const struct strategy strategy_blocks = {.next = blocks_next};
const struct strategy strategy_windows = {.next = windows_next};
