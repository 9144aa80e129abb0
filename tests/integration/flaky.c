/* What does not show in each run, or not in the same way. The first byte says what
 * happens. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

static volatile unsigned long sum;
static char *volatile kept;

static int
coin(void)
{
    unsigned char byte = 0;
    int fd = open("/dev/urandom", O_RDONLY);

    (void)!read(fd, &byte, 1);
    close(fd);
    return byte & 1;
}

NOINLINE static void
overflow(volatile char *block, size_t at)
{
    block[at] = 1;
}

/* Over the red zone of one block into the next. */
NOINLINE static void
far_overflow(volatile char *block, volatile char *next)
{
    next[0] = 1;
    block[208] = 1;
    free((void *)(uintptr_t)block); /* else it would be a leak, whatever else it is */
    free((void *)(uintptr_t)next);
}

/* ASan's check faults at the one address, the write itself at the other. */
NOINLINE static void
wild_write(uintptr_t address)
{
    *(volatile char *)address = 1;
}

NOINLINE static void
step_one(void)
{
    for (int i = 0; i < 9999; i++) {
        sum += (unsigned long)i;
    }
}

NOINLINE static void
step_two(void)
{
    for (int i = 0; i < 9999; i++) {
        sum ^= (unsigned long)i;
    }
}

NOINLINE static void
endless_loop(void)
{
    for (;;) {
        if (coin()) {
            step_one();
        } else {
            step_two();
        }
    }
}

NOINLINE static void
take_time(double seconds)
{
    while ((double)clock() < seconds * CLOCKS_PER_SEC) {
        step_one();
    }
}

NOINLINE static void
grow(void)
{
    for (;;) {
        kept = malloc(1 << 20);
        memset(kept, 1, 1 << 20);
    }
}

int
main(int argc, char **argv)
{
    char what = 0;
    int fd = argc > 1 ? open(argv[1], O_RDONLY) : 0;

    (void)!read(fd, &what, 1);
    switch (what) {
    case 'c':
        overflow(malloc(8), 8);
        break;
    case 'p':
        if (coin()) {
            overflow(malloc(8), 8);
        }
        break;
    case 'z':
        far_overflow(malloc(100), malloc(100));
        break;
    case 'w':
        wild_write(coin() ? 0x4141414148 : 0x500000000000);
        break;
    case 'h':
        endless_loop();
        break;
    case 's':
        take_time(1.4);
        break;
    case 'o':
        grow();
        break;
    default:
        break;
    }
    return 0;
}
