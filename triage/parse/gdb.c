/*
 * Debuggers: gdb's "Program received signal SIGSEGV, ...", of a core "Program terminated
 * with signal", the program counter of "info registers", "0x00005555 in f ()"; macOS'
 * "Reason: KERN_INVALID_ADDRESS at address: 0x10"; lldb's "stop reason = signal SIGSEGV"
 * and its "frame #0: 0x5555 prog`f(n=3) at x.c:12:3". gdb's frames are read by frames.c.
 */
#include "triage/parse/parser.h"

/* "SIGSEGV, Segmentation fault." */
static void
begin(struct parser *p, struct span line, struct span s)
{
    char type[PARSER_TYPE_MAX];
    size_t n = 0;

    while (n < s.len && span_letter(s.at[n])) {
        n++;
    }
    if (n > 0) {
        span_copy(span_to(s, n), type, sizeof(type));
        parser_set_type(p, line, type);
    }
}

static enum line_verdict
gdb_line(struct parser *p, struct span line)
{
    struct span s = line;
    struct span rest;

    if (span_blank(line.at[0]) || line.at[0] == '#') {
        return LINE_GO_ON; /* a frame: most lines with " in " are */
    }
    if (span_eat(&s, "Program received signal ") ||
        span_eat(&s, "Program terminated with signal ") ||
        (span_starts(s, "Thread ") && span_after(s, " received signal ", &s))) {
        if (span_find_char(s, ',') != SPAN_NONE) {
            begin(p, line, s);
        }
    } else if (span_after(s, "stop reason = signal ", &rest)) {
        parser_forget_frames(p);
        begin(p, line, rest);
        p->lldb = true;
        if (span_after(rest, "address: ", &rest) || span_after(rest, "address=", &rest)) {
            (void)parser_set_address(p, rest);
        }
    } else if (span_eat(&s, "rip") && span_eat_blanks(&s)) {
        (void)parser_set_address(p, s);
    } else if (span_eat(&s, "Reason:") && span_after(s, "at address", &rest)) {
        (void)parser_set_address(p, span_from(rest, span_find(rest, "0x")));
    } else if (span_starts(line, "0x") && span_has(span_to(line, 32), " in ")) {
        (void)parser_set_address(p, line);
    }
    return LINE_GO_ON;
}

/* "* frame #0: 0x5555 prog`ns::f(n=3) at x.c:12:3" */
static bool
lldb_frame(struct parser *p, struct span line)
{
    struct raw_frame parsed = {0};
    struct span s = span_strip(line, " *");
    uint64_t n = 0;

    if (!p->lldb || !span_eat(&s, "frame #") || !span_eat_digits(&s, &n) ||
        n >= INT32_MAX || !span_eat(&s, ": ") || !span_eat_hex(&s, &parsed.address) ||
        !span_eat_blanks(&s)) {
        return false;
    }
    size_t tick = span_find_char(s, '`');
    size_t at = span_rfind(s, " at ");
    if (tick == SPAN_NONE) {
        parsed.module = s;
    } else {
        parsed.module = span_to(s, tick);
        if (at != SPAN_NONE && at > tick &&
            parser_location(span_from(s, at + 4), &parsed)) {
            s = span_to(s, at);
        }
        s = span_from(s, tick + 1);
        parsed.function = span_to(s, span_rfind(s, " + "));
    }
    parser_add_parsed(p, (int)n, &parsed);
    return true;
}

const struct parser_ops parser_gdb = {
    .name = "gdb",
    .words =
        (const char *const[]){"received signal ", "terminated with signal ",
                              "stop reason = signal ", "rip ", "Reason:", " in ", NULL},
    .line = gdb_line,
    .frame = lldb_frame,
};
