/* What the end of a job does to the numbers of a pipeline, and how a person is told. */
#ifndef ORCHESTRATOR_SUPERVISE_PIPELINE_TALLY_H
#define ORCHESTRATOR_SUPERVISE_PIPELINE_TALLY_H

#include "orchestrator/supervise/pipeline.h"
#include "orchestrator/supervise/scribe_message.h"

/* Count an end that was filed. */
void tally_end(struct pipeline_stats *stats, const struct job_end *end);

/* One line about a worker that died of a job (end->died); new string. */
char *tally_death(const struct job_end *end);

#endif
