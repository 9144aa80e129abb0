/*
 * What an address belongs to, or lies next to, in the words of ASan up to LLVM 15 and
 * since (asan_descriptions.cpp):
 *   0x6 is located 0 bytes to the right of 10-byte region [0x5,0x6)
 *   0x6 is located 0 bytes after 10-byte region [0x5,0x6)
 *   0x6 is located 2 bytes to the right of global variable 'g' defined in 'a.c:17:13'
 * (0x5) of size 16 Address 0x7 is located in stack of thread T0 at offset 41 in frame
 *       [32, 40) 'local' (line 97) <== Memory access at offset 41 overflows this variable
 */
#include "triage/parse/parser.h"

static int64_t
to_int64(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static bool
eat_side(struct span *s, enum memory_side *side)
{
    static const struct {
        const char *text;
        enum memory_side side;
    } words[] = {{" bytes to the right of ", SIDE_AFTER},
                 {" bytes after ", SIDE_AFTER},
                 {" bytes to the left of ", SIDE_BEFORE},
                 {" bytes before ", SIDE_BEFORE},
                 {" bytes inside of ", SIDE_INSIDE}};

    for (size_t i = 0; i < COUNT(words); i++) {
        if (span_eat(s, words[i].text)) {
            *side = words[i].side;
            return true;
        }
    }
    return false;
}

/* "10-byte region [", or "global variable 'g' defined in 'a.c:17:13' (0x5) of size 16".
 */
static void
object_line(struct parser *p, struct span s, struct raw_memory memory)
{
    struct span rest;
    uint64_t size = 0;

    if (span_eat_digits(&s, &size) && span_eat(&s, "-byte region")) {
        memory.kind = MEMORY_HEAP;
    } else if (span_eat(&s, "global variable '")) {
        memory.kind = MEMORY_GLOBAL;
        memory.name = span_eat_until(&s, '\'');
        if (span_eat(&s, " defined in '")) {
            memory.place = span_eat_until(&s, '\'');
        }
        if (span_after_last(s, " of size ", &rest)) {
            (void)span_eat_digits(&rest, &size);
        }
    } else {
        return;
    }
    memory.size = to_int64(size);
    p->memory = memory;
}

/* "[32, 40) 'local' (line 97) <== Memory access at offset 41 overflows this variable" */
static void
variable_line(struct parser *p, struct span s)
{
    struct raw_memory memory = {.kind = MEMORY_STACK};
    int64_t offset = p->memory.offset;
    uint64_t from = 0;
    uint64_t to = 0;

    (void)span_eat_blanks(&s);
    if (!span_eat(&s, "[") || !span_eat_digits(&s, &from) || !span_eat(&s, ", ") ||
        !span_eat_digits(&s, &to) || !span_eat(&s, ") '") || to < from) {
        return;
    }
    memory.size = to_int64(to - from);
    memory.name = span_eat_until(&s, '\'');
    if (span_eat(&s, " (")) {
        memory.place = span_eat_until(&s, ')');
    }
    if (offset >= to_int64(to)) {
        memory.side = SIDE_AFTER;
        memory.distance = offset - to_int64(to);
    } else if (offset < to_int64(from)) {
        memory.side = SIDE_BEFORE;
        memory.distance = to_int64(from) - offset;
    } else {
        memory.distance = offset - to_int64(from);
    }
    p->memory = memory;
}

static enum line_verdict
memory_line(struct parser *p, struct span line)
{
    struct raw_memory memory = {0};
    struct span s;
    uint64_t number = 0;

    /* the first object is the nearest one, or the first of the two that overlap */
    if (!parser_has_type(p) || p->memory.kind == MEMORY_HEAP ||
        p->memory.kind == MEMORY_GLOBAL || p->memory.name.len > 0) {
        return LINE_GO_ON;
    }
    if (p->memory.kind == MEMORY_STACK && span_has(line, "<== Memory access")) {
        variable_line(p, line);
    } else if (span_after(line, "is located in stack of thread ", &s) &&
               span_after(s, " at offset ", &s) && span_eat_digits(&s, &number)) {
        p->memory.kind = MEMORY_STACK;
        p->memory.offset = to_int64(number);
    } else if (span_after(line, " is located ", &s) && span_eat_digits(&s, &number) &&
               eat_side(&s, &memory.side)) {
        memory.distance = to_int64(number);
        object_line(p, s, memory);
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_memory = {
    .name = "memory",
    .words = (const char *const[]){"is located ", "<== Memory access", NULL},
    .line = memory_line,
};
