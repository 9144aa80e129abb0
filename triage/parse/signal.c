/*
 * A sanitizer's report of a fatal signal, the same in all of them (sanitizer_common):
 *   ==1==ERROR: XSanitizer: SEGV on unknown address 0x10 (pc 0x5 bp 0x7 sp 0x7 T0)
 *   ==1==The signal is caused by a WRITE memory access.
 */
#include "triage/parse/parser.h"

static const struct {
    const char *word; /* behind "Sanitizer: " */
    const char *type;
    bool harmless; /* ClusterFuzz: SIGNAL_SIGNATURES_NOT_SECURITY, and TRAP, see README.md
                    */
    bool may_follow; /* an assertion's own way to die: it adds nothing to the assertion */
} signals[] = {
    {"SEGV", "UNKNOWN", false, false},
    {"access-violation", "UNKNOWN", false, false},
    {"ABRT", "Abrt", true, true},
    {"BUS", "Bus", true, false},
    {"FPE", "Floating-point-exception", true, false},
    {"ILL", "Ill", true, true},
    {"illegal-instruction", "Ill", true, true},
    {"TRAP", "Trap", true, true},
    {"breakpoint", "Breakpoint", true, true},
    {"stack-overflow", "Stack-overflow", false, false},
};

/* Types that say more than the signal that follows them. */
static bool
explains_abort(const char *type)
{
    static const char *const types[] = {
        "Arbitrary file open",
        "Arbitrary DNS resolution",
        "ASSERT",
        "CHECK failure",
        "Command injection",
        "DCHECK failure",
        "Fatal error",
        "Security CHECK failure",
        "Security DCHECK failure",
        "V8 API error",
        "Stack-overflow",
        "Out-of-memory",
        "Timeout",
        "Unreachable code",
    };

    for (size_t i = 0; i < COUNT(types); i++) {
        if (strcmp(types[i], type) == 0) {
            return true;
        }
    }
    return false;
}

/* Addresses that assertion macros write to: WebKit's 0xbbadbeef and what it becomes. */
static bool
is_assert_address(uint64_t address)
{
    return address == 0xbbadbeef || address == 0xfbadbeef || address == 0x1f75b7dd ||
           address == 0x977537dd || address == 0x9f7537dd;
}

/* Of SEGV and BUS the address is the one accessed; of all other signals it is the program
 * counter itself. */
static void
read_pc(struct parser *p, struct span line, bool access)
{
    struct span s;
    uint64_t pc;

    if (!span_after(line, "(pc ", &s)) {
        return;
    }
    if (span_starts(s, "(nil)")) {
        p->facts |= FACT_PC_NULL;
    } else if (span_eat_hex(&s, &pc)) {
        p->facts |= pc == 0 ? FACT_PC_NULL : 0;
        p->facts |= access && pc != 0 && p->address[0] != '\0' && pc == p->fault
                        ? FACT_PC_IS_ADDRESS
                        : 0;
    }
}

static void
note_sanitizer(struct parser *p, struct span name)
{
    static const struct {
        const char *ends;
        const char *sanitizer;
    } names[] = {{"UndefinedBehavior", "undefined"},
                 {"Memory", "memory"},
                 {"Thread", "thread"},
                 {"Leak", "leak"},
                 {"Address", "address"}};

    for (size_t i = 0; i < COUNT(names); i++) {
        if (span_ends(name, names[i].ends)) {
            p->sanitizer = names[i].sanitizer;
            return;
        }
    }
}

/* A null-ish SEGV that an assertion makes on purpose. */
static bool
is_assertions_own(struct parser *p, uint64_t address)
{
    return strstr(p->type, "ASSERT") != NULL &&
           (is_assert_address(address) ||
            (parser_text_has(p, TEXT_SCARINESS) && parser_text_has(p, TEXT_SIGNAL)));
}

static enum line_verdict
begin_signal(struct parser *p, struct span line, size_t which, struct span rest)
{
    struct span address = rest;
    struct span probe;
    uint64_t value = 0;
    bool has_address = (span_after(rest, " on unknown address ", &address) ||
                        span_after(rest, " on address ", &address)) &&
                       (probe = address, span_eat_hex(&probe, &value));

    if (signals[which].may_follow && explains_abort(p->type)) {
        return LINE_DONE;
    }
    if (strcmp(signals[which].type, "UNKNOWN") == 0 && is_assertions_own(p, value)) {
        return LINE_DONE;
    }
    if (p->interpreter) {
        return LINE_GO_ON;
    }
    parser_begin(p, line, signals[which].type);
    if (has_address) {
        (void)parser_set_address(p, address);
    }
    p->no_address = !has_address;
    read_pc(p, line, !signals[which].harmless || strcmp(signals[which].type, "Bus") == 0);
    p->facts |=
        signals[which].harmless || is_assert_address(value) ? FACT_HARMLESS_SIGNAL : 0;
    /* ClusterFuzz's word for the type stands alone, without the address */
    if (strcmp(signals[which].type, "Floating-point-exception") == 0) {
        p->address[0] = '\0';
    }
    return LINE_DONE;
}

/*
 * "First 16 instruction bytes at pc: 8a 80 00 80 ff 7f ..." (dump_instruction_bytes=1).
 * ASan looks at shadow memory, at 0x7fff8000 + address / 8 on x86-64, before each access;
 * where the program's pointer is wild that look is what faults: a read, whatever the
 * program was about to do, and of some other address. The constant stands in its
 * instruction.
 */
static void
note_check(struct parser *p, struct span bytes)
{
    static const char shadow[] = "00 80 ff 7f";
    enum { BEFORE = 5 * 3 }; /* prefixes, opcode, ModRM, SIB */
    size_t at = span_find(span_to(bytes, BEFORE + sizeof(shadow) - 1), shadow);

    if (at == SPAN_NONE || !span_starts(span_of(p->type), "UNKNOWN")) {
        return;
    }
    p->facts |= FACT_IN_CHECK;
    p->access = ACCESS_UNKNOWN;
    span_copy(span_of("UNKNOWN"), p->type, sizeof(p->type));
}

static enum line_verdict
signal_line(struct parser *p, struct span line)
{
    struct span s;

    if (span_after(line, "The signal is caused by a ", &s)) {
        bool unknown = strcmp(p->type, "UNKNOWN") == 0;
        bool read = span_starts(s, "READ memory access");
        bool write = span_starts(s, "WRITE memory access");
        if (read || write) {
            p->access = read ? ACCESS_READ : ACCESS_WRITE;
            if (unknown) {
                span_copy(span_of(read ? "UNKNOWN READ" : "UNKNOWN WRITE"), p->type,
                          sizeof(p->type));
            }
        }
        return LINE_GO_ON;
    }
    if (span_after(line, " instruction bytes at pc: ", &s)) {
        note_check(p, s);
        return LINE_GO_ON;
    }
    if (!span_after(line, "Sanitizer", &s)) {
        return LINE_GO_ON;
    }
    struct span name = span_to(line, (size_t)(s.at - line.at) - strlen("Sanitizer"));
    (void)span_eat(&s, ":"); /* the first releases had none */
    if (!span_eat_blanks(&s)) {
        return LINE_GO_ON;
    }
    for (size_t i = 0; i < COUNT(signals); i++) {
        size_t len = strlen(signals[i].word);
        if (span_starts(s, signals[i].word) && (s.len == len || s.at[len] == ' ')) {
            note_sanitizer(p, name);
            return begin_signal(p, line, i, span_from(s, len));
        }
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_signal = {
    .name = "signal",
    .words = (const char *const[]){"Sanitizer: ", "ERROR: AddressSanitizer",
                                   "The signal is caused by a ",
                                   " instruction bytes at pc: ", NULL},
    .line = signal_line,
};
