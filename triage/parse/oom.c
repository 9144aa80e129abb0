/*
 * Out of memory, in the words of allocators, sanitizers, engines and runtimes. Where
 * hangs and memory do not count (--ooms-and-hangs=no) such a report is no crash, and what
 * the dying process prints behind it is not one either.
 */
#include "triage/parse/parser.h"

/* All that stand in one line, first before second; NULL: one is enough. */
static const struct {
    const char *first;
    const char *second;
} signs[] = {
    {"# Allocation failed", "out of memory"},
    {"::OnNoMemory", NULL},
    {"ERROR", "Sanitizer failed to allocate"},
    {"FatalProcessOutOfMemory", NULL},
    {"Fatal process out of memory:", NULL},
    {"Fatal JavaScript out of memory:", NULL},
    {"Fatal JavaScript invalid size error", NULL},
    {"FX_OutOfMemoryTerminate", NULL},
    {"Out of memory. Dying", NULL},
    {"Out of memory. size=", NULL},
    {"Sanitizer: allocation-size-too-big", NULL},
    {"Sanitizer: calloc-overflow", NULL},
    {"Sanitizer: calloc parameters overflow", NULL},
    {"Sanitizer: requested allocation size", "exceeds maximum supported size"},
    {"Sanitizer: out of memory", NULL},
    {"Sanitizer: out-of-memory", NULL},
    {"Sanitizer: rss-limit-exceeded", NULL},
    {"Sanitizer: specified RSS limit exceeded", NULL},
    {"TerminateBecauseOutOfMemory", NULL},
    {"allocator is out of memory trying to allocate", NULL},
    {"blinkGCOutOfMemory", NULL},
    {"couldnt allocate", "Out of memory"},
    {"libFuzzer: out-of-memory (", NULL},
    {"rss limit exhausted", NULL},
    {"in rust_oom", NULL},
    {"========= RSS limit exceeded:", NULL},
};

static bool
is_oom(struct span line)
{
    for (size_t i = 0; i < COUNT(signs); i++) {
        struct span behind;
        if (span_after(line, signs[i].first, &behind) &&
            (signs[i].second == NULL || span_has(behind, signs[i].second))) {
            return true;
        }
    }
    return false;
}

static void
note_tool(struct parser *p, struct span line)
{
    if (span_has(line, "libFuzzer: ") && p->sanitizer == NULL) {
        p->sanitizer = "libfuzzer";
    } else if (span_has(line, "AddressSanitizer")) {
        p->sanitizer = "address";
    }
}

static enum line_verdict
oom_line(struct parser *p, struct span line)
{
    struct span s = line;

    if (!is_oom(line)) {
        return LINE_GO_ON;
    }
    (void)span_eat_blanks(&s);
    bool frame = s.len > 1 && s.at[0] == '#' && span_digit(s.at[1]);
    if (p->options->ooms_and_hangs) {
        parser_begin(p, line, "Out-of-memory");
        note_tool(p, line);
        /* a headline would else be taken for another kind; a frame is still one */
        return frame ? LINE_GO_ON : LINE_DONE;
    }
    bool in_its_stack = frame && p->n_frames > 0;
    bool earlier_report = parser_has_type(p) && p->n_frames > 0 && !in_its_stack;
    p->nothing = !earlier_report;
    p->done = true;
    return LINE_DONE;
}

const struct parser_ops parser_oom = {
    .name = "oom",
    .words = (const char *const[]){"# Allocation failed",
                                   "::OnNoMemory",
                                   "Sanitizer failed to allocate",
                                   "FatalProcessOutOfMemory",
                                   "out of memory",
                                   "Fatal JavaScript",
                                   "FX_OutOfMemory",
                                   "allocation-size-too-big",
                                   "calloc-overflow",
                                   "calloc parameters overflow",
                                   "requested allocation size",
                                   "Sanitizer: out-of-memory",
                                   "rss-limit-exceeded",
                                   "RSS limit exceeded",
                                   "BecauseOutOfMemory",
                                   "GCOutOfMemory",
                                   "libFuzzer: out-of-memory",
                                   "rss limit exhausted",
                                   "in rust_oom",
                                   NULL},
    .line = oom_line,
};
