/*
 * The control file of libFuzzer's merge (LLVM 14: compiler-rt/lib/fuzzer/FuzzerMerge.cpp,
 * with -set_cover_merge=1, which writes all features of an input and not only new ones):
 *
 *   N, the number of files of the first corpus, N names of files,
 *   STARTED i SIZE      an input begins
 *   FT i FEATURE...     it ran to its end
 *   COV i EDGE...
 *
 * A feature is counter * 8 + bucket of hits: a tuple of measure.h.
 *
 * Threat: the target writes this file. Whatever is in it, reading takes linear time and
 * indices are bounded. Harness: harnesses/nightjar-inputs.
 */
#ifndef ORCHESTRATOR_CORPUS_LIBFUZZER_CONTROL_H
#define ORCHESTRATOR_CORPUS_LIBFUZZER_CONTROL_H

#include <stddef.h>

struct control {
    const char *at, *end; /* of what was not yet read */
};

enum control_word { CONTROL_NAME, CONTROL_STARTED, CONTROL_FEATURES, CONTROL_END };

struct control_line {
    enum control_word word;
    size_t index;           /* of a file; not of CONTROL_NAME */
    const char *text, *end; /* the name, or the numbers behind the index */
};

/* Begin; text is borrowed and may hold any bytes. Returns the number of files, 0 for what
 * is no control file. At most n_max. */
size_t control_begin(struct control *control, const char *text, size_t len, size_t n_max);

/* The next line of a kind that counts; all others are passed over, and so is a last one
 * without its newline, which a kill has cut. An index is below the number of files. */
void control_next(struct control *control, size_t n_files, struct control_line *out);

/* The next number of a line; *at from line.text. -1: there is no more. What does not fit
 * a feature (32 bits) ends the line, too. */
long long control_number(const char **at, const char *end);

#endif
