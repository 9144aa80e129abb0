/*
 * V8 and d8:
 *   #
 *   # Fatal error in ../../src/objects.cc, line 12
 *   # Check failed: x.IsFoo().
 * also its abort messages, API errors and correctness failures, and Chromium's signal
 * handler.
 */
#include "base/mem.h"
#include "triage/parse/parser.h"

/* Lines that explain one error; more are some other output. */
enum { EXPLAINED_MAX = 64 };

/* Behind '#' and blanks; false for any other line. */
static bool
hash_line(struct span line, struct span *s)
{
    *s = line;
    if (!span_eat(s, "#")) {
        return false;
    }
    (void)span_eat_blanks(s);
    return true;
}

static void
fatal_error(struct parser *p, struct span line, struct span where)
{
    struct span rest;

    parser_begin(p, line, "Fatal error");
    p->fatal_error = true;
    p->source[0] = '\0';
    if (span_after_last(where, ", line ", &rest)) {
        struct span file = span_to(where, span_rfind(where, ", line "));
        span_copy(parser_clean_file(file), p->source, sizeof(p->source));
        parser_set_state_f(p, 0, "%s", p->source);
        return;
    }
    size_t end = 0;
    while (end < where.len && where.at[end] != '(' && where.at[end] != '[') {
        end++;
    }
    struct span name = span_trim(span_to(where, end));
    if (end == where.len) {
        name = span_to(name, span_find_char(name, ' '));
    }
    parser_set_state(p, name, 0);
}

/* What the lines behind the headline say. */
static void
explain(struct parser *p, struct span line, struct span s)
{
    const char *type = "Fatal error";

    if (span_eat(&s, "unreachable code") || span_eat(&s, "unimplemented code")) {
        parser_begin(p, line, "Unreachable code");
        if (p->source[0] != '\0') {
            parser_set_state_f(p, 0, "%s", p->source);
        }
        return;
    }
    if (span_eat(&s, "Debug check failed: ")) {
        type = "DCHECK failure";
    } else if (span_eat(&s, "Check failed: ")) {
        type = "CHECK failure";
    } else if (span_starts(s, "RepresentationChangerError: node #") && span_has(s, ":")) {
        type = "CHECK failure";
        s = span_from(s, span_find_char(s, ':') + 1);
        s = span_from(s, span_find_char(s, ':') + 1);
    }
    s = span_trim(s);
    if (s.len == 0) {
        return;
    }
    AUTO(mem_free) char *what = span_dup(parser_clean_expression(s), 1024);
    char source[sizeof(p->source)];
    span_copy(span_of(p->source), source, sizeof(source));
    parser_begin(p, line, strcmp(type, "Fatal error") == 0 ? p->type : type);
    parser_set_state_f(p, 1, "%s%s%s", what == NULL ? "" : what,
                       source[0] == '\0' ? "" : " in ", source);
}

/* "abort: CSA_ASSERT failed: x [../../src/y.cc:12]" */
static void
csa_assert(struct parser *p, struct span line, struct span s)
{
    struct span file;

    parser_begin(p, line, "ASSERT");
    size_t open = span_rfind(s, " [");
    if (span_ends(s, "]") && open != SPAN_NONE) {
        file = span_from(span_to(s, s.len - 1), open + 2);
        AUTO(mem_free) char *what = span_dup(span_to(s, open), 1024);
        AUTO(mem_free) char *where = span_dup(parser_clean_file(file), 256);
        parser_set_state_f(p, PARSER_STATE_FRAMES, "%s\n%s", what == NULL ? "" : what,
                           where == NULL ? "" : where);
        return;
    }
    parser_set_state(p, s, PARSER_STATE_FRAMES);
}

static void
signal_handler(struct parser *p, struct span line, struct span s)
{
    char address[PARSER_ADDRESS_MAX] = "0x";

    (void)span_eat_word(&s);
    (void)span_eat_blanks(&s);
    struct span digits = span_eat_word(&s);
    span_copy(span_to(digits, PARSER_ADDRESS_MAX - 3), address + 2, sizeof(address) - 2);
    parser_begin(p, line, "UNKNOWN");
    (void)parser_set_address(p, span_of(address));
}

static enum line_verdict
v8_line(struct parser *p, struct span line)
{
    struct span s;
    struct span rest = line;

    if (hash_line(line, &s)) {
        bool headline = span_eat(&s, "Fatal error in ");
        if (headline && (!parser_has_type(p) || p->fatal_error)) {
            fatal_error(p, line, s);
            return LINE_DONE;
        }
        if (!parser_has_type(p) && span_starts(s, "V8 correctness failure")) {
            parser_begin(p, line, "V8 correctness failure");
        } else if (p->fatal_error && p->n_frames == 0 && s.len > 0 &&
                   span_blank(line.at[1]) && p->explained < EXPLAINED_MAX) {
            p->explained++;
            explain(p, line, s);
        }
        return LINE_GO_ON;
    }
    if (parser_has_type(p)) {
        return LINE_GO_ON;
    }
    if (span_eat(&rest, "abort: ") && span_starts(rest, "CSA_ASSERT failed:")) {
        csa_assert(p, line, rest);
    } else if (span_after(line, "] V8 error: ", &rest)) {
        parser_begin(p, line, "V8 API error");
        parser_set_state(p, span_to(rest, span_rfind_char(rest, '.')), 0);
    } else if (rest = line, span_eat(&rest, "Received signal 11 ")) {
        signal_handler(p, line, rest);
    }
    return LINE_GO_ON;
}

/* "# V8 correctness configs: x64,ignition:x64,..." stand for the stack */
static bool
v8_frame(struct parser *p, struct span line)
{
    struct span s;

    if (strcmp(p->type, "V8 correctness failure") != 0 || !hash_line(line, &s) ||
        !span_eat(&s, "V8 correctness ")) {
        return false;
    }
    if (p->state_frames < PARSER_STATE_FRAMES &&
        (span_starts(s, "configs: ") || span_starts(s, "sources: ") ||
         span_starts(s, "suppression: "))) {
        AUTO(mem_free) char *so_far = mem_strdup(p->state);
        AUTO(mem_free) char *more = span_dup(s, 512);
        parser_set_state_f(p, p->state_frames + 1, "%s%s", so_far,
                           more == NULL ? "" : more);
    }
    return true;
}

const struct parser_ops parser_v8 = {
    .name = "v8",
    .words = (const char *const[]){"# ", "#\t", "#Fatal error", "#V8 corr", "CSA_ASSERT",
                                   "V8 error: ", "Received signal 11", NULL},
    .line = v8_line,
    .frame = v8_frame,
};
