/* ThreadSanitizer: races, lock order inversions, misuse of mutexes. Its frames may have
 * no addresses. */
#include "triage/parse/msan.h"

static enum line_verdict
tsan_line(struct parser *p, struct span line)
{
    msan_headline(p, line, "ThreadSanitizer:", "thread");
    return LINE_GO_ON;
}

const struct parser_ops parser_tsan = {
    .name = "tsan",
    .words = (const char *const[]){"ThreadSanitizer:", NULL},
    .line = tsan_line,
};
