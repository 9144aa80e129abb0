/*
 * Windows' debugger (cdb, "!analyze -v" and "k"):
 *   Attempt to read from address 00000010
 *   DEFAULT_BUCKET_ID:  STATUS_INTEGER_DIVIDE_BY_ZERO
 *   ChildEBP RetAddr
 *   0018f1a0 6b0a1c2d module!ns::f+0x12
 */
#include <stdio.h>

#include "triage/parse/parser.h"

/* Addresses of 64 bits have a back quote in the middle. */
static void
set_address(struct parser *p, struct span s)
{
    char text[PARSER_ADDRESS_MAX] = "0x";
    size_t n = 2;

    for (size_t i = 0; i < s.len && n < 18; i++) {
        if (span_hex_digit(s.at[i]) >= 0) {
            text[n++] = s.at[i];
        } else if (s.at[i] != '`') {
            break;
        }
    }
    (void)parser_set_address(p, span_of(text));
}

/* "STATUS_ACCESS_VIOLATION_AVRF" -> "Status-access-violation" */
static void
bucket(struct parser *p, struct span line, struct span s)
{
    char type[PARSER_TYPE_MAX];
    size_t n = 0;

    while (n < s.len && (span_letter(s.at[n]) || s.at[n] == '_')) {
        n++;
    }
    s = span_to(s, n);
    if (span_ends(s, "_AVRF")) { /* the application verifier's */
        s = span_to(s, s.len - strlen("_AVRF"));
    }
    parser_sanitizer_type(s, type);
    if (strcmp(type, "Status-integer-overflow") == 0) {
        parser_set_type(p, line, "Integer-overflow");
    } else if (strcmp(type, "Status-integer-divide-by-zero") == 0) {
        parser_set_type(p, line, "Divide-by-zero");
    } else if (type[0] != '\0') {
        parser_set_type(p, line, type);
    }
}

static enum line_verdict
windows_line(struct parser *p, struct span line)
{
    struct span s = line;
    struct span rest;

    if (span_eat(&s, "Attempt to ") && span_after_last(s, " address ", &rest)) {
        struct span verb = span_eat_word(&s);
        bool write = span_is(verb, "write");
        bool read = span_is(verb, "read");
        parser_set_type(p, line, write ? "WRITE" : read ? "READ" : "EXECUTE");
        p->access = write ? ACCESS_WRITE : read ? ACCESS_READ : ACCESS_UNKNOWN;
        set_address(p, rest);
        p->facts |= read || write ? 0 : FACT_PC_IS_ADDRESS;
    } else if (span_starts(line, "ChildEBP RetAddr")) {
        parser_forget_frames(p);
    } else if (!parser_has_type(p) && span_after(line, "ExceptionCode: ", &rest) &&
               span_has(rest, "(Stack overflow)")) {
        parser_set_type(p, line, "Stack-overflow");
    } else if (!parser_has_type(p) && span_after(line, "DEFAULT_BUCKET_ID", &rest)) {
        rest = span_trim(rest);
        if (span_eat(&rest, ":")) {
            bucket(p, line, span_trim(rest));
        }
    }
    return LINE_GO_ON;
}

static bool
eat_number(struct span *s, uint64_t *value)
{
    size_t n = 0;
    int digit;

    *value = 0;
    for (; n < s->len && n < 17 &&
           ((digit = span_hex_digit(s->at[n])) >= 0 || s->at[n] == '`');
         n++) {
        *value = digit < 0 ? *value : *value << 4 | (uint64_t)digit;
    }
    *s = span_from(*s, n);
    return n > 0 && span_eat_blanks(s);
}

/* "0018f1a0 6b0a1c2d module!ns::f+0x12" */
static bool
windows_frame(struct parser *p, struct span line)
{
    struct span s = line;
    struct raw_frame parsed = {0};
    uint64_t stack_pointer;

    if (!eat_number(&s, &stack_pointer) || !eat_number(&s, &parsed.address)) {
        return false;
    }
    size_t bang = span_find_char(s, '!');
    size_t plus = span_rfind(s, "+0x");
    if (bang == SPAN_NONE || plus == SPAN_NONE || plus < bang ||
        span_find_char(span_to(s, bang), ' ') != SPAN_NONE) {
        return false;
    }
    parsed.module = span_to(s, bang);
    parsed.function = span_from(span_to(s, plus), bang + 1);
    parser_add_next(p, &parsed);
    return true;
}

const struct parser_ops parser_windows = {
    .name = "windows",
    .words = (const char *const[]){"Attempt to ", "ChildEBP",
                                   "ExceptionCode: ", "DEFAULT_BUCKET_ID", NULL},
    .line = windows_line,
    .frame = windows_frame,
};
