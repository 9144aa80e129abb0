/*
 * The inbox: finds on their way from an engine's folder into the ledger.
 *
 *   1. engine's folder: a file appears
 *   2. STATE/inbox/TARGET/ENGINE/NAME: linked there, and submitted
 *   3. ledger: acknowledged, and unlinked from 2
 *
 * Step 2 is a folder that no worker can see: from there on it does not matter what the
 * engine renames, a restart deletes or a target overwrites by name, and links or devices
 * that a target left in place of a file were not followed. What lies there when a
 * supervisor begins was not acknowledged by an earlier one and is submitted again.
 * inotify only wakes: a rescan every few seconds finds what an event did not tell. A file
 * is submitted once a run; the ledger takes a second time for nothing anyway.
 *
 * In folders that only hold finds (engine_folder_visit's `consume`) a file is removed
 * once it is in the ledger, by a scan with INBOX_TIDY.
 *
 * Threat: names, types and contents of all files below the engine's folder are hostile.
 */
#ifndef ORCHESTRATOR_SUPERVISE_INBOX_H
#define ORCHESTRATOR_SUPERVISE_INBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "base/auto.h"
#include "base/err.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/supervise/pipeline.h"

enum {
    INBOX_IN_FLIGHT_MAX =
        1000, /* files submitted and not yet acknowledged; the rest waits in place */
    INBOX_SETTLED_MS = 1000, /* unchanged for so long: the engine has finished writing */
};

enum inbox_scan {
    INBOX_SETTLED = 1 << 0, /* nobody writes any more: take files of any age */
    INBOX_TIDY =
        1 << 1, /* remove what is in the ledger from folders that only hold finds */
};

struct inbox;
struct inbox_source; /* one worker's folders */

struct inbox_config {
    sd_event *event;    /* borrowed */
    const char *folder; /* STATE/inbox; made here */
    void *user;
    /* pipeline_submit() with user in place of the pipeline */
    void (*submit)(void *user, const char *target, const char *source, const char *path,
                   pipeline_done *done, void *done_user);
};

int inbox_new(const struct inbox_config *config, struct inbox **out, struct err *err);
void inbox_free(struct inbox *inbox); /* what is in flight stays in its folder */
AUTO_DEFINE(struct inbox *, inbox_free)

/* Submit what an earlier run left of one target and engine; returns how many files. */
int64_t inbox_recover(struct inbox *inbox, const char *target, const char *engine);

/* Watch a worker's folders; job and ops are borrowed and must live as long as the inbox.
 */
struct inbox_source *inbox_add(struct inbox *inbox, const struct engine_ops *ops,
                               const struct engine_job *job);

/* Look through a source's folders; returns how many files were submitted. */
int64_t inbox_look(struct inbox_source *source, unsigned flags);

/* Submit one file below engine_job.folder that is no find by its name (a seed that
 * crashes). */
void inbox_take(struct inbox_source *source, const char *relative);

int64_t inbox_in_flight(const struct inbox *inbox); /* submitted, not yet acknowledged */
int64_t inbox_taken(const struct inbox *inbox);     /* submitted so far */

#endif
