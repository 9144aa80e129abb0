/*
 * Which edges an input reaches, and how often, for many inputs on several sandboxes at a
 * time: by AFL's map through its fork server (AFL++ 4.04c: src/afl-forkserver.c and
 * instrumentation/afl-compiler-rt.o.c), or by libFuzzer's merge (see
 * libfuzzer_control.h), as the command's build asks for.
 *
 *   measure.c            descriptors of inputs go to the sandbox that waits for some
 *   measure_inside.c     within a sandbox: a batch of inputs, runs, answers
 *   measure_place.c      where those runs are started
 *   measure_afl.c        a way to measure: afl_server.c, the target's fork server
 *   measure_libfuzzer.c  another one
 *
 * A tuple is edge * 8 + bucket (libFuzzer calls it a feature), with buckets of a hit
 * count: 1, 2, 3, 4-7, 8-15, 16-31, 32-127, 128 and more. A trace is the sorted list of
 * an input's tuples.
 *
 * Threat: the target is hostile and may write into the map and answer as its own fork
 * server what it likes. So it can lie about its coverage, and no more: it has neither the
 * socket nor the inputs of other runs, and all that it says is bounded here. Answers are
 * framed by this program.
 */
#ifndef ORCHESTRATOR_CORPUS_MEASURE_H
#define ORCHESTRATOR_CORPUS_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "triage/command.h"
#include "triage/sandbox.h"

enum {
    MEASURE_BUCKETS = 8,
    MEASURE_MAP_MAX = 8 << 20,   /* bytes of a map: AFL++'s DEFAULT_SHMEM_SIZE */
    MEASURE_INPUT_MAX = 1 << 20, /* bytes of an input: AFL++'s MAX_FILE */
    MEASURE_TRACE_MAX = 2 * MEASURE_MAP_MAX, /* bytes of a trace: gaps beyond one byte
                                                are few */
    MEASURE_JOBS_MAX = 256,
    MEASURE_KEY_BYTES = 32,
};

enum measure_kind {
    MEASURE_TRACE,  /* it ran to its end */
    MEASURE_CRASH,  /* it died of a signal, or of its sanitizer */
    MEASURE_HANG,   /* it took longer than its limit, twice */
    MEASURE_BROKEN, /* two sandboxes died with it */
    MEASURE_REFUSED /* empty, or larger than MEASURE_INPUT_MAX: not run */
};

struct measured {
    const char *path; /* borrowed */
    size_t tag;       /* of measure_push() */
    struct stat st;   /* as it was when the input was given */
    enum measure_kind kind;
    unsigned char key[MEASURE_KEY_BYTES]; /* SHA-256 of the bytes that ran */
    uint32_t bytes;                       /* of the input */
    uint32_t tuples;
    uint32_t run_us;   /* what the run took, or its share of what a batch took */
    uint64_t hash;     /* of the trace: equal traces have equal ones */
    const void *trace; /* see trace_next(); borrowed */
    uint32_t trace_bytes;
};

/* A trace's next tuple: gaps in base 128, low digits first. *at begins with 0 and *tuple
 * with -1. False: there is no more, or what follows is malformed. */
bool trace_next(const void *trace, size_t len, size_t *at, int64_t *tuple);

/* Told of each input once, in no order; a failure ends it all and is returned. */
typedef int measure_take(void *user, const struct measured *input, struct err *err);

struct measure_config {
    const struct command *command; /* of an AFL build, or of a libFuzzer build when its
                                      mode is INPUT_LIBFUZZER; its limits are a run's */
    enum sandbox_rung rung;        /* as sandbox_choose() answered */
    const char *hide; /* a folder that targets must not see (STATE); or NULL */
    int jobs;         /* sandboxes at a time */
    measure_take *take;
    void *user;
};

struct measure;

/* config's pointers are borrowed until measure_free(). */
int measure_new(const struct measure_config *config, struct measure **out,
                struct err *err);
void measure_free(struct measure *measure); /* ends the sandboxes; NULL is a no-op */
AUTO_DEFINE(struct measure *, measure_free)

/* Give a regular file; waits while all sandboxes have work enough. -ENOEXEC when the
 * target speaks no fork server's protocol. What cannot be opened is the caller's to
 * judge by the code; the next may be given. `tag` comes back with the answer. */
int measure_push(struct measure *measure, const char *path, size_t tag, struct err *err);

/* Wait until all that was given was told. */
int measure_finish(struct measure *measure, struct err *err);

/* The hidden verb's main: the process within. Its standard input is the socket. */
#define MEASURE_VERB "measure-inside"
int measure_inside_main(void);

#endif
