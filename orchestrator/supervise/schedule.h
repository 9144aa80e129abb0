/*
 * Who runs when there are more workers than jobs, and for how long. Pure arithmetic on a
 * table that the supervisor keeps; it owns nothing.
 *
 * Each engine has a number of lanes, in proportion to its workers but at least one while
 * there are enough jobs, so that AFL++ and libFuzzer run side by side at any time. Within
 * its lanes an engine's workers take turns; a turn is as long as lets every worker have
 * one before the deadline, between SCHEDULE_TURN_MIN_MS and SCHEDULE_TURN_MAX_MS. A lane
 * with nobody ready is lent to the other engines.
 */
#ifndef ORCHESTRATOR_SUPERVISE_SCHEDULE_H
#define ORCHESTRATOR_SUPERVISE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SCHEDULE_TURN_MIN_MS = 5 * 1000,
    SCHEDULE_TURN_MAX_MS = 10 * 60 * 1000,
    SCHEDULE_ENGINES_MAX = 8,
};

struct schedule_row {
    int engine; /* 0 .. SCHEDULE_ENGINES_MAX - 1 */
    int target;
    bool holds; /* it has a job: runs, ends, or rests for a moment */
    bool ready; /* it could start now */
    bool over;  /* it will not run again */
    int turns;  /* how many it has had, the present one included */
    int64_t used_ms;
    int64_t turn_end_ms; /* of one that holds; 0: no end */
};

struct schedule {
    int jobs;                        /* >= 1 */
    int64_t deadline_ms;             /* monotonic; 0: none */
    const struct schedule_row *rows; /* borrowed */
    size_t n;
};

/* How many jobs an engine's workers share; all jobs when there are fewer jobs than
 * engines. */
int schedule_lanes(const struct schedule *schedule, int engine);

/* Whether workers take turns: some engine has more workers than lanes. */
bool schedule_sliced(const struct schedule *schedule);

/* The row that shall start now, or -1 when no job is free or nobody is ready. */
int schedule_pick(const struct schedule *schedule);

/* How long the turn of a picked row is, from now; 0: it need not end before the deadline.
 */
int64_t schedule_turn(const struct schedule *schedule, size_t picked, int64_t now_ms);

/* How long a campaign must be for each row to have a turn of the least length. */
int64_t schedule_least_ms(const struct schedule *schedule);

#endif
