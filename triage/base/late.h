/*
 * Libraries that few processes of nightjar need, loaded at their first use: libcurl and
 * libarchive bring 40 others, which costs each start 5 ms and puts them all into the
 * triage workers that handle hostile bytes.
 */
#ifndef BASE_LATE_H
#define BASE_LATE_H

#include <stddef.h>

#include "base/err.h"

struct late_symbol {
    const char *name;
    void *function; /* the address of a pointer to a function */
};

/* Load a library by the name of its interface ("libcurl.so.4") and set all pointers;
 * again costs nothing worth a word. -ENOENT: it, or one of the names, is not there. It
 * stays loaded. */
int late_load(const char *library, const struct late_symbol *symbols, size_t n,
              struct err *err);

#endif
