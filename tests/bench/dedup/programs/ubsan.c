/* What UBSan sees in one build and ASan in another. */
#include "../dedup.h"

static int weights[12];

static void
by_index(const uint8_t *d)
{
    unsigned i = d[1] % 16;

    BUG("by-index", i >= 12);
    weights[i] = d[2];
}

static void
local_index(const uint8_t *d)
{
    int local[10] = {0};
    unsigned i = d[1] % 12;

    local[d[2] % 10] = 1;
    BUG("local-index", i >= 10);
    sink += (unsigned)local[i];
}

struct point {
    int x, y;
};

static void
null_member(const uint8_t *d)
{
    static struct point origin;
    struct point *p = d[1] % 4 == 0 ? NULL : &origin;

    sink++;
    BUG("null-member", p == NULL);
    p->y = d[2];
}

static void
sum_to_index(const uint8_t *d)
{
    int *values = calloc(8, sizeof(*values));
    int at = d[1] > 250 ? 0x7fffffff : d[1] % 9;

    BUG("sum-to-index", at == 0x7fffffff || at + 1 > 7);
    sink += (unsigned)values[at + 1];
    free(values);
}

static void
two_dimensions(const uint8_t *d)
{
    static uint8_t board[4][4];
    unsigned row = d[1] % 6;
    unsigned column = d[2] % 4;

    BUG("two-dimensions", row >= 4);
    board[row][column] = 1;
    sink += board[0][0];
}

static void
ratio(const uint8_t *d)
{
    int part = d[1] % 6;

    BUG("ratio", part == 0);
    sink += (unsigned)(1000 / part);
}

void
run(const uint8_t *data, size_t size)
{
    static void (*const ops[])(const uint8_t *) = {
        by_index, local_index, null_member, sum_to_index, two_dimensions, ratio};

    for (; size >= 4; data += 4, size -= 4) {
        ops[data[0] % 6](data);
    }
}
