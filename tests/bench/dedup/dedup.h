/*
 * What the programs of known bugs share. Each is one `void run(data, size)` with several
 * bugs; each bug is guarded by a canary, in the manner of Magma (Hazimeh et al. 2020):
 *
 *     BUG("name", condition)      the statement behind it is about to go wrong
 *     HANG("name", condition)     it will never end
 *
 * Built with -DORACLE the program takes many files, and prints for each which canaries
 * fired before it ended: the truth. Otherwise canaries are nothing, and it runs one file.
 */
#ifndef DEDUP_H
#define DEDUP_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C"
#endif
    void
    run(const uint8_t *data, size_t size);

static volatile unsigned sink; /* what is read into it cannot be optimized away */

#ifdef ORACLE
static inline void
oracle(const char *name, int last)
{
    static const char *before;

    if (before != name) {
        before = name;
        printf(" %s", name);
        fflush(stdout);
    }
    if (last) {
        _exit(0);
    }
}
#define BUG(name, condition)  ((condition) ? oracle(name, 0) : (void)0)
#define HANG(name, condition) ((condition) ? oracle(name, 1) : (void)0)
#else
#define BUG(name, condition)  ((void)0)
#define HANG(name, condition) ((void)0)
#endif

static inline void
dedup_file(const char *path)
{
    static uint8_t data[1 << 16];
    FILE *file = fopen(path, "rb");
    size_t size = file == NULL ? 0 : fread(data, 1, sizeof(data), file);

    if (file != NULL) {
        fclose(file);
    }
    uint8_t *copy = (uint8_t *)malloc(size + 1);
    memcpy(copy, data, size);
    copy[size] = 0;
    run(copy, size);
    free(copy);
}

int
main(int argc, char **argv)
{
#ifdef ORACLE
    for (int i = 1; i < argc; i++) {
        printf("%s", argv[i]);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            alarm(5);
            dedup_file(argv[i]);
            _exit(0);
        }
        (void)waitpid(child, NULL, 0);
        printf("\n");
    }
    return 0;
#else
    if (argc > 1) {
        dedup_file(argv[1]);
    }
    return (int)(sink & 0);
#endif
}
#endif
