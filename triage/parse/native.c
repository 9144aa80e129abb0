/*
 * nightjar's own report of a crash that left none (native_report.h): what gdb saw, to be
 * judged by the same rules as there. What the program said before it counts more where it
 * says what failed: an assertion, glibc's words. Behind a sanitizer's report the stack
 * alone.
 */
#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/parse/parser.h"

static const char intro[] = "nightjar: killed by SIG";
static const char facts[] = "nightjar: signal ";
static const char stack[] = "nightjar: its stack, as gdb sees it";

static void
read_bytes(struct span s, struct native_fault *fault)
{
    fault->n_bytes = 0;
    while (s.len >= 2 && span_hex_digit(s.at[0]) >= 0 && span_hex_digit(s.at[1]) >= 0 &&
           fault->n_bytes < INSTRUCTION_BYTES) {
        fault->bytes[fault->n_bytes++] =
            (uint8_t)(span_hex_digit(s.at[0]) * 16 + span_hex_digit(s.at[1]));
        s = span_from(s, 2);
    }
}

/* "11, code 1, address 0x41414141, bytes c60701" */
static void
read_facts(struct parser *p, struct span s)
{
    struct native_fault fault = {0};
    uint64_t signal = 0;
    uint64_t code = 0;

    if (!span_eat_digits(&s, &signal) || signal > SIGSYS || !span_eat(&s, ", code ")) {
        return;
    }
    bool raised = span_eat(&s, "-");
    if (!span_eat_digits(&s, &code) || code > INT32_MAX) {
        return;
    }
    fault.signal = (int)signal;
    fault.code = raised ? -(int)code : (int)code;
    fault.has_address = span_eat(&s, ", address ") && span_eat_hex(&s, &fault.address);
    fault.above_stack = span_eat(&s, ", above the stack");
    if (span_eat(&s, ", bytes ")) {
        read_bytes(s, &fault);
    }
    p->native = fault;
}

static enum line_verdict
native_line(struct parser *p, struct span line)
{
    struct span s = line;

    if (span_eat(&s, facts)) {
        read_facts(p, s);
        return LINE_DONE;
    }
    if (span_starts(line, stack)) {
        parser_forget_frames(p); /* the sanitizer's lacks the function that jumped */
        return LINE_DONE;
    }
    if (!span_starts(line, intro)) {
        return LINE_GO_ON;
    }
    /* its own type follows from the facts */
    p->native_begins = p->type[0] == '\0' || p->state[0] == '\0';
    if (p->native_begins) {
        parser_begin(p, line, "UNKNOWN");
    }
    return LINE_DONE;
}

void
parser_native_finish(const struct parser *p, struct record *record)
{
    if (p->native.signal == 0) {
        return;
    }
    if (p->native_begins) {
        AUTO(record_free) struct record *bare = record_from_signal(p->native.signal);
        mem_free(record->crash_type);
        record->crash_type = STEAL(bare->crash_type);
        record->facts |= bare->facts;
        mem_free(record->message);
        record->message = STEAL(bare->message);
    }
    native_rules(record, &p->native);
}

const struct parser_ops parser_native = {
    .name = "native",
    .words = (const char *const[]){intro, facts, stack, NULL},
    .line = native_line,
};
