/*
 * Android's reports, as debuggerd, the runtime and the Trusty kernel write them to
 * tombstones and to the log:
 *   signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x10
 *   Abort message: 'FATAL:file.cc(12) Check failed: x'
 *       #00 pc 000000000004c3a0  /apex/lib64/bionic/libc.so (abort+164) (BuildId: 5f3c)
 *   FATAL EXCEPTION: main
 */
#include <stdio.h>

#include "base/mem.h"
#include "triage/parse/parser.h"

static const char jni[] = "JNI DETECTED ERROR IN APPLICATION:";

/* "01-02 12:13:14.123  1234  1240 F DEBUG   : " -> what stands behind; else the line. */
static struct span
behind_log(struct span line)
{
    struct span s = line;
    uint64_t number;

    if (!span_eat_digits(&s, &number) || !span_eat(&s, "-") ||
        !span_eat_digits(&s, &number) || !span_eat_blanks(&s) ||
        !span_eat_digits(&s, &number) || !span_eat(&s, ":")) {
        return line;
    }
    return span_after(span_to(s, 128), ": ", &s)
               ? span_from(line, (size_t)(s.at - line.at))
               : line;
}

/* The last "(name)" of the line; a report without frames is named by it. */
static void
read_process(struct parser *p, struct span rest)
{
    size_t open = span_rfind_char(rest, '(');

    if (open == SPAN_NONE || !span_ends(rest, ")")) {
        return;
    }
    span_copy(span_from(span_to(rest, rest.len - 1), open + 1), p->process,
              sizeof(p->process));
    span_capitalize(p->process);
}

/* A pointer whose tag is not the memory's (Memory Tagging Extension). */
static void
tag_mismatch(struct parser *p, struct span line, struct span behind)
{
    bool read = span_ends(behind, "(read)");
    bool write = span_ends(behind, "(write)");

    parser_begin(p, line,
                 read    ? "Tag-mismatch (read)"
                 : write ? "Tag-mismatch (write)"
                         : "Tag-mismatch");
    p->access = read ? ACCESS_READ : write ? ACCESS_WRITE : ACCESS_UNKNOWN;
}

/* "signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x10 in tid 12 (worker)" */
static bool
signal_with_address(struct parser *p, struct span line, struct span s)
{
    struct span rest;
    char address[PARSER_ADDRESS_MAX] = "0x";

    if (!span_after(s, "(SIG", &rest) || !span_after_last(rest, "fault addr ", &rest)) {
        return false;
    }
    /* the log repeats the signal behind a tombstone that has said it all */
    if (strncmp(p->type, "UNKNOWN", 7) == 0 && span_has(line, "Fatal signal")) {
        return true;
    }
    struct span digits = span_eat_word(&rest);
    if (span_has(s, "SEGV_MTE")) {
        tag_mismatch(p, line, rest);
    } else {
        parser_begin(p, line, "UNKNOWN");
    }
    p->java = false;
    if (span_has(s, "SIGSEGV") && !span_starts(digits, "--")) {
        size_t skip = span_starts(digits, "0x") ? 2 : 0;
        span_copy(span_from(digits, skip), address + 2, sizeof(address) - 2);
        (void)parser_set_address(p, span_of(address));
    }
    read_process(p, rest);
    return true;
}

static bool
says_more(const char *type)
{
    static const char *const types[] = {
        "ASSERT",      "CHECK failure",          "DCHECK failure",
        "Fatal error", "Security CHECK failure", "Security DCHECK failure",
        "V8 API error"};

    for (size_t i = 0; i < COUNT(types); i++) {
        if (strcmp(types[i], type) == 0) {
            return true;
        }
    }
    return false;
}

static void
signal_line(struct parser *p, struct span line)
{
    struct span s;
    struct span address;

    if (!span_after(line, "ignal ", &s)) { /* "signal 6", "Fatal signal 6" */
        return;
    }
    bool abort = span_starts(s, "6 (SIGABRT), code ");
    bool trap = span_starts(s, "5 (SIGTRAP), code ");
    bool reported = p->sanitizer != NULL && p->n_frames > 0 && parser_has_type(p);
    if ((abort || trap) && (reported || says_more(p->type))) {
        return; /* how the program that has said more ends */
    }
    if (!signal_with_address(p, line, s) && !abort && !trap) {
        return;
    }
    if (abort || trap) {
        parser_set_type(p, line, abort ? "Abort" : "Trap");
        p->address[0] = '\0';
        p->fault = 0;
        p->facts |= FACT_HARMLESS_SIGNAL;
        if (trap && span_after(s, "fault addr ", &address)) {
            (void)parser_set_address(p, address);
        }
    }
}

/* "Abort message: '[FATAL:file.cc(12)] Check failed: x'", also ART's "file.cc:12] text"
 */
static void
abort_message(struct parser *p, struct span line, struct span s)
{
    struct span place = span_eat_word(&s);
    struct span expression = span_trim(s);
    struct span behind;

    parser_set_type(p, line, "CHECK failure");
    p->address[0] = '\0';
    p->java = true;
    if (expression.len == 0) {
        parser_set_state(p, parser_clean_expression(place), 1);
        return;
    }
    if (span_after(place, "FATAL:", &behind)) {
        place = behind;
    }
    if (span_after(expression, jni, &behind)) {
        static const char *const misuses[] = {"deleted", "invalid", "unexpected",
                                              "unknown", "wrong"};
        for (size_t i = 0; i < COUNT(misuses); i++) {
            p->facts |= span_has(behind, misuses[i]) ? FACT_JNI_MISUSE : 0;
        }
        AUTO(mem_free) char *what = span_dup(parser_clean_expression(behind), 1024);
        AUTO(mem_free) char *where = span_dup(parser_clean_file(place), 256);
        parser_set_state_f(p, 1, "JNI:%s%s in %s", what == NULL ? "" : " ",
                           what == NULL ? "" : what + strspn(what, " "),
                           where == NULL ? "" : where);
        return;
    }
    AUTO(mem_free) char *what = span_dup(parser_clean_expression(expression), 1024);
    AUTO(mem_free) char *where = span_dup(parser_clean_file(place), 256);
    parser_set_state_f(p, 1, "%s in %s", what == NULL ? "" : what,
                       where == NULL ? "" : where);
}

static enum line_verdict
android_line(struct parser *p, struct span line)
{
    struct span s = behind_log(line);
    struct span rest = s;

    if (span_has(s, "Trusted App crash stacktrace")) {
        parser_begin(p, line, "Trusted app crash");
    } else if (span_eat(&rest, "Abort message: ")) {
        abort_message(p, line, rest);
    } else if (span_after(s, "FATAL EXCEPTION", &rest) && span_has(rest, ":") &&
               !parser_has_type(p)) {
        parser_begin(p, line, "Fatal Exception");
        p->java = true;
    } else {
        signal_line(p, s);
    }
    return LINE_GO_ON;
}

/* --- frames --- */

/* "000000000004c3a0  /system/lib64/libc.so (offset 0x1000) (f(int)+164) (BuildId: 5f3c)",
 * behind "#00 pc " */
static bool
parse_pc(struct span s, struct raw_frame *frame)
{
    char text[32];
    struct span rest;
    uint64_t bytes;
    struct span digits = span_eat_word(&s);

    (void)snprintf(text, sizeof(text), "0x%.*s", (int)(digits.len < 16 ? digits.len : 16),
                   digits.len == 0 ? "" : digits.at);
    rest = span_of(text);
    if (!span_eat_hex(&rest, &frame->offset) || rest.len > 0) {
        return false;
    }
    frame->has_offset = true;
    s = span_trim(s);
    size_t build_id = span_rfind(s, "(BuildId: ");
    if (build_id != SPAN_NONE) {
        rest = span_from(s, build_id + strlen("(BuildId: "));
        frame->build_id = span_to(rest, span_find_char(rest, ')'));
        s = span_trim(span_to(s, build_id));
    }
    size_t open = span_find(s, " (");
    frame->module = open == SPAN_NONE ? s : span_trim(span_to(s, open));
    if (open == SPAN_NONE || !span_ends(s, ")")) {
        return true;
    }
    s = span_from(span_to(s, s.len - 1), open + 2);
    if (span_eat(&s, "offset 0x")) { /* into the archive that holds the library */
        if (!span_after(s, ") (", &s)) {
            return true;
        }
    }
    size_t plus = span_rfind_char(s, '+');
    rest = span_from(s, plus == SPAN_NONE ? s.len : plus + 1);
    if (span_eat_digits(&rest, &bytes) && rest.len == 0) {
        s = span_to(s, plus);
    }
    frame->function = s;
    frame->mangled = true;
    return true;
}

/* Trusty: "uSP+000123: 0x00000000000a1b2c in f" */
static bool
trusty_frame(struct span s, struct raw_frame *frame)
{
    size_t in = span_starts(s, "uSP+") ? span_find(s, " in ") : SPAN_NONE;

    if (in == SPAN_NONE) {
        return false;
    }
    struct span address = span_from(s, span_find(s, ": 0x") + 2);
    frame->function = span_from(s, in + 4);
    return span_eat_hex(&address, &frame->address);
}

static bool
android_frame(struct parser *p, struct span line)
{
    struct span s = behind_log(line);
    bool logged = s.at != line.at;
    struct raw_frame parsed = {0};
    uint64_t n = p->n_frames == 0 ? 0 : (uint64_t)p->frames[p->n_frames - 1].n + 1;

    (void)span_eat_blanks(&s);
    struct span rest = s;
    if (span_eat(&rest, "#") && span_eat_digits(&rest, &n) && n < INT32_MAX &&
        span_eat_blanks(&rest) && span_eat(&rest, "pc ")) {
        if (!parse_pc(rest, &parsed)) {
            return false;
        }
    } else if (!trusty_frame(s, &parsed)) {
        return logged && parser_jvm.frame(p, s);
    }
    parser_add_parsed(p, (int)n, &parsed);
    return true;
}

const struct parser_ops parser_android = {
    .name = "android",
    .words = (const char *const[]){"(SIG", "Abort message: ", "FATAL EXCEPTION",
                                   "Trusted App crash", NULL},
    .line = android_line,
    .frame = android_frame,
};
