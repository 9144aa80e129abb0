#include "triage/native_core.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    PAGE = 4096, /* in which linkers put the note of the build id */
    ID_BYTES = 20,
    SEGMENTS_MAX = 65535,
};

/* The build id within a program's first page; NULL: there is none. */
static const unsigned char *
find_id(const unsigned char page[PAGE])
{
    static const unsigned char head[] = {4, 0, 0, 0, ID_BYTES, 0,   0,   0,
                                         3, 0, 0, 0, 'G',      'N', 'U', 0};
    const unsigned char *at = memmem(page, PAGE - ID_BYTES, head, sizeof(head));

    return at == NULL ? NULL : at + sizeof(head);
}

static bool
read_page(int fd, uint64_t offset, unsigned char page[PAGE])
{
    return offset < INT64_MAX && pread(fd, page, PAGE, (off_t)offset) == PAGE;
}

/* The page that a core of this machine has of an address. */
static bool
page_of_core(int fd, uint64_t address, unsigned char page[PAGE])
{
    Elf64_Ehdr head;
    Elf64_Phdr segment;

    if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
        head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phentsize != sizeof(segment)) {
        return false;
    }
    for (uint64_t i = 0; i < head.e_phnum && i < SEGMENTS_MAX; i++) {
        uint64_t at = head.e_phoff + i * sizeof(segment);
        if (at > INT64_MAX ||
            pread(fd, &segment, sizeof(segment), (off_t)at) != sizeof(segment)) {
            return false;
        }
        if (segment.p_type == PT_LOAD && segment.p_vaddr == address &&
            segment.p_filesz >= PAGE) {
            return read_page(fd, segment.p_offset, page);
        }
    }
    return false;
}

static int
wrong_build(const char *program, struct err *err)
{
    AUTO(mem_free) char *shown = str_name_dup(program);

    return err_set(
        err, -ENODATA,
        "it is of another build of '%s': the build ids differ; name the program "
        "that made it",
        shown);
}

static int
wrong_program(const char *mapped, const char *program, struct err *err)
{
    AUTO(mem_free) char *theirs = str_name_dup(mapped);
    AUTO(mem_free) char *ours = str_name_dup(program);

    return err_set(err, -ENODATA, "it is a core of '%s', not of '%s'", theirs, ours);
}

enum sameness { SAME, OTHER, NOT_KNOWN };

static enum sameness
compare_ids(int core, int program, uint64_t start)
{
    unsigned char theirs[PAGE];
    unsigned char ours[PAGE];

    if (!page_of_core(core, start, theirs) || !read_page(program, 0, ours)) {
        return NOT_KNOWN;
    }
    const unsigned char *left = find_id(theirs);
    const unsigned char *right = find_id(ours);
    if (left == NULL || right == NULL) {
        return NOT_KNOWN;
    }
    return memcmp(left, right, ID_BYTES) == 0 ? SAME : OTHER;
}

int
native_core_check(const char *core, const char *program, const char *mapped,
                  uint64_t start, struct err *err)
{
    AUTO(fd_close) int core_fd = -1;
    AUTO(fd_close) int program_fd = -1;
    int rc = fs_open(core, &core_fd, NULL, err);

    rc = rc < 0 ? rc : fs_open(program, &program_fd, NULL, err);
    if (rc < 0 || mapped == NULL) {
        return rc;
    }
    enum sameness build = compare_ids(core_fd, program_fd, start);
    if (build != SAME && strcmp(fs_base(mapped), fs_base(program)) != 0) {
        return wrong_program(mapped, program, err);
    }
    return build == OTHER ? wrong_build(program, err) : 0;
}
