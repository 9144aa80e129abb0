/*
 * A corpus through the coverage build of its target, by LLVM's source-based coverage:
 *
 *   1. the inputs are copied to a private folder (a worker's folder may change meanwhile)
 *   2. each is run in a sandbox; an in-process target runs many in one process. A batch
 *      that fails (a crash, a hang) is halved until what fails is alone, so that it costs
 *      nobody else's profile; processes add to one profile
 *   3. llvm-profdata and llvm-cov of the compiler's own version make numbers of it, in
 *      the sandbox too: the profile was written by a hostile program
 *
 * Threat: inputs, the program's profile and its names of sources are hostile. A report in
 * HTML shows only sources whose names end as those of sources do.
 */
#ifndef ORCHESTRATOR_CORPUS_COVERAGE_H
#define ORCHESTRATOR_CORPUS_COVERAGE_H

#include "orchestrator/target.h"
#include "triage/coverage.h"
#include "triage/sandbox.h"

enum {
    COVERAGE_INPUTS_MAX = 200000,
    COVERAGE_INPUT_MAX = 16 << 20, /* bytes of an input; longer ones are passed over */
    COVERAGE_BATCH = 256,          /* inputs of one process */
};

struct coverage_call {
    const struct target *target; /* with a build for coverage */
    enum sandbox_rung rung;
    const char *state;        /* STATE, absolute */
    const struct strv *paths; /* further files and folders of inputs; may be empty */
    const char *html;         /* folder to be made for a report; NULL: none */
};

/* -ENODATA: the target has no such build, or no input at all; -ENOENT: LLVM's tools are
 * missing, with the cure; -EEXIST: call->html is there. */
int coverage_measure(const struct coverage_call *call, struct coverage *out,
                     struct err *err);

#endif
