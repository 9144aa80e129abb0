#include "triage/program.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    CHUNK = 1 << 20,
    SEGMENTS_MAX = 256,
    DYNAMIC_MAX = 4096, /* entries */
    PATHS_MAX = 4096,   /* bytes of a run path */
    NOTES_MAX = 65536,  /* bytes of a segment of notes, of the compilers' names */
    SECTIONS_MAX = 1024,
    COMPILERS_MAX = 8,
};

#if defined(__x86_64__)
enum { OWN_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { OWN_MACHINE = EM_AARCH64 };
#elif defined(__riscv)
enum { OWN_MACHINE = EM_RISCV };
#else
#error "which e_machine do programs of this processor have?"
#endif

static enum program_kind
kind_of(const char *data, size_t len)
{
    if (len >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0) {
        return PROGRAM_ELF;
    }
    return len >= 2 && memcmp(data, "#!", 2) == 0 ? PROGRAM_SCRIPT : PROGRAM_OTHER;
}

int
program_scan(const char *path, const char *const *marks, size_t n, bool *found,
             enum program_kind *kind, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    int rc = fs_open(path, &fd, NULL, err);

    if (rc < 0) {
        return rc;
    }
    /* the tail of a chunk stays in front of the next, so that no mark is cut in two */
    AUTO(mem_free) char *data = mem_alloc(PROGRAM_MARK_MAX + CHUNK);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        found[i] = false;
    }
    for (size_t done = 0; done < PROGRAM_SCAN_MAX;) {
        ssize_t got = fd_read(fd, data + kept, CHUNK);
        if (got < 0) {
            return err_sys(err, "read '%s'", path);
        }
        size_t len = kept + (size_t)got;
        if (done == 0) {
            *kind = kind_of(data, len);
        }
        for (size_t i = 0; i < n; i++) {
            found[i] = found[i] || memmem(data, len, marks[i], strlen(marks[i])) != NULL;
        }
        if (got < CHUNK) {
            break;
        }
        done += (size_t)got;
        kept = PROGRAM_MARK_MAX;
        memmove(data, data + len - kept, kept);
    }
    return 0;
}

struct elf {
    int fd;
    Elf64_Phdr segments[SEGMENTS_MAX];
    size_t n_segments;
};

static bool
read_at(int fd, void *data, size_t len, uint64_t offset)
{
    return offset < INT64_MAX && pread(fd, data, len, (off_t)offset) == (ssize_t)len;
}

static bool
elf_open(const char *path, struct elf *elf)
{
    Elf64_Ehdr head;

    if (fs_open(path, &elf->fd, NULL, NULL) < 0 ||
        !read_at(elf->fd, &head, sizeof(head), 0) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB ||
        head.e_machine != OWN_MACHINE || head.e_phentsize != sizeof(Elf64_Phdr) ||
        head.e_phnum > SEGMENTS_MAX) {
        return false;
    }
    elf->n_segments = head.e_phnum;
    return read_at(elf->fd, elf->segments, elf->n_segments * sizeof(Elf64_Phdr),
                   head.e_phoff);
}

/* The file offset of a virtual address, or UINT64_MAX. */
static uint64_t
elf_offset(const struct elf *elf, uint64_t address)
{
    for (size_t i = 0; i < elf->n_segments; i++) {
        const Elf64_Phdr *segment = &elf->segments[i];
        if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
            address - segment->p_vaddr < segment->p_filesz) {
            return segment->p_offset + (address - segment->p_vaddr);
        }
    }
    return UINT64_MAX;
}

/* One folder of a run path as the loader reads it. */
static void
add_folder(const char *program, const char *entry, struct strv *out)
{
    static const char *const names[] = {"$ORIGIN", "${ORIGIN}"};
    AUTO(mem_free) char *path = mem_strdup(entry);

    for (size_t i = 0; i < COUNT(names); i++) {
        if (str_starts(entry, names[i])) {
            size_t len = (size_t)(fs_base(program) - program);
            mem_free(path);
            path = mem_printf("%.*s%s", (int)len, program, entry + strlen(names[i]));
        }
    }
    AUTO(mem_free) char *folder = path[0] == '/' ? fs_absolute(path) : NULL;
    if (folder != NULL && fs_is_folder(folder) && !strv_has(out, folder)) {
        strv_add(out, folder);
    }
}

static void
add_folders(const char *program, const char *paths, struct strv *out)
{
    AUTO(mem_free) char *list = mem_strdup(paths);
    char *save = NULL;

    for (char *entry = strtok_r(list, ":", &save); entry != NULL;
         entry = strtok_r(NULL, ":", &save)) {
        add_folder(program, entry, out);
    }
}

/* The text at an offset of the file, up to PATHS_MAX bytes of it. */
static void
add_string(const struct elf *elf, uint64_t at, struct strv *out)
{
    char text[PATHS_MAX + 1] = "";

    if (at <= INT64_MAX && pread(elf->fd, text, PATHS_MAX, (off_t)at) > 0) {
        strv_add(out, text);
    }
}

/* The texts of the dynamic section's entries that `wanted` accepts. */
static void
read_dynamic(const struct elf *elf, const Elf64_Phdr *segment, bool (*wanted)(int64_t),
             struct strv *out)
{
    size_t n = segment->p_filesz / sizeof(Elf64_Dyn);
    n = n > DYNAMIC_MAX ? DYNAMIC_MAX : n;
    AUTO(mem_free) Elf64_Dyn *entries = mem_array(n, sizeof(*entries));
    uint64_t strings = UINT64_MAX;

    if (n == 0 || !read_at(elf->fd, entries, n * sizeof(*entries), segment->p_offset)) {
        return;
    }
    for (size_t i = 0; i < n && entries[i].d_tag != DT_NULL; i++) {
        if (entries[i].d_tag == DT_STRTAB) {
            strings = elf_offset(elf, entries[i].d_un.d_ptr);
        }
    }
    for (size_t i = 0; i < n && entries[i].d_tag != DT_NULL && strings < INT64_MAX; i++) {
        if (wanted(entries[i].d_tag)) {
            add_string(elf, strings + (entries[i].d_un.d_val & UINT32_MAX), out);
        }
    }
}

static bool
is_run_path(int64_t tag)
{
    return tag == DT_RPATH || tag == DT_RUNPATH;
}

static bool
is_needed(int64_t tag)
{
    return tag == DT_NEEDED;
}

/* The same of a file; whether it asks for a loader. */
static bool
read_program(const char *path, bool (*wanted)(int64_t), struct strv *out)
{
    AUTO(mem_free) struct elf *elf = mem_alloc(sizeof(*elf));
    bool interpreted = false;

    elf->fd = -1;
    if (elf_open(path, elf)) {
        for (size_t i = 0; i < elf->n_segments; i++) {
            interpreted = interpreted || elf->segments[i].p_type == PT_INTERP;
            if (elf->segments[i].p_type == PT_DYNAMIC) {
                read_dynamic(elf, &elf->segments[i], wanted, out);
            }
        }
    }
    fd_close(elf->fd);
    return interpreted;
}

void
program_library_folders(const char *path, struct strv *out)
{
    AUTO(strv_clear) struct strv lists = {0};

    (void)read_program(path, is_run_path, &lists);
    for (size_t i = 0; i < lists.n; i++) {
        add_folders(path, lists.v[i], out);
    }
}

bool
program_libraries(const char *path, struct strv *out)
{
    return read_program(path, is_needed, out);
}

/* --- who made it --- */

static size_t
padded(uint32_t size)
{
    return ((size_t)size + 3) & ~(size_t)3;
}

/* The GNU build id among the notes of a segment. */
static char *
find_build_id(const unsigned char *notes, size_t len)
{
    AUTO(buf_clear) struct buf hex = BUF_INIT;
    Elf64_Nhdr head;

    for (size_t at = 0; len - at >= sizeof(head);) {
        memcpy(&head, notes + at, sizeof(head));
        at += sizeof(head);
        size_t name = padded(head.n_namesz);
        size_t text = padded(head.n_descsz);
        if (name > len - at || text > len - at - name) {
            return NULL;
        }
        const unsigned char *id = notes + at + name;
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == sizeof("GNU") &&
            memcmp(notes + at, "GNU", sizeof("GNU")) == 0 && head.n_descsz > 0) {
            for (size_t i = 0; i < head.n_descsz; i++) {
                buf_addf(&hex, "%02x", id[i]);
            }
            return buf_steal(&hex);
        }
        at += name + text;
    }
    return NULL;
}

char *
program_build_id(const char *path)
{
    AUTO(mem_free) struct elf *elf = mem_alloc(sizeof(*elf));
    AUTO(mem_free) unsigned char *notes = mem_alloc(NOTES_MAX);
    char *found = NULL;

    elf->fd = -1;
    if (elf_open(path, elf)) {
        for (size_t i = 0; i < elf->n_segments && found == NULL; i++) {
            const Elf64_Phdr *segment = &elf->segments[i];
            if (segment->p_type == PT_NOTE && segment->p_filesz <= NOTES_MAX &&
                read_at(elf->fd, notes, segment->p_filesz, segment->p_offset)) {
                found = find_build_id(notes, segment->p_filesz);
            }
        }
    }
    fd_close(elf->fd);
    return found;
}

/* Strings, each behind a NUL; a linked program has one for each compiler, often twice. */
static char *
join_comments(const char *text, size_t len)
{
    AUTO(strv_clear) struct strv seen = {0};
    AUTO(buf_clear) struct buf out = BUF_INIT;

    for (size_t at = 0; at < len; at += strlen(text + at) + 1) {
        if (text[at] != '\0' && !strv_has(&seen, text + at) && seen.n < COMPILERS_MAX) {
            strv_add(&seen, text + at);
            buf_addf(&out, "%s%s", out.len == 0 ? "" : "; ", text + at);
        }
    }
    return out.len == 0 ? NULL : buf_steal(&out);
}

static bool
is_comment(const struct elf *elf, const Elf64_Shdr *names, const Elf64_Shdr *section)
{
    char name[sizeof(".comment")] = "";

    return section->sh_type == SHT_PROGBITS && section->sh_size <= NOTES_MAX &&
           read_at(elf->fd, name, sizeof(name), names->sh_offset + section->sh_name) &&
           memcmp(name, ".comment", sizeof(name)) == 0;
}

char *
program_compiler(const char *path)
{
    AUTO(mem_free) struct elf *elf = mem_alloc(sizeof(*elf));
    AUTO(mem_free) Elf64_Shdr *sections = mem_array(SECTIONS_MAX, sizeof(*sections));
    AUTO(mem_free) char *text = mem_alloc(NOTES_MAX + 1);
    char *found = NULL;
    Elf64_Ehdr head;

    elf->fd = -1;
    if (elf_open(path, elf) && read_at(elf->fd, &head, sizeof(head), 0) &&
        head.e_shentsize == sizeof(*sections) && head.e_shnum <= SECTIONS_MAX &&
        head.e_shstrndx < head.e_shnum &&
        read_at(elf->fd, sections, head.e_shnum * sizeof(*sections), head.e_shoff)) {
        for (size_t i = 0; i < head.e_shnum && found == NULL; i++) {
            if (is_comment(elf, &sections[head.e_shstrndx], &sections[i]) &&
                read_at(elf->fd, text, sections[i].sh_size, sections[i].sh_offset)) {
                found = join_comments(text, sections[i].sh_size);
            }
        }
    }
    fd_close(elf->fd);
    return found;
}

char *
program_find(const char *name)
{
    const char *path = getenv("PATH");
    AUTO(mem_free)
    char *list = mem_strdup(path == NULL ? "/usr/local/bin:/usr/bin:/bin" : path);
    char *save = NULL;

    for (char *dir = strtok_r(list, ":", &save); dir != NULL;
         dir = strtok_r(NULL, ":", &save)) {
        AUTO(mem_free) char *joined = fs_join(dir, name);
        AUTO(mem_free) char *candidate = fs_absolute(joined);
        struct stat st;
        if (stat(candidate, &st) == 0 && S_ISREG(st.st_mode) &&
            access(candidate, X_OK) == 0) {
            return STEAL(candidate);
        }
    }
    return NULL;
}

char *
program_llvm_tool(const char *program, const char *tool)
{
    AUTO(mem_free) char *compiler = program_compiler(program);
    const char *at = compiler == NULL ? NULL : strstr(compiler, "clang version ");
    const char *version = at == NULL ? "" : at + strlen("clang version ");
    size_t digits = strspn(version, "0123456789");
    AUTO(mem_free) char *name = mem_printf("%s-%.*s", tool, (int)digits, version);
    char *found = digits > 0 && digits < 4 ? program_find(name) : NULL;

    return found != NULL ? found : program_find(tool);
}
