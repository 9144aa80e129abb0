/*
 * Python. Under Atheris the traceback stands behind its title, innermost call last, and a
 * sanitizer's report of the way that the process then died follows; that one says nothing
 * of the bug. A plain traceback is hearsay; of several (an exception raised while another
 * was handled) the last one ended the program.
 */
#include "triage/parse/parser.h"

static enum line_verdict
python_line(struct parser *p, struct span line)
{
    if (p->python && !p->hearsay) {
        p->done = span_has(line, "=========") || span_has(line, "== ERROR: ");
        return p->done ? LINE_DONE : LINE_GO_ON;
    }
    if (span_is(span_trim(line), "=== Uncaught Python exception: ===")) {
        parser_begin(p, line, "Uncaught exception");
        p->interpreter = true;
        p->python = true;
    } else if (span_starts(line, "===BUG DETECTED: PySecSan:") &&
               parser_text_has(p, TEXT_PYTHON)) {
        parser_begin(p, line, "PySecSan");
        p->interpreter = true;
        p->python = true;
    } else if (span_is(line, "Traceback (most recent call last):") &&
               parser_hearsay(p, line, "Uncaught exception", (struct span){0})) {
        p->python = true;
    }
    return LINE_GO_ON;
}

/* '  File "/x/y.py", line 421, in f' */
static bool
python_frame(struct parser *p, struct span line)
{
    struct span s = line;
    uint64_t number = 0;

    if (!p->python) {
        return false;
    }
    if (p->hearsay && p->n_frames > 0 && span_letter(line.at[0])) {
        p->message = line; /* "ValueError: bad magic" */
        p->recursion = span_starts(line, "RecursionError");
    }
    (void)span_eat_blanks(&s);
    if (!span_eat(&s, "File \"")) {
        return false;
    }
    struct span file = span_eat_until(&s, '"');
    if (!span_eat(&s, ", line ") || !span_eat_digits(&s, &number) ||
        !span_eat(&s, ", in ")) {
        return false;
    }
    parser_add_next(p, &(struct raw_frame){.language = LANGUAGE_PYTHON,
                                           .function = span_trim(s),
                                           .file = file,
                                           .line = number > INT32_MAX ? 0 : (int)number});
    return true;
}

const struct parser_ops parser_python = {
    .name = "python",
    .words =
        (const char *const[]){
            "=== Uncaught Python exception: ===", "Traceback (most recent call last):",
            "===BUG DETECTED: PySecSan:", "=========", "== ERROR: ", NULL},
    .line = python_line,
    .frame = python_frame,
};
