#include "triage/symbol_table.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "triage/program.h"

enum { SECTIONS_MAX = 4096 };

struct symbol_table {
    Elf64_Sym *symbols;
    size_t n;
    char *names; /* ends with a NUL */
    size_t names_len;
};

void
symbol_table_free(struct symbol_table *table)
{
    if (table != NULL) {
        mem_free(table->symbols);
        mem_free(table->names);
        mem_free(table);
    }
}

static bool
read_at(int fd, void *data, size_t len, uint64_t offset)
{
    return offset < INT64_MAX && pread(fd, data, len, (off_t)offset) == (ssize_t)len;
}

/* The sections' heads, *n of them; NULL when there are none. New. */
static Elf64_Shdr *
read_sections(int fd, size_t *n)
{
    Elf64_Ehdr head;

    if (!read_at(fd, &head, sizeof(head), 0) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB ||
        head.e_shentsize != sizeof(Elf64_Shdr) || head.e_shnum == 0 ||
        head.e_shnum > SECTIONS_MAX) {
        return NULL;
    }
    AUTO(mem_free) Elf64_Shdr *sections = mem_array(head.e_shnum, sizeof(*sections));
    if (!read_at(fd, sections, head.e_shnum * sizeof(*sections), head.e_shoff)) {
        return NULL;
    }
    *n = head.e_shnum;
    return STEAL(sections);
}

static struct symbol_table *
read_table(int fd, const Elf64_Shdr *symbols, const Elf64_Shdr *names)
{
    AUTO(symbol_table_free) struct symbol_table *table = mem_alloc(sizeof(*table));

    table->n = symbols->sh_size / sizeof(Elf64_Sym);
    table->names_len = names->sh_size;
    table->symbols = mem_array(table->n, sizeof(Elf64_Sym));
    table->names = mem_alloc(table->names_len + 1);
    bool whole =
        read_at(fd, table->symbols, table->n * sizeof(Elf64_Sym), symbols->sh_offset) &&
        read_at(fd, table->names, table->names_len, names->sh_offset);
    return whole ? STEAL(table) : NULL;
}

/* The first section of that type with symbols in it, and its names. */
static struct symbol_table *
read_type(const char *path, uint32_t type)
{
    AUTO(fd_close) int fd = -1;
    size_t n = 0;
    AUTO(mem_free)
    Elf64_Shdr *sections =
        fs_open(path, &fd, NULL, NULL) < 0 ? NULL : read_sections(fd, &n);

    for (size_t i = 0; sections != NULL && i < n; i++) {
        const Elf64_Shdr *symbols = &sections[i];
        if (symbols->sh_type == type && symbols->sh_size >= sizeof(Elf64_Sym) &&
            symbols->sh_size <= SYMBOL_TABLE_MAX && symbols->sh_link < n &&
            sections[symbols->sh_link].sh_type == SHT_STRTAB &&
            sections[symbols->sh_link].sh_size <= SYMBOL_TABLE_MAX) {
            return read_table(fd, symbols, &sections[symbols->sh_link]);
        }
    }
    return NULL;
}

static struct symbol_table *
read_debug_file(const char *path)
{
    AUTO(mem_free) char *id = program_build_id(path);

    if (id == NULL || strlen(id) < 3) {
        return NULL;
    }
    AUTO(mem_free)
    char *debug = mem_printf("/usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2);
    return read_type(debug, SHT_SYMTAB);
}

struct symbol_table *
symbol_table_read(const char *path)
{
    struct symbol_table *table = read_type(path, SHT_SYMTAB);

    table = table == NULL ? read_debug_file(path) : table;
    return table == NULL ? read_type(path, SHT_DYNSYM) : table;
}

static bool
covers(const Elf64_Sym *symbol, uint64_t address)
{
    int type = ELF64_ST_TYPE(symbol->st_info);

    return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF &&
           address >= symbol->st_value && address - symbol->st_value < symbol->st_size;
}

/* How little a name is one for callers. */
static size_t
inwardness(const struct symbol_table *table, const Elf64_Sym *symbol)
{
    size_t local = ELF64_ST_BIND(symbol->st_info) == STB_LOCAL ? 1000 : 0;

    return local + strspn(table->names + symbol->st_name, "_");
}

const char *
symbol_table_find(const struct symbol_table *table, uint64_t address)
{
    const Elf64_Sym *best = NULL;

    for (size_t i = 0; i < table->n; i++) {
        const Elf64_Sym *symbol = &table->symbols[i];
        if (covers(symbol, address) && symbol->st_name < table->names_len &&
            (best == NULL || inwardness(table, symbol) < inwardness(table, best))) {
            best = symbol;
        }
    }
    return best == NULL ? NULL : table->names + best->st_name;
}
