/*
 * Jazzer for the JVM and Jazzer.js: an exception that nobody caught, and its "at" lines.
 *   == Java Exception: java.lang.IllegalStateException: text
 *           at com.example.T.f(T.java:12)
 *   ==14== Uncaught Exception: Jazzer.js: text
 *       at check (/out/x.js:27:9)
 */
#include "triage/parse/parser.h"

static enum line_verdict
jvm_line(struct parser *p, struct span line)
{
    struct span s = line;

    if (span_has(line, "FuzzerSecurityIssue")) {
        static const char *const levels[] = {
            "FuzzerSecurityIssueCritical", "FuzzerSecurityIssueHigh",
            "FuzzerSecurityIssueMedium", "FuzzerSecurityIssueLow"};
        for (size_t i = 0; i < COUNT(levels); i++) {
            p->facts |= span_has(line, levels[i]) ? FACT_FUZZER_ISSUE : 0;
        }
    }
    if (span_starts(s, "== Java Exception: ") && !parser_has_type(p)) {
        bool issue = span_has(line, "FuzzerSecurityIssue");
        parser_set_type(p, line, issue ? "Security exception" : "Uncaught exception");
        p->java = true;
    }
    (void)span_eat_blanks(&s);
    if (span_eat(&s, "==")) {
        uint64_t pid;
        if (span_eat_digits(&s, &pid) &&
            span_starts(s, "== Uncaught Exception: Jazzer.js: ")) {
            parser_set_type(p, line, "Uncaught exception");
            parser_forget_frames(p);
            p->interpreter = true;
            p->javascript = true;
        }
    }
    return LINE_GO_ON;
}

/* "at f (/x.js:1:2)" and "at a.b.C.f(C.java:12)": the part before the last parenthesis
 * names it. */
static bool
jvm_frame(struct parser *p, struct span line)
{
    struct span s = line;

    (void)span_eat_blanks(&s);
    if ((!p->java && !p->javascript) || !span_eat(&s, "at ")) {
        return false;
    }
    struct raw_frame place = {0};
    size_t open = span_rfind_char(s, '(');
    size_t close = span_rfind_char(s, ')');
    if (open == SPAN_NONE || close == SPAN_NONE || close < open) {
        return false;
    }
    bool located = parser_location(span_from(span_to(s, close), open + 1), &place);
    if (p->javascript && (!located || place.column == 0)) {
        return false;
    }
    place.language = p->javascript ? LANGUAGE_JAVASCRIPT : LANGUAGE_JVM;
    place.function = span_trim(span_to(s, open));
    parser_add_next(p, &place);
    return true;
}

const struct parser_ops parser_jvm = {
    .name = "jvm",
    .words = (const char *const[]){"== Java Exception: ", "Uncaught Exception: Jazzer.js",
                                   "FuzzerSecurityIssue", NULL},
    .line = jvm_line,
    .frame = jvm_frame,
};
