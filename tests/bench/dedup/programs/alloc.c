/* A wrapper allocator: all memory comes from and goes through the same few functions. */
#include "../dedup.h"

struct pool {
    unsigned live;
};

static __attribute__((noinline)) void *
pool_take(struct pool *pool, size_t n)
{
    pool->live++;
    return calloc(1, n);
}

static __attribute__((noinline)) void
pool_give(struct pool *pool, void *what)
{
    pool->live--;
    free(what);
}

static char *
pool_text(struct pool *pool, const uint8_t *d, size_t n)
{
    char *text = pool_take(pool, n + 1);

    memcpy(text, d, n);
    return text;
}

static void
twice(struct pool *pool, const uint8_t *d)
{
    char *a = pool_text(pool, d, 4);

    if (d[1] > 100) {
        pool_give(pool, a);
    }
    sink++;
    BUG("twice", d[1] > 100);
    pool_give(pool, a);
}

static void
both_lists(struct pool *pool, const uint8_t *d)
{
    char *a = pool_text(pool, d, 3);
    char *b = d[2] % 2 == 0 ? a : pool_text(pool, d, 2);

    pool_give(pool, a);
    BUG("both-lists", a == b);
    pool_give(pool, b);
}

static void
stale(struct pool *pool, const uint8_t *d)
{
    char *a = pool_text(pool, d, 5);
    char *kept = a + d[3] % 4;

    pool_give(pool, a);
    if (d[3] % 3 == 0) {
        BUG("stale", 1);
        sink += (unsigned)kept[0];
    }
}

static void
too_far(struct pool *pool, const uint8_t *d)
{
    char *a = pool_take(pool, 8);
    unsigned at = d[4] % 12;

    BUG("too-far", at >= 8);
    a[at] = 1;
    sink += (unsigned)a[0];
    pool_give(pool, a);
}

static void
no_end(struct pool *pool, const uint8_t *d)
{
    char *a = pool_take(pool, 6);

    memset(a, 'x', 6);
    a[d[5] % 7 % 6] = d[5] % 7 == 6 ? 'x' : '\0';
    BUG("no-end", d[5] % 7 == 6);
    sink += (unsigned)strlen(a);
    pool_give(pool, a);
}

static void
huge(struct pool *pool, const uint8_t *d)
{
    size_t n = d[6] % 5 == 0 ? (size_t) - (long)(d[6] + 4096) : 16;

    BUG("huge", n > 16);
    char *a = pool_take(pool, n);
    sink += (unsigned)a[8];
    pool_give(pool, a);
}

void
run(const uint8_t *data, size_t size)
{
    struct pool pool = {0};
    static void (*const ops[])(struct pool *, const uint8_t *) = {
        twice, both_lists, stale, too_far, no_end, huge};

    for (; size >= 7; data += 7, size -= 7) {
        ops[data[0] % 6](&pool, data);
    }
}
