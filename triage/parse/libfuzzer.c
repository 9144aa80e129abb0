/*
 * libFuzzer's own verdicts: "==1== ERROR: libFuzzer: deadly signal". What a sanitizer has
 * already said about the same death beats them; a timeout counts only where hangs do.
 */
#include "triage/parse/parser.h"

static const struct {
    const char *text; /* behind "libFuzzer: " */
    const char *type;
} verdicts[] = {
    {"deadly signal", "Fatal-signal"},
    {"fuzz target exited", "Unexpected-exit"},
    {"fuzz target overwrites its const input", "Overwrites-const-input"},
};

static enum line_verdict
libfuzzer_line(struct parser *p, struct span line)
{
    struct span s;
    bool timeout = false;

    if (span_after(line, "libFuzzer:", &s)) {
        (void)span_eat_blanks(&s);
        timeout = span_starts(s, "timeout");
    } else if (span_starts(line, "========= Per-input timeout exceeded:")) {
        timeout = true;
    } else {
        return LINE_GO_ON;
    }
    if (p->sanitizer == NULL) {
        p->sanitizer = "libfuzzer";
    }
    if (timeout && p->options->ooms_and_hangs) {
        parser_begin(p, line, "Timeout");
    }
    for (size_t i = 0; i < COUNT(verdicts) && !parser_has_type(p); i++) {
        if (span_starts(s, verdicts[i].text)) {
            parser_begin(p, line, verdicts[i].type);
        }
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_libfuzzer = {
    .name = "libfuzzer",
    .words = (const char *const[]){"ERROR: libFuzzer:", "ERROR:libFuzzer:",
                                   "Per-input timeout exceeded:", NULL},
    .line = libfuzzer_line,
};
