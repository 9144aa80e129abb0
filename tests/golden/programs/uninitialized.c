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
    int value = argc == 2 && strcmp(argv[1], "stored") == 0 ? stored() : branch();

    return printf("%d\n", value) < 0;
}
