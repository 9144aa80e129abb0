/* Misuse of the allocator and of poisoned memory, one mistake for each word: misuse WORD.
 * For AddressSanitizer and its kin; memory.c has the usual errors. */
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NOINLINE __attribute__((noinline))

__attribute__((weak)) void __asan_poison_memory_region(void const volatile *, size_t);

static volatile size_t one = 1;

NOINLINE static int
poisoned(void)
{
    char *pool = malloc(64);

    if (__asan_poison_memory_region != NULL) {
        __asan_poison_memory_region(pool + 16, 16);
    }
    return pool[16 + one];
}

NOINLINE static int
usable_size(void)
{
    char local[8] = "";

    return (int)malloc_usable_size(local + one);
}

NOINLINE static int
reallocate(void)
{
    return reallocarray(NULL, SIZE_MAX / 2, 3 * one) != NULL;
}

NOINLINE static int
alignment(void)
{
    void *block = NULL;

    return posix_memalign(&block, 3 * one, 16);
}

/* written through a pointer whose tag is another block's */
NOINLINE static int
other_tag(void)
{
    char *block = malloc(16);
    char *other = malloc(16);

    free(block);
    block[one] = 1;
    return other[0];
}

/* an executable page, so that the jump itself succeeds */
NOINLINE static int
bad_instruction(void)
{
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void (*code)(void);

    page[0] = 0x0f;
    page[1] = 0x0b;
    memcpy(&code, &page, sizeof(code));
    code();
    return 0;
}

NOINLINE static int
read_only(void)
{
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    page[one] = 1;
    return 0;
}

static const struct {
    const char *word;
    int (*cause)(void);
} mistakes[] = {
    {"poisoned", poisoned},     {"usable-size", usable_size},
    {"reallocate", reallocate}, {"alignment", alignment},
    {"other-tag", other_tag},   {"bad-instruction", bad_instruction},
    {"read-only", read_only},
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        if (strcmp(mistakes[i].word, argv[1]) == 0) {
            return printf("%d\n", mistakes[i].cause()) < 0;
        }
    }
    return 0;
}
