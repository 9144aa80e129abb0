#include "orchestrator/gate/program_compare.h"

#include <elf.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/program.h"

enum { SECTIONS_MAX = 65535, BYTES_MAX = 1 << 30 };

struct elf { /* a file and its table of sections, copied for their alignment */
    struct buf bytes;
    Elf64_Shdr *sections;
    size_t n;
    const char *names; /* borrowed */
    size_t names_len;
};

static void
elf_clear(struct elf *elf)
{
    buf_clear(&elf->bytes);
    mem_free(elf->sections);
}
AUTO_DEFINE_CLEAR(struct elf, elf_clear)

static const char *
bytes_of(const struct elf *elf, const Elf64_Shdr *section)
{
    size_t len = elf->bytes.len;

    return section->sh_type == SHT_NOBITS || section->sh_offset > len ||
                   section->sh_size > len - section->sh_offset
               ? NULL
               : elf->bytes.data + section->sh_offset;
}

static const char *
name_of(const struct elf *elf, const Elf64_Shdr *section)
{
    return section->sh_name < elf->names_len &&
                   memchr(elf->names + section->sh_name, '\0',
                          elf->names_len - section->sh_name) != NULL
               ? elf->names + section->sh_name
               : "";
}

static bool
is_elf(const struct elf *elf, const Elf64_Ehdr *head)
{
    return memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
           head->e_ident[EI_CLASS] == ELFCLASS64 &&
           head->e_ident[EI_DATA] == ELFDATA2LSB &&
           head->e_shentsize == sizeof(Elf64_Shdr) && head->e_shnum > 0 &&
           head->e_shstrndx < head->e_shnum && head->e_shoff < elf->bytes.len &&
           (elf->bytes.len - head->e_shoff) / sizeof(Elf64_Shdr) >= head->e_shnum;
}

/* False: it cannot be read. No sections: it is no such ELF file. */
static bool
elf_open(const char *path, struct elf *elf)
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
    elf->names = bytes_of(elf, names);
    elf->names_len = elf->names == NULL ? 0 : (size_t)names->sh_size;
    return true;
}

/* --- the same code and data --- */

static bool
is_loaded(const Elf64_Shdr *section)
{
    return (section->sh_flags & SHF_ALLOC) != 0 && section->sh_type != SHT_NOTE;
}

static const Elf64_Shdr *
next_loaded(const struct elf *elf, size_t *at)
{
    while (*at < elf->n && !is_loaded(&elf->sections[*at])) {
        *at += 1;
    }
    return *at < elf->n ? &elf->sections[(*at)++] : NULL;
}

static bool
same_section(const struct elf *a, const Elf64_Shdr *x, const struct elf *b,
             const Elf64_Shdr *y)
{
    const char *left = bytes_of(a, x);
    const char *right = bytes_of(b, y);

    if (strcmp(name_of(a, x), name_of(b, y)) != 0 || x->sh_type != y->sh_type ||
        x->sh_flags != y->sh_flags || x->sh_size != y->sh_size ||
        x->sh_addr != y->sh_addr) {
        return false;
    }
    return x->sh_type == SHT_NOBITS ||
           (left != NULL && right != NULL && memcmp(left, right, x->sh_size) == 0);
}

static bool
same_file(const char *left, const char *right)
{
    AUTO(elf_clear) struct elf a = {0};
    AUTO(elf_clear) struct elf b = {0};
    size_t i = 0;
    size_t k = 0;

    if (!elf_open(left, &a) || !elf_open(right, &b)) {
        return false;
    }
    if (a.n == 0 || b.n == 0) {
        return a.bytes.len == b.bytes.len &&
               memcmp(buf_str(&a.bytes), buf_str(&b.bytes), a.bytes.len) == 0;
    }
    const Elf64_Shdr *x = next_loaded(&a, &i);
    const Elf64_Shdr *y = next_loaded(&b, &k);
    while (x != NULL && y != NULL && same_section(&a, x, &b, y)) {
        x = next_loaded(&a, &i);
        y = next_loaded(&b, &k);
    }
    return x == NULL && y == NULL;
}

/* A library that lies in one of the program's own folders; NULL: the system's. */
static char *
own_library(const char *program, const char *name)
{
    AUTO(strv_clear) struct strv folders = {0};

    program_library_folders(program, &folders);
    for (size_t i = 0; i < folders.n; i++) {
        AUTO(mem_free) char *path = fs_join(folders.v[i], name);
        if (fs_exists(path)) {
            return STEAL(path);
        }
    }
    return NULL;
}

bool
program_same(const char *a, const char *b)
{
    AUTO(strv_clear) struct strv names = {0};
    bool same = same_file(a, b);

    (void)program_libraries(a, &names);
    for (size_t i = 0; i < names.n && same; i++) {
        AUTO(mem_free) char *left = own_library(a, names.v[i]);
        AUTO(mem_free) char *right = own_library(b, names.v[i]);
        same = left == NULL ? right == NULL : right != NULL && same_file(left, right);
    }
    return same;
}

/* --- what is in it --- */

/* A name stands behind a slash or a NUL, and before a NUL. */
static bool
holds_name(const char *bytes, size_t len, const char *name)
{
    size_t n = strlen(name) + 1;
    const char *at = bytes;

    while ((at = memmem(at, len - (size_t)(at - bytes), name, n)) != NULL) {
        if (at == bytes || at[-1] == '/' || at[-1] == '\0') {
            return true;
        }
        at++;
    }
    return false;
}

enum program_source
program_has_source(const char *program, const char *name)
{
    static const char *const rooms[] = {".debug_line", ".debug_line_str", ".debug_str"};
    AUTO(elf_clear) struct elf elf = {0};
    bool known = false;

    (void)elf_open(program, &elf);
    for (size_t i = 0; i < elf.n; i++) {
        const Elf64_Shdr *section = &elf.sections[i];
        const char *bytes = bytes_of(&elf, section);
        for (size_t k = 0; k < COUNT(rooms) && bytes != NULL; k++) {
            if (strcmp(name_of(&elf, section), rooms[k]) != 0 ||
                (section->sh_flags & SHF_COMPRESSED) != 0) {
                continue;
            }
            known = known || k == 0;
            if (holds_name(bytes, (size_t)section->sh_size, name)) {
                return SOURCE_PRESENT;
            }
        }
    }
    return known ? SOURCE_ABSENT : SOURCE_UNKNOWN;
}
