/* Several bugs behind one frame: a shared helper writes where its callers say. */
#include "../dedup.h"

struct cursor {
    const uint8_t *at, *end;
};

static unsigned
next(struct cursor *c)
{
    return c->at < c->end ? *c->at++ : 0;
}

static void
put_byte(uint8_t *to, unsigned at, unsigned value)
{
    to[at] = (uint8_t)value;
}

static void
copy_bytes(uint8_t *to, const uint8_t *from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        put_byte(to, i, from[i]);
    }
}

static void
read_name(struct cursor *c)
{
    uint8_t *name = malloc(16);
    unsigned n = next(c) % 40;

    for (unsigned i = 0; i < n; i++) {
        BUG("name", i >= 16);
        put_byte(name, i, next(c));
    }
    sink += name[0];
    free(name);
}

static void
read_color(struct cursor *c)
{
    uint8_t *colors = malloc(24);
    unsigned index = next(c) % 30;

    memset(colors, 0, 24);
    BUG("color", index >= 24);
    put_byte(colors, index, next(c));
    sink += colors[2];
    free(colors);
}

static void
read_block(struct cursor *c)
{
    uint8_t block[32];
    unsigned at = next(c) % 48;
    unsigned value = next(c);

    memset(block, 0, sizeof(block));
    if (at != 33) {
        BUG("block", at >= 32);
        put_byte(block, at, value);
    }
    sink += block[at % 32];
}

static void
read_comment(struct cursor *c)
{
    unsigned n = next(c) % 64;
    uint8_t *text = malloc(48);

    if ((size_t)(c->end - c->at) >= n) {
        BUG("comment", n > 48);
        copy_bytes(text, c->at, n);
        sink += n > 0 ? text[0] : 0;
    }
    free(text);
}

static uint8_t palette[20];

static void
read_palette(struct cursor *c)
{
    unsigned first = next(c) % 16;
    unsigned count = next(c) % 8;

    for (unsigned i = 0; i < count; i++) {
        BUG("palette", first + i >= 20);
        put_byte(palette, first + i, next(c));
    }
}

void
run(const uint8_t *data, size_t size)
{
    struct cursor c = {data, data + size};

    while (c.at < c.end) {
        switch (next(&c) % 5) {
        case 0:
            read_name(&c);
            break;
        case 1:
            read_color(&c);
            break;
        case 2:
            read_block(&c);
            break;
        case 3:
            read_comment(&c);
            break;
        default:
            read_palette(&c);
            break;
        }
    }
}
