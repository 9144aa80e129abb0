/*
 * Rust's panics. Before 1.73 the message stands in the headline, in quotes; since then on
 * the line behind it (ClusterFuzz misses those: the type reads "Abrt" and the message is
 * lost).
 */
#include "triage/parse/parser.h"

/* "thread 'main' panicked at 'index out of bounds: ...', src/lib.rs:42:9", or
 * "thread 'main' (1234) panicked at src/lib.rs:42:9:" */
static enum line_verdict
rust_headline(struct parser *p, struct span line)
{
    struct span s = line;
    struct raw_frame place = {0};

    if (span_find_nocase(s, "thread ") != 0) {
        return LINE_GO_ON;
    }
    size_t at = span_find_nocase(s, " panicked at ");
    if (at == SPAN_NONE) {
        return LINE_GO_ON;
    }
    s = span_from(s, at + strlen(" panicked at "));
    if (span_eat(&s, "'")) {
        parser_assertion(p, line, span_to(s, span_find_char(s, '\'')));
        return LINE_GO_ON;
    }
    if (span_ends(s, ":") && parser_location(span_to(s, s.len - 1), &place)) {
        parser_assertion(p, line, place.file);
        p->rust_panic = true;
    }
    return LINE_GO_ON;
}

/* Any line: only once behind a headline. */
static bool
rust_frame(struct parser *p, struct span line)
{
    if (!p->rust_panic || span_find_nocase(line, "thread ") == 0) {
        return false;
    }
    p->rust_panic = false;
    parser_assertion(p, line, span_trim(line));
    return true;
}

const struct parser_ops parser_rust = {
    .name = "rust",
    .words = (const char *const[]){" panicked at ", NULL},
    .line = rust_headline,
    .frame = rust_frame,
};
