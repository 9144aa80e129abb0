/*
 * What a gate run leaves of each finding for whoever has to fix it: what `nightjar repro
 * --export` writes (input, repro.sh, BUILD with the build id, report), in
 * REPORTS/artifacts.
 */
#ifndef ORCHESTRATOR_CMD_ARTIFACTS_H
#define ORCHESTRATOR_CMD_ARTIFACTS_H

#include "base/err.h"
#include "orchestrator/gate/finding.h"

enum { ARTIFACTS_MAX = 100 }; /* findings that have some: the first of the list */

/*
 * Write them for what blocks and for what the change itself is about (new regressed
 * changed unattributed), and set finding->artifacts. What an earlier run left there
 * (artifacts/NJ-...) goes first. A finding whose input cannot be run, or is gone, has
 * none; nor has any of an untrusted change.
 */
int artifacts_write(struct store *store, struct findings *findings, const char *folder,
                    struct err *err);

#endif
