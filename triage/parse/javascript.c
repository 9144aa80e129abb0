/*
 * JavaScript: Jazzer.js' finding, and what node prints of an exception that nobody
 * caught:
 *   ==14== Uncaught Exception: Jazzer.js: text
 *   RangeError: text
 *       at check (/out/x.js:27:9)
 *       at /out/x.js:30:1
 */
#include "triage/parse/parser.h"

/* "RangeError: text", "Error", "my.ParseException: text" */
static bool
looks_like_exception(struct span line)
{
    size_t n = 0;

    while (n < line.len &&
           (span_letter(line.at[n]) || line.at[n] == '.' || line.at[n] == '_')) {
        n++;
    }
    struct span name = span_to(line, n);
    return (span_ends(name, "Error") || span_ends(name, "Exception")) &&
           (n == line.len || line.at[n] == ':' || line.at[n] == ' ');
}

/* "f (/x.js:1:2)", "/x.js:1:2": with a line and a column, which no other trace has. */
static bool
parse_at(struct span s, struct raw_frame *frame)
{
    size_t open = span_rfind_char(s, '(');

    if (span_ends(s, ")") && open != SPAN_NONE) {
        frame->function = span_trim(span_to(s, open));
        s = span_from(span_to(s, s.len - 1), open + 1);
    }
    return parser_location(s, frame) && frame->column > 0;
}

static enum line_verdict
javascript_line(struct parser *p, struct span line)
{
    struct raw_frame frame = {0};
    struct span s = line;
    uint64_t pid;

    (void)span_eat_blanks(&s);
    if (span_eat(&s, "==")) {
        if (span_eat_digits(&s, &pid) &&
            span_starts(s, "== Uncaught Exception: Jazzer.js: ")) {
            parser_set_type(p, line, "Uncaught exception");
            parser_forget_frames(p);
            p->interpreter = true;
            p->javascript = true;
            p->recursion = span_has(line, "Maximum call stack size exceeded");
        }
    } else if (p->type[0] == '\0' && s.len == line.len && looks_like_exception(line)) {
        p->exception = line;
    } else if (p->exception.len > 0 && p->type[0] == '\0' && span_eat(&s, "at ") &&
               parse_at(s, &frame) &&
               parser_hearsay(p, p->exception, "Uncaught exception", (struct span){0})) {
        p->javascript = true;
        p->recursion = span_has(p->exception, "Maximum call stack size exceeded");
    }
    return LINE_GO_ON;
}

static bool
javascript_frame(struct parser *p, struct span line)
{
    struct raw_frame parsed = {.language = LANGUAGE_JAVASCRIPT};
    struct span s = line;

    (void)span_eat_blanks(&s);
    if (!p->javascript || !span_eat(&s, "at ") || !parse_at(s, &parsed)) {
        return false;
    }
    if (parsed.function.len > 0) { /* else a module's own code: no name tells it apart */
        parser_add_next(p, &parsed);
    }
    return true;
}

const struct parser_ops parser_javascript = {
    .name = "javascript",
    .words = (const char *const[]){"Uncaught Exception: Jazzer.js", "Error", "Exception",
                                   "    at ", NULL},
    .line = javascript_line,
    .frame = javascript_frame,
};
