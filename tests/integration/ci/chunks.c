#include "riff.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

int
chunk_fmt(const uint8_t *data, size_t size, struct wave *wave)
{
    if (size < 16) {
        return -1;
    }
    wave->channels = data[2];
    wave->bits = data[14];
    wave->rate = riff_u32(data + 4);
    return 0;
}

/* old: divides by a field of the file */
int
chunk_fact(const uint8_t *data, size_t size, struct wave *wave)
{
    if (size < 4) {
        return -1;
    }
    wave->rate = 1000 * riff_u32(data) / (wave->channels * wave->bits);
    return 0;
}

/* old: trusts the count */
int
chunk_cue(const uint8_t *data, size_t size, struct wave *wave)
{
    if (size < 4 || riff_u32(data) > 1000) {
        return -1;
    }
    free(wave->cues);
    wave->n_cues = riff_u32(data);
    wave->cues = calloc(wave->n_cues + 1, sizeof(*wave->cues));
    for (unsigned i = 0; i < wave->n_cues; i++) {
        wave->cues[i] = riff_u32(data + 4 + 24 * (size_t)i);
    }
    return 0;
}

/* old: a title of 15 bytes fits */
int
chunk_list(const uint8_t *data, size_t size, struct wave *wave)
{
    if (size < 5 || memcmp(data, "INFO", 4) != 0) {
        return -1;
    }
    memcpy(wave->title, data + 4, size - 4);
    return 0;
}

/* old: there may be no cues */
int
chunk_smpl(const uint8_t *data, size_t size, struct wave *wave)
{
    if (size < 1) {
        return -1;
    }
    return wave->cues[0] == data[0] ? -1 : 0;
}

/* old, and not always seen: it depends on the clock */
int
chunk_slnt(const uint8_t *data, size_t size, struct wave *wave)
{
    struct timespec now;
    volatile char room[4];

    if (size < 4) {
        return -1;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((now.tv_nsec >> 8) % 2 == 0) {
        room[data[0]] = 1;
    }
    wave->channels += (unsigned)room[0] & 0;
    return 0;
}

/* old: the last byte is looked for behind the end */
int
chunk_bext(const uint8_t *data, size_t size, struct wave *wave)
{
    size_t at = 0;

    if (size < 8) {
        return -1;
    }
    while (data[at] == 'b') {
        at++;
    }
    wave->bits += data[at];
    return 0;
}
