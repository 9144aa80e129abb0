/*
 * Two builds of a program, and what of the source is in one: from the bytes of the files
 * alone. A file may be anybody's: every offset is checked, and what is no 64-bit ELF file
 * of this machine's byte order is only compared as a whole.
 */
#ifndef ORCHESTRATOR_GATE_PROGRAM_COMPARE_H
#define ORCHESTRATOR_GATE_PROGRAM_COMPARE_H

#include <stdbool.h>

#include "base/buf.h"

/*
 * Whether two programs have the same code and data: every section that is loaded, but for
 * notes (the build id), by name, place and bytes, and the same of the libraries beside
 * them that they ask for. Debug information is not loaded; a path counts where the
 * compiler put it into data (-ffile-prefix-map makes it the same). False also when one
 * cannot be read.
 */
bool program_same(const char *a, const char *b);

enum program_source { SOURCE_ABSENT, SOURCE_PRESENT, SOURCE_UNKNOWN };

/* Whether a source file of this name (the last part of a path) is among those that the
 * debug information lists; UNKNOWN where there is none. */
enum program_source program_has_source(const char *program, const char *name);

#endif
