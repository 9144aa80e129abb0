#include "orchestrator/gate/program_compare.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/gate/elf_file.h"
#include "triage/program.h"

/* --- the same code and data --- */

static bool
is_loaded(const Elf64_Shdr *section)
{
    return (section->sh_flags & SHF_ALLOC) != 0 && section->sh_type != SHT_NOTE;
}

static const Elf64_Shdr *
next_loaded(const struct elf_file *elf, size_t *at)
{
    while (*at < elf->n && !is_loaded(&elf->sections[*at])) {
        *at += 1;
    }
    return *at < elf->n ? &elf->sections[(*at)++] : NULL;
}

static bool
same_section(const struct elf_file *a, const Elf64_Shdr *x, const struct elf_file *b,
             const Elf64_Shdr *y)
{
    const char *left = elf_file_bytes(a, x);
    const char *right = elf_file_bytes(b, y);

    if (strcmp(elf_file_name(a, x), elf_file_name(b, y)) != 0 ||
        x->sh_type != y->sh_type || x->sh_flags != y->sh_flags ||
        x->sh_size != y->sh_size || x->sh_addr != y->sh_addr) {
        return false;
    }
    return x->sh_type == SHT_NOBITS ||
           (left != NULL && right != NULL && memcmp(left, right, x->sh_size) == 0);
}

static bool
same_file(const char *left, const char *right)
{
    AUTO(elf_file_clear) struct elf_file a = {0};
    AUTO(elf_file_clear) struct elf_file b = {0};
    size_t i = 0;
    size_t k = 0;

    if (!elf_file_open(left, &a) || !elf_file_open(right, &b)) {
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
    AUTO(elf_file_clear) struct elf_file elf = {0};
    bool known = false;

    (void)elf_file_open(program, &elf);
    for (size_t i = 0; i < elf.n; i++) {
        const Elf64_Shdr *section = &elf.sections[i];
        const char *bytes = elf_file_bytes(&elf, section);
        for (size_t k = 0; k < COUNT(rooms) && bytes != NULL; k++) {
            if (strcmp(elf_file_name(&elf, section), rooms[k]) != 0 ||
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
