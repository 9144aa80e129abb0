/* Values that were never set, one mistake for each word: uninitialized WORD. For
 * MemorySanitizer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

NOINLINE static int
decide(const int *list)
{
    if (list[3] > 4) {
        return 1;
    }
    return 2;
}

NOINLINE static int
branch(void)
{
    int *list = malloc(4 * sizeof(int));
    int value = 0;

    list[0] = 1;
    value = decide(list);
    free(list);
    return value;
}

/* No optimizer can see what is in it. */
NOINLINE static int
kept(void)
{
    int *volatile list = malloc(4 * sizeof(int));

    list[0] = 1;
    return decide(list);
}

NOINLINE static int
stored(void)
{
    int local[4];
    int copy[4];

    memcpy(copy, local, sizeof(copy));
    return decide(copy);
}

int
main(int argc, char **argv)
{
    const char *word = argc == 2 ? argv[1] : "";
    int value = strcmp(word, "stored") == 0 ? stored()
                : strcmp(word, "kept") == 0 ? kept()
                                            : branch();

    return printf("%d\n", value) < 0;
}
