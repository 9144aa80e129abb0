/* One bug, reported as several kinds: an unchecked field shows as overflow, wild access,
 * negative size, division by zero. */
#include "../dedup.h"

static int32_t
word(const uint8_t *d)
{
    return (int32_t)((uint32_t)d[0] | (uint32_t)d[1] << 8 | (uint32_t)d[2] << 16 |
                     (uint32_t)d[3] << 24);
}

static void
chunk(const uint8_t *d, size_t n)
{
    uint8_t *out = malloc(64);
    int32_t length = d[5] % 4 == 0 ? word(d + 1) : d[1];

    if (n > 8 && length <= 100) {
        BUG("length", length > 64 || length < 0 || (size_t)length > n - 6);
        memcpy(out, d + 6, (size_t)length);
        sink += out[0];
    }
    free(out);
}

static void
lookup(const uint8_t *d)
{
    static unsigned table[16];
    unsigned *heap = malloc(sizeof(table));

    memcpy(heap, table, sizeof(table));
    int32_t index = d[5] % 3 == 0 ? word(d + 1) : d[1] % 32;
    BUG("index", index < 0 || index >= 16);
    sink += heap[index];
    free(heap);
}

static void
store(const uint8_t *d)
{
    uint8_t *grid = malloc(256);
    unsigned width = d[1] % 8;
    unsigned scale = d[2] % 4 == 0 ? 1U << 28 : 7;

    BUG("cell", width == 0 || (unsigned long)(d[3] / width) * scale >= 256);
    grid[(unsigned long)(d[3] / width) * scale] = d[4];
    sink += grid[0];
    free(grid);
}

struct node {
    struct node *next;
    unsigned value;
};

static void
walk(const uint8_t *d)
{
    struct node last = {NULL, 1};
    struct node *at = &last;

    if (d[1] % 3 == 1) {
        last.next = (struct node *)(uintptr_t)(UINT64_C(0x4141414100) + d[2]);
    }
    for (int i = 0; i < d[3] % 3; i++) {
        BUG("walk", i == 1);
        sink += at->value;
        at = at->next;
    }
}

void
run(const uint8_t *data, size_t size)
{
    while (size >= 8) {
        switch (data[0] % 4) {
        case 0:
            chunk(data, size);
            break;
        case 1:
            lookup(data);
            break;
        case 2:
            store(data);
            break;
        default:
            walk(data);
            break;
        }
        data += 8;
        size -= 8;
    }
}
