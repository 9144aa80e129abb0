/*
 * What an executable file says about itself, from its bytes alone: it is never run. The
 * file may be anybody's: reads are bounded, and a damaged ELF is merely an uninformative
 * one.
 */
#ifndef TRIAGE_PROGRAM_H
#define TRIAGE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    PROGRAM_SCAN_MAX = 1 << 30, /* bytes of a file that are searched */
    PROGRAM_MARK_MAX = 64,      /* bytes of a mark */
};

enum program_kind { PROGRAM_OTHER, PROGRAM_ELF, PROGRAM_SCRIPT /* begins with #! */ };

/* Search the first PROGRAM_SCAN_MAX bytes of a regular file for n marks in one pass;
 * found[i] says whether marks[i] occurs. n may be 0. */
int program_scan(const char *path, const char *const *marks, size_t n, bool *found,
                 enum program_kind *kind, struct err *err);

/* Append the existing folders of an ELF program's DT_RPATH and DT_RUNPATH, $ORIGIN
 * resolved; nothing for any other file, or one of another machine. `path` is absolute. */
void program_library_folders(const char *path, struct strv *out);

/* Append the names of the libraries that an ELF program of this machine asks for
 * (DT_NEEDED), as it spells them. False, and nothing appended, unless the loader starts
 * it: a static program, a script, another machine's. */
bool program_libraries(const char *path, struct strv *out);

/* The build id of an ELF file in hex, or NULL: it has none, or is no such file. New
 * string. */
char *program_build_id(const char *path);

/* Who compiled an ELF file, as its .comment section says ("GCC: (Debian ...) 12.2.0",
 * "Debian clang version 14.0.6"), each compiler once, separated by "; "; NULL when it
 * says nothing. Any bytes. New string. */
char *program_compiler(const char *path);

/* The absolute path of an executable file called `name` in PATH (a usual one when PATH is
 * unset), or NULL. New string. */
char *program_find(const char *name);

/* Where a tool of LLVM is ("llvm-cov"): of the version that compiled the program, else
 * any. New; NULL: there is none. */
char *program_llvm_tool(const char *program, const char *tool);

#endif
