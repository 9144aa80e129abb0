/*
 * MemorySanitizer, and what it has in common with ThreadSanitizer: "WARNING: XSanitizer:
 * kind (pid...)".
 */
#include "triage/parse/msan.h"

void
msan_headline(struct parser *p, struct span line, const char *tool, const char *sanitizer)
{
    char type[PARSER_TYPE_MAX];
    struct span s;

    /* "ThreadSanitizer: Matched 3 suppressions", "ThreadSanitizer: reported 1 warnings"
     */
    if (!span_after(line, tool, &s) || span_has(line, " suppressions") ||
        span_has(line, " warnings") || !span_eat_blanks(&s)) {
        return;
    }
    p->sanitizer = sanitizer;
    /* signal.c reads the reports of signals */
    if (span_has(s, " on unknown address") || span_starts(s, "CHECK failed")) {
        return;
    }
    size_t end = 0;
    while (end < s.len && s.at[end] != '(' && s.at[end] != ':') {
        end++;
    }
    parser_sanitizer_type(span_to(s, end), type);
    if (type[0] != '\0') {
        parser_begin(p, line, type);
    }
}

static enum line_verdict
msan_line(struct parser *p, struct span line)
{
    msan_headline(p, line, "MemorySanitizer:", "memory");
    return LINE_GO_ON;
}

const struct parser_ops parser_msan = {
    .name = "msan",
    .words = (const char *const[]){"MemorySanitizer:", NULL},
    .line = msan_line,
};
