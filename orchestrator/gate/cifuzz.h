/*
 * A drop-in for a step of CIFuzz or ClusterFuzzLite (`run_fuzzers`): what its environment
 * says, in the words of `nightjar ci`. `nightjar ci --exit-style=cifuzz` reads it;
 * options of the command line win. Names and meanings are those of
 * google/clusterfuzzlite.
 */
#ifndef ORCHESTRATOR_GATE_CIFUZZ_H
#define ORCHESTRATOR_GATE_CIFUZZ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "orchestrator/gate/finding.h"

struct cifuzz {
    char *workspace; /* WORKSPACE; NULL: none is set, and of the folders only `out` may be
                      */
    char *out;       /* the builds: OUT, else WORKSPACE/build-out; NULL: not there */
    char *base;      /* WORKSPACE/cifuzz-prev-build; NULL: not there */
    char *artifacts; /* `out`/artifacts, where CIFuzz leaves what it found; NULL */
    char *sarif;     /* WORKSPACE/cifuzz-sarif/results.sarif, if wants_sarif; NULL */
    int64_t for_ms;  /* FUZZ_SECONDS; 600 s */
    bool batch;      /* MODE=batch: nothing is compared with the base */
    bool dry_run;    /* DRY_RUN: found bugs do not fail */
    bool parallel;   /* PARALLEL_FUZZING: all processors, not one */
    bool minimize;   /* MINIMIZE_CRASHES */
    bool timeouts;   /* REPORT_TIMEOUTS: those fail, too; */
    bool ooms;       /* REPORT_OOMS */
    bool unreproducible; /* REPORT_UNREPRODUCIBLE_CRASHES: what shows in no run fails, too
                          */
    bool wants_sarif;    /* OUTPUT_SARIF */
    bool all_targets;    /* KEEP_UNAFFECTED_FUZZ_TARGETS */
    struct strv ignored; /* variables that are set and have no counterpart here */
};

void cifuzz_clear(struct cifuzz *cifuzz);
AUTO_DEFINE_CLEAR(struct cifuzz, cifuzz_clear)

/* Read the environment. -EINVAL: a value that is none of its kind, or a MODE that another
 * verb of nightjar is for, which is named. */
int cifuzz_read(struct cifuzz *out, struct err *err);

/* CIFuzz's exit statuses: 0 nothing or DRY_RUN, 1 it did not truly run, 2 bugs. */
int cifuzz_exit(enum verdict verdict, bool dry_run);

#endif
