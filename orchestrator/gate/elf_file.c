#include "orchestrator/gate/elf_file.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"

enum { BYTES_MAX = 1 << 30 };

void
elf_file_clear(struct elf_file *elf)
{
    buf_clear(&elf->bytes);
    mem_free(elf->sections);
}
const char *
elf_file_bytes(const struct elf_file *elf, const Elf64_Shdr *section)
{
    size_t len = elf->bytes.len;

    return section->sh_type == SHT_NOBITS || section->sh_offset > len ||
                   section->sh_size > len - section->sh_offset
               ? NULL
               : elf->bytes.data + section->sh_offset;
}

const char *
elf_file_name(const struct elf_file *elf, const Elf64_Shdr *section)
{
    return section->sh_name < elf->names_len &&
                   memchr(elf->names + section->sh_name, '\0',
                          elf->names_len - section->sh_name) != NULL
               ? elf->names + section->sh_name
               : "";
}

static bool
is_elf(const struct elf_file *elf, const Elf64_Ehdr *head)
{
    return memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
           head->e_ident[EI_CLASS] == ELFCLASS64 &&
           head->e_ident[EI_DATA] == ELFDATA2LSB &&
           head->e_shentsize == sizeof(Elf64_Shdr) && head->e_shnum > 0 &&
           head->e_shstrndx < head->e_shnum && head->e_shoff < elf->bytes.len &&
           (elf->bytes.len - head->e_shoff) / sizeof(Elf64_Shdr) >= head->e_shnum;
}

bool
elf_file_open(const char *path, struct elf_file *elf)
{
    Elf64_Ehdr head;

    elf->bytes.max = BYTES_MAX;
    if (fs_read(path, BYTES_MAX - 1, &elf->bytes, NULL) < 0) {
        return false;
    }
    if (elf->bytes.len < sizeof(head)) {
        return true;
    }
    memcpy(&head, elf->bytes.data, sizeof(head));
    if (!is_elf(elf, &head)) {
        return true;
    }
    elf->n = head.e_shnum;
    elf->sections = mem_array(elf->n, sizeof(*elf->sections));
    memcpy(elf->sections, elf->bytes.data + head.e_shoff,
           elf->n * sizeof(*elf->sections));
    const Elf64_Shdr *names = &elf->sections[head.e_shstrndx];
    elf->names = elf_file_bytes(elf, names);
    elf->names_len = elf->names == NULL ? 0 : (size_t)names->sh_size;
    return true;
}

const Elf64_Shdr *
elf_file_find(const struct elf_file *elf, const char *name)
{
    for (size_t i = 0; i < elf->n; i++) {
        if (strcmp(elf_file_name(elf, &elf->sections[i]), name) == 0) {
            return &elf->sections[i];
        }
    }
    return NULL;
}
