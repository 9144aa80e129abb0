/*
 * Which lines and functions a corpus reaches, of the build that is measured now and of
 * the one before it, to tell what a change cost the fuzzers:
 *
 *   STATE/coverage/TARGET/now.info     the last measurement
 *   STATE/coverage/TARGET/before.info  the last one of the build before that
 *
 * in lcov's format (geninfo(1)), so that genhtml and editors read them as well. TN: holds
 * "BUILD-ID CORPUS INPUTS", "-" for a build without an id.
 *
 * A function whose lines lie as they did, wherever it begins now, is compared line by
 * line; one that was edited only as a whole. Line numbers are those of the build of now.
 *
 * Threat: the text is what llvm-cov makes of a hostile profile. Names are made printable,
 * numbers are bounded, what is malformed is passed over.
 */
#ifndef ORCHESTRATOR_CORPUS_COVERAGE_LINES_H
#define ORCHESTRATOR_CORPUS_COVERAGE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "triage/coverage.h"

enum {
    COVERAGE_LINES_MAX = (64 << 20) + 4096, /* bytes of a file */
    COVERAGE_LINE_NUMBER_MAX = 9999999,     /* a greater one is none */
};

struct coverage_line {
    uint32_t number;
    bool reached;
};

struct coverage_function {
    char *name; /* as the linker knows it; printable */
    uint32_t line;
    bool reached;
};

struct coverage_source {
    char *name;                          /* printable */
    struct coverage_function *functions; /* by line, then name */
    struct coverage_line *lines;         /* by number */
    size_t n_functions, n_lines;
};

struct coverage_lines {
    char *build_id, *corpus; /* "-": none */
    int64_t inputs;
    struct coverage_source *sources; /* by name */
    size_t n;
};
void coverage_lines_clear(struct coverage_lines *lines);
AUTO_DEFINE_CLEAR(struct coverage_lines, coverage_lines_clear)

/* text[0..len), at most COVERAGE_LINES_MAX. -EBADMSG when it has no TN: line of ours. */
int coverage_lines_read(const char *text, size_t len, struct coverage_lines *out,
                        struct err *err);

/* Keep what llvm-cov printed of a measurement as that of now; that of another build
 * becomes the one before. */
int coverage_lines_keep(const char *state, const char *target,
                        const struct coverage *coverage, const char *text, size_t len,
                        struct err *err);

/* Both; -ENODATA, with what to do, where one of them is missing. */
int coverage_lines_load(const char *state, const char *target,
                        struct coverage_lines *before, struct coverage_lines *now,
                        struct err *err);

struct coverage_change { /* of a source */
    const char *name;    /* borrowed, as the functions' names */
    uint32_t *lost, *gained;
    size_t n_lost, n_gained;
    const char **lost_functions, **gained_functions; /* that have no line reached */
    size_t n_lost_functions, n_gained_functions;
    size_t edited; /* functions whose lines could not be compared */
};

/* Told of each source in which something changed, by name. */
typedef int coverage_change_visit(void *user, const struct coverage_change *change,
                                  struct err *err);
int coverage_lines_compare(const struct coverage_lines *before,
                           const struct coverage_lines *now, coverage_change_visit *visit,
                           void *user, struct err *err);

#endif
