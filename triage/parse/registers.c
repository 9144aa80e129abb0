/*
 * What the processor held at the fault, in two spellings:
 *   nightjar: registers rax=0x1 rbx=0x0 ...                    (../native_report.h)
 *   ==1==Register values:                                      sanitizers since LLVM 16
 *   rax = 0x0000000000000001  rbx = 0x0000000000000000  ...    four a line
 */
#include "triage/parse/parser.h"

static const char own[] = "nightjar: registers ";
static const char heading[] = "==Register values:";

static enum line_verdict
registers_line(struct parser *p, struct span line)
{
    struct span s = line;

    if (span_eat(&s, own)) {
        p->registers = s;
        return LINE_DONE;
    }
    if (span_ends(span_trim(line), heading)) {
        p->registers = span_from(p->text, (size_t)(line.at + line.len - p->text.at));
        return LINE_DONE;
    }
    return LINE_GO_ON;
}

static void
skip_space(struct span *s)
{
    size_t len = 0;

    while (len < s->len &&
           (span_blank(s->at[len]) || s->at[len] == '\n' || s->at[len] == '\r')) {
        len++;
    }
    *s = span_from(*s, len);
}

/* "rax = 0x1" or "rax=0x1" */
static bool
eat_register(struct span *s, char name[RECORD_REGISTER_NAME], uint64_t *value)
{
    size_t len = 0;

    while (len < s->len && (span_letter(s->at[len]) || span_digit(s->at[len]))) {
        len++;
        if (len == RECORD_REGISTER_NAME) {
            return false;
        }
    }
    span_copy(span_to(*s, len), name, RECORD_REGISTER_NAME);
    *s = span_from(*s, len);
    return len > 0 && (span_eat(s, " = ") || span_eat(s, "=")) && span_eat_hex(s, value);
}

void
parser_registers_finish(const struct parser *p, struct record *record)
{
    struct span s = p->registers;

    for (int i = 0; i < RECORD_REGISTERS_MAX; i++) {
        char name[RECORD_REGISTER_NAME];
        uint64_t value = 0;

        skip_space(&s);
        if (!eat_register(&s, name, &value)) {
            return;
        }
        record_add_register(record, name, value);
    }
}

const struct parser_ops parser_registers = {
    .name = "registers",
    .words = (const char *const[]){own, heading, NULL},
    .line = registers_line,
};
