/*
 * Lines that never count: summaries (the report itself has said it all), warnings that a
 * run survives, what other tools print between. And a signal's first word glued to the
 * target's own last line.
 */
#include "triage/parse/parser.h"

static enum line_verdict
noise_line(struct parser *p, struct span line)
{
    /* each of these would else be taken for a headline or an assertion */
    static const char *const noise[] = {
        "SUMMARY:",      "WARNING: AddressSanitizer",
        ":INFO:CONSOLE", "failed to mprotect 0x00010000",
        "text run at (", "Please include Java exception stack in crash report",
    };

    (void)p;
    for (size_t i = 0; i < COUNT(noise); i++) {
        if (span_has(line, noise[i])) {
            return LINE_DONE;
        }
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_noise = {
    .name = "noise",
    .words = (const char *const[]){"SUMMARY:", "WARNING: AddressSanitizer",
                                   ":INFO:CONSOLE", "failed to mprotect", "text run at (",
                                   "Please include Java exception",
                                   "Sanitizer:DEADLYSIGNAL", NULL},
    .line = noise_line,
};
