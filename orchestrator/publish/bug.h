/* A bug as every report format shows it: its JSON object and its one-line texts. */
#ifndef ORCHESTRATOR_PUBLISH_BUG_H
#define ORCHESTRATOR_PUBLISH_BUG_H

#include "triage/store.h"

/* The object of `nightjar bugs --json`; new reference. */
json_t *bug_to_json(const struct bug *bug);

/* "Heap-buffer-overflow READ 4": a crash type on one line; new string. */
char *bug_type_line(const char *crash_type);

/* The first frame of a crash state, "-" when it has none; new string. The state of a
 * failed assertion or check begins with its text, which tells nobody where it stands: its
 * second line is taken. */
char *bug_top_frame(const char *crash_type, const char *crash_state);

#endif
