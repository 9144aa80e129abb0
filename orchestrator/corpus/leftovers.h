/*
 * What workers left in STATE/fuzz that nobody needs any more: inputs in their folders
 * whose bytes are in the ledger, and the output of runs that failed. A file goes by one
 * unlink, after the store was asked, so that whoever is killed in between lost nothing.
 * What waits in STATE/inbox and what the engines fuzz with (queue, corpus) is not
 * touched.
 *
 * Threat: below STATE/fuzz/TARGET/ENGINE a hostile program may have put anything, links
 * and folders that change while they are read included: folder.h's rules.
 */
#ifndef ORCHESTRATOR_CORPUS_LEFTOVERS_H
#define ORCHESTRATOR_CORPUS_LEFTOVERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "triage/store.h"

enum leftover { LEFTOVER_HANGS, LEFTOVER_CRASHES, LEFTOVER_LOGS, LEFTOVER_KINDS };
const char *leftover_name(enum leftover kind); /* hangs crashes logs */

struct leftovers_policy {
    int64_t keep_ms[LEFTOVER_KINDS]; /* what is younger stays; 0: none does */
    bool dry_run;                    /* count, and remove nothing */
};

struct leftovers { /* that went, or would go */
    int64_t files[LEFTOVER_KINDS], bytes[LEFTOVER_KINDS];
};

/* Of one target; adds to *out. A target that has no folder has nothing. */
int leftovers_drop(struct store *store, const char *target,
                   const struct leftovers_policy *policy, struct leftovers *out,
                   struct err *err);

/* Append the names of the targets that have a folder in STATE/fuzz. */
int leftovers_targets(const struct store *store, struct strv *out, struct err *err);

#endif
