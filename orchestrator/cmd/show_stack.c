#include "orchestrator/cmd/show.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/explain.h"
#include "triage/program.h"

enum {
    SOURCE_MAX = 4 << 20,
    SOURCE_AROUND = 3,
    FRAMES_SHOWN = 64,
    NAME_MIN = 24, /* columns that a function's name has in any case */
    NAME_MAX = 40, /* longer ones do not widen the column */
    CALLERS_MAX = 3,
    REGISTERS_A_LINE = 3,
};

/* The stacks behind the crash's own, by what they tell. */
static const char *const titles[] = {[STACK_CRASH] = "Stack (* counts for the signature)",
                                     [STACK_FREED] = "Freed at",
                                     [STACK_ALLOCATED] = "Allocated at",
                                     [STACK_THREAD] = "Thread made at",
                                     [STACK_ORIGIN] = "Uninitialized since",
                                     [STACK_STORED] = "Copied at",
                                     [STACK_OBJECT] = "The object lies in the frame of",
                                     [STACK_LEAK] = "A further leak",
                                     [STACK_OTHER] = "A further stack"};

/* --- frames --- */

/* How much stands behind a frame's name: all; the file without its folders; no rule. */
enum detail { DETAIL_ALL, DETAIL_BASE, DETAIL_LEAST };

static bool
is_dropped(const struct frame *frame)
{
    return frame->stack == STACK_CRASH && !frame->kept && frame->rule != NULL;
}

/* " file:line:column [inlined] (rule)" */
static void
add_behind(const struct frame *frame, enum detail detail, struct buf *out)
{
    bool all = detail == DETAIL_ALL;
    const char *file = frame->file == NULL || all ? frame->file : fs_base(frame->file);

    if (file != NULL && frame->line > 0) {
        buf_addf(out, "  %s:%d", file, frame->line);
        if (frame->column > 0) {
            buf_addf(out, ":%d", frame->column);
        }
    } else if (file != NULL) {
        buf_addf(out, "  %s%s", file, all ? " (line unknown)" : "");
    } else if (frame->function != NULL && frame->module != NULL) {
        buf_addf(out, "  %s", fs_base(frame->module));
    }
    buf_adds(out, frame->inlined ? "  [inlined]" : "");
    if (is_dropped(frame) && detail != DETAIL_LEAST) {
        buf_addf(out, "  (%s%s)", all ? "dropped: " : "", frame->rule);
    }
}

static char *
frame_name(const struct frame *frame)
{
    if (frame->function != NULL) {
        return mem_strdup(frame->function);
    }
    return frame->module != NULL
               ? mem_printf("%s+0x%" PRIx64, frame->module, frame->offset)
               : mem_printf("0x%" PRIx64, frame->address);
}

/* A stack's names stand in one column, wide enough for most of them. */
static size_t
name_columns(const struct frame *frames, size_t n)
{
    size_t columns = 0;

    for (size_t i = 0; i < n && frames[i].stack == frames[0].stack; i++) {
        AUTO(mem_free) char *name = frame_name(&frames[i]);
        size_t len = strlen(name);
        columns = len > columns && len <= NAME_MAX ? len : columns;
    }
    return columns;
}

/* Where the terminal is too narrow for all of it, the folders go first, then the rule to
 * a line of its own (once for neighbours that it drops), then the middle of the name,
 * which
 * --json has whole. */
static void
put_frame(struct page *page, const struct frame *frame, const struct frame *before,
          size_t columns)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;
    AUTO(buf_clear) struct buf behind = BUF_INIT;
    AUTO(mem_free) char *name = frame_name(frame);
    size_t room = page_columns(page);
    size_t wide = strlen(name) > columns ? strlen(name) : columns;
    enum detail detail = DETAIL_ALL;

    buf_addf(&line, "%s#%-3d", frame->kept ? "* " : "  ", frame->n);
    size_t start = line.len;
    add_behind(frame, detail, &behind);
    while (detail != DETAIL_LEAST && room < start + wide + behind.len) {
        detail = detail == DETAIL_ALL ? DETAIL_BASE : DETAIL_LEAST;
        buf_clear(&behind);
        add_behind(frame, detail, &behind);
    }
    size_t rest = start + behind.len;
    page_cut(&line, name, room > rest + NAME_MIN ? room - rest : NAME_MIN);
    for (size_t i = line.len - start; i < columns && behind.len > 0; i++) {
        buf_addc(&line, ' ');
    }
    buf_adds(&line, buf_str(&behind));
    page_line(page, buf_str(&line), frame->kept ? STYLE_STRONG : STYLE_DIM);
    if (detail == DETAIL_LEAST && is_dropped(frame) &&
        (before == NULL || before->rule != frame->rule)) {
        AUTO(mem_free) char *why = mem_printf("        dropped: %s", frame->rule);
        page_line(page, why, STYLE_DIM);
    }
}

void
show_stacks(struct page *page, const struct show *show)
{
    const struct record *record = show->bug.record;
    size_t n = record->n_frames < FRAMES_SHOWN ? record->n_frames : FRAMES_SHOWN;
    size_t columns = 0;

    if (n == 0) {
        page_heading(page, titles[STACK_CRASH]);
        page_text(page, "The report has no stack.");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct frame *frame = &record->frames[i];
        if (i == 0 || frame->stack != record->frames[i - 1].stack || frame->n == 0) {
            if (i > 0) {
                page_block_end(page);
            }
            page_heading(page, titles[frame->stack]);
            page_block(page);
            columns = name_columns(frame, n - i);
        }
        put_frame(page, frame, i == 0 ? NULL : frame - 1, columns);
    }
    page_block_end(page);
    if (record->n_frames > n) {
        AUTO(mem_free)
        char *more =
            mem_printf("%zu further frames: nightjar show %s --json has them all.",
                       record->n_frames - n, show->bug.name);
        page_text(page, more);
    }
}

/* --- source --- */

/* A report names its files itself, so a path is hostile: only regular files that are
 * called like source code are read, never a key or a password file that a target would
 * like to see printed. */
static bool
is_source(const char *path)
{
    static const char *const endings[] = {
        ".c", ".cc", ".cpp", ".cxx",  ".h",  ".hh", ".hpp", ".hxx", ".inc", ".rs", ".go",
        ".m", ".mm", ".py",  ".java", ".js", ".y",  ".l",   ".S",   ".ipp", ".def"};

    for (size_t i = 0; i < COUNT(endings); i++) {
        if (str_ends(path, endings[i])) {
            return true;
        }
    }
    return false;
}

/* The frame's file split into lines, in place; false when it cannot be shown. A target
 * may have planted "x.c" as a link to a secret: what counts is where it leads. */
static bool
read_source(const struct frame *frame, struct buf *text)
{
    AUTO(mem_free) char *real = NULL;

    return frame->file != NULL && frame->line > 0 &&
           fs_real(frame->file, &real, NULL) == 0 && is_source(real) &&
           fs_read(real, SOURCE_MAX, text, NULL) == 0 &&
           memchr(buf_str(text), '\0', text->len) == NULL;
}

/* Lines of the frame's file round its own, that one marked. */
static bool
put_lines(struct page *page, const struct frame *frame, int around)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    bool there = false;
    int line = 1;

    if (!read_source(frame, &text)) {
        return false;
    }
    for (char *at = text.data; at != NULL && line <= frame->line + around; line++) {
        char *end = strchr(at, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        if (line >= frame->line - around && (end != NULL || *at != '\0')) {
            bool here = line == frame->line;
            AUTO(mem_free)
            char *shown = mem_printf("%s%5d  %s", here ? ">" : " ", line, at);
            page_line(page, shown, here && around > 0 ? STYLE_BAD : STYLE_PLAIN);
            there = there || here;
        }
        at = end == NULL ? NULL : end + 1;
    }
    return there;
}

/* Why the lines may be others than those that were compiled; NULL: nothing tells so. */
static const char *
doubt(const struct show *show, const struct frame *top)
{
    const char *program = show->command.argv.n == 0 ? NULL : show->command.argv.v[0];
    AUTO(mem_free) char *now = program == NULL ? NULL : program_build_id(program);
    struct stat source;
    struct stat built;

    if (top->build_id != NULL && now != NULL && top->module != NULL &&
        strcmp(fs_base(top->module), fs_base(program)) == 0 &&
        strcasecmp(top->build_id, now) != 0) {
        return "The program was rebuilt since: lines may have moved.";
    }
    if (stat(top->file, &source) == 0 && program != NULL && stat(program, &built) == 0 &&
        source.st_mtime > built.st_mtime) {
        return "The file was changed after the program was built: lines may have moved.";
    }
    return NULL;
}

static void
put_callers(struct page *page, const struct record *record, const struct frame *top)
{
    int shown = 0;

    for (size_t i = 0; i < record->n_frames && shown < CALLERS_MAX; i++) {
        const struct frame *frame = &record->frames[i];
        AUTO(buf_clear) struct buf probe = BUF_INIT;
        bool counts = frame->stack == STACK_CRASH && (frame->kept || frame->counts);
        if (!counts || frame <= top || !read_source(frame, &probe)) {
            continue;
        }
        AUTO(mem_free)
        char *title =
            mem_printf("in %s, %s:%d", frame->function == NULL ? "?" : frame->function,
                       fs_base(frame->file), frame->line);
        page_line(page, title, STYLE_DIM);
        (void)put_lines(page, frame, 0);
        shown++;
    }
}

/* The frame to look at first or, where its line is not known, the first below it whose
 * line is and whose source can be read; NULL: there is none. */
static const struct frame *
source_frame(const struct record *record)
{
    const struct frame *top = explain_frame(record);

    for (const struct frame *frame = top;
         frame != NULL && frame < record->frames + record->n_frames &&
         frame->stack == top->stack;
         frame++) {
        AUTO(buf_clear) struct buf probe = BUF_INIT;
        if ((frame->kept || frame->counts) && read_source(frame, &probe)) {
            return frame;
        }
    }
    return NULL;
}

void
show_source(struct page *page, const struct show *show)
{
    const struct frame *top = source_frame(show->bug.record);

    if (top == NULL) {
        return;
    }
    bool calls = top != explain_frame(show->bug.record);
    AUTO(mem_free)
    char *title = mem_printf("Source (%s:%d%s%s)", top->file, top->line,
                             calls ? ", the call in " : "",
                             !calls || top->function == NULL ? "" : top->function);
    page_heading(page, title);
    page_block(page);
    bool there = put_lines(page, top, SOURCE_AROUND);
    put_callers(page, show->bug.record, top);
    page_block_end(page);
    const char *why = doubt(show, top);
    if (why != NULL || !there) {
        page_text(page, why != NULL ? why : "The file has no such line any more.");
    }
}

/* --- the processor --- */

/* Flags are four digits; segments that hold what they always hold say nothing. */
static bool
is_small(const struct record_register *of)
{
    static const char *const names[] = {"eflags", "cs", "ss", "ds", "es", "fs", "gs"};

    for (size_t i = 0; i < COUNT(names); i++) {
        if (strcmp(names[i], of->name) == 0) {
            return true;
        }
    }
    return false;
}

static bool
is_usual(const struct record_register *of)
{
    /* user code and stack of a 64-bit Linux process; the others are 0 there */
    return is_small(of) && strcmp(of->name, "eflags") != 0 &&
           (of->value == 0 || of->value == 0x33 || of->value == 0x2b);
}

static void
put_registers(struct page *page, const struct record *record)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;
    int n = 0;

    for (size_t i = 0; i < record->n_registers; i++) {
        const struct record_register *of = &record->registers[i];
        if (is_usual(of)) {
            continue;
        }
        if (n > 0 && n % REGISTERS_A_LINE == 0) {
            page_line(page, buf_str(&line), STYLE_PLAIN);
            buf_clear(&line);
        }
        buf_addf(&line, is_small(of) ? "%s%-4s %" PRIx64 : "%s%-4s %016" PRIx64,
                 line.len == 0 ? "" : "  ", of->name, of->value);
        n++;
    }
    if (line.len > 0) {
        page_line(page, buf_str(&line), STYLE_PLAIN);
    }
}

void
show_registers(struct page *page, const struct show *show)
{
    const struct record *record = show->bug.record;

    if (record->instruction == NULL && record->n_registers == 0) {
        return;
    }
    page_heading(page, "Processor");
    page_block(page);
    if (record->instruction != NULL) {
        AUTO(mem_free) char *text = mem_printf("instruction  %s", record->instruction);
        page_line(page, text, STYLE_STRONG);
    }
    put_registers(page, record);
    page_block_end(page);
}
