/* Between the files of the triage worker; nobody else includes this. */
#ifndef TRIAGE_WORKER_PRIVATE_H
#define TRIAGE_WORKER_PRIVATE_H

#include <signal.h>

#include "base/buf.h"
#include "base/json.h"
#include "triage/answered.h"
#include "triage/known.h"
#include "triage/runner.h"
#include "triage/symbolize.h"
#include "triage/worker.h"

struct worker {
    const struct worker_config *config;
    struct symbolizer *symbolizer; /* NULL: there is none here */
    char *debugger;                /* the same */
    char *scratch;
    struct runner *runner; /* NULL where no sandbox lasts for many runs */
    struct known *known;
    struct answered *answered;
    int out_fd; /* the answers; moved away from descriptor 1 */
    struct buf lines;
    bool skipping; /* within a line that was too long */
};

/* Set by SIGUSR1: the minimization at work, or else the next one, is to end. */
extern volatile sig_atomic_t worker_hurry;

/* Do what one request asks for (worker.h) and fill in the answer. Errors are told in its
 * place. */
int worker_serve(struct worker *worker, const json_t *request, json_t *answer,
                 struct err *err);

#endif
