/* One bug, reached by many ways and depths. */
#include "../dedup.h"

struct state {
    const uint8_t *at, *end;
    uint8_t *window;
    unsigned depth;
};

static unsigned
take(struct state *s)
{
    return s->at < s->end ? *s->at++ : 0;
}

/* the bug is in here, whoever calls */
static void
copy_match(struct state *s, unsigned where)
{
    unsigned distance = take(s);
    unsigned length = take(s) % 16;

    if (distance == 0) {
        return;
    }
    if (where > 40) {
        where %= 40;
    }
    for (unsigned i = 0; i < length; i++) {
        BUG("match", where + i + distance % 32 >= 64);
        s->window[where + i + distance % 32] = (uint8_t)i;
    }
}

/* and another that all share: the length is not checked */
static unsigned
checksum(struct state *s)
{
    unsigned sum = 0;
    unsigned n = take(s) % 80;

    for (unsigned i = 0; i < n; i++) {
        BUG("checksum", i >= 64);
        sum = sum * 31 + s->window[i];
    }
    return sum;
}

static void
literal_run(struct state *s)
{
    unsigned n = take(s) % 4;

    while (n-- > 0) {
        copy_match(s, n * 9);
    }
}

static void
nested(struct state *s)
{
    if (take(s) % 2 == 0) {
        literal_run(s);
    } else {
        copy_match(s, take(s));
    }
    sink += checksum(s);
}

static void
deep(struct state *s, unsigned levels)
{
    if (levels > 0) {
        deep(s, levels - 1);
        sink++;
    } else {
        nested(s);
    }
}

void
run(const uint8_t *data, size_t size)
{
    struct state s = {data, data + size, malloc(64), 0};

    memset(s.window, 0, 64);
    while (s.at < s.end) {
        switch (take(&s) % 5) {
        case 0:
            copy_match(&s, take(&s));
            break;
        case 1:
            literal_run(&s);
            break;
        case 2:
            nested(&s);
            break;
        case 3:
            sink += checksum(&s);
            break;
        default:
            deep(&s, take(&s) % 9);
            break;
        }
    }
    free(s.window);
}
