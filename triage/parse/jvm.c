/*
 * The JVM: an exception that nobody caught, and its "at" lines, as Jazzer and as the
 * runtime itself print it, and a known attack that works in a run of Wycheproof's tests:
 *   == Java Exception: java.lang.IllegalStateException: text
 *           at com.example.T.f(T.java:12)
 *   Exception in thread "main" java.lang.StackOverflowError
 *   1) testGcm(com.google.security.wycheproof.AesTest)
 */
#include "triage/parse/parser.h"

static void
security_issue(struct parser *p, struct span line)
{
    static const char *const levels[] = {
        "FuzzerSecurityIssueCritical", "FuzzerSecurityIssueHigh",
        "FuzzerSecurityIssueMedium", "FuzzerSecurityIssueLow"};

    for (size_t i = 0; i < COUNT(levels); i++) {
        p->facts |= span_has(line, levels[i]) ? FACT_FUZZER_ISSUE : 0;
    }
}

static void
wycheproof(struct parser *p, struct span line)
{
    struct span test;

    if (parser_has_type(p) || !span_after(line, ") ", &test) || !span_ends(test, ")")) {
        return;
    }
    parser_begin(p, line, "Wycheproof error");
    parser_set_state(p, test, PARSER_STATE_FRAMES);
}

static enum line_verdict
jvm_line(struct parser *p, struct span line)
{
    bool issue = span_has(line, "FuzzerSecurityIssue");

    if (issue) {
        security_issue(p, line);
    }
    if (span_has(line, "(com.google.security.wycheproof.")) {
        wycheproof(p, line);
    } else if (span_starts(line, "== Java Exception: ")) {
        if (!parser_has_type(p)) {
            parser_begin(p, line, issue ? "Security exception" : "Uncaught exception");
            p->java = true;
            p->recursion = span_has(line, "java.lang.StackOverflowError");
        }
    } else if (span_starts(line, "Exception in thread \"")) {
        if (parser_hearsay(p, line, "Uncaught exception", (struct span){0})) {
            p->java = true;
            p->recursion = span_has(line, "java.lang.StackOverflowError");
        }
    } else if (p->java && p->n_frames > 0 && span_starts(line, "Caused by: ")) {
        p->stack = STACK_OTHER;
    }
    return LINE_GO_ON;
}

/* "at a.b.C.f(C.java:12)": the part before the last parenthesis names it. */
static bool
jvm_frame(struct parser *p, struct span line)
{
    struct raw_frame parsed = {.language = LANGUAGE_JVM};
    struct span s = line;

    (void)span_eat_blanks(&s);
    if (!p->java || !span_eat(&s, "at ")) {
        return false;
    }
    size_t open = span_rfind_char(s, '(');
    size_t close = span_rfind_char(s, ')');
    if (open == SPAN_NONE || close == SPAN_NONE || close < open) {
        return false;
    }
    (void)parser_location(span_from(span_to(s, close), open + 1), &parsed);
    parsed.function = span_trim(span_to(s, open));
    parser_add_next(p, &parsed);
    return true;
}

const struct parser_ops parser_jvm = {
    .name = "jvm",
    .words = (const char *const[]){"== Java Exception: ", "FuzzerSecurityIssue",
                                   "Exception in thread ", "Caused by: ",
                                   "(com.google.security.wycheproof.", NULL},
    .line = jvm_line,
    .frame = jvm_frame,
};
