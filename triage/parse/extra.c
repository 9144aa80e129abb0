/*
 * Findings that are not memory errors: OSS-Fuzz's extra sanitizers, Centipede's limits, a
 * sanitizer's own failed CHECK, V8's sandbox.
 */
#include "triage/parse/parser.h"

static const struct {
    const char *text;
    const char *type;
} findings[] = {
    {"===BUG DETECTED: Shell corruption===", "Command injection"},
    {"===BUG DETECTED: Shell injection===", "Command injection"},
    {"===BUG DETECTED: Arbitrary file open===", "Arbitrary file open"},
    {"===BUG DETECTED: Arbitrary domain name resolution===", "Arbitrary DNS resolution"},
    {"===BUG DETECTED: PySecSan:", "PySecSan"},
    {"========= Stack limit exceeded:", "Stack-overflow"},
    {"## V8 sandbox violation detected!", "V8 sandbox violation"},
};

/* "==1==AddressSanitizer CHECK failed: file.cc:12 "((0)) != (0)" (0x0, 0x0)" */
static bool
sanitizer_check(struct parser *p, struct span line)
{
    struct span s;

    if (!span_after(line, "Sanitizer CHECK failed:", &s) &&
        !span_after(line, "Sanitizer: CHECK failed:", &s)) {
        return false;
    }
    parser_set_type(p, line, "Sanitizer CHECK failure");
    p->address[0] = '\0';
    p->n_frames = 0;
    (void)span_eat_blanks(&s);
    (void)span_eat_word(&s);
    parser_set_state(p, span_trim(s), PARSER_STATE_FRAMES);
    p->done = true;
    return true;
}

static enum line_verdict
extra_line(struct parser *p, struct span line)
{
    if (sanitizer_check(p, line)) {
        return LINE_DONE;
    }
    if (!parser_has_type(p) && span_has(line, "GPU process exited unexpectedly")) {
        parser_begin(p, line, "GPU failure");
    }
    for (size_t i = 0; i < COUNT(findings); i++) {
        if (span_starts(line, findings[i].text)) {
            parser_set_type(p, line, findings[i].type);
            break;
        }
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_extra = {
    .name = "extra",
    .words = (const char *const[]){"===BUG DETECTED: ", "Sanitizer CHECK failed",
                                   "Sanitizer: CHECK failed",
                                   "Stack limit exceeded:", "V8 sandbox violation",
                                   "GPU process exited unexpectedly", NULL},
    .line = extra_line,
};
