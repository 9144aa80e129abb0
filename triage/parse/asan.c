/*
 * AddressSanitizer and HWAddressSanitizer, gcc's and clang's:
 *   ==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x6 at pc 0x4 bp 0x7 sp
 * 0x7 READ of size 4 at 0x6 thread T0
 */
#include <stdio.h>

#include "triage/parse/parser.h"

/* Headlines that are sentences (asan_errors.cpp), or that ClusterFuzz names in its own
 * way. */
static const struct {
    const char *text; /* behind "AddressSanitizer: " */
    const char *type;
} sentences[] = {
    {"attempting double-free", "Heap-double-free"},
    {"attempting free on address which was not malloc()-ed", "Invalid-free"},
    {"attempting free on address which was not malloc", "Invalid-free"},
    {"attempting to call malloc_usable_size", "Bad-malloc-usable-size"},
    {"attempting to call __sanitizer_get_allocated_size", "Bad-malloc-usable-size"},
    {"memcpy-param-overlap", "Memcpy-param-overlap"},
    {"invalid alignment requested in aligned_alloc", "Invalid-aligned-alloc-alignment"},
    {"invalid alignment requested in posix_memalign", "Invalid-posix-memalign-alignment"},
    {"invalid allocation alignment", "Invalid-allocation-alignment"},
    {"reallocarray parameters overflow", "Reallocarray-overflow"},
    {"pvalloc parameters overflow", "Pvalloc-overflow"},
    {"bad parameters to __sanitizer_annotate_contiguous_container",
     "Bad-annotate-contiguous-container"},
    {"bad parameters to __sanitizer_annotate_double_ended_contiguous_container",
     "Bad-annotate-contiguous-container"},
    {"unknown-crash", "UNKNOWN"},
    {"int-divide-by-zero", "Divide-by-zero"},
};

/* "SEGV on unknown address" belongs to signal.c; a nested bug is a consequence of the
 * first. */
static bool
is_kind(struct span s)
{
    return s.len > 0 && !span_starts(s, "CHECK failed") &&
           !span_starts(s, "nested bug") && !span_starts(s, "SEGV");
}

static void
kind_of(struct span s, char type[PARSER_TYPE_MAX])
{
    size_t end = 0;

    for (size_t i = 0; i < COUNT(sentences); i++) {
        if (span_starts(s, sentences[i].text)) {
            span_copy(span_of(sentences[i].type), type, PARSER_TYPE_MAX);
            return;
        }
    }
    end = span_find(s, " on address ");
    if (end == SPAN_NONE) {
        end = span_find(s, " on 0x");
    }
    s = span_to(s, end);
    for (end = 0;
         end < s.len && s.at[end] != '(' && s.at[end] != ':' && s.at[end] != ';';) {
        end++;
    }
    parser_sanitizer_type(span_to(s, end), type);
}

/* The address in a headline: "on address 0x6", "on 0x6", "malloc()-ed: 0x6", "heap object
 * [0x6,". */
static void
headline_address(struct parser *p, struct span s)
{
    static const char *const before[] = {" on address ", " on unknown address ", " on ",
                                         "malloc()-ed: ", "heap object ["};
    struct span rest;

    for (size_t i = 0; i < COUNT(before); i++) {
        if (span_after(s, before[i], &rest) && parser_set_address(p, rest)) {
            return;
        }
    }
    /* memcpy-param-overlap: "memory ranges [0x1,0x2) and [0x3, 0x4) overlap" */
    size_t open = span_find_char(s, '[');
    size_t close = span_rfind_char(s, ')');
    if (span_has(s, "-param-overlap") && open != SPAN_NONE && close != SPAN_NONE &&
        close > open) {
        span_copy(span_from(span_to(s, close + 1), open), p->address, sizeof(p->address));
    }
}

static bool
headline(struct parser *p, struct span line)
{
    char type[PARSER_TYPE_MAX];
    struct span s;

    if (!span_after(line, "ERROR: AddressSanitizer", &s) &&
        !span_after(line, "ERROR: HWAddressSanitizer", &s)) {
        return false;
    }
    (void)span_eat(&s, ":");
    s = span_trim(s);
    if (p->interpreter || !is_kind(s)) {
        return false;
    }
    kind_of(s, type);
    if (type[0] == '\0') {
        return false;
    }
    parser_begin(p, line, type);
    p->sanitizer = "address";
    headline_address(p, s);
    struct span pc;
    if (span_after(s, " at pc ", &pc) || span_after(s, "(pc ", &pc)) {
        uint64_t value = 1;
        p->facts |= span_eat_hex(&pc, &value) && value == 0 ? FACT_PC_NULL : 0;
    }
    return true;
}

/* "READ of size 4 at 0x6 thread T0", TSan: "  Atomic write of size 8 at 0x7 by thread
 * T1:" */
static void
access_line(struct parser *p, struct span line)
{
    struct span s = line;
    uint64_t size = 0;

    (void)span_eat_blanks(&s);
    size_t at = span_find(s, " of size ");
    if (at == SPAN_NONE || !parser_has_type(p)) {
        return;
    }
    struct span kind = span_to(s, at);
    s = span_from(s, at + strlen(" of size "));
    bool atomic = span_eat(&kind, "Atomic ") || span_eat(&kind, "atomic ");
    bool read = span_is(kind, "READ") || span_is(kind, "Read") || span_is(kind, "read");
    bool write =
        span_is(kind, "WRITE") || span_is(kind, "Write") || span_is(kind, "write");
    if ((!read && !write && !span_is(kind, "ACCESS")) || !span_eat_digits(&s, &size) ||
        !span_eat(&s, " at ")) {
        return;
    }
    (void)parser_set_address(p, s);
    p->access = read ? ACCESS_READ : write ? ACCESS_WRITE : ACCESS_UNKNOWN;
    p->access_bytes = size > INT64_MAX ? INT64_MAX : (int64_t)size;
    if (strncmp(p->type, "UNKNOWN", 7) == 0 || strchr(p->type, '\n') != NULL) {
        return;
    }
    size_t len = strlen(p->type);
    (void)snprintf(p->type + len, sizeof(p->type) - len, "\n%s%s ",
                   atomic ? "ATOMIC " : "",
                   read    ? "READ"
                   : write ? "WRITE"
                           : "ACCESS");
    len = strlen(p->type);
    /* sizes above 16 vary with the input */
    (void)snprintf(p->type + len, sizeof(p->type) - len, size > 16 ? "{*}" : "%d",
                   (int)size);
}

static enum line_verdict
asan_line(struct parser *p, struct span line)
{
    if (span_has(line, "MiraclePtr Status: PROTECTED")) {
        p->facts |= FACT_MIRACLE_PTR;
    }
    if (!headline(p, line)) {
        access_line(p, line);
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_asan = {
    .name = "asan",
    .words = (const char *const[]){"ERROR: AddressSanitizer", "ERROR: HWAddressSanitizer",
                                   " of size ", "MiraclePtr Status", NULL},
    .line = asan_line,
};
