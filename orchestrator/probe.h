/*
 * What an ELF file tells without being run. The file is hostile: every offset and count
 * in it is checked against the file's size, every read is bounded, nothing is mapped (a
 * mapped file that is cut while it is read would kill us).
 */
#ifndef ORCHESTRATOR_PROBE_H
#define ORCHESTRATOR_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    PROBE_STRINGS_MAX = 256 << 20, /* bytes of a string table that are read */
    PROBE_SCAN_MAX =
        1 << 30, /* bytes of code, or of a stripped file, that are looked through */
};

/* Marks that a program carries; bits. */
enum probe_mark {
    MARK_ENTRY = 1 << 0,
    MARK_LIBFUZZER = 1 << 1,
    MARK_AFL = 1 << 2,
    MARK_CMPLOG = 1 << 3,
    MARK_ASAN = 1 << 4,
    MARK_UBSAN = 1 << 5,
    MARK_MSAN = 1 << 6,
    MARK_TSAN = 1 << 7,
    MARK_COVERAGE = 1 << 8,
};

struct probe_elf {
    unsigned marks;   /* by symbols and calls */
    bool stripped;    /* it has no symbol table: look for strings too */
    const char *flaw; /* why it cannot be run, a constant text; NULL */
};

/* fd is a regular file of `size` bytes that begins with ELFMAG. */
void probe_elf(int fd, uint64_t size, struct probe_elf *out);

/* pread() of all len bytes; false when they are not there. */
bool probe_read(int fd, uint64_t offset, void *data, size_t len);

#endif
