/*
 * LeakSanitizer. A direct leak beats an indirect one, and the first direct leak stands
 * for the report: the others are often its consequences.
 */
#include "triage/parse/parser.h"

static enum line_verdict
lsan_line(struct parser *p, struct span line)
{
    bool none = !parser_has_type(p);

    if (span_has(line, "LeakSanitizer:")) {
        if (none) {
            p->sanitizer = "leak";
        }
        return LINE_GO_ON;
    }
    if (span_starts(line, "Direct leak of ")) {
        if (none || strcmp(p->type, "Indirect-leak") == 0) {
            parser_begin(p, line, "Direct-leak");
            p->sanitizer = "leak";
        } else if (p->n_frames > 0) {
            p->stack = STACK_LEAK;
        }
    } else if (span_starts(line, "Indirect leak of ")) {
        if (none) {
            parser_begin(p, line, "Indirect-leak");
            p->sanitizer = "leak";
        } else if (p->n_frames > 0) {
            p->stack = STACK_OTHER;
        }
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_lsan = {
    .name = "lsan",
    .words = (const char *const[]){"leak of ", "LeakSanitizer:", NULL},
    .line = lsan_line,
};
