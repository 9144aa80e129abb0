/*
 * The fork server that is put into fuzz targets which have none (preload/forkserver.c
 * says what it does and what it withstands), and for which programs it is fit.
 */
#ifndef TRIAGE_PRELOAD_H
#define TRIAGE_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

enum {
    PRELOAD_CONTROL_FD = 198, /* AFL++'s FORKSRV_FD: four bytes ask for a run */
    PRELOAD_STATUS_FD = 199,  /* hello; then the pid and the status of each run */
};

/* The value of LD_BIND_NOW that the fork server takes away again before main(). */
#define PRELOAD_BIND "nightjar"

/* The shared object's bytes, to be written to a file that the target's sandbox shows.
 * Constant. */
const void *preload_bytes(size_t *len) __attribute__((returns_nonnull));

/*
 * The value of LD_PRELOAD that puts the object at `path` into `program`; new string. NULL
 * where it cannot work: no dynamically linked ELF of this machine, set-user-id (the
 * loader ignores the variable), or a path with a colon or a blank. A sanitizer's runtime
 * that insists on being loaded first (gcc's libasan) is named before ours. Whether a fork
 * server then runs is said by its hello alone: a program with threads before main() ends
 * without one.
 */
char *preload_value(const char *program, const char *path);

#endif
