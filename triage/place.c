#include "triage/place.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/parse/span.h"
#include "triage/trace.h"

enum {
    HANG_STEPS = 2,   /* the loop and its caller, or what it calls and the loop */
    SAMPLES_MIN = 2,  /* of a hang's stack, to tell its loop from what that calls */
    BUILD_SHOWN = 12, /* digits of a build id */
    INPUT_SCANNED = 64 * 1024, /* bytes of an input in which words are looked for */
};

/* --- kinds --- */

/* One wrong index or length, depending on how wrong it is, on the build and on the
 * sanitizer; a beginning of the crash type. */
static const char *const memory_kinds[] = {"Heap-buffer-overflow",
                                           "Stack-buffer-overflow",
                                           "Stack-buffer-underflow",
                                           "Global-buffer-overflow",
                                           "Dynamic-stack-buffer-overflow",
                                           "Container-overflow",
                                           "Intra-object-overflow",
                                           "Unknown-crash",
                                           "UNKNOWN",
                                           "Bus",
                                           "Floating-point-exception",
                                           "Divide-by-zero",
                                           "Negative-size-param",
                                           "Memcpy-param-overlap",
                                           "Index-out-of-bounds",
                                           "Object-size",
                                           "Pointer-overflow",
                                           "Misaligned-address",
                                           "Integer-overflow"};
static const char *const null_kinds[] = {"Null-dereference", "Invalid-null-argument"};
static const char *const lifetime_kinds[] = {"Heap-use-after-free", "Heap-double-free",
                                             "Use-after-poison", "Stack-use-after-return",
                                             "Stack-use-after-scope"};

static bool
begins_with_one(const char *text, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_starts(text, list[i])) {
            return true;
        }
    }
    return false;
}

const char *
place_family(const char *crash_type, char *out, size_t size)
{
    if (begins_with_one(crash_type, memory_kinds, COUNT(memory_kinds))) {
        return "memory";
    }
    if (begins_with_one(crash_type, null_kinds, COUNT(null_kinds))) {
        return "null";
    }
    if (begins_with_one(crash_type, lifetime_kinds, COUNT(lifetime_kinds))) {
        return "lifetime";
    }
    (void)snprintf(out, size, "%.*s", (int)strcspn(crash_type, "\n"), crash_type);
    return out;
}

static bool
has_lines(const struct record *record)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        if (record->frames[i].start_line > 0) {
            return true;
        }
    }
    return false;
}

/* Where it is when its time or memory is up says little, unless that was looked at more
 * than once. */
static bool
has_place(const struct record *record)
{
    if (strcmp(record->crash_type, "Timeout") == 0) {
        return record->samples >= SAMPLES_MIN;
    }
    return strcmp(record->crash_type, "Out-of-memory") != 0 && !record->recursive &&
           has_lines(record);
}

/* --- steps --- */

/* Lines from the function's first to this one; -1: unknown. */
static int
line_within(const struct frame *frame)
{
    return frame->start_line > 0 && frame->line >= frame->start_line
               ? frame->line - frame->start_line
               : -1;
}

/* Where an optimizer made one instruction of several lines there is no line: what such a
 * function does for its caller is not known either. */
static bool
is_small(const struct frame *frame)
{
    int line = line_within(frame);

    return line >= 0 && line < PLACE_SMALL_LINES;
}

/* The steps that belong to what is at fault, from the top, at least `least`. */
static size_t
small_steps(const struct trace *trace, size_t least)
{
    size_t n = trace->n > 0 ? 1 : 0;

    while (n > 0 && n < trace->n && n < PLACE_STEPS_MAX &&
           (n < least || is_small(trace->steps[n - 1].frame))) {
        n++;
    }
    return n;
}

/* Of an instruction that a compiler made of several lines: which one it is, in this
 * build.
 */
static void
add_instruction(const struct frame *frame, struct buf *out)
{
    buf_addf(out, "?%.*s+0x%llx", BUILD_SHOWN,
             frame->build_id == NULL ? "" : frame->build_id,
             (unsigned long long)frame->offset);
}

/* Whether all but the line is known: debug information has the function. */
static bool
has_instruction(const struct frame *frame)
{
    return frame->start_line > 0 && frame->line <= 0 && frame->has_offset;
}

/* The top function, and the last of n steps with its line, or without one with its
 * instruction; false when neither is known. */
static bool
add_steps(const struct trace *trace, size_t n, struct buf *out)
{
    const struct frame *last = n == 0 ? NULL : trace->steps[n - 1].frame;

    if (last == NULL || (line_within(last) < 0 && !has_instruction(last))) {
        return false;
    }
    if (n > 1) {
        buf_addf(out, " %s", trace->steps[0].name);
    }
    buf_addf(out, " %s", trace->steps[n - 1].name);
    if (line_within(last) < 0) {
        add_instruction(last, out);
    } else {
        buf_addf(out, "+%d", line_within(last));
    }
    return true;
}

/* --- last words --- */

/* What a program says that gives up, and not what it says of its progress. */
static bool
is_complaint(const char *words)
{
    static const char *const signs[] = {"fatal",   "error",     "fail",    "assert",
                                        "abort",   "panic",     "invalid", "terminat",
                                        "corrupt", "violation", "bug",     "unreachable"};

    for (size_t i = 0; i < COUNT(signs); i++) {
        if (strcasestr(words, signs[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* Where the quotation ends that begins here; 0: none does. */
static size_t
quotation(struct span s)
{
    char close = s.at[0];

    if (close == '`') {
        close = '\'';
    }
    if (close != '\'' && close != '"') {
        return 0;
    }
    size_t end = span_find_char(span_from(s, 1), close);
    return end == s.len - 1 ? 0 : end + 2;
}

/* A number with its sign, in any base. */
static bool
eat_number(struct span *s)
{
    struct span rest = *s;
    uint64_t value = 0;

    (void)span_eat(&rest, "-");
    if (!span_eat_hex(&rest, &value) && !span_eat_digits(&rest, &value)) {
        return false;
    }
    *s = rest;
    return true;
}

static size_t
word_length(struct span s)
{
    size_t n = 0;

    while (n < s.len && (span_letter(s.at[n]) || s.at[n] == '_')) {
        n++;
    }
    return n;
}

static bool
stands_in(struct span word, const struct record_options *options)
{
    size_t len = options->input_len < INPUT_SCANNED ? options->input_len : INPUT_SCANNED;

    return word.len >= 2 && options->input != NULL &&
           memmem(options->input, len, word.at, word.len) != NULL;
}

/* A path's folders are taken back when its next slash comes. */
static void
add_words(struct span s, const struct record_options *options, struct buf *out)
{
    size_t token = out->len;

    while (s.len > 0) {
        size_t quoted = quotation(s);
        size_t word = word_length(s);
        if (quoted > 0) {
            buf_adds(out, "''");
            s = span_from(s, quoted);
        } else if (word > 0) {
            struct span text = span_to(s, word);
            bool data = stands_in(text, options);
            buf_add(out, data ? "*" : text.at, data ? 1 : word);
            s = span_from(s, word);
        } else if (eat_number(&s)) {
            buf_addc(out, '0');
        } else {
            buf_addc(out, s.at[0]);
            token = s.at[0] == ' ' ? out->len : token;
            if (s.at[0] == '/') {
                buf_cut(out, token);
            }
            s = span_from(s, 1);
        }
    }
}

static void
add_last_words(const struct record *record, const struct record_options *options,
               struct buf *out)
{
    if (record->last_words != NULL && record->state_override == NULL &&
        is_complaint(record->last_words)) {
        buf_adds(out, " says ");
        add_words(span_of(record->last_words), options, out);
    }
}

/* --- the object --- */

static bool
holds(const struct trace *trace, const char *name)
{
    for (size_t i = 0; i < trace->n; i++) {
        if (strcmp(trace->steps[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* How many steps lead to the function that the object belongs to; 0: it is not near. */
static size_t
owner_steps(const struct record *record, const struct trace *crash)
{
    AUTO(trace_clear) struct trace object;
    enum stack_kind kind =
        record->memory.kind == MEMORY_STACK ? STACK_OBJECT : STACK_ALLOCATED;

    trace_init(&object, record, kind);
    for (size_t i = 0; i < crash->n && i < PLACE_STEPS_MAX; i++) {
        if (holds(&object, crash->steps[i].name)) {
            return i + 1;
        }
    }
    return 0;
}

/* Whether it is known where the memory was made; where it was freed may be unknown, or,
 * when a wrong pointer into it is freed, is the crash's own stack. */
static bool
add_lifetime(const struct record *record, const char *family, struct buf *out)
{
    AUTO(trace_clear) struct trace made;
    AUTO(trace_clear) struct trace freed;

    trace_init(&made, record, STACK_ALLOCATED);
    trace_init(&freed, record, STACK_FREED);
    buf_addf(out, "%s made", family);
    if (!add_steps(&made, small_steps(&made, 1), out)) {
        return false;
    }
    size_t before = out->len;
    buf_adds(out, " freed");
    if (!add_steps(&freed, small_steps(&freed, 1), out)) {
        buf_cut(out, before);
    }
    return true;
}

static bool
add_name(const struct trace *trace, struct buf *out)
{
    for (size_t i = 0; i < trace->n && i < HANG_STEPS; i++) {
        buf_addf(out, " %s %s", i == 0 ? "in" : "of", trace->steps[i].name);
    }
    return trace->n > 0;
}

static bool
add_crash(const struct record *record, const struct record_options *options,
          const char *family, struct buf *out)
{
    AUTO(trace_clear) struct trace crash;

    trace_init(&crash, record, STACK_CRASH);
    size_t owner = owner_steps(record, &crash);
    size_t steps = small_steps(&crash, strcmp(family, "Abrt") == 0 ? 2 : 1);
    buf_adds(out, family);
    if (record->samples >= SAMPLES_MIN) {
        /* what all samples share ends with the loop, or with what that calls */
        return add_name(&crash, out);
    }
    if (!add_steps(&crash, owner > 0 && owner < steps ? owner : steps, out)) {
        return false;
    }
    add_last_words(record, options, out);
    return true;
}

void
place_make(struct record *record, const struct record_options *options)
{
    AUTO(buf_clear) struct buf place = BUF_INIT;
    char word[128];
    const char *family = place_family(record->crash_type, word, sizeof(word));
    bool known = false;

    mem_free(record->place);
    record->place = NULL;
    if (!has_place(record)) {
        return;
    }
    if (strcmp(family, "lifetime") == 0 || strcmp(family, "Invalid-free") == 0) {
        known = add_lifetime(record, family, &place);
    }
    if (!known) {
        buf_cut(&place, 0);
        known = add_crash(record, options, family, &place);
    }
    if (known && place.len < RECORD_PLACE_MAX) {
        record->place = buf_steal(&place);
    }
}
