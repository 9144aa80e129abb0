/* Watches a crew while it fuzzes and tells of each minute (minute.h). Part of the
 * supervisor. */
#ifndef ORCHESTRATOR_SUPERVISE_MINUTE_WATCH_H
#define ORCHESTRATOR_SUPERVISE_MINUTE_WATCH_H

#include "base/json.h"
#include "orchestrator/supervise/supervisor_crew.h"

struct minute_watch;

/* `tell` takes {"op":"control",...} for the scribe, a new reference. */
struct minute_watch *minute_watch_new(const struct crew *crew,
                                      void (*tell)(void *user, json_t *message),
                                      void *user) __attribute__((returns_nonnull));
void minute_watch_free(struct minute_watch *watch); /* NULL is a no-op */

void minute_watch_tick(struct minute_watch *watch); /* some times a second */
void minute_watch_end(struct minute_watch *watch);  /* fuzzing is over: the rest */

#endif
