/* Endless loops whose stack differs each time that one looks. */
#include "../dedup.h"

static __attribute__((noinline)) unsigned
step_one(unsigned x)
{
    for (int i = 0; i < 50; i++) {
        x = x * 7 + sink;
    }
    return x;
}

static __attribute__((noinline)) unsigned
step_two(unsigned x)
{
    for (int i = 0; i < 50; i++) {
        x ^= x << 3 ^ sink;
    }
    return x + step_one(x);
}

static __attribute__((noinline)) unsigned
step_three(unsigned x)
{
    return step_two(x) + step_one(x + 1);
}

static void
scan_entries(const uint8_t *d)
{
    unsigned at = 0;

    while (at < 100) {
        HANG("entries", d[1] % 4 == 0);
        sink += step_two(at);
        at += d[1] % 4;
    }
}

static void
resolve_links(const uint8_t *d)
{
    unsigned link = d[1] % 8;

    while (link != 0) {
        HANG("links", link % 4 == 3);
        sink += step_three(link);
        link = link % 4 == 3 ? link : link - 1;
    }
}

static void
table(const uint8_t *d)
{
    uint8_t *cells = calloc(8, 1);
    unsigned at = d[1] % 12;

    BUG("table", at >= 8);
    cells[at] = 1;
    sink += cells[0];
    free(cells);
}

void
run(const uint8_t *data, size_t size)
{
    for (; size >= 2; data += 2, size -= 2) {
        switch (data[0] % 3) {
        case 0:
            scan_entries(data);
            break;
        case 1:
            resolve_links(data);
            break;
        default:
            table(data);
            break;
        }
    }
}
