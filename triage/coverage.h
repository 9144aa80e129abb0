/*
 * What a corpus reaches of a target, measured on its coverage build and kept over time.
 * Plain numbers; how they are made stands in orchestrator/corpus/coverage.h.
 *
 * The alarm: a build whose corpus is at least as large as the last one's and reaches more
 * than a tenth fewer lines, or regions (what lies between two branches: LLVM's edges), is
 * a harness that broke unnoticed until proven otherwise.
 */
#ifndef TRIAGE_COVERAGE_H
#define TRIAGE_COVERAGE_H

#include "base/hash.h"
#include "triage/store.h"

struct coverage_counts {
    int64_t lines, lines_covered;
    int64_t functions, functions_covered;
    int64_t regions, regions_covered;
};

struct coverage_file {
    char *name; /* as the compiler was told; printable */
    struct coverage_counts counts;
};

enum { COVERAGE_FILES_MAX = 20000 };

struct coverage {
    struct coverage_counts total;
    struct coverage_file *files;
    size_t n;
    int64_t inputs, failed; /* failed: no profile of them, for they crashed or hung */
    char corpus[HASH_HEX_MAX];
    char *build_id; /* "": none */
    int64_t at;     /* wall ms */
};
void coverage_clear(struct coverage *coverage);
AUTO_DEFINE_CLEAR(struct coverage, coverage_clear)

/* The last one of a target, without its files; 1, or 0 when there is none. */
int coverage_last(struct store *store, int64_t target, struct coverage *out,
                  struct err *err);

/* All of a target, the oldest first, without their files. */
typedef int coverage_visit(void *user, const struct coverage *one, struct err *err);
int coverage_history(struct store *store, int64_t target, coverage_visit *visit,
                     void *user, struct err *err);

/* The files of the last one, by name. */
typedef int coverage_file_visit(void *user, const struct coverage_file *file,
                                struct err *err);
int coverage_last_files(struct store *store, int64_t target, coverage_file_visit *visit,
                        void *user, struct err *err);

/* Whether `now` reaches more than a tenth fewer lines or regions than `before`, though
 * its corpus is the same or larger. */
bool coverage_dropped(const struct coverage *before, const struct coverage *now);

/* Keep one. When it drops, or is back to where it was, that is an event "target.coverage"
 * of the target, from "ok" to "dropped" or the reverse; *alarm says that it stands
 * dropped now. */
int coverage_put(struct store *store, int64_t target, const struct coverage *coverage,
                 bool *alarm, struct err *err);

/* llvm-cov's export, text[0..len), hostile: files and totals. -EBADMSG. */
int coverage_read(const char *text, size_t len, struct coverage *out, struct err *err);

#endif
