/*
 * What stands there twice: from where a run of bytes was seen last to where it comes
 * again, so that one of them goes with all between them.
 */
#include "triage/shrink/strategy.h"

#include <string.h>

#include "base/mem.h"

enum { RUN = 8 /* bytes that are the same */, SLOTS = 1 << 16, INPUT_MAX = 1 << 20 };

/* How far before each place the same RUN bytes stood last; 0: nowhere. */
static uint32_t *
distances(const struct buf *bytes)
{
    uint32_t *distance = mem_array(bytes->len + 1, sizeof(*distance));
    AUTO(mem_free) uint32_t *last = mem_array(SLOTS, sizeof(*last));

    for (size_t i = 0; i + RUN <= bytes->len; i++) {
        uint64_t run;
        memcpy(&run, bytes->data + i, RUN);
        uint32_t *seen = &last[(run * 0x9e3779b97f4a7c15U) >> 48];
        if (*seen > 0 && memcmp(bytes->data + *seen - 1, bytes->data + i, RUN) == 0) {
            distance[i] = (uint32_t)(i + 1 - *seen);
        }
        *seen = (uint32_t)(i + 1);
    }
    return distance;
}

static bool
repeats_next(const struct sketch *sketch, size_t grain, struct cursor *cursor,
             void **plan, struct step *step)
{
    if (sketch->bytes.len > INPUT_MAX || sketch->bytes.len < (size_t)2 * RUN) {
        return false;
    }
    if (*plan == NULL) {
        *plan = distances(&sketch->bytes);
    }
    const uint32_t *distance = *plan;
    for (; cursor->at > 0; cursor->at--) {
        size_t i = cursor->at - 1;
        bool first = distance[i] > 0 && (i == 0 || distance[i - 1] != distance[i]);
        if (first && distance[i] <= grain && distance[i] > grain / 2) {
            cursor->at--;
            step->edit.from = i - distance[i];
            step->edit.to = i;
            return true;
        }
    }
    return false;
}

const struct strategy strategy_repeats = {.next = repeats_next};
