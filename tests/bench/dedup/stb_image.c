/*
 * stb_image as a program that shows pictures uses it: what a file in memory is, then its
 * pixels in each way that there is, and the frames of a GIF.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

enum { FILE_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
load(const uint8_t *file, int size)
{
    int x = 0;
    int y = 0;
    int frames = 0;
    int channels = 0;
    int *delays = NULL;

    (void)stbi_info_from_memory(file, size, &x, &y, &channels);
    for (int wanted = STBI_default; wanted <= STBI_rgb_alpha; wanted += 2) {
        stbi_image_free(stbi_load_from_memory(file, size, &x, &y, &channels, wanted));
    }
    stbi_image_free(stbi_load_16_from_memory(file, size, &x, &y, &channels, 0));
    stbi_image_free(stbi_loadf_from_memory(file, size, &x, &y, &channels, STBI_rgb));
    stbi_image_free(
        stbi_load_gif_from_memory(file, size, &delays, &x, &y, &frames, &channels, 0));
    free(delays);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > FILE_MAX) {
        return 0;
    }

    /* in a heap block of just this size the same over-read makes the same report */
    uint8_t *file = malloc(size);
    if (file != NULL) {
        memcpy(file, data, size);
        load(file, (int)size);
        free(file);
    }
    return 0;
}
