/* A target for the tests that misbehaves: to be run in a sandbox only, never by hand and
 * never by a fuzzer. Its first byte says what it does. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static void
eat_memory(void)
{
    for (;;) {
        char *p = malloc(1 << 24);
        if (p == NULL) {
            abort();
        }
        memset(p, 1, 1 << 24);
    }
}

__attribute__((noinline)) static void
fork_for_ever(void)
{
    for (int i = 0; i < 200; i++) {
        if (fork() == 0) {
            (void)setsid();
            for (;;) {
                (void)pause();
            }
        }
    }
    abort();
}

__attribute__((noinline)) static void
print_for_ever(void)
{
    for (;;) {
        (void)fputs("==1==ERROR: AddressSanitizer: \033[2J\xff\n", stderr);
    }
}

__attribute__((noinline)) static void
delete_input(const char *path)
{
    (void)unlink(path);
    abort();
}

int
main(int argc, char **argv)
{
    FILE *in = argc > 1 ? fopen(argv[1], "r") : NULL;

    switch (in == NULL ? EOF : fgetc(in)) {
    case 'H':
        for (;;) {
            (void)pause();
        }
    case 'M':
        eat_memory();
        break;
    case 'F':
        fork_for_ever();
        break;
    case 'P':
        print_for_ever();
        break;
    case 'D':
        delete_input(argv[1]);
        break;
    default:
        break;
    }
    return 0;
}
