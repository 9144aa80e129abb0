/* Recursion: without end (regular and irregular), and bugs at any depth of it. */
#include "../dedup.h"

struct in {
    const uint8_t *at, *end;
    int endless;
};

static void value(struct in *in, unsigned depth);

static unsigned
peek(struct in *in)
{
    return in->at < in->end ? *in->at : 0;
}

static unsigned
get(struct in *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static void
number(struct in *in)
{
    char *digits = malloc(8);
    unsigned n = 0;

    while (peek(in) % 16 == 5) {
        BUG("number", n >= 8);
        digits[n++] = (char)get(in);
    }
    sink += n;
    free(digits);
}

static void
list(struct in *in, unsigned depth)
{
    unsigned n = get(in) % 4;

    for (unsigned i = 0; i < n; i++) {
        value(in, depth + 1);
    }
    sink += depth;
}

static void
map(struct in *in, unsigned depth)
{
    char key[16];
    unsigned n = get(in) % 24;

    for (unsigned i = 0; i < n && peek(in) % 2 == 1; i++) {
        BUG("key", i >= sizeof(key));
        key[i] = (char)get(in);
    }
    sink += (unsigned)key[0];
    value(in, depth + 1);
    sink += depth;
}

/* follows references without a bound: now this way, now that way */
static unsigned odd(unsigned n, unsigned seed);

static unsigned
even(unsigned n, unsigned seed)
{
    volatile char frame[512];

    frame[n % 512] = (char)n;
    unsigned result =
        (seed >> n % 7) % 2 == 0 ? even(n + 1, seed * 5 + 1) : odd(n + 1, seed * 3 + 1);
    return result + (unsigned)frame[n % 512];
}

static unsigned
odd(unsigned n, unsigned seed)
{
    volatile char frame[256];

    frame[n % 256] = (char)n;
    unsigned result = even(n + 2, seed + n);
    return result + (unsigned)frame[n % 256];
}

static unsigned
again(unsigned n)
{
    volatile char frame[600];

    frame[n % 600] = 1;
    return again(n + 1) + (unsigned)frame[n % 600];
}

static void
value(struct in *in, unsigned depth)
{
    switch (get(in) % 8) {
    case 0:
    case 1:
        list(in, depth);
        break;
    case 2:
    case 3:
        map(in, depth);
        break;
    case 4:
    case 5:
        number(in);
        break;
    case 6:
        if (peek(in) % 8 == 0) {
            BUG("endless-references", 1);
            sink += even(depth, get(in));
        }
        break;
    default:
        if (peek(in) % 8 == 1) {
            BUG("endless-again", 1);
            sink += again(depth);
        }
        break;
    }
    sink++;
}

void
run(const uint8_t *data, size_t size)
{
    struct in in = {data, data + size, 0};

    while (in.at < in.end) {
        value(&in, 0);
    }
}
