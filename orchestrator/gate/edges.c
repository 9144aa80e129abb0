#include "orchestrator/gate/edges.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "orchestrator/gate/elf_file.h"
#include "triage/program.h"

enum {
    ENTRY = 16, /* bytes: address, flags */
    SYMBOLIZER_MS = 20 * 1000,
    OUTPUT_MAX = 256 << 20, /* bytes of llvm-symbolizer's answer */
    NAMES_KEPT = 1024,      /* file names whose meaning is remembered */
};

void
edges_clear(struct edges *edges)
{
    mem_free(edges->changed);
    *edges = (struct edges){0};
}

/* --- addresses --- */

/* A position-independent program's are zero in the file; its relocations have them. */
static void
relocate(const struct elf_file *elf, const Elf64_Shdr *table, uint64_t *out, size_t n)
{
    for (size_t i = 0; i < elf->n; i++) {
        const Elf64_Shdr *section = &elf->sections[i];
        const char *bytes =
            section->sh_type == SHT_RELA ? elf_file_bytes(elf, section) : NULL;
        size_t count = bytes == NULL ? 0 : section->sh_size / sizeof(Elf64_Rela);
        for (size_t k = 0; k < count; k++) {
            Elf64_Rela one;
            memcpy(&one, bytes + k * sizeof(one), sizeof(one));
            uint64_t at = one.r_offset - table->sh_addr;
            if (ELF64_R_SYM(one.r_info) == 0 && at / ENTRY < n && at % ENTRY == 0) {
                out[at / ENTRY] = (uint64_t)one.r_addend;
            }
        }
    }
}

int
edges_addresses(const char *program, uint64_t **out, size_t *n, struct err *err)
{
    AUTO(elf_file_clear) struct elf_file elf = {0};
    bool read = elf_file_open(program, &elf);
    const Elf64_Shdr *table = read ? elf_file_find(&elf, "__sancov_pcs") : NULL;
    const Elf64_Shdr *counters = read ? elf_file_find(&elf, "__sancov_cntrs") : NULL;
    const char *bytes = table == NULL ? NULL : elf_file_bytes(&elf, table);
    size_t count = bytes == NULL ? 0 : table->sh_size / ENTRY;

    if (count == 0 || count > EDGES_MAX || counters == NULL ||
        counters->sh_size != count) {
        return err_set(err, -ENODATA, "its build has no table of edges");
    }
    *out = mem_array(count, sizeof(**out));
    *n = count;
    for (size_t i = 0; i < count; i++) {
        memcpy(&(*out)[i], bytes + i * ENTRY, sizeof(**out));
    }
    relocate(&elf, table, *out, count);
    return 0;
}

/* --- what the symbolizer says --- */

struct place { /* of an edge, in a file of the change */
    size_t edge, file;
    int line, start; /* start: of its function */
};

struct reading {
    const struct change *change;
    size_t edge; /* whose frames come now */
    struct place *v;
    size_t n;
    struct place now; /* the frame that is being read */
    bool ours;        /* it lies in a file of the change */
    struct {
        char *name;
        size_t file;
        bool ours;
    } kept[NAMES_KEPT];
};

static void
reading_clear(struct reading *reading)
{
    for (size_t i = 0; i < NAMES_KEPT; i++) {
        mem_free(reading->kept[i].name);
    }
    mem_free(reading->v);
}

static bool
is_ours(struct reading *reading, const char *name, size_t *file)
{
    size_t slot = 5381;

    for (const char *c = name; *c != '\0'; c++) {
        slot = slot * 33 + (unsigned char)*c;
    }
    slot %= NAMES_KEPT;
    if (reading->kept[slot].name == NULL || strcmp(reading->kept[slot].name, name) != 0) {
        mem_free(reading->kept[slot].name);
        reading->kept[slot].name = mem_strdup(name);
        reading->kept[slot].ours =
            change_find(reading->change, name, &reading->kept[slot].file);
    }
    *file = reading->kept[slot].file;
    return reading->kept[slot].ours;
}

static void
end_frame(struct reading *reading)
{
    if (reading->ours) {
        reading->v = mem_grow(reading->v, reading->n, sizeof(*reading->v));
        reading->v[reading->n++] = reading->now;
    }
    reading->ours = false;
    reading->now = (struct place){.edge = reading->edge};
}

static int
number_of(const char *text)
{
    int64_t n = 0;

    return str_number("line", text, 0, 1 << 30, &n, NULL) < 0 ? 0 : (int)n;
}

/* An answer is frames, each a name and lines of facts, and an empty line. */
static void
read_line(struct reading *reading, const char *line)
{
    static const char file[] = "  Filename: ";
    static const char start[] = "  Function start line: ";
    static const char at[] = "  Line: ";

    if (line[0] == '\0') {
        end_frame(reading);
        reading->edge++;
        reading->now.edge = reading->edge;
    } else if (line[0] != ' ') {
        end_frame(reading);
    } else if (str_starts(line, file)) {
        reading->ours = is_ours(reading, line + strlen(file), &reading->now.file);
    } else if (str_starts(line, start)) {
        reading->now.start = number_of(line + strlen(start));
    } else if (str_starts(line, at)) {
        reading->now.line = number_of(line + strlen(at));
    }
}

/* --- which of them the change touches --- */

static int
by_start(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;
    int file = (a->file > b->file) - (a->file < b->file);

    return file != 0 ? file : (a->start > b->start) - (a->start < b->start);
}

/* `first`: where the first function of its file begins, `next`: where the one behind its
 * own does. */
static bool
touches(const struct change *change, const struct place *place, int first, int next)
{
    bool known = false;

    for (size_t i = 0; i < change->n_hunks; i++) {
        const struct change_hunk *hunk = &change->hunks[i];
        if (hunk->file != place->file) {
            continue;
        }
        bool inside = hunk->from < next && hunk->to >= place->start;
        bool line = hunk->from <= place->line && place->line <= hunk->to;
        if (inside || line || hunk->to < first) {
            return true;
        }
        known = true;
    }
    return !known; /* of that file the diff says no lines */
}

static void
mark(const struct change *change, struct place *v, size_t n, struct edges *out)
{
    int first = 0;
    size_t next = 0; /* the first place of another function */

    if (n > 1) {
        qsort(v, n, sizeof(*v), by_start);
    }
    for (size_t i = 0; i < n; i++) {
        bool same = i > 0 && v[i].file == v[i - 1].file;
        first = same ? first : v[i].start;
        for (; next < n && by_start(&v[next], &v[i]) <= 0; next++) {
        }
        int end = next < n && v[next].file == v[i].file ? v[next].start : INT_MAX;
        if (v[i].edge < out->n && touches(change, &v[i], first, end)) {
            out->n_changed += !out->changed[v[i].edge];
            out->changed[v[i].edge] = true;
        }
    }
}

int
edges_read(const char *text, size_t len, const struct change *change, size_t n,
           struct edges *out, struct err *err)
{
    AUTO(mem_free) struct reading *reading = mem_alloc(sizeof(*reading));
    AUTO(buf_clear) struct buf line = BUF_INIT;

    reading->change = change;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t size = end == NULL ? len - at : (size_t)(end - text) - at;
        buf_cut(&line, 0);
        buf_add(&line, text + at, size);
        read_line(reading, buf_str(&line));
        at += size + 1;
    }
    if (reading->edge == n) {
        out->changed = mem_array(n, sizeof(*out->changed));
        out->n = n;
        mark(change, reading->v, reading->n, out);
    }
    size_t told = reading->edge;
    reading_clear(reading);
    return told == n
               ? 0
               : err_set(err, -EBADMSG,
                         "llvm-symbolizer told of %zu addresses, not of %zu", told, n);
}

/* --- the symbolizer --- */

/* One a line, into an empty file in memory. */
static int
write_addresses(int fd, const uint64_t *v, size_t n, struct err *err)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        buf_addf(&text, "0x%llx\n", (unsigned long long)v[i]);
    }
    int rc = fd < 0 ? err_sys(err, "make a file in memory")
                    : fd_write(fd, buf_str(&text), text.len, err);
    return rc < 0 || lseek(fd, 0, SEEK_SET) == 0
               ? rc
               : err_sys(err, "rewind a file in memory");
}

static int
ask_symbolizer(const char *program, enum sandbox_rung rung, int in, struct proc_run *run,
               struct err *err)
{
    AUTO(sandbox_policy_clear) struct sandbox_policy policy = {0};
    AUTO(strv_clear) struct strv command = {0};
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(strv_clear) struct strv env = {0};
    AUTO(mem_free) char *tool = program_llvm_tool(program, "llvm-symbolizer");
    struct proc_spec spec = PROC_SPEC_INIT;

    if (tool == NULL) {
        return err_set(err, -ENOENT, "llvm-symbolizer is missing");
    }
    strv_add(&command, tool);
    strv_add(&command, "--verbose");
    strv_addf(&command, "--obj=%s", program);
    int rc = sandbox_add_program(&policy, &command, err);
    rc = rc < 0 ? rc : sandbox_wrap(rung, &policy, &command, &argv, err);
    if (rc < 0) {
        return rc;
    }
    strv_add(&env, "PATH=/usr/bin:/bin");
    strv_add(&env, "LC_ALL=C.UTF-8");
    spec.argv = argv.v;
    spec.envp = env.v;
    spec.in_fd = in;
    rc = proc_run(&spec, SYMBOLIZER_MS, run, err);
    return rc < 0 || run->status == 0
               ? rc
               : err_set(err, -EIO, "llvm-symbolizer cannot read the build");
}

int
edges_of_change(const char *program, const struct change *change, enum sandbox_rung rung,
                struct edges *out, struct err *err)
{
    AUTO(mem_free) uint64_t *addresses = NULL;
    AUTO(proc_run_clear) struct proc_run run = {.output = {.max = OUTPUT_MAX}};
    AUTO(fd_close) int in = memfd_create("addresses", MFD_CLOEXEC);
    size_t n = 0;
    int rc = edges_addresses(program, &addresses, &n, err);

    rc = rc < 0 ? rc : write_addresses(in, addresses, n, err);
    rc = rc < 0 ? rc : ask_symbolizer(program, rung, in, &run, err);
    return rc < 0 ? rc
                  : edges_read(buf_str(&run.output), run.output.len, change, n, out, err);
}
