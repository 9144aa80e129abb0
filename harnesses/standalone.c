/*
 * A main() for builds without an engine: each file argument, or else standard input, is
 * given once to LLVMFuzzerTestOneInput(). This is what the `address` and `coverage`
 * variants of in-process targets are linked with, so that one input is one process.
 * Arguments that begin with '-' are libFuzzer's flags and are skipped, so that a command
 * line written for libFuzzer replays here as well.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_FIRST = 1 << 16, INPUT_MAX = 64 << 20, EXIT_NO_INPUT = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

/* All of in[] in a block of exactly its size; NULL and errno on failure. */
static uint8_t *
read_all(FILE *in, size_t *size)
{
    uint8_t *data = NULL;
    size_t room = 0;

    *size = 0;
    while (feof(in) == 0 && ferror(in) == 0 && *size < INPUT_MAX) {
        room = room == 0 ? INPUT_FIRST : room * 2;
        uint8_t *more = realloc(data, room);
        if (more == NULL) {
            free(data);
            return NULL;
        }
        data = more;
        *size += fread(data + *size, 1, room - *size, in);
    }
    if (ferror(in) != 0) {
        free(data);
        return NULL;
    }
    /* the block ends where the input ends: an over-read by one byte must be seen */
    uint8_t *exact = malloc(*size > 0 ? *size : 1);
    if (exact != NULL && data != NULL) {
        memcpy(exact, data, *size);
    }
    free(data);
    return exact;
}

static int
run(FILE *in, const char *name)
{
    size_t size = 0;
    uint8_t *data = read_all(in, &size);

    if (data == NULL) {
        (void)fprintf(stderr, "%s: %s\n", name, strerror(errno));
        return EXIT_NO_INPUT;
    }
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

static int
run_file(const char *path)
{
    FILE *in = fopen(path, "rbe");
    int rc;

    if (in == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return EXIT_NO_INPUT;
    }
    rc = run(in, path);
    (void)fclose(in);
    return rc;
}

int
main(int argc, char **argv)
{
    int files = 0;
    int rc = 0;

    if (LLVMFuzzerInitialize != NULL) {
        (void)LLVMFuzzerInitialize(&argc, &argv);
    }
    for (int i = 1; i < argc && rc == 0; i++) {
        if (argv[i][0] != '-') {
            rc = run_file(argv[i]);
            files++;
        }
    }
    return files > 0 ? rc : run(stdin, "standard input");
}
