/* A reader of RIFF WAVE files, small enough for a test, with bugs that are old by now. */
#ifndef RIFF_H
#define RIFF_H

#include <stddef.h>
#include <stdint.h>

struct wave {
    unsigned channels, bits, rate;
    uint32_t *cues;
    unsigned n_cues;
    char title[16];
};

uint32_t riff_u32(const uint8_t *data);
int riff_read(const uint8_t *data, size_t size, struct wave *wave);

/* One function a chunk; data[0..size) is its body. */
int chunk_fmt(const uint8_t *data, size_t size, struct wave *wave);
int chunk_fact(const uint8_t *data, size_t size, struct wave *wave);
int chunk_cue(const uint8_t *data, size_t size, struct wave *wave);
int chunk_list(const uint8_t *data, size_t size, struct wave *wave);
int chunk_smpl(const uint8_t *data, size_t size, struct wave *wave);
int chunk_slnt(const uint8_t *data, size_t size, struct wave *wave);
int chunk_bext(const uint8_t *data, size_t size, struct wave *wave);

#endif
