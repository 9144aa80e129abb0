#include "riff.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    char name[5];
    int (*read)(const uint8_t *data, size_t size, struct wave *wave);
} chunks[] = {{"fmt ", chunk_fmt},  {"fact", chunk_fact}, {"cue ", chunk_cue},
              {"LIST", chunk_list}, {"smpl", chunk_smpl}, {"slnt", chunk_slnt},
              {"bext", chunk_bext}};

uint32_t
riff_u32(const uint8_t *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
           (uint32_t)data[3] << 24;
}

/* The body as a block of its own, so that what is read beyond it is noticed. */
static int
read_chunk(const uint8_t *data, size_t size, struct wave *wave)
{
    uint8_t *body = malloc(size - 8);
    int rc = 0;

    memcpy(body, data + 8, size - 8);
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        if (memcmp(data, chunks[i].name, 4) == 0) {
            rc = chunks[i].read(body, size - 8, wave);
        }
    }
    free(body);
    return rc;
}

int
riff_read(const uint8_t *data, size_t size, struct wave *wave)
{
    size_t at = 12;

    if (size < 12 || memcmp(data, "RIFF", 4) != 0 || memcmp(data + 8, "WAVE", 4) != 0) {
        return -1;
    }
    while (at + 8 <= size) {
        uint32_t length = riff_u32(data + at + 4);
        if (length > size - at - 8 || read_chunk(data + at, length + 8, wave) < 0) {
            break;
        }
        at += 8 + (size_t)length + (length & 1);
    }
    free(wave->cues);
    return 0;
}
