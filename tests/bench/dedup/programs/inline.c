/* Small functions that one compiler inlines and another does not, and calls in tail
 * position, whose frames are gone. */
#include "../dedup.h"

struct reader {
    const uint8_t *data;
    size_t size, at;
    uint8_t *out;
};

static inline unsigned
u8(struct reader *r)
{
    return r->at < r->size ? r->data[r->at++] : 0;
}

static inline unsigned
u16(struct reader *r)
{
    unsigned low = u8(r);
    return low | u8(r) << 8;
}

static inline void
emit(struct reader *r, unsigned at, unsigned value)
{
    r->out[at] = (uint8_t)value;
}

static inline __attribute__((always_inline)) unsigned
fetch(struct reader *r, unsigned at)
{
    return r->out[at];
}

static void
finish_row(struct reader *r, unsigned row)
{
    unsigned last = row * 8 + u8(r) % 16;

    sink++;
    if (last < 8) {
        return;
    }
    BUG("finish-row", last >= 128);
    emit(r, last, 1);
}

static void
row_of_bits(struct reader *r)
{
    unsigned row = u16(r) % 18;

    if (row > 2) {
        finish_row(r, row);
        return;
    }
    sink += row;
}

static void
row_of_bytes(struct reader *r)
{
    sink += 2;
    finish_row(r, u8(r) % 17);
}

static void
predict(struct reader *r)
{
    unsigned from = u16(r) % 140;
    unsigned to = u8(r) % 128;

    BUG("predict", from >= 128);
    unsigned value = fetch(r, from);
    emit(r, to, value);
}

static void
average(struct reader *r)
{
    unsigned a = u8(r) % 120;
    unsigned sum = 0;

    for (unsigned i = 0; i < u8(r) % 24; i++) {
        BUG("average", a + i >= 128);
        sum += fetch(r, a + i);
    }
    sink += sum;
}

void
run(const uint8_t *data, size_t size)
{
    struct reader r = {data, size, 0, calloc(128, 1)};

    while (r.at < r.size) {
        switch (u8(&r) % 4) {
        case 0:
            row_of_bits(&r);
            break;
        case 1:
            row_of_bytes(&r);
            break;
        case 2:
            predict(&r);
            break;
        default:
            average(&r);
            break;
        }
    }
    free(r.out);
}
