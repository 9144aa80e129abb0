/* What scribe and supervisor say to each other about jobs, in both directions: see
 * scribe.h. Both ends are this program: a message that does not parse is our own bug. */
#ifndef ORCHESTRATOR_SUPERVISE_SCRIBE_MESSAGE_H
#define ORCHESTRATOR_SUPERVISE_SCRIBE_MESSAGE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "triage/store.h"

json_t *job_to_json(const struct job *job); /* new reference */
int job_from_json(json_t *object, struct job *out, struct err *err);

/* A job's end, filed. */
struct job_end {
    enum job_kind kind;
    int64_t crash;
    bool died; /* the worker died of it, or answered something that counts as that */
    struct job_outcome outcome;
    const char *reason; /* why it is broken or the worker died; borrowed; or NULL */
};

json_t *job_end_to_json(const struct job_end *end); /* new reference */
/* end->reason is borrowed from object. */
int job_end_from_json(const json_t *object, struct job_end *end, struct err *err);

#endif
