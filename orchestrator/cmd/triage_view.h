/* What `nightjar triage` shows while it works: a line for each new bug, a line that is
 * redrawn (or one a minute where there is no terminal), messages, and the end. */
#ifndef ORCHESTRATOR_CMD_TRIAGE_VIEW_H
#define ORCHESTRATOR_CMD_TRIAGE_VIEW_H

#include <stdint.h>

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/supervise/pipeline.h"

enum { VIEW_TROUBLES_MAX = 20 }; /* messages shown; the rest is counted */

struct triage_view {
    const struct cmd_context *context;
    int64_t begun_ms, shown_ms; /* monotonic */
    int64_t last_minute;
    bool drawn; /* the progress line stands on the terminal */
    int64_t troubles;
};

void triage_view_begin(struct triage_view *view, const struct cmd_context *context);
void triage_view_new_bug(struct triage_view *view, const struct job_outcome *outcome);

/* A message for a person on standard error; any bytes. */
void triage_view_trouble(struct triage_view *view, const char *text);

/* Progress; cheap when nothing is due. `waiting`: files that were not filed yet. */
void triage_view_progress(struct triage_view *view, const struct pipeline_stats *stats,
                          int64_t waiting);

/* Take the progress line away: something else is printed next. */
void triage_view_clear(struct triage_view *view);

/* What became of the files, on standard output unless --json. `why_broken` may be NULL;
 * reports: they were texts, and nothing was run. */
void triage_view_summary(struct triage_view *view, const struct pipeline_stats *stats,
                         const char *why_broken, bool reports);

#endif
