/*
 * stb_vorbis as players use it: the whole file in memory (read, seek, read again), and in
 * blocks as they come from a network. Only documented calls with valid arguments. A
 * stream may claim hours of silence in a few bytes, so the samples decoded are bounded.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <stb_vorbis.h>

enum {
    FILE_MAX = 1 << 16,
    FRAMES_MAX = 64,
    BLOCK = 1024, /* what one read from a network gives */
    SHORTS = 2 * 1024,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
play(stb_vorbis *stream)
{
    short pcm[SHORTS];
    float **channel = NULL;
    int channels = 0;
    int frames = 0;

    while (frames < FRAMES_MAX &&
           stb_vorbis_get_frame_float(stream, &channels, &channel) > 0) {
        frames++;
    }
    frames = 0;
    (void)stb_vorbis_seek_start(stream);
    while (frames < FRAMES_MAX &&
           stb_vorbis_get_samples_short_interleaved(stream, 2, pcm, SHORTS) > 0) {
        frames++;
    }
}

static void
use_file(const uint8_t *data, int size)
{
    int error = 0;
    stb_vorbis *stream = stb_vorbis_open_memory(data, size, &error, NULL);

    if (stream == NULL) {
        return;
    }
    (void)stb_vorbis_get_info(stream);
    (void)stb_vorbis_get_comment(stream);
    play(stream);

    unsigned int samples = stb_vorbis_stream_length_in_samples(stream);
    if (stb_vorbis_seek(stream, samples / 2) != 0) {
        play(stream);
    }
    (void)stb_vorbis_seek_frame(stream, samples / 3);
    (void)stb_vorbis_get_sample_offset(stream);
    stb_vorbis_close(stream);
}

/* Open with as few blocks as it takes. Returns NULL, or the stream and how far it read.
 */
static stb_vorbis *
open_blocks(const uint8_t *data, int size, int *at)
{
    for (int have = BLOCK < size ? BLOCK : size;; have += BLOCK) {
        int error = 0;
        stb_vorbis *stream =
            stb_vorbis_open_pushdata(data, have < size ? have : size, at, &error, NULL);

        if (stream != NULL || error != VORBIS_need_more_data || have >= size) {
            return stream;
        }
    }
}

static void
use_blocks(const uint8_t *data, int size)
{
    int at = 0;
    stb_vorbis *stream = open_blocks(data, size, &at);

    for (int frames = 0; stream != NULL && frames < FRAMES_MAX && at < size; frames++) {
        float **channel = NULL;
        int samples = 0;
        int used = stb_vorbis_decode_frame_pushdata(stream, data + at, size - at, NULL,
                                                    &channel, &samples);
        if (used <= 0) {
            break; /* it has all there is and wants more */
        }
        at += used;
        if (frames == FRAMES_MAX / 2) {
            stb_vorbis_flush_pushdata(stream); /* as after a lost packet */
        }
    }
    if (stream != NULL) {
        stb_vorbis_close(stream);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > FILE_MAX) {
        return 0;
    }

    /* engines hand inputs over in buffers of their own kind; in a heap block of just this
     * size the same over-read makes the same report everywhere */
    uint8_t *file = malloc(size);
    if (file != NULL) {
        memcpy(file, data, size);
        use_file(file, (int)size);
        use_blocks(file, (int)size);
        free(file);
    }
    return 0;
}
