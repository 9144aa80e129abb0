/*
 * gdb's own lines: "Program received signal SIGSEGV, ...", the program counter of "info
 * registers", "0x00005555 in f ()". Its frames are read by frames.c.
 */
#include "triage/parse/parser.h"

static enum line_verdict
gdb_line(struct parser *p, struct span line)
{
    struct span s = line;

    if (span_eat(&s, "Program received signal ")) {
        size_t comma = span_find_char(s, ',');
        if (comma != SPAN_NONE && comma > 0) {
            struct span name = span_to(s, comma);
            char type[PARSER_TYPE_MAX];
            span_copy(name, type, sizeof(type));
            parser_set_type(p, line, type);
        }
    } else if (span_eat(&s, "rip") && span_eat_blanks(&s)) {
        (void)parser_set_address(p, s);
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_gdb = {
    .name = "gdb",
    .words = (const char *const[]){"Program received signal ", "rip ", NULL},
    .line = gdb_line,
};
