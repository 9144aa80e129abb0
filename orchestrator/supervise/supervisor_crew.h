/*
 * The crew: all workers of a campaign, who of them has a job, and on which processor.
 * Part of the supervisor.
 */
#ifndef ORCHESTRATOR_SUPERVISE_SUPERVISOR_CREW_H
#define ORCHESTRATOR_SUPERVISE_SUPERVISOR_CREW_H

#include "orchestrator/corpus/disk.h"
#include "orchestrator/supervise/exchange.h"
#include "orchestrator/supervise/progress.h"
#include "orchestrator/supervise/schedule.h"
#include "orchestrator/supervise/supervisor.h"
#include "orchestrator/supervise/supervisor_hold.h"
#include "orchestrator/supervise/worker.h"

enum {
    CREW_MAX = 4096, /* workers of one campaign */
    CREW_JOBS_MAX = 1024,
};

struct crew_config {
    const char *state;
    const struct target_list *targets;
    const struct engine_ops *engine; /* NULL: all */
    enum sandbox_rung rung;
    int jobs;
    int64_t for_ms;
    struct disk_limits disk;
    struct worker_events events;
};

struct crew_member {
    struct worker *worker; /* NULL until crew_form() */
    size_t target, engine; /* indices of targets and engine_table */
    int number;            /* among those of the engine on the target */
    int job;               /* 0 .. jobs-1; -1: none */
    int turns;
    int64_t turn_ms;     /* when its turn began */
    int64_t turn_end_ms; /* 0: open */
    int64_t used_ms;
    int64_t execs_before, productive_before_ms; /* of earlier campaigns */
    int64_t lost_ms;                            /* until it was asked to stop */
    int64_t reloaded; /* of what it took in, what was told to the exchange */
};

struct crew {
    struct crew_config config;
    struct engine_caps caps[SCHEDULE_ENGINES_MAX];
    struct strv paths; /* that workers borrow */
    struct crew_member *members;
    size_t n;
    struct schedule_row *rows;
    struct hold *hold; /* members of a target that is held get no turn, and end theirs */
    bool *busy_jobs;
    int64_t deadline_ms;
};

/* Probe the engines and decide who the workers are. Adds a line for a person to notes for
 * each target and engine that is left out. -ENOENT when nobody is left. config's pointers
 * are borrowed for the crew's life. */
int crew_plan(struct crew *crew, const struct crew_config *config, struct strv *notes,
              struct err *err);

/* Unpack seeds, make the workers, let them go on from the numbers in the store. */
int crew_form(struct crew *crew, sd_event *event, struct inbox *inbox, struct err *err);

/* The clock starts. Appends a warning for a person when not everybody can have a turn. */
void crew_begin(struct crew *crew, int64_t deadline_ms, struct buf *warning);

/* End turns that are over, give free jobs to those whose turn it is. */
void crew_turns(struct crew *crew);

/* Ask all to stop. No turns are given afterwards. */
void crew_stop(struct crew *crew);

/* Let the engines of each target exchange inputs. */
void crew_join(const struct crew *crew, struct exchange *exchange);

/* Tell the exchange which engines fuzz, and what they said to have taken in. */
void crew_credit(struct crew *crew, struct exchange *exchange);

bool crew_all_over(const struct crew *crew);  /* nobody will run again */
bool crew_any_alive(const struct crew *crew); /* some process is there */
bool crew_owns(const struct crew *crew, pid_t pid);

/* Fill in workers, rows and sums; *rows is new memory that progress->rows borrows. */
void crew_progress(const struct crew *crew, struct progress *progress,
                   struct progress_row **rows);

/* fuzzed, execs, targets, casualties. */
void crew_collect(const struct crew *crew, struct supervisor_result *result);

void crew_clear(struct crew *crew); /* kills what still runs */

#endif
