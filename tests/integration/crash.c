/* A target for the tests: its first byte says how it fails, its second in which function,
 * a third '~' that it takes its time. It does nothing else, so that a fuzzer may run it
 * without a sandbox. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FAULT(name, how)                                         \
    __attribute__((noinline)) static void name(volatile char *p) \
    {                                                            \
        how;                                                     \
    }

FAULT(read_one, (void)p[5])
FAULT(read_two, (void)p[6])
FAULT(write_one, p[5] = 1)
FAULT(null_one, ((void)p, *(volatile int *)8 = 1))
FAULT(abort_one, ((void)p, abort()))
FAULT(abort_two, ((void)p, abort()))

int
main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[argc - 1] : "/dev/stdin";
    char text[16] = "";
    FILE *in = fopen(path, "r");
    volatile char *p = malloc(4);

    if (in == NULL || p == NULL) {
        return 1;
    }
    (void)!fread(text, 1, sizeof(text) - 1, in);
    if (text[2] == '~') {
        (void)usleep(40000);
    }
    switch (text[0]) {
    case 'r':
        text[1] == '2' ? read_two(p) : read_one(p);
        break;
    case 'w':
        write_one(p);
        break;
    case 'n':
        null_one(p);
        break;
    case 'a':
        text[1] == '2' ? abort_two(p) : abort_one(p);
        break;
    case 's':
        (void)usleep(300000);
        abort_two(p);
        break;
    default:
        break;
    }
    free((void *)p);
    return 0;
}
