/*
 * Rust's panics. Before 1.73 the message stands in the headline, in quotes; since then on
 * the line behind it (ClusterFuzz misses those: the type reads "Abrt" and the message is
 * lost). With RUST_BACKTRACE=1 the stack follows; the runtime's own faults are hearsay:
 *   thread 'main' panicked at src/lib.rs:42:9:
 *   index out of bounds: the len is 3 but the index is 7
 *   stack backtrace:
 *      0: rust_begin_unwind
 *                at /rustc/4b91/library/std/src/panicking.rs:584:5
 *   memory allocation of 12345678 bytes failed
 *   thread 'main' has overflowed its stack
 */
#include "triage/parse/parser.h"

static void
panic_line(struct parser *p, struct span line, struct span s)
{
    struct raw_frame place = {0};

    if (span_eat(&s, "'")) {
        parser_assertion(p, line, span_to(s, span_find_char(s, '\'')));
    } else if (span_ends(s, ":") && parser_location(span_to(s, s.len - 1), &place)) {
        parser_assertion(p, line, place.file);
        p->rust_panic = true;
    }
}

/* "thread 'main' panicked at 'index out of bounds: ...', src/lib.rs:42:9", or
 * "thread 'main' (1234) panicked at src/lib.rs:42:9:" */
static enum line_verdict
rust_line(struct parser *p, struct span line)
{
    struct span bytes = line;
    uint64_t size;

    if (span_is(line, "stack backtrace:")) {
        p->rust = true;
    } else if (span_eat(&bytes, "memory allocation of ") &&
               span_eat_digits(&bytes, &size) && span_starts(bytes, " bytes failed")) {
        (void)parser_hearsay(p, line, "Abrt", line);
        p->facts |= p->hearsay ? FACT_HARMLESS_SIGNAL : 0;
    } else if (span_find_nocase(line, "thread ") == 0) {
        size_t at = span_find_nocase(line, " panicked at ");
        if (at != SPAN_NONE) {
            panic_line(p, line, span_from(line, at + strlen(" panicked at ")));
        } else if (span_has(line, " has overflowed its stack")) {
            (void)parser_hearsay(p, line, "Stack-overflow", (struct span){0});
        }
    }
    return LINE_GO_ON;
}

/* "  12: core::panicking::panic_fmt", older "  12:     0x55d0a1 - core::panicking::..."
 */
static bool
numbered(struct parser *p, struct span line)
{
    struct raw_frame parsed = {0};
    struct span s = line;
    uint64_t n = 0;

    (void)span_eat_blanks(&s);
    if (!span_eat_digits(&s, &n) || n >= INT32_MAX || !span_eat(&s, ":") ||
        !span_eat_blanks(&s)) {
        return false;
    }
    if (span_eat_hex(&s, &parsed.address)) {
        (void)span_eat(&s, " - ");
    }
    if (!span_is(s, "<unknown>")) {
        parsed.function = s;
    }
    parser_add_parsed(p, (int)n, &parsed);
    return true;
}

/* "             at ./src/x.rs:12:5" tells where the frame before is. */
static bool
place_line(struct parser *p, struct span line)
{
    struct raw_frame *last = p->n_frames == 0 ? NULL : &p->frames[p->n_frames - 1];
    struct span s = line;

    return span_eat_blanks(&s) && span_eat(&s, "at ") && last != NULL &&
           last->line == 0 && parser_location(s, last);
}

static bool
rust_frame(struct parser *p, struct span line)
{
    if (p->rust_panic && span_find_nocase(line, "thread ") != 0) {
        p->rust_panic = false; /* any line: only once behind a headline */
        parser_assertion(p, line, span_trim(line));
        return true;
    }
    return p->rust && (numbered(p, line) || place_line(p, line));
}

const struct parser_ops parser_rust = {
    .name = "rust",
    .words = (const char *const[]){" panicked at ",
                                   "stack backtrace:", "memory allocation of ",
                                   " has overflowed its stack", NULL},
    .line = rust_line,
    .frame = rust_frame,
};
