/*
 * GWP-ASan, the sampling allocator guard of Scudo, Android and Chromium:
 *   *** GWP-ASan detected a memory error ***
 *   Use After Free at 0x7fec (0 bytes into a 41-byte allocation at 0x7fec) by thread 31
 * here: #0 ./prog(f+0x45) [0x5558] 0x7fec was deallocated by thread 31 here: and in a
 * tombstone "Cause: [GWP-ASan]: Use After Free, 0 bytes into a 41-byte allocation".
 */
#include "triage/parse/parser.h"

static const struct {
    const char *text;
    const char *type;
} errors[] = {
    {"Use After Free", "Heap-use-after-free"},
    {"Double Free", "Heap-double-free"},
    {"Invalid (Wild) Free", "Invalid-free"},
    {"Invalid (wild) Free", "Invalid-free"},
    {"Buffer Overflow", "Heap-buffer-overflow"},
    {"Buffer Underflow", "Heap-buffer-overflow"},
};

static void
begin(struct parser *p, struct span line, struct span s, bool keep_stack)
{
    struct span address;

    for (size_t i = 0; i < COUNT(errors); i++) {
        if (!span_starts(s, errors[i].text)) {
            continue;
        }
        if (keep_stack) {
            parser_set_type(p, line, errors[i].type);
        } else {
            parser_begin(p, line, errors[i].type);
        }
        p->sanitizer = "address";
        p->gwp_asan = true;
        if (span_after(s, " at 0x", &address)) {
            (void)parser_set_address(p, (struct span){address.at - 2, address.len + 2});
        }
        return;
    }
}

static enum line_verdict
gwpasan_line(struct parser *p, struct span line)
{
    struct span s;

    if (span_after(line, "GWP-ASan detected a memory error", &s)) {
        p->gwp_asan = true;
    } else if (span_after(line, "Cause: [GWP-ASan]: ", &s)) {
        begin(p, line, s, true);
    } else if (p->gwp_asan && p->n_frames == 0 && span_has(line, " by thread ")) {
        s = line;
        (void)span_eat_blanks(&s);
        begin(p, line, s, false);
    }
    return LINE_GO_ON;
}

/* What stands above libc's return from a signal handler is the handler that printed this.
 */
static bool
is_trampoline(const struct parser *p, const struct raw_frame *frame)
{
    if (frame->function.len > 0 || !span_starts(span_base(frame->module), "libc.so") ||
        p->n_frames > 3 || p->stack != STACK_CRASH) {
        return false;
    }
    for (size_t i = 0; i < p->n_frames; i++) {
        if (p->frames[i].function.len > 0) {
            return false;
        }
    }
    return true;
}

/* "#0 ./prog(f+0x45) [0x5558]": glibc's backtrace_symbols(); without debug information
 * "./prog(+0x12b0) [0x5558]" */
static bool
gwpasan_frame(struct parser *p, struct span line)
{
    struct span s = line;
    struct raw_frame parsed = {0};
    uint64_t n = 0;

    (void)span_eat_blanks(&s);
    if (!p->gwp_asan || !span_eat(&s, "#") || !span_eat_digits(&s, &n) ||
        n >= INT32_MAX || !span_eat_blanks(&s)) {
        return false;
    }
    size_t address = span_rfind(s, " [0x");
    size_t close = span_rfind(span_to(s, address), ")");
    size_t open = span_find_char(s, '(');
    if (address == SPAN_NONE || close == SPAN_NONE || open == SPAN_NONE || close < open) {
        return false;
    }
    struct span hex = span_from(s, address + 2);
    (void)span_eat_hex(&hex, &parsed.address);
    parsed.module = span_to(s, open);
    s = span_from(span_to(s, close), open + 1);
    size_t plus = span_rfind_char(s, '+');
    if (plus == SPAN_NONE) {
        return false;
    }
    hex = span_from(s, plus + 1);
    uint64_t offset = 0;
    (void)span_eat_hex(&hex, &offset);
    parsed.function = span_to(s, plus);
    parsed.mangled = true;
    if (is_trampoline(p, &parsed)) {
        p->n_frames = 0;
        return true;
    }
    parsed.has_offset = plus == 0; /* from the function's start where there is one */
    parsed.offset = plus == 0 ? offset : 0;
    parser_add_parsed(p, (int)n, &parsed);
    return true;
}

const struct parser_ops parser_gwpasan = {
    .name = "gwpasan",
    .words = (const char *const[]){"GWP-ASan", " by thread ", NULL},
    .line = gwpasan_line,
    .frame = gwpasan_frame,
};
