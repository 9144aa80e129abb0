/* A fuzz target: the first byte of its input chooses how it ends. */
#include <assert.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *volatile kept;

NOINLINE static int
parse_header(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size);

    memcpy(copy, data, size);
    int value = copy[size];
    free(copy);
    return value;
}

NOINLINE static void
spin(void)
{
    for (volatile unsigned i = 0;; i++) {
    }
}

NOINLINE static void
eat(void)
{
    for (;;) {
        char *block = malloc(8 << 20);
        memset(block, 1, 8 << 20);
        *(void **)(void *)block = kept;
        kept = block;
    }
}

NOINLINE static void
lose(void)
{
    kept = malloc(123);
    kept = NULL;
}

NOINLINE static void
check_size(size_t size)
{
    assert(size > 100 && "header is too short");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    switch (data[0]) {
    case 'h':
        return parse_header(data, size) == 77 ? 1 : 0;
    case 'a':
        abort();
    case 's':
        check_size(size);
        break;
    case 't':
        spin();
        break;
    case 'm':
        eat();
        break;
    case 'l':
        lose();
        break;
    case 'e':
        exit(3);
    case 'w': {
        uint8_t *writable;
        memcpy(&writable, &data, sizeof(writable));
        writable[0] = 'W';
        break;
    }
    case 'i': { /* an error in the target's own function */
        uint8_t local[4];
        memcpy(local, "abc", 4);
        kept = local;
        return ((uint8_t *)kept)[size + 4] == 77;
    }
    case 'g':
        raise(SIGSEGV);
        break;
    default:
        break;
    }
    return 0;
}
