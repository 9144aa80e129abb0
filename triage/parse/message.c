/* Messages that stand for frames of the state: see parser.h. */
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "triage/parse/parser.h"

void
parser_set_state(struct parser *p, struct span text, int frames)
{
    /* the newline must fit, whatever the text's length */
    AUTO(mem_free) char *clean = span_dup(text, PARSER_STATE_MAX - 2);

    parser_set_state_f(p, frames, "%s", clean == NULL ? "" : clean);
}

void
parser_set_state_f(struct parser *p, int frames, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(p->state, sizeof(p->state) - 1, fmt, args);
    va_end(args);
    if (len > 0) {
        size_t end = strlen(p->state);
        p->state[end] = '\n';
        p->state[end + 1] = '\0';
    }
    p->state_frames = frames;
}

void
parser_assertion(struct parser *p, struct span line, struct span text)
{
    if (parser_is_kernel(p)) {
        return;
    }
    parser_set_type(p, line, "ASSERT");
    p->state_frames = 1;
    if (text.len > 0) {
        parser_set_state(p, text, 1);
    }
}

/* "len > 0 (-1 vs. 0)" -> "len > 0", "x failed: 25 vs. 1" -> "x failed", "a == b: "c"" ->
 * "a == b": the values differ from run to run. */
struct span
parser_clean_expression(struct span e)
{
    (void)span_eat(&e, "Check failed: ");
    size_t versus = span_rfind(e, " vs. ");
    if (versus != SPAN_NONE) {
        size_t values = span_find(span_to(e, versus), "failed: ");
        size_t open = span_find(span_to(e, versus), " (");
        if (values != SPAN_NONE) {
            e = span_to(e, values + 6);
        } else if (open != SPAN_NONE) {
            e = span_to(e, open);
        }
    }
    if (e.len > 1 && (e.at[e.len - 1] == '"' || e.at[e.len - 1] == '\'')) {
        char quote = e.at[e.len - 1];
        /* the first quote behind a ':' or '=' opens the value */
        for (size_t i = 0; i + 1 < e.len - 1; i++) {
            size_t k = i + 1;
            while (k < e.len - 1 && span_blank(e.at[k])) {
                k++;
            }
            if ((e.at[i] == ':' || e.at[i] == '=') && k < e.len - 1 && e.at[k] == quote) {
                e = span_trim(span_to(e, i));
                break;
            }
        }
    }
    return span_strip(e, " .'\"[]");
}

struct span
parser_clean_file(struct span file)
{
    file = span_strip(file, " .'\"[]");
    file = span_to(file, span_find_char(file, '('));
    /* "C:\x.cc:12" keeps its drive letter away from the line number */
    size_t colon = span_find_char(span_from(file, 2), ':');
    return span_base(colon == SPAN_NONE ? file : span_to(file, colon + 2));
}

void
parser_check_failure(struct parser *p, struct span line, const char *type,
                     struct span expression, struct span file)
{
    AUTO(mem_free) char *what = span_dup(parser_clean_expression(expression), 1024);
    AUTO(mem_free) char *where = span_dup(parser_clean_file(file), 256);

    parser_begin(p, line, type);
    parser_set_state_f(p, 1, "%s in %s", what == NULL ? "" : what,
                       where == NULL ? "" : where);
}
