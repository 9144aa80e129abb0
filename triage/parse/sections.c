/*
 * The lines of a report that introduce its other stacks: where the memory was freed or
 * allocated, where the thread was made, where an uninitialized value came from.
 */
#include "triage/parse/parser.h"

static const struct {
    const char *text;
    enum stack_kind stack;
} sections[] = {
    {"freed by thread", STACK_FREED},
    {"deallocated by thread", STACK_FREED}, /* GWP-ASan */
    {"allocated by thread", STACK_ALLOCATED},
    {"previously allocated by", STACK_ALLOCATED},
    {"allocated by main thread", STACK_ALLOCATED},
    {"created by main thread at", STACK_THREAD},
    {" created by T", STACK_THREAD},
    {" created by thread T", STACK_THREAD},
    {"located in stack of thread", STACK_OBJECT},
    {"Uninitialized value was stored to memory at", STACK_STORED},
    {"Uninitialized value was created by", STACK_ORIGIN},
};

static enum line_verdict
sections_line(struct parser *p, struct span line)
{
    if (!parser_has_type(p) || p->n_frames == 0) {
        return LINE_GO_ON;
    }
    for (size_t i = 0; i < COUNT(sections); i++) {
        if (span_has(line, sections[i].text)) {
            p->stack = sections[i].stack;
            break;
        }
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_sections = {
    .name = "sections",
    .words =
        (const char *const[]){"freed by thread", "allocated by", "created by",
                              "located in stack of", "Uninitialized value was", NULL},
    .line = sections_line,
};
