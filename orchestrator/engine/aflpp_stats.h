/*
 * What AFL++ writes about its run: plot_data, fuzzer_stats and the names of its queue
 * files. Part of aflpp.c, which says when each of them can be believed.
 */
#ifndef ORCHESTRATOR_ENGINE_AFLPP_STATS_H
#define ORCHESTRATOR_ENGINE_AFLPP_STATS_H

#include "orchestrator/engine/engine.h"

/* Of the worker's instance, below job->folder: "w1/REST"; new string. */
char *aflpp_path(const struct engine_job *job, const char *rest);

/* Where the counts of a session that will be resumed go on: base_execs and base_ms. */
void aflpp_base(const struct engine_job *job, struct engine_view *view);

/* Bring execs, execs_per_sec, edges, corpus and stability up to date. */
void aflpp_poll(const struct engine_job *job, struct engine_view *view);

#endif
