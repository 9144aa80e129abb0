/*
 * The sections of a 64-bit ELF file of this machine's byte order, read whole. A file may
 * be anybody's: every offset is checked, and nothing is believed of it but its bytes.
 */
#ifndef ORCHESTRATOR_GATE_ELF_FILE_H
#define ORCHESTRATOR_GATE_ELF_FILE_H

#include <elf.h>
#include <stdbool.h>

#include "base/buf.h"

struct elf_file { /* a file and its table of sections, copied for their alignment */
    struct buf bytes;
    Elf64_Shdr *sections;
    size_t n;
    const char *names; /* borrowed */
    size_t names_len;
};
void elf_file_clear(struct elf_file *elf);
AUTO_DEFINE_CLEAR(struct elf_file, elf_file_clear)

/* False: it cannot be read. No sections: it is no such ELF file. */
bool elf_file_open(const char *path, struct elf_file *elf);

/* sh_size bytes; NULL: it has none in the file. Borrowed, of any alignment. */
const char *elf_file_bytes(const struct elf_file *elf, const Elf64_Shdr *section);

/* "": it has none. Borrowed. */
const char *elf_file_name(const struct elf_file *elf, const Elf64_Shdr *section);

/* The first section of a name, or NULL. */
const Elf64_Shdr *elf_file_find(const struct elf_file *elf, const char *name);

#endif
