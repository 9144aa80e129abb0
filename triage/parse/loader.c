/*
 * The dynamic loader: the program never ran. A caller that replays inputs treats this as
 * a broken build, not as a crash; as a report it is ClusterFuzz's Missing-library.
 */
#include "triage/parse/parser.h"

static enum line_verdict
loader_line(struct parser *p, struct span line)
{
    struct span s;

    if (parser_has_type(p)) {
        return LINE_GO_ON;
    }
    if (span_after(line, "error while loading shared libraries: ", &s) &&
        span_has(s, ": cannot open shared object file")) {
        s = span_to(s, span_find_char(s, ':'));
    } else if (span_after(line, ": library ", &s) && s.len > 2 &&
               span_has(s, " not found")) {
        s = span_strip(span_to(s, span_find(s, " not found")), "`'\"");
    } else if (span_after(line, "cannot locate symbol ", &s) &&
               span_has(s, " referenced by ")) {
        s = span_strip(span_to(s, span_find(s, " referenced by ")), "`'\"");
    } else if (span_has(line, ": symbol lookup error: ") &&
               span_after(line, "undefined symbol: ", &s)) {
        s = span_to(s, span_find_char(s, ','));
    } else {
        return LINE_GO_ON;
    }
    parser_begin(p, line, "Missing-library");
    parser_set_state(p, s, 0);
    return LINE_GO_ON;
}

const struct parser_ops parser_loader = {
    .name = "loader",
    .words = (const char *const[]){"error while loading shared libraries", ": library ",
                                   "cannot locate symbol ", "symbol lookup error", NULL},
    .line = loader_line,
};
