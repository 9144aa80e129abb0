/*
 * Stack frames of native code, as the sanitizers, Chromium and gdb print them:
 *   #0 0x55 in ns::f(int) /src/x.cc:12:3
 *   #1 0x55 in f (/usr/bin/x+0x1234) (BuildId: 5f3c)
 *   #2 0x55  (/usr/bin/x+0x1234)
 *   #3 0x000000466ef1 ns::f()                            Chromium
 *   #4 f /src/x.c:3:4 (x+0x1234) (BuildId: 5f3c)         ThreadSanitizer
 *   #5 f (n=3) at x.c:12                                 gdb
 *   ns::f() [0x7ff6+123] (C:\x.cc:12)                    Chromium on Windows
 *   3   libbase.dylib  0x0000000104d5b1c3 _ZN2ns1fEv + 19 macOS
 * Read from both ends, since function names hold blanks and paths may too.
 */
#include <ctype.h>

#include "triage/parse/parser.h"

/* " (BuildId: 5f3c)" at the end. */
static void
take_build_id(struct span *s, struct raw_frame *frame)
{
    size_t at = span_rfind(*s, "(BuildId: ");

    if (at == SPAN_NONE || !span_ends(*s, ")")) {
        return;
    }
    frame->build_id = span_from(span_to(*s, s->len - 1), at + strlen("(BuildId: "));
    *s = span_trim(span_to(*s, at));
}

/* "/usr/bin/x+0x1234", "libfoo.so:x86_64+0x12", "/usr/bin/x", "<unknown module>" */
static bool
parse_module(struct span s, struct raw_frame *frame)
{
    size_t plus = span_rfind(s, "+0x");
    struct span digits = plus == SPAN_NONE ? s : span_from(s, plus + 1);
    uint64_t offset = 0;

    if (plus != SPAN_NONE && plus > 0 && span_eat_hex(&digits, &offset) &&
        digits.len == 0) {
        if (span_is(span_to(s, plus),
                    "<null>")) { /* of nightjar's own form (options.c) */
            frame->module = span_of("<unknown module>");
            return true;
        }
        frame->module = span_to(s, plus);
        frame->offset = offset;
        frame->has_offset = true;
        return true;
    }
    if (s.len > 1 && (s.at[0] == '/' || s.at[0] == '<') && !span_has(s, "(")) {
        frame->module = s;
        return true;
    }
    return false;
}

/* " (module+0x12)" at the end. */
static bool
take_module(struct span *s, struct raw_frame *frame)
{
    size_t open = span_ends(*s, ")") ? span_rfind_char(*s, '(') : SPAN_NONE;

    if (open == SPAN_NONE || (open > 0 && !span_blank(s->at[open - 1]))) {
        return false;
    }
    if (!parse_module(span_from(span_to(*s, s->len - 1), open + 1), frame)) {
        return false;
    }
    *s = span_trim(span_to(*s, open));
    return true;
}

static bool
says_nothing(struct span token)
{
    return span_is(token, "??:?") || span_is(token, "??:0") || span_is(token, "??:0:0") ||
           span_is(token, "??") || span_is(token, "<null>") || span_is(token, "(<null>)");
}

/* "ns::f(int) const /dir/x.h": a file whose line is not known. The path begins at the
 * first " /" outside of parentheses, since a lambda is named by its place within them. */
static bool
take_file(struct span *s, struct raw_frame *frame)
{
    size_t depth = 0;

    for (size_t i = 1; i + 1 < s->len; i++) {
        char c = s->at[i];
        depth += c == '(';
        depth -= c == ')' && depth > 0;
        if (c == ' ' && depth == 0 && s->at[i + 1] == '/') {
            frame->file = span_from(*s, i + 1);
            *s = span_trim(span_to(*s, i));
            return true;
        }
    }
    return false;
}

/* "file:12:3" at the end. A path with blanks begins at the last " /" behind the
 * function's arguments. */
static bool
take_location(struct span *s, struct raw_frame *frame)
{
    size_t blank = span_rfind_char(*s, ' ');
    size_t from = blank == SPAN_NONE ? 0 : blank + 1;
    struct span token = span_from(*s, from);

    if (says_nothing(token)) {
        *s = span_trim(span_to(*s, from));
        return false;
    }
    if (!parser_location(token, frame)) {
        return take_file(s, frame);
    }
    size_t root = span_rfind(span_to(*s, from), " /");
    if (root != SPAN_NONE && token.at[0] != '/' && !span_has(span_from(*s, root), ")")) {
        from = root + 1;
        (void)parser_location(span_from(*s, from), frame);
    }
    *s = span_trim(span_to(*s, from));
    if (span_ends(*s, " at")) { /* gdb */
        *s = span_trim(span_to(*s, s->len - 3));
    }
    return true;
}

/* gdb: "f () from /lib/libx.so", and "??" for a function that it does not know. */
static bool
take_gdb(struct span *s, struct raw_frame *frame)
{
    size_t from = span_rfind(*s, ") from /");
    bool found = from != SPAN_NONE && !frame->has_offset;

    if (found) {
        frame->module = span_from(*s, from + strlen(") from "));
        *s = span_to(*s, from + 1);
    }
    if (span_is(*s, "?? ()")) {
        s->len = 0;
    }
    return found;
}

/* gdb: "f (text=0x0, at=1)" and "f ()"; the values vary from run to run. A name has no
 * blank before a parenthesis that is empty at its end or holds "word=". */
static struct span
without_values(struct span s)
{
    for (size_t i = 1; i + 2 < s.len; i++) {
        size_t at = i + 2;
        if (s.at[i] != ' ' || s.at[i + 1] != '(') {
            continue;
        }
        while (at < s.len && (isalnum((unsigned char)s.at[at]) || s.at[at] == '_')) {
            at++;
        }
        if ((at > i + 2 && at < s.len && s.at[at] == '=') ||
            (at == i + 2 && at + 1 == s.len && s.at[at] == ')')) {
            return span_to(s, i);
        }
    }
    return s;
}

/* What stands behind the number, the address and "in". True when it says where, not only
 * who. */
static bool
parse_body(struct span s, struct raw_frame *frame)
{
    s = span_trim(s);
    take_build_id(&s, frame);
    bool module = take_module(&s, frame);
    module = take_gdb(&s, frame) || module;
    bool file = take_location(&s, frame);
    size_t plus = span_rfind(s, "+0x");
    struct span digits = plus == SPAN_NONE ? s : span_from(s, plus + 1);
    uint64_t offset;

    if (plus != SPAN_NONE && plus > 0 && span_eat_hex(&digits, &offset) &&
        digits.len == 0) {
        s = span_to(s, plus);
    }
    frame->function = without_values(s);
    return module || file;
}

/* Chromium's: a single blank on each side of the address, and no path but that in
 * brackets at the end, which is there when the program knows its own lines:
 * "ns::f(int) [../../x.cc:12:3]". */
static bool
parse_chromium(struct span s, struct raw_frame *frame)
{
    size_t open = span_rfind(s, " [");

    if (open != SPAN_NONE && span_ends(s, "]") &&
        parser_location(span_from(span_to(s, s.len - 1), open + 2), frame)) {
        s = span_to(s, open);
    }
    if (s.len == 0 || span_find_char(s, '/') != SPAN_NONE ||
        span_find_char(s, '\\') != SPAN_NONE) {
        return false;
    }
    frame->function = span_trim(s);
    return true;
}

/* Behind "#N 0x..." */
static bool
parse_addressed(struct span s, struct raw_frame *frame)
{
    bool single = s.len > 1 && s.at[0] == ' ' && !span_blank(s.at[1]);

    if (!span_eat_blanks(&s)) {
        return s.len == 0;
    }
    if (span_eat(&s, "in ")) {
        (void)parse_body(s, frame);
        return true;
    }
    if (s.len > 0 && s.at[0] == '(') {
        take_build_id(&s, frame);
        s = span_trim(s);
        if (!take_module(&s, frame) && span_ends(s, ")")) {
            frame->module = span_from(span_to(s, s.len - 1), 1);
        }
        return true;
    }
    return single && parse_chromium(s, frame);
}

/* Behind "#N": no address. The numbers must follow each other, since other lines begin
 * with '#' too. */
static bool
parse_bare(const struct parser *p, int n, struct span s, struct raw_frame *frame)
{
    bool first = n == 0;
    bool next = p->n_frames > 0 && n == p->frames[p->n_frames - 1].n + 1;

    return (first || next) && s.len > 0 && parse_body(s, frame) &&
           frame->function.len > 0;
}

static bool
numbered_frame(struct parser *p, struct span line)
{
    struct span s = line;
    struct raw_frame parsed = {0};
    uint64_t n = 0;

    if (!span_eat(&s, "#") || !span_eat_digits(&s, &n) || n > INT32_MAX - 1 ||
        !span_eat_blanks(&s)) {
        return false;
    }
    bool ok = span_eat_hex(&s, &parsed.address) ? parse_addressed(s, &parsed)
                                                : parse_bare(p, (int)n, s, &parsed);
    if (!ok) {
        return false;
    }
    parser_add_parsed(p, (int)n, &parsed);
    return true;
}

/* "ns::f() [0x7ff6+123] (C:\x.cc:12)" */
static bool
windows_frame(struct parser *p, struct span line)
{
    struct span s = span_trim(line);
    struct raw_frame parsed = {0};
    uint64_t number = 0;
    size_t open = span_find(s, " [0x");

    if (open == SPAN_NONE || open == 0) {
        return false;
    }
    struct span rest = span_from(s, open + 2);
    struct span function = span_to(s, open);
    if (span_find_char(function, '/') != SPAN_NONE ||
        span_find_char(function, '\\') != SPAN_NONE ||
        !span_eat_hex(&rest, &parsed.address) || !span_eat(&rest, "+") ||
        !span_eat_digits(&rest, &number) || !span_eat(&rest, "]")) {
        return false;
    }
    if (span_eat(&rest, " (") && span_ends(rest, ")")) {
        (void)parser_location(span_to(rest, rest.len - 1), &parsed);
    }
    parsed.function = function;
    parser_add_next(p, &parsed);
    return true;
}

/* "3   libbase.dylib  0x0000000104d5b1c3 ns::f() + 19" */
static bool
macos_frame(struct parser *p, struct span line)
{
    struct raw_frame parsed = {0};
    uint64_t n = 0;
    uint64_t offset = 0;
    struct span s = line;
    struct span digits;
    size_t plus = span_rfind(line, " + ");

    if (plus == SPAN_NONE || !span_eat_digits(&s, &n) || n > INT32_MAX - 1 ||
        !span_eat_blanks(&s)) {
        return false;
    }
    digits = span_from(line, plus + 3);
    s = span_to(s, s.len < digits.len + 3 ? 0 : s.len - digits.len - 3);
    size_t address = span_find(s, "0x");
    if (address == SPAN_NONE || address == 0 || !span_blank(s.at[address - 1])) {
        return false;
    }
    parsed.module = span_trim(span_to(s, address));
    s = span_from(s, address);
    if (!span_eat_hex(&s, &parsed.address) || !span_eat_blanks(&s) ||
        span_find_char(s, '/') != SPAN_NONE || !span_eat_digits(&digits, &offset)) {
        return false;
    }
    parsed.mangled = true;
    parsed.function = span_trim(s);
    parser_add_parsed(p, (int)n, &parsed);
    return true;
}

static bool
frames_frame(struct parser *p, struct span line)
{
    struct span s = line;

    (void)span_eat_blanks(&s);
    if (s.len == 0) {
        return false;
    }
    if (s.at[0] == '#') {
        return s.len > 1 && span_digit(s.at[1]) && numbered_frame(p, s);
    }
    if (span_digit(line.at[0])) {
        return macos_frame(p, line);
    }
    char last = s.at[s.len - 1];
    return (last == ']' || last == ')') && windows_frame(p, s);
}

const struct parser_ops parser_frames = {
    .name = "frames",
    .frame = frames_frame,
};
