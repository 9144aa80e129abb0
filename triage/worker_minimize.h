/* The operation "minimize" of the triage worker (worker.h). */
#ifndef TRIAGE_WORKER_MINIMIZE_H
#define TRIAGE_WORKER_MINIMIZE_H

#include "base/json.h"
#include "triage/minimize.h"

/* Of a request: fills in the answer, writes output, journal and what was found beside it.
 * `go_on`: false when the minimization is to end. */
int worker_minimize(const struct replay_config *replay, const json_t *request,
                    const struct buf *input, bool (*go_on)(void), json_t *answer,
                    struct err *err);

/* What a run showed, for any answer. */
void worker_put_run(json_t *answer, const struct replay_run *run);
void worker_put_counts(json_t *answer, int k, int n, int other);

/* The absolute path under `key` of a request; new string. */
int worker_path(const json_t *request, const char *key, char **out, struct err *err);

#endif
