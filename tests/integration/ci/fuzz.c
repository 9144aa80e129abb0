#include "riff.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wave wave = {0};

    (void)riff_read(data, size, &wave);
    return 0;
}
