/* A target that looks for what it must not have: a secret in an environment that it can
 * read, a descriptor of somebody else's file, folder or socket. Input "K" is a known bug,
 * "N" one that -DCHANGE brings in. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DESCRIPTORS = 1024 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Split, lest it be found in this program's own bytes. */
static const char mark[] = "never-to-be-"
                           "seen";

__attribute__((noinline)) static void
saw_a_secret(const char *where)
{
    fprintf(stderr, "a secret in %s\n", where);
    abort();
}

static void
look_into(const char *pid)
{
    char path[300], bytes[65536];

    snprintf(path, sizeof(path), "/proc/%s/environ", pid);
    FILE *file = fopen(path, "r");
    size_t n = file == NULL ? 0 : fread(bytes, 1, sizeof(bytes), file);
    if (memmem(bytes, n, mark, sizeof(mark) - 1) != NULL) {
        saw_a_secret(path);
    }
    if (file != NULL) {
        fclose(file);
    }
}

__attribute__((noinline)) static void
saw_a_descriptor(int fd)
{
    fprintf(stderr, "descriptor %d is somebody else's\n", fd);
    abort();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    extern char **environ;
    struct stat st;

    (void)argc, (void)argv;
    for (char **one = environ; *one != NULL; one++) {
        if (strstr(*one, mark) != NULL) {
            saw_a_secret("environ");
        }
    }
    for (int fd = 3; fd < DESCRIPTORS; fd++) {
        if (fstat(fd, &st) == 0 &&
            (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISSOCK(st.st_mode))) {
            saw_a_descriptor(fd);
        }
    }
    DIR *all = opendir("/proc");
    for (struct dirent *entry; all != NULL && (entry = readdir(all)) != NULL;) {
        look_into(entry->d_name);
    }
    if (all != NULL) {
        closedir(all);
    }
    return 0;
}

__attribute__((noinline)) static void
known_bug(volatile char *heap)
{
    heap[8] = 1;
}

__attribute__((noinline)) static void
change_bug(volatile char *heap)
{
    heap[9] = 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *heap = malloc(8);

    if (size > 0 && data[0] == 'K') {
        known_bug(heap);
    }
#ifdef CHANGE
    if (size > 0 && data[0] == 'N') {
        change_bug(heap);
    }
#else
    (void)change_bug;
#endif
    free(heap);
    return 0;
}
