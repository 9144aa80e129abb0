/*
 * Apple's crash reports ("CrashReporter", before macOS 12):
 *   Exception Type:        EXC_BAD_ACCESS (SIGSEGV)
 *   Exception Codes:       KERN_INVALID_ADDRESS at 0x0000000000000010
 *   Thread 0 Crashed:: Dispatch queue: com.apple.main-thread
 *   0   libx.dylib   0x000000010a2b ns::f(int) + 19 (x.cc:12)
 */
#include "triage/parse/parser.h"

static const struct {
    const char *signal;
    const char *type;
    bool harmless;
} signals[] = {
    {"(SIGSEGV)", "UNKNOWN", false},
    {"(SIGBUS)", "UNKNOWN", false}, /* Mach's word for memory without rights */
    {"(SIGABRT)", "Abrt", true},
    {"(SIGILL)", "Ill", true},
    {"(SIGTRAP)", "Trap", true},
    {"(SIGFPE)", "Floating-point-exception", true},
};

static enum line_verdict
apple_line(struct parser *p, struct span line)
{
    struct span s = line;
    struct span rest;

    if (span_eat(&s, "Exception Type: ")) {
        for (size_t i = 0; i < COUNT(signals); i++) {
            if (span_has(s, signals[i].signal)) {
                parser_begin(p, line, signals[i].type);
                p->facts |= signals[i].harmless ? FACT_HARMLESS_SIGNAL : 0;
                p->apple = true;
            }
        }
    } else if (p->apple && (span_eat(&s, "Exception Codes: ") ||
                            span_eat(&s, "Exception Subtype: "))) {
        if (span_after(s, " at 0x", &rest)) {
            (void)parser_set_address(p, (struct span){rest.at - 2, rest.len + 2});
        }
    } else if (p->apple && span_starts(s, "Thread ") && span_has(s, " Crashed:")) {
        parser_forget_frames(p); /* those of the threads before it */
    } else if (p->apple && span_starts(s, "Thread ") && p->n_frames > 0) {
        p->stack = STACK_OTHER;
    } else if (p->apple && span_starts(s, "Binary Images:")) {
        p->done = true;
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_apple = {
    .name = "apple",
    .words =
        (const char *const[]){"Exception Type: ", "Exception Codes: ",
                              "Exception Subtype: ", "Thread ", "Binary Images:", NULL},
    .line = apple_line,
};
