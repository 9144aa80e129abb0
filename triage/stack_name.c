/* Names and lines without what differs from run to run and from build to build: see
 * stack.h. */
#include "triage/stack.h"

#include "base/mem.h"
#include "base/str.h"
#include "triage/parse/span.h"

/* --- qualified names --- */

struct namer {
    struct span s;
    size_t at;
    struct buf *out;
    size_t
        start; /* where the name begins in out; a return type before it is taken back */
};

static bool
at_text(const struct namer *n, const char *text)
{
    return span_starts(span_from(n->s, n->at), text);
}

static bool
out_ends(const struct namer *n, const char *text)
{
    size_t len = strlen(text);

    return n->out->len - n->start >= len &&
           memcmp(n->out->data + n->out->len - len, text, len) == 0;
}

/* "operator" as a whole component: what follows is an operator's sign, not a bracket. */
static bool
after_operator(const struct namer *n)
{
    const size_t len = sizeof("operator") - 1;

    if (!out_ends(n, "operator")) {
        return false;
    }
    size_t have = n->out->len - n->start;
    if (have == len) {
        return true;
    }
    char before = n->out->data[n->out->len - len - 1];
    return !span_letter(before) && !span_digit(before) && before != '_';
}

static bool
at_component(const struct namer *n)
{
    return n->out->len == n->start || out_ends(n, "::");
}

/* Behind the bracket that closes the one at n->at, or the end. */
static size_t
closing(const struct namer *n, char open, char close)
{
    size_t depth = 0;

    for (size_t i = n->at; i < n->s.len; i++) {
        char c = n->s.at[i];
        bool arrow = c == '>' && i > 0 && n->s.at[i - 1] == '-';
        depth += c == open;
        depth -= c == close && !arrow;
        if (depth == 0) {
            return i + 1;
        }
    }
    return n->s.len;
}

static void
copy_operator(struct namer *n)
{
    static const char *const signs[] = {"()", "[]", "->*", "->", "<<=", ">>=", "<=>",
                                        "<<", ">>", "<=",  ">=", "<",   ">"};

    for (size_t i = 0; i < COUNT(signs); i++) {
        if (at_text(n, signs[i])) {
            buf_adds(n->out, signs[i]);
            n->at += strlen(signs[i]);
            return;
        }
    }
    if (n->s.at[n->at] == ' ') {
        /* "operator new(unsigned long)", "operator bool() const" */
        while (n->at < n->s.len && n->s.at[n->at] != '(' && n->s.at[n->at] != '[') {
            buf_addc(n->out, n->s.at[n->at++]);
        }
        while (n->out->len > n->start && n->out->data[n->out->len - 1] == ' ') {
            buf_cut(n->out, n->out->len - 1);
        }
        return;
    }
    buf_addc(n->out, n->s.at[n->at++]);
}

/* "(anonymous namespace)::" goes with its colons; "f(int)::" keeps its own; anything else
 * ends the name. */
static bool
skip_parentheses(struct namer *n)
{
    bool component = at_component(n);

    n->at = closing(n, '(', ')');
    if (!at_text(n, "::")) {
        /* "decltype(auto) f()" begins with one */
        return out_ends(n, "decltype") && n->out->len - n->start == strlen("decltype");
    }
    n->at += component ? 2 : 0;
    return true;
}

/* The compilers' ways to spell a lambda, which number them in the order of the source. */
static bool
copy_lambda(struct namer *n)
{
    if (strchr("{'$", n->s.at[n->at]) == NULL || !at_component(n)) {
        return false;
    }
    if (at_text(n, "{lambda")) {
        n->at = closing(n, '{', '}');
    } else if (at_text(n, "'lambda")) {
        n->at++;
        while (n->at < n->s.len && n->s.at[n->at] != '\'') {
            n->at++;
        }
        n->at += n->at < n->s.len;
    } else if (at_text(n, "$_")) {
        n->at += 2;
        while (n->at < n->s.len && span_digit(n->s.at[n->at])) {
            n->at++;
        }
    } else {
        return false;
    }
    buf_adds(n->out, "{lambda}");
    return true;
}

/* What came so far was the return type, unless only a qualifier or "[clone .isra.0]"
 * follows. */
static bool
skip_blank(struct namer *n)
{
    if (at_text(n, " const") || at_text(n, " volatile") || at_text(n, " [") ||
        at_text(n, " &")) {
        return false;
    }
    buf_cut(n->out, n->start);
    n->at++;
    return true;
}

/* False once the name has ended. */
static bool
step(struct namer *n)
{
    char c = n->s.at[n->at];

    if (strchr("([<>- ", c) != NULL && c != '\0' && after_operator(n)) {
        copy_operator(n);
        return true;
    }
    if (copy_lambda(n)) {
        return true;
    }
    switch (c) {
    case '(':
        return skip_parentheses(n);
    case '<':
        if (at_component(n)) { /* Rust: "<T as Trait>::f" */
            size_t end = closing(n, '<', '>');
            buf_add(n->out, n->s.at + n->at, end - n->at);
            n->at = end;
        } else {
            n->at = closing(n, '<', '>');
        }
        return true;
    case '[':
        n->at = closing(n, '[', ']');
        return true;
    case ' ':
        return skip_blank(n);
    default:
        buf_addc(n->out, c);
        n->at++;
        return true;
    }
}

/* ".isra.0", ".llvm.123", "@plt": made by the compiler; "::h0123456789abcdef": Rust's
 * hash. */
static void
cut_suffix(struct namer *n)
{
    static const char *const suffixes[] = {
        ".isra.",      ".part.", ".constprop.", ".cold",         ".llvm.", ".lto_priv.",
        ".localalias", ".cfi",   ".clone.",     ".omp_outlined", "@"};
    struct span name = span_from((struct span){buf_str(n->out), n->out->len}, n->start);

    /* most names have none of the characters that these begin with */
    bool may =
        span_find_char(name, '.') != SPAN_NONE || span_find_char(name, '@') != SPAN_NONE;
    for (size_t i = 0; may && i < COUNT(suffixes); i++) {
        size_t at = span_find(name, suffixes[i]);
        name = at == 0 ? name : span_to(name, at);
    }
    const size_t hash = sizeof("::h0123456789abcdef") - 1;
    if (name.len > hash && span_starts(span_from(name, name.len - hash), "::h")) {
        size_t digits = 0;
        while (digits < 16 && span_hex_digit(name.at[name.len - 1 - digits]) >= 0) {
            digits++;
        }
        name = digits == 16 ? span_to(name, name.len - hash) : name;
    }
    buf_cut(n->out, n->start + name.len);
}

void
stack_qualified_name(const char *function, struct buf *out)
{
    static const char thunk[] = "non-virtual thunk to ";
    struct namer n = {.s = span_of(function), .out = out, .start = out->len};
    struct span behind;

    if (span_after(n.s, thunk, &behind)) {
        n.s = behind;
    }
    if (span_starts(n.s, "-[") || span_starts(n.s, "+[")) { /* Objective-C */
        buf_add(out, n.s.at, n.s.len);
        return;
    }
    while (n.at < n.s.len) {
        if (n.s.at[n.at] == '`' && at_text(&n, "`anonymous namespace'::")) {
            n.at += strlen("`anonymous namespace'::");
        } else if (!step(&n)) {
            break;
        }
    }
    if (out->len == n.start) { /* nothing but brackets: better an odd name than none */
        buf_add(out, n.s.at, n.s.len);
    }
    if (out->len > n.start) {
        cut_suffix(&n);
    }
}

void
stack_frame_key(const struct frame *frame, struct buf *out)
{
    size_t start = out->len;

    if (frame->function == NULL) {
        struct span place = span_base(span_of(frame->module != NULL ? frame->module
                                              : frame->file != NULL ? frame->file
                                                                    : "?"));
        buf_add(out, place.at, place.len);
        if (frame->has_offset) {
            buf_addf(out, "+0x%llx", (unsigned long long)frame->offset);
        }
        return;
    }
    if (frame->language != LANGUAGE_NATIVE) {
        buf_adds(out, frame->function);
        return;
    }
    stack_qualified_name(frame->function, out);
    if (strcmp(buf_str(out) + start, "LLVMFuzzerTestOneInput") == 0 &&
        (frame->file != NULL || frame->module != NULL)) {
        struct span base =
            span_base(span_of(frame->file != NULL ? frame->file : frame->module));
        buf_cut(out, start);
        buf_add(out, base.at, base.len);
    }
}

/* --- lines --- */

static size_t
hex_run(struct span s, size_t from)
{
    size_t n = from;

    while (n < s.len && span_hex_digit(s.at[n]) >= 0) {
        n++;
    }
    return n - from;
}

static size_t
number_run(struct span s, size_t from)
{
    size_t n = from;

    while (n < s.len && (span_digit(s.at[n]) || s.at[n] == '.')) {
        n++;
    }
    return n - from;
}

/* ClusterFuzz's rule: four digits, or two behind a blank, or any behind '@' or '#'; but
 * no line number (":12") and no part of a name ("12abc"). */
static bool
is_number(struct span s, size_t at, size_t run)
{
    struct span behind = span_from(s, at + run);

    if (behind.len > 0 && (span_letter(behind.at[0]) || span_digit(behind.at[0]))) {
        return false;
    }
    if (at == 0) {
        return run >= 4;
    }
    char before = s.at[at - 1];
    if (before == ':') {
        return false;
    }
    return run >= 4 || (run >= 2 && before == ' ') || before == '@' || before == '#';
}

void
stack_scrub(const char *line, size_t len, struct buf *out)
{
    struct span s = {line, len};
    size_t plus = span_rfind(s, "+0x");

    if (plus != SPAN_NONE && plus + 3 < s.len &&
        hex_run(s, plus + 3) == s.len - plus - 3) {
        s = span_to(s, plus);
    }
    for (size_t i = 0; i < s.len;) {
        size_t hex =
            s.at[i] == '0' && i + 1 < s.len && s.at[i + 1] == 'x' ? hex_run(s, i + 2) : 0;
        size_t run = number_run(s, i);
        if (hex >= 4) {
            buf_adds(out, "ADDRESS");
            i += hex + 2;
            while (i < s.len && s.at[i] == 'U') {
                i++;
            }
        } else if (run > 0 && is_number(s, i, run)) {
            buf_adds(out, "NUMBER");
            i += run;
        } else {
            run = run == 0 ? 1 : run;
            buf_add(out, s.at + i, run);
            i += run;
        }
    }
}
