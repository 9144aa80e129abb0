/* A small image format: tiles, a palette, run lengths, metadata. */
#include "../dedup.h"

struct image {
    uint8_t *pixels;
    unsigned width, height;
    const uint8_t *in;
    size_t left;
    char *author;
};

static void *
checked_alloc(size_t n)
{
    void *p = malloc(n == 0 ? 1 : n);

    if (p == NULL) {
        exit(1);
    }
    return memset(p, 0, n);
}

static unsigned
byte(struct image *im)
{
    if (im->left == 0) {
        return 0;
    }
    im->left--;
    return *im->in++;
}

static uint8_t *
pixel(struct image *im, unsigned x, unsigned y)
{
    return &im->pixels[y * im->width + x];
}

static void
plot(struct image *im, unsigned x, unsigned y, unsigned color)
{
    *pixel(im, x, y) = (uint8_t)color;
}

static void
horizontal(struct image *im)
{
    unsigned y = byte(im) % im->height;
    unsigned from = byte(im) % im->width;
    unsigned n = byte(im) % (im->width + 2);

    for (unsigned x = from; x < from + n; x++) {
        BUG("horizontal", y * im->width + x >= im->width * im->height);
        plot(im, x, y, 3);
    }
}

static void
vertical(struct image *im)
{
    unsigned x = byte(im) % im->width;
    unsigned n = byte(im) % 40;

    for (unsigned y = 0; y < n; y++) {
        BUG("vertical", y >= im->height);
        plot(im, x, y, 4);
    }
}

static void
run_lengths(struct image *im)
{
    unsigned at = 0;
    unsigned total = im->width * im->height;

    while (at < total && im->left > 0) {
        unsigned n = byte(im) % 32;
        if (n == 0) {
            break;
        }
        BUG("run-lengths", at + n > total);
        memset(im->pixels + at, (int)byte(im), n);
        at += n;
    }
}

static void
apply_palette(struct image *im)
{
    uint8_t palette[24];
    unsigned entries = byte(im) % 24;

    memset(palette, 1, sizeof(palette));
    for (unsigned i = 0; i < entries; i++) {
        palette[i] = (uint8_t)(byte(im) % 26);
    }
    for (unsigned i = 0; i < im->width; i++) {
        unsigned color = palette[i % 24];
        BUG("palette", color >= 24);
        im->pixels[i] = palette[color];
    }
}

static void
metadata(struct image *im)
{
    unsigned n = byte(im) % 20;

    if (im->author != NULL) {
        free(im->author);
        if (n == 0) {
            return;
        }
    }
    im->author = checked_alloc(n + 1);
    for (unsigned i = 0; i < n; i++) {
        im->author[i] = (char)byte(im);
    }
}

static void
caption(struct image *im, int freed)
{
    if (im->author != NULL) {
        BUG("author", freed);
        sink += (unsigned)strlen(im->author);
    }
}

static void
scale(struct image *im)
{
    unsigned by = byte(im) % 5;

    BUG("scale", by == 0);
    unsigned w = im->width / by;
    sink += w;
}

void
run(const uint8_t *data, size_t size)
{
    struct image im = {.width = 12, .height = 10, .in = data, .left = size};
    int freed = 0;

    im.pixels = checked_alloc(im.width * im.height);
    while (im.left > 0) {
        switch (byte(&im) % 7) {
        case 0:
            horizontal(&im);
            break;
        case 1:
            vertical(&im);
            break;
        case 2:
            run_lengths(&im);
            break;
        case 3:
            apply_palette(&im);
            break;
        case 4:
            if (im.author != NULL && im.left > 0 && im.in[0] % 20 == 0) {
                BUG("author", freed);
                freed = 1;
            } else {
                BUG("author", freed);
            }
            metadata(&im);
            break;
        case 5:
            caption(&im, freed);
            break;
        default:
            scale(&im);
            break;
        }
    }
    free(im.pixels);
}
