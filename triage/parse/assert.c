/*
 * Assertions of programs: BSD's and WebKit's "ASSERTION FAILED: x", "panic: x", assert(3)
 * of glibc and others, libc++'s, Google's. The text is the first line of the state; the
 * stack follows from the signal that the program then dies of.
 */
#include "triage/parse/parser.h"

static bool
ends_like_source(struct span s)
{
    static const char *const dots[] = {
        ".c:", ".cc:", ".cpp:", ".cxx:", ".h:", ".hh:", ".hpp:", ".hxx:"};

    for (size_t i = 0; i < COUNT(dots); i++) {
        if (span_has(s, dots[i])) {
            return true;
        }
    }
    return false;
}

/* What may stand before the keyword: nothing, "[anything]", or a source location. */
static bool
may_precede(struct span s)
{
    struct span t = span_trim(s);

    return t.len == 0 || (t.at[0] == '[' && t.at[t.len - 1] == ']') ||
           ends_like_source(s);
}

static bool
match_keyword(struct parser *p, struct span line)
{
    static const char *const keywords[] = {
        "assertion failed: ", "assertion failure: ", "assert failed: ",
        "assert failure: ", "panic: "};

    for (size_t i = 0; i < COUNT(keywords); i++) {
        size_t at = span_find_nocase(line, keywords[i]);
        if (at != SPAN_NONE && may_precede(span_to(line, at))) {
            parser_assertion(p, line, span_from(line, at + strlen(keywords[i])));
            return true;
        }
    }
    return false;
}

/* "prog: file.c:12: f: Assertion `x > 0' failed." */
static bool
match_libc(struct parser *p, struct span line)
{
    struct span s = line;

    if (!span_ends(s, " failed.") && !span_ends(s, " failed")) {
        return false;
    }
    s = span_to(s, span_rfind(s, " failed"));
    size_t at = span_find_nocase(s, "assertion ");
    if (at == SPAN_NONE || span_trim(span_to(s, at)).len == 0) {
        return false;
    }
    struct span before = span_trim(span_to(s, at));
    if (!span_ends(before, ":")) {
        return false;
    }
    s = span_from(s, at + strlen("assertion "));
    if (s.len > 0 && strchr("`'\"", s.at[0]) != NULL) {
        s = span_from(s, 1);
    }
    if (s.len > 0 && strchr("`'\"", s.at[s.len - 1]) != NULL) {
        s.len--;
    }
    parser_assertion(p, line, s);
    return true;
}

/* "/usr/include/c++/v1/vector:571: assertion __n < size() failed: vector[] index out of
 * bounds" */
static bool
match_libcxx(struct parser *p, struct span line)
{
    struct span rest;
    struct raw_frame ignored;

    size_t at = span_find(line, "assertion ");
    if (at == SPAN_NONE || !span_after(span_from(line, at), " failed:", &rest)) {
        return false;
    }
    struct span before = span_trim(span_to(line, at));
    if (!span_ends(before, ":") || !span_has(before, "/") ||
        !parser_location(span_to(before, before.len - 1), &ignored)) {
        return false;
    }
    parser_assertion(p, line, span_trim(rest));
    return true;
}

/* "F0812 21:22:15.159294 61315 logging.cc:89] assert.h assertion failed at f.cc:380 in
 * Foo: x" */
static bool
match_google(struct parser *p, struct span line)
{
    struct span rest;
    struct span text;

    if (line.len < 5 || line.at[0] != 'F' || !span_digit(line.at[1]) ||
        !span_after(line, "assertion failed at ", &rest) ||
        !span_after(rest, " in ", &rest) || !span_after_last(rest, ": ", &text)) {
        return false;
    }
    parser_assertion(p, line, text);
    return true;
}

static enum line_verdict
assert_line(struct parser *p, struct span line)
{
    if (span_is(span_trim(line), "SHOULD NEVER BE REACHED")) {
        parser_begin(p, line, "ASSERT_NOT_REACHED");
        return LINE_GO_ON;
    }
    if (!match_keyword(p, line) && !match_google(p, line) && !match_libc(p, line)) {
        (void)match_libcxx(p, line);
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_assert = {
    .name = "assert",
    .words = (const char *const[]){"assertion ", "assert fail",
                                   "panic: ", "SHOULD NEVER BE REACHED", NULL},
    .line = assert_line,
};
