/*
 * UndefinedBehaviorSanitizer, with -fsanitize=vptr and cfi: "file.c:3:4: runtime error:
 * message". It goes on by default, so the first message counts and any other report beats
 * it.
 */
#include "base/mem.h"
#include "triage/parse/parser.h"

/* In this order: the last two are supersets of others. `also` must stand behind `text`;
 * NULL: nothing. */
static const struct ubsan_message {
    const char *text;
    const char *also;
    const char *type;
    enum access_kind access;
} messages[] = {
    {"division by zero", NULL, "Divide-by-zero", 0},
    {"outside the range of representable values", NULL, "Float-cast-overflow", 0},
    {"implicit conversion from type", NULL, "Implicit-conversion", 0},
    {"call to function ", " through pointer to incorrect function type",
     "Incorrect-function-pointer-type", 0},
    {"out of bounds for type", NULL, "Index-out-of-bounds", 0},
    {"not a valid value for type 'bool'", NULL, "Invalid-bool-value", 0},
    {"not a valid value for type 'BOOL'", NULL, "Invalid-bool-value", 0},
    {"not a valid value for type '_Bool'", NULL, "Invalid-bool-value",
     0}, /* gcc's word in C */
    {", which is not a valid argument", NULL, "Invalid-builtin-use", 0},
    {"misaligned address", NULL, "Misaligned-address", 0},
    {"assumption of ", " byte alignment ", "Misaligned-address", 0},
    {"reached the end of a value-returning function", NULL, "No-return-value", 0},
    {"null pointer passed as ", ", which is declared to never be null",
     "Invalid-null-argument", 0},
    {"load of null pointer", NULL, "Null-dereference READ", ACCESS_READ},
    {"binding to null pointer", NULL, "Null-dereference", 0},
    {"access within null pointer", NULL, "Null-dereference", 0},
    {"call on null pointer", NULL, "Null-dereference", 0},
    {"store to null pointer", NULL, "Null-dereference WRITE", ACCESS_WRITE},
    {"upcast of null pointer", NULL, "Upcast-of-null-pointer", 0},
    {"cast to virtual base of null pointer", NULL, "Upcast-of-null-pointer", 0},
    {"address ", " with insufficient space for an object of type", "Object-size", 0},
    {"addition of unsigned offset ", NULL, "Pointer-overflow", 0},
    {"subtraction of unsigned offset ", NULL, "Pointer-overflow", 0},
    {"pointer index expression with base ", NULL, "Pointer-overflow", 0},
    {"applying non-zero offset ", "null pointer", "Pointer-overflow", 0},
    {"applying zero offset to null pointer", NULL, "Pointer-overflow", 0},
    {"null pointer returned from function declared to never return null", NULL,
     "Invalid-null-return", 0},
    {"shift", NULL, "Undefined-shift", 0},
    {"execution reached an unreachable program point", NULL, "Unreachable code", 0},
    {"unsigned integer overflow", NULL, "Unsigned-integer-overflow", 0},
    {"variable length array bound evaluates to non-positive value", NULL,
     "Non-positive-vla-bound-value", 0},
    {"assumption is violated", NULL, "Assumption-violation", 0},
    {"not a valid value for type", NULL, "Invalid-enum-value", 0},
    {"integer overflow", NULL, "Integer-overflow", 0},
    {"negation of ", "cannot be represented in type", "Integer-overflow", 0},
    {"division of ", "cannot be represented in type", "Integer-overflow", 0},
};

static const struct ubsan_message *
find_message(struct span reason)
{
    for (size_t i = 0; i < COUNT(messages); i++) {
        struct span behind;
        if (span_after(reason, messages[i].text, &behind) &&
            (messages[i].also == NULL || span_has(behind, messages[i].also))) {
            return &messages[i];
        }
    }
    return NULL;
}

static struct span
unquote(struct span s)
{
    return span_strip(s, "'");
}

/* "member call on address 0x1 which does not point to an object of type 'T'" */
static bool
begin_vptr(struct parser *p, struct span line, struct span reason)
{
    static const char *const casts[] = {"member access within address ",
                                        "member call on address ",
                                        "downcast of address "};
    struct span type;

    for (size_t i = 0; i < COUNT(casts); i++) {
        struct span s = reason;
        if (!span_eat(&s, casts[i]) || !span_after_last(s, " of type ", &type) ||
            span_has(s, "insufficient space")) {
            continue;
        }
        parser_begin(p, line, "Bad-cast");
        (void)parser_set_address(p, s);
        AUTO(mem_free) char *name = span_dup(unquote(type), 1024);
        parser_set_state_f(p, 1, "Bad-cast to %s", name == NULL ? "" : name);
        p->bad_cast_open = true;
        return true;
    }
    return false;
}

/* "control flow integrity check for type 'B' failed during cast to unrelated type (vtable
 * address 0x1)" */
static bool
begin_cfi(struct parser *p, struct span line, struct span reason)
{
    struct span type;
    struct span rest;

    if (!span_after(reason, "control flow integrity check for type ", &type) ||
        !span_after(type, " failed during ", &rest)) {
        return false;
    }
    type = span_to(type, span_find(type, " failed during "));
    parser_begin(p, line, "Bad-cast");
    AUTO(mem_free) char *name = span_dup(unquote(type), 1024);
    parser_set_state_f(p, 1, "Bad-cast to %s", name == NULL ? "" : name);
    if (span_after_last(rest, "vtable address ", &rest)) {
        (void)parser_set_address(p, rest);
    }
    p->bad_cast_open = true;
    return true;
}

/* The notes behind a bad cast say what the object really is. */
static void
read_note(struct parser *p, struct span line)
{
    AUTO(mem_free) char *so_far = NULL;
    struct span note;
    struct span type;

    if (!span_after(line, "note: ", &note)) {
        return;
    }
    so_far = span_dup(span_of(p->state), PARSER_STATE_MAX); /* without its newline */
    const char *cast = so_far == NULL ? "" : so_far;
    if (span_eat(&note, "object is of type ") || span_eat(&note, "vtable is of type ")) {
        AUTO(mem_free) char *name = span_dup(unquote(span_trim(note)), 768);
        parser_set_state_f(p, 1, "%s from %s", cast, name == NULL ? "" : name);
    } else if (span_starts(note, "object has invalid vptr") ||
               span_is(note, "invalid vtable")) {
        parser_set_state_f(p, 1, "%s from invalid vptr", cast);
    } else if (span_after(note, "at offset ", &type) &&
               span_has(type, " within object of type ")) {
        AUTO(mem_free) char *offset = span_dup(span_eat_word(&type), 32);
        parser_set_state_f(p, 1, "%s from base class subobject at offset %s", cast,
                           offset == NULL ? "" : offset);
    } else if (span_ends(note, " defined here")) {
        parser_set_state_f(p, 1, "%s", cast);
    } else {
        return;
    }
    p->bad_cast_open = false;
}

/* Without a stack (print_stacktrace=0) the position in front of the message is all there
 * is. */
static void
begin_message(struct parser *p, struct span line, struct span place, struct span reason)
{
    const struct ubsan_message *message = find_message(reason);
    struct raw_frame where = {0};

    parser_begin(p, line, message == NULL ? "UNKNOWN" : message->type);
    p->access = message == NULL ? ACCESS_UNKNOWN : message->access;
    size_t blank = span_rfind_char(place, ' ');
    if (blank != SPAN_NONE && place.at[0] != '/') {
        place = span_from(place, blank + 1);
    }
    if (parser_location(place, &where)) {
        p->place = where;
    }
}

static enum line_verdict
ubsan_line(struct parser *p, struct span line)
{
    static const char mark[] = ": runtime error: ";
    size_t at = span_find(line, mark);

    if (p->bad_cast_open) {
        read_note(p, line);
    }
    if (span_starts(line, "CFI: Most likely a control flow integrity violation;") &&
        !parser_has_type(p)) {
        parser_set_type(p, line, "Bad-cast");
        p->sanitizer = "undefined";
    }
    if (at == SPAN_NONE || parser_has_type(p) || span_starts(line, "panic: ")) {
        return LINE_GO_ON;
    }
    struct span reason = span_from(line, at + sizeof(mark) - 1);
    p->sanitizer = "undefined";
    if (!begin_vptr(p, line, reason) && !begin_cfi(p, line, reason)) {
        begin_message(p, line, span_to(line, at), reason);
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_ubsan = {
    .name = "ubsan",
    .words = (const char *const[]){": runtime error: ", "note: ",
                                   "CFI: Most likely a control flow", NULL},
    .line = ubsan_line,
};
