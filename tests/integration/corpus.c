/* Paths by letters, a crash, a hang; slow or unstable by what is defined. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
static int
parse(const unsigned char *b, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (b[i] == 'a')
            v += 1;
        else if (b[i] == 'b')
            v += 2;
        else if (b[i] == 'c')
            v ^= 3;
        else if (b[i] == 'd')
            v *= 5;
    }
    if (n > 1 && b[0] == 'C' && b[1] == 'C')
        abort();
    if (n > 1 && b[0] == 'H' && b[1] == 'H')
        for (;;)
            pause();
#ifdef UNSTABLE
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (n > 1 && b[0] == 'a') { // one of sixteen ways, by chance
        if (t.tv_nsec & 16)
            v += 7;
        else
            v ^= 5;
        if (t.tv_nsec & 32)
            v += 7;
        else
            v ^= 5;
        if (t.tv_nsec & 64)
            v += 7;
        else
            v ^= 5;
        if (t.tv_nsec & 128)
            v += 7;
        else
            v ^= 5;
    }
#endif
    return v;
}
#ifdef DRIVER
int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    return parse(data, size) == -77;
}
#else
int
main(int argc, char **argv)
{
    static unsigned char b[1 << 16];
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : stdin;
    size_t n = f == NULL ? 0 : fread(b, 1, sizeof(b), f);
#ifdef SLOW
    usleep(20000);
#endif
    return parse(b, n) == -77;
}
#endif
