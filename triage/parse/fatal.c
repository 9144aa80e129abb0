/*
 * Fatal signals in the words of whoever tells of them: a shell ("Segmentation fault (core
 * dumped)"), a signal handler ("Caught signal 11"), glog and abseil:
 *   *** SIGSEGV (@0x10) received by PID 12 (TID 0x7f) from PID 16; stack trace: ***
 *       @     0x55f4c0a1 ns::f()
 * The last resort: anything else in the text says more.
 */
#include "triage/parse/parser.h"

static const struct {
    const char *name;
    const char *words; /* strsignal(3), which shells print */
    unsigned number;   /* on Linux */
    const char *type;
    bool harmless;
} signals[] = {
    {"SIGSEGV", "Segmentation fault", 11, "UNKNOWN", false},
    {"SIGBUS", "Bus error", 7, "Bus", false},
    {"SIGABRT", "Aborted", 6, "Abrt", true},
    {"SIGFPE", "Floating point exception", 8, "Floating-point-exception", true},
    {"SIGILL", "Illegal instruction", 4, "Illegal-instruction", true},
    {"SIGTRAP", "Trace/breakpoint trap", 5, "Trap", true},
    {"SIGSYS", "Bad system call", 31, "Bad-system-call", true},
};

static void
begin(struct parser *p, struct span line, size_t which)
{
    if (parser_hearsay(p, line, signals[which].type, (struct span){0})) {
        p->facts |= signals[which].harmless ? FACT_HARMLESS_SIGNAL : 0;
    }
}

/* "Segmentation fault (core dumped)", "sh: line 1:  1234 Segmentation fault  ./x" */
static bool
shell(struct parser *p, struct span line)
{
    struct span s = span_trim(line);

    for (size_t i = 0; i < COUNT(signals); i++) {
        struct span behind;
        if (!span_after(s, signals[i].words, &behind)) {
            continue;
        }
        struct span before =
            span_trim(span_to(s, (size_t)(behind.at - s.at) - strlen(signals[i].words)));
        bool shells = before.len > 0 && span_digit(before.at[before.len - 1]) &&
                      span_has(before, ": line ");
        if ((before.len == 0 &&
             (behind.len == 0 || span_starts(behind, " (core dumped)"))) ||
            shells) {
            begin(p, line, i);
            return true;
        }
    }
    return false;
}

/* "SIGSEGV", "11", "11 (SIGSEGV)" */
static void
handler(struct parser *p, struct span line, struct span s)
{
    uint64_t number = 0;
    struct span digits = s;
    bool numbered = span_eat_digits(&digits, &number);

    for (size_t i = 0; i < COUNT(signals); i++) {
        if (numbered ? number == signals[i].number : span_starts(s, signals[i].name)) {
            begin(p, line, i);
            return;
        }
    }
}

/* "*** SIGSEGV (@0x10) received by PID 12", "*** SIGSEGV received at time=17 on cpu 3
 * ***" */
static bool
google(struct parser *p, struct span line)
{
    struct span s = line;
    struct span address;

    if (!span_eat(&s, "*** SIG") || !span_has(s, " received ")) {
        return false;
    }
    p->at_frames = true;
    handler(p, line, span_from(line, 4));
    if (p->hearsay && span_after(s, "(@", &address)) {
        (void)parser_set_address(p, address);
    }
    return true;
}

/* "#0 0x5555 in f": a stack of which nobody says why. Where a sanitizer or an engine
 * speaks, its silence means that it is no crash. */
static void
bare_stack(struct parser *p, struct span line)
{
    struct span s = line;
    uint64_t address;

    (void)span_eat_blanks(&s);
    if (!span_eat(&s, "#0") || !span_eat_blanks(&s) || !span_eat_hex(&s, &address) ||
        !span_starts(s, " in ") || p->type[0] != '\0' ||
        parser_text_has(p, TEXT_SANITIZER) || parser_text_has(p, TEXT_LIBFUZZER)) {
        return;
    }
    p->bare_stack = parser_hearsay(p, line, "Fatal-signal", (struct span){0});
}

static enum line_verdict
fatal_line(struct parser *p, struct span line)
{
    struct span s;

    if (p->type[0] == '\0') {
        bare_stack(p, line);
    }
    if (parser_has_type(p) || google(p, line) || shell(p, line)) {
        return LINE_GO_ON;
    }
    if (span_after(line, "aught signal ", &s) ||
        span_after(line, "eceived signal ", &s) ||
        span_after(line, "rashed with signal ", &s) || span_after(line, "aught ", &s)) {
        handler(p, line, s);
    }
    return LINE_GO_ON;
}

/* abseil's second column, how much stack the frame has; false in glog's lines. */
static bool
eat_frame_size(struct span *s)
{
    struct span rest = *s;
    uint64_t size;

    if ((!span_eat_digits(&rest, &size) && !span_eat(&rest, "(unknown)")) ||
        !span_eat_blanks(&rest) || rest.len == 0) {
        return false;
    }
    *s = rest;
    return true;
}

/* glog's "PC: @ 0x55f4 ns::f()", "    @     0x55f4 ns::f()", and abseil's with a size:
 * "    @ 0x55f4  48  f()". glog's first line is the frame behind its handler's again;
 * abseil's is the one that counts, for its walk of the stack often ends there. */
static bool
at_frame(struct parser *p, struct span line)
{
    struct raw_frame parsed = {0};
    struct span s = span_trim(line);
    bool is_pc = span_eat(&s, "PC: ");

    if (!p->at_frames || !span_eat(&s, "@") || !span_eat_blanks(&s) ||
        !span_eat_hex(&s, &parsed.address) || !span_eat_blanks(&s)) {
        return false;
    }
    bool sized = eat_frame_size(&s);
    bool known = !span_is(s, "(unknown)");
    if (is_pc && (!sized || !known)) {
        return false;
    }
    bool again = p->n_frames == 1 && p->frames[0].address == parsed.address;
    if (again) {
        return true;
    }
    parsed.function = known ? s : (struct span){0};
    parser_add_next(p, &parsed);
    return true;
}

const struct parser_ops parser_fatal = {
    .name = "fatal",
    .words = (const char *const[]){"Segmentation fault", "Bus error", "Aborted",
                                   "Floating point exception", "Illegal instruction",
                                   "Trace/breakpoint trap", "Bad system call",
                                   "aught sig", "eceived signal ", "crashed with signal ",
                                   "*** SIG", "#0 ", NULL},
    .line = fatal_line,
    .frame = at_frame,
};
