#include "orchestrator/probe.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/target.h"

enum {
    SCAN_STEP = 1 << 20,
    NEEDLE_MAX = 32,          /* bytes of the longest string below, or more */
    SCRIPT_SCAN_MAX = 1 << 20 /* bytes of a script that are looked through */
};

/* Strings that stripped programs still hold, each seen in real ones. */
static const struct {
    const char *text;
    unsigned mark;
} strings[] = {
    {"LLVMFuzzerTestOneInput", MARK_ENTRY},
    {"LLVMFuzzerRunDriver", MARK_ENTRY},
    {"ERROR: libFuzzer", MARK_ENTRY | MARK_LIBFUZZER},
    {"__AFL_SHM_ID", MARK_AFL},
    {"##SIG_AFL_", MARK_AFL},
    {"__asan_", MARK_ASAN},
    {"MemorySanitizer", MARK_MSAN},
    {"ThreadSanitizer", MARK_TSAN},
    {"LLVM_PROFILE_FILE", MARK_COVERAGE},
};

static unsigned
scan_strings(int fd, uint64_t size)
{
    AUTO(mem_free) char *bytes = mem_alloc(SCAN_STEP + NEEDLE_MAX);
    uint64_t end = size < PROBE_SCAN_MAX ? size : PROBE_SCAN_MAX;
    unsigned marks = 0;

    for (uint64_t at = 0; at < end; at += SCAN_STEP) {
        uint64_t left = end - at;
        size_t len =
            left < SCAN_STEP + NEEDLE_MAX ? (size_t)left : SCAN_STEP + NEEDLE_MAX;
        if (!probe_read(fd, at, bytes, len)) {
            break;
        }
        for (size_t i = 0; i < COUNT(strings); i++) {
            bool known = (marks & strings[i].mark) == strings[i].mark;
            if (!known &&
                memmem(bytes, len, strings[i].text, strlen(strings[i].text)) != NULL) {
                marks |= strings[i].mark;
            }
        }
    }
    return marks;
}

static void
set_marks(struct probe *probe, unsigned marks)
{
    probe->fuzz_entry = (marks & MARK_ENTRY) != 0;
    probe->libfuzzer = (marks & MARK_LIBFUZZER) != 0;
    probe->afl = (marks & MARK_AFL) != 0;
    probe->cmplog = (marks & MARK_CMPLOG) != 0;
    probe->asan = (marks & MARK_ASAN) != 0;
    probe->ubsan = (marks & MARK_UBSAN) != 0;
    probe->msan = (marks & MARK_MSAN) != 0;
    probe->tsan = (marks & MARK_TSAN) != 0;
    probe->coverage = (marks & MARK_COVERAGE) != 0;
}

static void
probe_program(int fd, uint64_t size, struct probe *probe)
{
    struct probe_elf elf;

    probe_elf(fd, size, &elf);
    unsigned marks = elf.marks;
    if (elf.stripped) {
        marks |= scan_strings(fd, size);
    }
    set_marks(probe, marks);
    probe->flaw = elf.flaw;
}

/* JVM, Python and JavaScript targets are scripts that name the entry point in a comment;
 * what they start speaks libFuzzer's command line. */
static void
probe_script(int fd, uint64_t size, struct probe *probe)
{
    uint64_t end = size < SCRIPT_SCAN_MAX ? size : SCRIPT_SCAN_MAX;
    unsigned entry = scan_strings(fd, end) & MARK_ENTRY;

    set_marks(probe, entry == 0 ? 0 : MARK_ENTRY | MARK_LIBFUZZER);
    probe->script = true;
}

int
target_probe(const char *path, struct probe *out, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    struct probe probe = {.flaw = "it is neither an ELF program nor a script"};
    struct stat st;
    char magic[SELFMAG] = "";
    int rc = fs_open(path, &fd, &st, err);

    if (rc < 0) {
        return rc;
    }
    uint64_t size = (uint64_t)st.st_size;
    size_t n = size < sizeof(magic) ? (size_t)size : sizeof(magic);
    if (!probe_read(fd, 0, magic, n)) {
        AUTO(mem_free) char *name = str_name_dup(path);
        return err_set(err, -EIO, "'%s' cannot be read: is it being written?", name);
    }
    if (n == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0) {
        probe_program(fd, size, &probe);
    } else if (n >= 2 && memcmp(magic, "#!", 2) == 0) {
        probe.flaw = NULL;
        probe_script(fd, size, &probe);
    }
    if (probe.flaw == NULL && (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0) {
        probe.flaw = "it is not executable: chmod +x it";
    }
    probe.executable = probe.flaw == NULL;
    *out = probe;
    return 0;
}

bool
target_is_plain(const struct probe *probe)
{
    return probe->executable && !probe->coverage && !probe->afl && !probe->libfuzzer &&
           !probe->asan && !probe->msan && !probe->tsan && !probe->ubsan;
}

int
target_build_kind(const struct probe *probe, enum build_kind *out, struct err *err)
{
    if (!probe->executable) {
        return err_set(err, -ENOEXEC, "%s", probe->flaw);
    }
    /* a coverage build often has an engine linked in, which only drives it */
    if (probe->coverage) {
        *out = BUILD_COVERAGE;
    } else if (probe->afl) {
        *out = probe->cmplog ? BUILD_CMPLOG : BUILD_AFL;
    } else if (probe->libfuzzer) {
        *out = BUILD_LIBFUZZER;
    } else if (probe->asan || probe->msan || probe->tsan || probe->ubsan) {
        *out = BUILD_SANITIZER;
    } else {
        return err_set(err, -ENOEXEC,
                       "it has neither AFL++, libFuzzer, a sanitizer nor coverage in it");
    }
    return 0;
}
