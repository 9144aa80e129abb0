/*
 * What the C++ runtimes say before they abort: libstdc++'s and libc++abi's terminate
 * handlers, a call of a pure virtual function, libc++'s hardening. As with glibc's last
 * words, a sanitizer's report of the abort follows and brings the stack; without one this
 * line is all there is.
 */
#include "base/mem.h"
#include "triage/parse/parser.h"

static const char *const lines[] = {
    "terminate called after throwing an instance of ",
    "terminate called without an active exception",
    "terminate called recursively",
    "pure virtual method called",
    "libc++abi: terminating",
    "libc++abi: Pure virtual function called",
    "libc++abi.dylib: terminating",
    "libc++ Hardening assertion ",
    "Pure virtual function called!",
};

static enum line_verdict
cxx_line(struct parser *p, struct span line)
{
    struct span s = span_trim(line);
    struct span text;

    if (p->cxx_exception && span_eat(&s, "what():  ")) {
        AUTO(mem_free) char *thrown = span_dup(span_of(p->state), 512);
        AUTO(mem_free) char *what = span_dup(span_trim(s), 512);
        parser_set_state_f(p, 1, "%s: %s", thrown == NULL ? "" : thrown,
                           what == NULL ? "" : what);
        p->cxx_exception = false;
        return LINE_GO_ON;
    }
    for (size_t i = 0; i < COUNT(lines); i++) {
        if (!span_starts(s, lines[i])) {
            continue;
        }
        /* the thrown type and its what() tell bugs apart, if the line is short enough */
        p->cxx_exception = span_after(s, "after throwing an instance of ", &text);
        text = p->cxx_exception ? span_strip(text, "'") : s;
        if (parser_hearsay(p, line, "Abrt", text)) {
            p->facts |= FACT_HARMLESS_SIGNAL;
        }
        break;
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_cxx = {
    .name = "cxx",
    .words = (const char *const[]){"terminate called", "pure virtual ", "libc++abi",
                                   "libc++ Hardening", "what():  ", NULL},
    .line = cxx_line,
};
