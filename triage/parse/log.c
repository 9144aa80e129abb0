/*
 * Fatal lines of logging libraries:
 *   glog, abseil  F0813 10:20:30.123456 61315 file.cc:89] Check failed: x > 0 (-1 vs. 0)
 *   abseil        [file.cc : 27] RAW: Check x > 0 failed: what is wrong
 *   Chromium      [1:1:0813/102030.123456:FATAL:file.cc(12)] Check failed: x > 0.
 */
#include "triage/parse/parser.h"

/* "F0813 10:20:30.1 61315 path/file.cc:89]" -> file; *rest is what stands behind. */
static bool
google_prefix(struct span line, struct span *file, struct span *rest)
{
    struct span s = line;
    uint64_t number;

    if (!span_eat(&s, "F") || !span_eat_digits(&s, &number) || !span_eat_blanks(&s) ||
        !span_eat_digits(&s, &number) || !span_eat(&s, ":")) {
        return false;
    }
    (void)span_eat_word(&s); /* the rest of the time */
    if (!span_eat_blanks(&s) || !span_eat_digits(&s, &number) || !span_eat_blanks(&s)) {
        return false;
    }
    size_t close = span_find_char(s, ']');
    struct raw_frame place = {0};
    if (close == SPAN_NONE || !parser_location(span_to(s, close), &place)) {
        return false;
    }
    *file = place.file;
    *rest = span_from(s, close + 1);
    (void)span_eat_blanks(rest);
    return true;
}

/* "[1:1:0813/102030:FATAL:file.cc(12)]" and "[...:FATAL:dir/file.cc:12]" -> file. */
static bool
chromium_prefix(struct span line, struct span *file, struct span *rest)
{
    struct span s = line;
    struct raw_frame place = {0};

    (void)span_eat_blanks(&s);
    size_t close = span_find_char(s, ']');
    if (s.len == 0 || s.at[0] != '[' || close == SPAN_NONE) {
        return false;
    }
    *rest = span_from(s, close + 1);
    s = span_from(span_to(s, close), 1);
    if (parser_location(s, &place)) {
        s = place.file;
    }
    size_t colon = span_rfind_char(s, ':');
    if (colon == SPAN_NONE) {
        return false;
    }
    *file = span_from(s, colon + 1);
    return true;
}

static void
chromium(struct parser *p, struct span line, struct span file, struct span rest)
{
    static const struct {
        const char *text;
        const char *type;
        bool always; /* even when another report came before */
    } checks[] = {
        {"Security CHECK failed:", "Security CHECK failure", true},
        {"Security DCHECK failed:", "Security DCHECK failure", true},
        {"DCHECK failed:", "DCHECK failure", false},
        {"Check failed:", "CHECK failure", false},
    };

    for (size_t i = 0; i < COUNT(checks); i++) {
        struct span expression;
        if (span_after(rest, checks[i].text, &expression)) {
            if (checks[i].always || !parser_has_type(p)) {
                parser_check_failure(p, line, checks[i].type, span_trim(expression),
                                     file);
            }
            return;
        }
    }
}

/* abseil's "[file.cc : 27] RAW: Check x > 5 failed: too few" */
static bool
raw_check(struct parser *p, struct span line)
{
    struct span s = line;
    uint64_t number;

    if (!span_eat(&s, "[")) {
        return false;
    }
    struct span file = span_eat_until(&s, ' ');
    if (!span_eat(&s, ": ") || !span_eat_digits(&s, &number) ||
        !span_eat(&s, "] RAW: Check ")) {
        return false;
    }
    parser_check_failure(p, line, "CHECK failure", span_to(s, span_find(s, " failed")),
                         file);
    return true;
}

static enum line_verdict
log_line(struct parser *p, struct span line)
{
    struct span file;
    struct span rest;

    if (!parser_has_type(p) && raw_check(p, line)) {
        return LINE_GO_ON;
    }
    if (chromium_prefix(line, &file, &rest)) {
        chromium(p, line, file, rest);
    } else if (!parser_has_type(p) && google_prefix(line, &file, &rest)) {
        bool check = span_eat(&rest, "Check failed:");
        parser_check_failure(p, line, check ? "CHECK failure" : "Fatal error",
                             span_trim(rest), file);
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_log = {
    .name = "log",
    .words = (const char *const[]){"check failed:", "] ", NULL},
    .line = log_line,
};
