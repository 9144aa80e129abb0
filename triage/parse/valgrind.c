/*
 * Valgrind's memcheck:
 *   ==7== Invalid write of size 4
 *   ==7==    at 0x1091A3: f (x.c:12)
 *   ==7==    by 0x1091C2: main (x.c:20)
 *   ==7==  Address 0x4a4f068 is 0 bytes after a block of size 40 alloc'd
 * It goes on behind an error, so the first one is the bug, unless the program then dies
 * of a signal that memcheck had not seen coming.
 */
#include <stdio.h>

#include "triage/parse/parser.h"

static const struct {
    const char *text;
    const char *type;
    enum access_kind access;
} errors[] = {
    {"Invalid read of size ", "UNKNOWN READ", ACCESS_READ},
    {"Invalid write of size ", "UNKNOWN WRITE", ACCESS_WRITE},
    {"Conditional jump or move depends on uninitialised value",
     "Use-of-uninitialized-value", 0},
    {"Use of uninitialised value of size ", "Use-of-uninitialized-value", 0},
    {"Syscall param ", "Use-of-uninitialized-value", 0},
    {"Invalid free() / delete", "Invalid-free", 0},
    {"Mismatched free() / delete", "Alloc-dealloc-mismatch", 0},
    {"Source and destination overlap in ", "Memcpy-param-overlap", 0},
    {"Jump to the invalid address ", "UNKNOWN", 0},
    {"Argument 'size' of function ", "Negative-size-param", 0},
};

static const struct {
    const char *text;
    const char *type;
} deaths[] = {
    {"(SIGSEGV)", "UNKNOWN"}, {"(SIGBUS)", "Bus"},
    {"(SIGABRT)", "Abrt"},    {"(SIGFPE)", "Floating-point-exception"},
    {"(SIGILL)", "Ill"},      {"(SIGTRAP)", "Trap"},
};

/* Behind "==7== "; false for any other line. */
static bool
behind_pid(struct span line, struct span *s)
{
    uint64_t pid;

    *s = line;
    return span_eat(s, "==") && span_eat_digits(s, &pid) && span_eat(s, "== ");
}

static void
begin(struct parser *p, struct span line, const char *type)
{
    parser_begin(p, line, type);
    p->sanitizer = "memory";
    p->valgrind = true;
}

static void
error_line(struct parser *p, struct span line, struct span s)
{
    for (size_t i = 0; i < COUNT(errors); i++) {
        struct span rest = s;
        if (span_eat(&rest, errors[i].text)) {
            uint64_t size = 0;
            begin(p, line, errors[i].type);
            p->access = errors[i].access;
            p->access_bytes =
                errors[i].access != 0 && span_eat_digits(&rest, &size) && size < INT32_MAX
                    ? (int64_t)size
                    : 0;
            return;
        }
    }
}

/* "Process terminating with default action of signal 11 (SIGSEGV)" */
static void
death_line(struct parser *p, struct span line, struct span s)
{
    if (parser_has_type(p) && (p->n_frames > 0 || !p->valgrind)) {
        return;
    }
    for (size_t i = 0; i < COUNT(deaths); i++) {
        if (span_has(s, deaths[i].text)) {
            begin(p, line, deaths[i].type);
            p->facts |= i < 2 ? 0 : FACT_HARMLESS_SIGNAL;
            return;
        }
    }
}

/* An access in or beside a block is what AddressSanitizer calls it; its type has the
 * access and the size on a second line. */
static void
known_memory(struct parser *p, const char *type)
{
    if (strcmp(p->type, "Invalid-free") == 0 &&
        strcmp(type, "Heap-use-after-free") == 0) {
        (void)snprintf(p->type, sizeof(p->type), "Heap-double-free");
    }
    if (strncmp(p->type, "UNKNOWN ", 8) != 0) {
        return;
    }
    (void)snprintf(p->type, sizeof(p->type),
                   p->access_bytes > 16 ? "%s\n%s {*}" : "%s\n%s %d", type,
                   p->access == ACCESS_READ ? "READ" : "WRITE", (int)p->access_bytes);
}

/* " Address 0x4a4f068 is 0 bytes inside a block of size 40 free'd" */
static void
address_line(struct parser *p, struct span s)
{
    if (p->address[0] == '\0') {
        (void)parser_set_address(p, s);
    }
    if (!span_has(s, " a block of size ")) {
        return;
    }
    if (span_has(s, "free'd") || span_has(s, "recently re-allocated")) {
        known_memory(p, "Heap-use-after-free");
        p->stack = STACK_FREED;
    } else if (span_has(s, "alloc'd")) {
        known_memory(p, "Heap-buffer-overflow");
        p->stack = STACK_ALLOCATED;
    }
}

static enum line_verdict
valgrind_line(struct parser *p, struct span line)
{
    struct span s;
    struct span rest;

    if (!behind_pid(line, &s)) {
        return LINE_GO_ON;
    }
    rest = span_trim(s);
    if (span_starts(rest, "Process terminating with default action of signal ")) {
        death_line(p, line, rest);
    } else if (span_eat(&rest, "Access not within mapped region at address ") ||
               span_eat(&rest, "Bad permissions for mapped region at address ")) {
        if (p->valgrind && p->n_frames == 0) {
            (void)parser_set_address(p, rest);
        }
    } else if (p->valgrind && span_eat(&rest, "Address 0x")) {
        address_line(p, (struct span){rest.at - 2, rest.len + 2});
    } else if (p->valgrind && span_starts(rest, "Block was alloc'd at")) {
        p->stack = STACK_ALLOCATED;
    } else if (p->valgrind && span_starts(rest, "Uninitialised value was created by")) {
        p->stack = STACK_ORIGIN;
    } else if (!parser_has_type(p) &&
               span_has(s, " are definitely lost in loss record ")) {
        begin(p, line, "Direct-leak");
    } else if (!parser_has_type(p)) {
        error_line(p, line, s);
    } else if (p->valgrind && rest.len == 0 && p->n_frames > 0) {
        p->done = true; /* an empty line ends the error */
    }
    return LINE_GO_ON;
}

/* "at 0x1091A3: f (x.c:12)", "by 0x48A: ??? (in /usr/lib/libx.so)" */
static bool
valgrind_frame(struct parser *p, struct span line)
{
    struct raw_frame parsed = {0};
    struct span s;

    if (!p->valgrind || !behind_pid(line, &s)) {
        return false;
    }
    s = span_trim(s);
    if ((!span_eat(&s, "at ") && !span_eat(&s, "by ")) ||
        !span_eat_hex(&s, &parsed.address) || !span_eat(&s, ": ")) {
        return false;
    }
    size_t open = span_rfind(s, " (");
    if (open != SPAN_NONE && span_ends(s, ")")) {
        struct span place = span_from(span_to(s, s.len - 1), open + 2);
        s = span_to(s, open);
        if (span_eat(&place, "in ")) {
            parsed.module = place;
        } else {
            (void)parser_location(place, &parsed);
        }
    }
    if (!span_is(s, "???")) {
        parsed.function = s;
    }
    parser_add_next(p, &parsed);
    return true;
}

const struct parser_ops parser_valgrind = {
    .name = "valgrind",
    .words = (const char *const[]){"== ", NULL},
    .line = valgrind_line,
    .frame = valgrind_frame,
};
