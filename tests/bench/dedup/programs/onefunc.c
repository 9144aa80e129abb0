/* Several bugs in one function, some on neighbouring lines. */
#include "../dedup.h"

struct header {
    uint8_t *rows;
    uint8_t *cells;
    unsigned width, height;
    const char *title;
};

static int
parse_header(struct header *h, const uint8_t *d, size_t n)
{
    if (n < 6) {
        return -1;
    }
    h->width = d[0] % 24;
    h->height = d[1] % 24;
    switch (d[2] % 7) {
    case 0:
        BUG("rows", h->height >= 16);
        h->rows[h->height] = d[3];
        break;
    case 1:
        BUG("cells", h->width >= 16);
        h->cells[h->width] = d[4];
        break;
    case 2:
        BUG("rows-read", h->width > 15);
        sink += h->rows[h->width];
        break;
    case 3:
        BUG("cells-read", h->height > 15);
        sink += h->cells[h->height];
        break;
    case 4:
        if (d[3] > 200) {
            BUG("title", h->title == NULL);
            sink += (unsigned)h->title[0];
        }
        break;
    case 5:
        BUG("divide", h->width == 0);
        sink += 100 / h->width;
        break;
    default:
        for (unsigned i = 0; i < h->width; i++) {
            BUG("loop", i * 2 + h->height % 4 >= 16);
            h->cells[i * 2 + h->height % 4] = 1;
        }
        break;
    }
    return 0;
}

void
run(const uint8_t *data, size_t size)
{
    struct header h = {.rows = calloc(16, 1), .cells = calloc(16, 1)};

    h.title = size > 7 && data[7] % 2 == 0 ? "title" : NULL;

    while (size >= 6 && parse_header(&h, data, size) == 0) {
        data += 6;
        size -= 6;
    }
    free(h.rows);
    free(h.cells);
}
