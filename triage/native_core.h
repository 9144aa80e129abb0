/*
 * Whether a core file stems from a program: by the build id, where the core holds the
 * program's first page and both have one in it (equal ids, and a copy or a link of
 * another name will do), else by the name of the file that was mapped. Both files are
 * hostile; reads are bounded and nothing is mapped.
 */
#ifndef TRIAGE_NATIVE_CORE_H
#define TRIAGE_NATIVE_CORE_H

#include <stdint.h>

#include "base/err.h"

/* `mapped`: the path that the core names as its program, at address `start`; NULL: it
 * names none. -ENODATA with what is wrong; 0 also when nothing can be said. */
int native_core_check(const char *core, const char *program, const char *mapped,
                      uint64_t start, struct err *err);

#endif
