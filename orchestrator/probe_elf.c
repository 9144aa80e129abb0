#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "orchestrator/probe.h"

enum {
    SECTIONS_MAX = 100000,
    SYMBOLS_STEP = 4096, /* symbols read at a time */
    CODE_STEP = 1 << 20,
    HOOKS_MAX = 512,    /* functions whose callers are looked for */
    SEGMENTS_MAX = 256, /* program headers that are looked at */
};

struct elf {
    int fd;
    uint64_t size;
    bool wide; /* 64 bit */
    uint16_t machine;
    uint64_t section_offset;
    size_t n_sections;
    size_t section_size;
};

bool
probe_read(int fd, uint64_t offset, void *data, size_t len)
{
    size_t have = 0;

    while (have < len) {
        ssize_t n = pread(fd, (char *)data + have, len - have, (off_t)(offset + have));
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            return false;
        }
        have += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Whether offset..offset+len lies within the file. */
static bool
within(const struct elf *elf, uint64_t offset, uint64_t len)
{
    return offset <= elf->size && len <= elf->size - offset;
}

/* --- headers, 32 bit ones widened --- */

static bool
read_section(const struct elf *elf, size_t index, Elf64_Shdr *out)
{
    uint64_t offset = elf->section_offset + index * elf->section_size;
    Elf32_Shdr narrow;

    if (index >= elf->n_sections) {
        return false;
    }
    if (elf->wide) {
        return probe_read(elf->fd, offset, out, sizeof(*out));
    }
    if (!probe_read(elf->fd, offset, &narrow, sizeof(narrow))) {
        return false;
    }
    *out = (Elf64_Shdr){.sh_name = narrow.sh_name,
                        .sh_type = narrow.sh_type,
                        .sh_flags = narrow.sh_flags,
                        .sh_addr = narrow.sh_addr,
                        .sh_offset = narrow.sh_offset,
                        .sh_size = narrow.sh_size,
                        .sh_link = narrow.sh_link};
    return true;
}

static bool
read_header(struct elf *elf, Elf64_Ehdr *out)
{
    Elf32_Ehdr narrow;

    if (elf->wide) {
        return probe_read(elf->fd, 0, out, sizeof(*out));
    }
    if (!probe_read(elf->fd, 0, &narrow, sizeof(narrow))) {
        return false;
    }
    *out = (Elf64_Ehdr){.e_type = narrow.e_type,
                        .e_machine = narrow.e_machine,
                        .e_phoff = narrow.e_phoff,
                        .e_shoff = narrow.e_shoff,
                        .e_phentsize = narrow.e_phentsize,
                        .e_phnum = narrow.e_phnum,
                        .e_shentsize = narrow.e_shentsize,
                        .e_shnum = narrow.e_shnum};
    return true;
}

/* Where the section headers are; a file without them, or with damaged ones, has none. */
static void
find_sections(struct elf *elf, const Elf64_Ehdr *header)
{
    size_t want = elf->wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    uint64_t count = header->e_shnum;
    Elf64_Shdr first;

    elf->section_offset = header->e_shoff;
    elf->section_size = want;
    if (header->e_shoff == 0 || header->e_shentsize != want ||
        !within(elf, header->e_shoff, want)) {
        return;
    }
    elf->n_sections = 1;
    if (count == 0 && read_section(elf, 0, &first)) {
        count = first.sh_size; /* more than 65279: the count stands in the first one */
    }
    uint64_t fit = (elf->size - header->e_shoff) / want;
    count = count < fit ? count : fit;
    elf->n_sections = count < SECTIONS_MAX ? (size_t)count : SECTIONS_MAX;
}

/* --- what can be run --- */

static bool
machine_runs_here(uint16_t machine)
{
#if defined(__x86_64__)
    return machine == EM_X86_64 || machine == EM_386;
#elif defined(__aarch64__)
    return machine == EM_AARCH64 || machine == EM_ARM;
#else
    return machine != EM_NONE;
#endif
}

/* Whether a shared object is a program: it names a loader, or (static PIE) says so in its
 * flags. */
static bool
is_program(const struct elf *elf, const Elf64_Ehdr *header)
{
    size_t step = elf->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

    if (header->e_phentsize != step) {
        return false;
    }
    for (size_t i = 0; i < header->e_phnum && i < SEGMENTS_MAX; i++) {
        Elf64_Phdr wide = {0};
        Elf32_Phdr narrow = {0};
        void *to = elf->wide ? (void *)&wide : (void *)&narrow;
        if (!probe_read(elf->fd, header->e_phoff + i * step, to, step)) {
            return false;
        }
        if ((elf->wide ? wide.p_type : narrow.p_type) == PT_INTERP) {
            return true;
        }
    }
    return false;
}

static bool
says_pie(const struct elf *elf)
{
    for (size_t i = 0; i < elf->n_sections; i++) {
        Elf64_Shdr section;
        if (!read_section(elf, i, &section)) {
            return false;
        }
        if (section.sh_type != SHT_DYNAMIC || !elf->wide) {
            continue;
        }
        for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= section.sh_size && at < CODE_STEP;
             at += sizeof(Elf64_Dyn)) {
            Elf64_Dyn entry;
            if (!probe_read(elf->fd, section.sh_offset + at, &entry, sizeof(entry))) {
                return false;
            }
            if (entry.d_tag == DT_FLAGS_1) {
                return (entry.d_un.d_val & DF_1_PIE) != 0;
            }
        }
    }
    return false;
}

static const char *
find_flaw(const struct elf *elf, const Elf64_Ehdr *header)
{
    if (!machine_runs_here(header->e_machine)) {
        return "it was built for another kind of machine";
    }
    if (header->e_type == ET_REL || header->e_type == ET_CORE) {
        return "it is an object file or a core dump, not a program";
    }
    if (header->e_phnum == 0 || !within(elf, header->e_phoff, header->e_phentsize)) {
        return "its ELF headers are damaged";
    }
    if (header->e_type == ET_DYN && !is_program(elf, header) && !says_pie(elf)) {
        return "it is a shared library, not a program";
    }
    return NULL;
}

/* --- symbols --- */

/* A name that says something by being there. */
static const struct {
    const char *name;
    bool prefix;
    unsigned mark;
} names[] = {
    {"LLVMFuzzerTestOneInput", false, MARK_ENTRY},
    {"LLVMFuzzerRunDriver", false, MARK_ENTRY},
    {"_ZN6fuzzer12FuzzerDriver", true, MARK_ENTRY | MARK_LIBFUZZER},
    {"__afl_area_ptr", false, MARK_AFL},
    {"__asan_init", false, MARK_ASAN},
    {"__msan_init", false, MARK_MSAN},
    {"__tsan_init", false, MARK_TSAN},
    {"__llvm_profile_", true, MARK_COVERAGE},
};

/* Functions of runtimes that every program gets: only a call from elsewhere tells that it
 * uses them. */
static const struct {
    const char *prefix;
    unsigned mark;
} hook_names[] = {
    {"__cmplog_", MARK_CMPLOG},
    {"__ubsan_handle_", MARK_UBSAN},
};

struct hook {
    uint64_t address;
    unsigned mark;
};

struct symbols {
    struct hook hooks[HOOKS_MAX];
    size_t n_hooks;
    uint64_t low[COUNT(hook_names)],
        high[COUNT(hook_names)]; /* where each runtime lies */
    unsigned marks;
};

static void
add_hook(struct symbols *symbols, size_t which, uint64_t address, uint64_t size)
{
    uint64_t end = size < UINT64_MAX - address ? address + size : UINT64_MAX;

    if (symbols->n_hooks == HOOKS_MAX) {
        return;
    }
    bool first = symbols->high[which] == 0;
    if (first || address < symbols->low[which]) {
        symbols->low[which] = address;
    }
    if (end > symbols->high[which]) {
        symbols->high[which] = end;
    }
    symbols->hooks[symbols->n_hooks++] = (struct hook){address, hook_names[which].mark};
}

static void
take_symbol(struct symbols *symbols, const char *name, const Elf64_Sym *symbol)
{
    if (name[0] != '_' && name[0] != 'L') {
        return;
    }
    for (size_t i = 0; i < COUNT(names); i++) {
        if (names[i].prefix ? strncmp(name, names[i].name, strlen(names[i].name)) == 0
                            : strcmp(name, names[i].name) == 0) {
            symbols->marks |= names[i].mark;
        }
    }
    for (size_t i = 0; i < COUNT(hook_names); i++) {
        if (strncmp(name, hook_names[i].prefix, strlen(hook_names[i].prefix)) != 0) {
            continue;
        }
        if (symbol->st_shndx == SHN_UNDEF) { /* of a shared library, and asked for */
            bool weak = ELF64_ST_BIND(symbol->st_info) == STB_WEAK;
            symbols->marks |= weak ? 0 : hook_names[i].mark;
        } else if (ELF64_ST_TYPE(symbol->st_info) == STT_FUNC) {
            add_hook(symbols, i, symbol->st_value, symbol->st_size);
        }
    }
}

static size_t
read_symbols(const struct elf *elf, uint64_t offset, size_t n, Elf64_Sym *out)
{
    Elf32_Sym narrow[256];

    if (elf->wide) {
        return probe_read(elf->fd, offset, out, n * sizeof(*out)) ? n : 0;
    }
    n = n < COUNT(narrow) ? n : COUNT(narrow);
    if (!probe_read(elf->fd, offset, narrow, n * sizeof(narrow[0]))) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (Elf64_Sym){.st_name = narrow[i].st_name,
                             .st_info = narrow[i].st_info,
                             .st_shndx = narrow[i].st_shndx,
                             .st_value = narrow[i].st_value,
                             .st_size = narrow[i].st_size};
    }
    return n;
}

/* The string table of a symbol section, with a NUL behind it; NULL when it is damaged. */
static char *
read_strings(const struct elf *elf, size_t link, size_t *len)
{
    Elf64_Shdr section;

    if (!read_section(elf, link, &section) || section.sh_type != SHT_STRTAB ||
        !within(elf, section.sh_offset, section.sh_size)) {
        return NULL;
    }
    *len = section.sh_size < PROBE_STRINGS_MAX ? section.sh_size : PROBE_STRINGS_MAX;
    AUTO(mem_free) char *strings = mem_alloc(*len + 1);
    return probe_read(elf->fd, section.sh_offset, strings, *len) ? STEAL(strings) : NULL;
}

static void
walk_symbols(const struct elf *elf, const Elf64_Shdr *section, struct symbols *symbols)
{
    size_t step = elf->wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    size_t len = 0;
    AUTO(mem_free) char *strings = read_strings(elf, section->sh_link, &len);
    AUTO(mem_free) Elf64_Sym *some = mem_array(SYMBOLS_STEP, sizeof(*some));

    if (strings == NULL || !within(elf, section->sh_offset, section->sh_size)) {
        return;
    }
    uint64_t total = section->sh_size / step;
    for (uint64_t at = 0; at < total;) {
        size_t want = total - at < SYMBOLS_STEP ? (size_t)(total - at) : SYMBOLS_STEP;
        size_t n = read_symbols(elf, section->sh_offset + at * step, want, some);
        for (size_t i = 0; i < n; i++) {
            if (some[i].st_name < len) {
                take_symbol(symbols, strings + some[i].st_name, &some[i]);
            }
        }
        if (n == 0) {
            return;
        }
        at += n;
    }
}

/* --- calls --- */

static int
by_address(const void *a, const void *b)
{
    const struct hook *left = a;
    const struct hook *right = b;

    return left->address < right->address ? -1 : left->address > right->address;
}

/* A direct call from `from` to `to`: is it one that tells something? */
static unsigned
judge_call(const struct symbols *symbols, uint64_t from, uint64_t to)
{
    unsigned marks = 0;

    for (size_t i = 0; i < COUNT(hook_names); i++) {
        bool near = to >= symbols->low[i] && to <= symbols->high[i];
        bool inside = from >= symbols->low[i] && from <= symbols->high[i];
        if (near && !inside) {
            const struct hook key = {to, 0};
            const struct hook *hook =
                bsearch(&key, symbols->hooks, symbols->n_hooks, sizeof(key), by_address);
            marks |= hook == NULL ? 0 : hook->mark;
        }
    }
    return marks;
}

/* x86: e8 and the distance from the next instruction. Starting at every byte finds more
 * than the calls that there are, but not one in a million of them hits a hook. */
static unsigned
calls_x86(const struct symbols *symbols, const unsigned char *code, size_t len,
          uint64_t base)
{
    const unsigned char *end = code + len;
    unsigned marks = 0;

    for (const unsigned char *at = code; len >= 5 && at < end - 4; at++) {
        at = memchr(at, 0xe8, (size_t)(end - 4 - at));
        if (at == NULL) {
            break;
        }
        int32_t distance;
        memcpy(&distance, at + 1, sizeof(distance));
        uint64_t from = base + (uint64_t)(at - code);
        marks |= judge_call(symbols, from, from + 5 + (uint64_t)(int64_t)distance);
    }
    return marks;
}

/* AArch64: bl and 26 bits of distance in words. */
static unsigned
calls_arm64(const struct symbols *symbols, const unsigned char *code, size_t len,
            uint64_t base)
{
    unsigned marks = 0;

    for (size_t i = 0; i + 4 <= len; i += 4) {
        uint32_t word;
        memcpy(&word, code + i, sizeof(word));
        if (word >> 26 == 0x25) {
            int64_t distance = (int64_t)((word & 0x3ffffff) ^ 0x2000000) - 0x2000000;
            marks |= judge_call(symbols, base + i, base + i + (uint64_t)(distance * 4));
        }
    }
    return marks;
}

static unsigned
calls_in(const struct elf *elf, const Elf64_Shdr *section, const struct symbols *symbols,
         unsigned wanted)
{
    enum { OVERLAP = 4 }; /* a call may lie across two steps */
    AUTO(mem_free) unsigned char *code = mem_alloc(CODE_STEP + OVERLAP);
    unsigned marks = 0;

    for (uint64_t at = 0; at < section->sh_size && (marks & wanted) != wanted;
         at += CODE_STEP) {
        uint64_t left = section->sh_size - at;
        size_t len = left < CODE_STEP + OVERLAP ? (size_t)left : CODE_STEP + OVERLAP;
        if (!probe_read(elf->fd, section->sh_offset + at, code, len)) {
            break;
        }
        marks |= elf->machine == EM_AARCH64
                     ? calls_arm64(symbols, code, len, section->sh_addr + at)
                     : calls_x86(symbols, code, len, section->sh_addr + at);
    }
    return marks;
}

static void
walk_code(const struct elf *elf, struct symbols *symbols)
{
    uint64_t budget = PROBE_SCAN_MAX;
    unsigned wanted = 0;

    qsort(symbols->hooks, symbols->n_hooks, sizeof(symbols->hooks[0]), by_address);
    for (size_t i = 0; i < symbols->n_hooks; i++) {
        wanted |= symbols->hooks[i].mark;
    }
    for (size_t i = 0; i < elf->n_sections && (symbols->marks & wanted) != wanted; i++) {
        Elf64_Shdr section;
        if (!read_section(elf, i, &section)) {
            return;
        }
        if (section.sh_type == SHT_PROGBITS && (section.sh_flags & SHF_EXECINSTR) != 0 &&
            within(elf, section.sh_offset, section.sh_size) &&
            section.sh_size <= budget) {
            budget -= section.sh_size;
            symbols->marks |= calls_in(elf, &section, symbols, wanted);
        }
    }
}

void
probe_elf(int fd, uint64_t size, struct probe_elf *out)
{
    unsigned char ident[EI_NIDENT];
    struct elf elf = {.fd = fd, .size = size};
    Elf64_Ehdr header;
    const unsigned char native =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;

    *out = (struct probe_elf){.stripped = true, .flaw = "its ELF headers are damaged"};
    if (!probe_read(fd, 0, ident, sizeof(ident))) {
        return;
    }
    if (ident[EI_DATA] != native) {
        out->flaw = "it was built for another kind of machine";
        return;
    }
    elf.wide = ident[EI_CLASS] == ELFCLASS64;
    if (!read_header(&elf, &header)) {
        return;
    }
    elf.machine = header.e_machine;
    find_sections(&elf, &header);
    out->flaw = find_flaw(&elf, &header);

    AUTO(mem_free) struct symbols *symbols = mem_alloc(sizeof(*symbols));
    for (size_t i = 0; i < elf.n_sections; i++) {
        Elf64_Shdr section;
        if (read_section(&elf, i, &section) &&
            (section.sh_type == SHT_SYMTAB || section.sh_type == SHT_DYNSYM)) {
            out->stripped &= section.sh_type != SHT_SYMTAB;
            walk_symbols(&elf, &section, symbols);
        }
    }
    walk_code(&elf, symbols);
    out->marks = symbols->marks;
}
