/*
 * Go: panics, runtime faults and fatal errors, and the traceback of goroutines:
 *   panic: runtime error: index out of range [3] with length 2
 *   goroutine 17 [running, locked to thread]:
 *   github.com/x/y.(*T).f(0xc000, {0x1, 0x2})
 *           /src/y/f.go:12 +0x1d
 */
#include "triage/parse/parser.h"

static const struct {
    const char *text; /* behind "panic: runtime error: " */
    const char *type;
} faults[] = {
    {"integer divide by zero", "Integer divide by zero"},
    {"index out of range", "Index out of range"},
    {"invalid memory address", "Invalid memory address"},
    {"makeslice: len out of range", "Makeslice: len out of range"},
    {"slice bounds out of range", "Slice bounds out of range"},
};

static void
begin_fault(struct parser *p, struct span line, const char *type)
{
    parser_set_type(p, line, type);
    parser_forget_frames(p);
    p->interpreter = true;
}

static bool
only_runtime(const struct parser *p)
{
    for (size_t i = 0; i < p->n_frames; i++) {
        if (!span_starts(p->frames[i].function, "runtime.")) {
            return false;
        }
    }
    return true;
}

static enum line_verdict
go_line(struct parser *p, struct span line)
{
    struct span s = line;

    if (!p->golang) {
        return LINE_GO_ON;
    }
    if (span_starts(s, "goroutine ") && p->n_frames > 0) {
        if (only_runtime(p)) { /* "runtime stack:", where the fault was noticed */
            p->n_frames = 0;
        } else {
            p->stack = STACK_OTHER;
        }
        return LINE_GO_ON;
    }
    /* `go test` prints the panic behind its own position */
    if (!span_starts(s, "panic: ")) {
        struct span behind;
        if (span_after(s, ".go:", &behind) && span_after(behind, ": panic: ", &behind)) {
            parser_assertion(p, line, behind);
            s = span_from(s, (size_t)(behind.at - s.at) - strlen("panic: "));
        }
    }
    if (span_eat(&s, "panic: runtime error: ")) {
        for (size_t i = 0; i < COUNT(faults); i++) {
            if (span_starts(s, faults[i].text)) {
                begin_fault(p, line, faults[i].type);
                break;
            }
        }
    } else if (span_starts(s, "fatal error: stack overflow")) {
        begin_fault(p, line, "Stack overflow");
    } else if (span_eat(&s, "fatal error: ") && !parser_has_type(p)) {
        parser_begin(p, line, "Fatal error");
        parser_set_state(p, s, 0);
    }
    return LINE_GO_ON;
}

static bool
of_set(struct span s, const char *more)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (!span_letter(c) && !span_digit(c) && (c == '\0' || strchr(more, c) == NULL)) {
            return false;
        }
    }
    return true;
}

/* "pkg.(*T).f(0x1, {0x2, ...})": the arguments are numbers, so that prose does not match.
 */
static bool
call_line(struct span line, struct span *function)
{
    if (line.len < 3 || line.at[line.len - 1] != ')' || span_blank(line.at[0])) {
        return false;
    }
    size_t depth = 0;
    size_t open = line.len;
    while (open > 0) {
        char c = line.at[--open];
        depth += c == ')';
        depth -= c == '(';
        if (depth == 0) {
            break;
        }
    }
    if (open == 0 || line.at[open] != '(') {
        return false;
    }
    struct span arguments = span_from(span_to(line, line.len - 1), open + 1);
    for (size_t i = 0; i < arguments.len; i++) {
        char c = arguments.at[i];
        if (span_hex_digit(c) < 0 && (c == '\0' || strchr("x ,.{}?_", c) == NULL)) {
            return false;
        }
    }
    *function = span_to(line, open);
    return of_set(*function, ".-_\\/()*[]%");
}

/* "\t/src/y/f.go:12 +0x1d" tells where the frame before is. */
static bool
place_line(struct parser *p, struct span line)
{
    struct raw_frame *last = p->n_frames == 0 ? NULL : &p->frames[p->n_frames - 1];
    struct span s = span_trim(line);
    struct raw_frame place = {0};

    if (last == NULL || last->language != LANGUAGE_GO || last->file.len > 0) {
        return false;
    }
    s = span_to(s, span_find(s, " +0x"));
    s = span_to(s, span_find(s, " fp=0x"));
    if (!span_has(s, ".go:") && !span_has(s, ".s:")) {
        return false;
    }
    if (!parser_location(s, &place)) {
        return false;
    }
    last->file = place.file;
    last->line = place.line;
    return true;
}

static bool
go_frame(struct parser *p, struct span line)
{
    struct span function;

    if (!p->golang) {
        return false;
    }
    if (!call_line(line, &function)) {
        return place_line(p, line);
    }
    parser_add_next(p,
                    &(struct raw_frame){.language = LANGUAGE_GO, .function = function});
    return true;
}

const struct parser_ops parser_go = {
    .name = "go",
    .words = (const char *const[]){"panic: ", "fatal error: ", "goroutine ", NULL},
    .line = go_line,
    .frame = go_frame,
};
