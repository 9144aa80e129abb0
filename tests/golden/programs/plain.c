/*
 * Crashes for tools that need no sanitizer: Valgrind, GWP-ASan, gdb, glibc's own checks.
 * usage: plain WORD
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APART __attribute__((noinline))

static APART int
look(const char *text, int at)
{
    return text[at] > 3 ? 1 : 2;
}

static APART void
put(char *text, int at)
{
    text[at] = 1;
}

static APART void
drop(char *text)
{
    free(text);
}

static APART void
cause(const char *word, char *heap)
{
    char local[4] = "";
    volatile int one = 1; /* the compiler must not see through it */

    if (strcmp(word, "write") == 0) {
        put(heap, 12 * one);
    } else if (strcmp(word, "read") == 0) {
        one = look(heap, 12);
    } else if (strcmp(word, "use-after-free") == 0) {
        drop(heap);
        one = look(heap, one);
    } else if (strcmp(word, "double-free") == 0) {
        drop(heap);
        drop(heap);
    } else if (strcmp(word, "free-stack") == 0) {
        drop(local);
    } else if (strcmp(word, "uninitialized") == 0) {
        one = look(heap, 1);
    } else if (strcmp(word, "null") == 0) {
        put(NULL, one);
    } else if (strcmp(word, "wild") == 0) {
        put((char *)0x414141414000, one);
    } else if (strcmp(word, "overlap") == 0) {
        memcpy(heap, heap + one, 5);
    } else if (strcmp(word, "abort") == 0) {
        abort();
    } else if (strcmp(word, "divide") == 0) {
        one = 5 / (one - 1);
    } else if (strcmp(word, "jump") == 0) {
        ((void (*)(void))(heap + one))();
    } else if (strcmp(word, "fortify") == 0) {
        strcpy(local, heap); /* NOLINT */
    } else if (strcmp(word, "leak") == 0) {
        (void)strcpy(malloc(10), "lost"); /* NOLINT */
    } else if (strcmp(word, "corrupt") == 0) {
        memset(heap - 16, 0x41, 32);
        drop(heap);
    }
}

int
main(int argc, char **argv)
{
    char *heap = malloc(10);

    if (argc > 1 && strcmp(argv[1], "fortify") == 0) {
        heap = strdup("0123456789");
    }
    cause(argc > 1 ? argv[1] : "", heap);
    return 0;
}
