#include "orchestrator/supervise/schedule.h"

/* Whether two rows share lanes. */
static bool
together(const struct schedule *schedule, int a, int b)
{
    return a == b || schedule_lanes(schedule, a) == schedule->jobs;
}

struct census {
    int workers[SCHEDULE_ENGINES_MAX]; /* that may still run */
    int engines;                       /* that have any */
};

static struct census
count_workers(const struct schedule *schedule)
{
    struct census census = {{0}, 0};

    for (size_t i = 0; i < schedule->n; i++) {
        const struct schedule_row *row = &schedule->rows[i];
        if (!row->over && census.workers[row->engine]++ == 0) {
            census.engines++;
        }
    }
    return census;
}

/* The engine that has most workers for each of its lanes gets the next one (D'Hondt's
 * rule). */
static int
neediest(const struct census *census, const int *lanes)
{
    int best = -1;

    for (int e = 0; e < SCHEDULE_ENGINES_MAX; e++) {
        if (lanes[e] >= census->workers[e]) {
            continue;
        }
        if (best < 0 || census->workers[e] * (lanes[best] + 1) >
                            census->workers[best] * (lanes[e] + 1)) {
            best = e;
        }
    }
    return best;
}

int
schedule_lanes(const struct schedule *schedule, int engine)
{
    struct census census = count_workers(schedule);
    int lanes[SCHEDULE_ENGINES_MAX] = {0};
    int left = schedule->jobs - census.engines;

    if (left < 0 || census.engines < 2) {
        return schedule->jobs;
    }
    for (int e = 0; e < SCHEDULE_ENGINES_MAX; e++) {
        lanes[e] = census.workers[e] > 0 ? 1 : 0;
    }
    for (int e; left > 0 && (e = neediest(&census, lanes)) >= 0; left--) {
        lanes[e]++;
    }
    return lanes[engine];
}

bool
schedule_sliced(const struct schedule *schedule)
{
    struct census census = count_workers(schedule);
    int workers = 0;

    for (int e = 0; e < SCHEDULE_ENGINES_MAX; e++) {
        workers += census.workers[e];
    }
    return workers > schedule->jobs;
}

static int
holding(const struct schedule *schedule, int engine)
{
    int n = 0;

    for (size_t i = 0; i < schedule->n; i++) {
        n +=
            schedule->rows[i].holds && (engine < 0 || schedule->rows[i].engine == engine);
    }
    return n;
}

static int
holding_target(const struct schedule *schedule, int target)
{
    int n = 0;

    for (size_t i = 0; i < schedule->n; i++) {
        n += schedule->rows[i].holds && schedule->rows[i].target == target;
    }
    return n;
}

/* Whether row a shall go before row b, both of them ready. */
static bool
before(const struct schedule *schedule, size_t a, size_t b)
{
    const struct schedule_row *x = &schedule->rows[a];
    const struct schedule_row *y = &schedule->rows[b];
    bool x_lane = holding(schedule, x->engine) < schedule_lanes(schedule, x->engine);
    bool y_lane = holding(schedule, y->engine) < schedule_lanes(schedule, y->engine);

    if (x_lane != y_lane) {
        return x_lane;
    }
    if (x->turns != y->turns) {
        return x->turns < y->turns;
    }
    int x_target = holding_target(schedule, x->target);
    int y_target = holding_target(schedule, y->target);
    if (x_target != y_target) {
        return x_target < y_target;
    }
    int x_engine = holding(schedule, x->engine);
    int y_engine = holding(schedule, y->engine);
    if (x_engine != y_engine) {
        return x_engine < y_engine;
    }
    return x->used_ms != y->used_ms ? x->used_ms < y->used_ms : a < b;
}

int
schedule_pick(const struct schedule *schedule)
{
    int best = -1;

    if (holding(schedule, -1) >= schedule->jobs) {
        return -1;
    }
    for (size_t i = 0; i < schedule->n; i++) {
        const struct schedule_row *row = &schedule->rows[i];
        if (row->ready && !row->holds && !row->over &&
            (best < 0 || before(schedule, i, (size_t)best))) {
            best = (int)i;
        }
    }
    return best;
}

static int64_t
within(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

int64_t
schedule_turn(const struct schedule *schedule, size_t picked, int64_t now_ms)
{
    const struct schedule_row *own = &schedule->rows[picked];
    int lanes = schedule_lanes(schedule, own->engine);
    int workers = 0;
    int to_serve = 0; /* in this round: those that wait, the picked one, those that run */

    for (size_t i = 0; i < schedule->n; i++) {
        const struct schedule_row *row = &schedule->rows[i];
        if (row->over || !together(schedule, own->engine, row->engine)) {
            continue;
        }
        workers++;
        to_serve += i == picked || row->holds || row->turns <= own->turns;
    }
    if (workers <= lanes) {
        return 0;
    }
    if (schedule->deadline_ms == 0) {
        return SCHEDULE_TURN_MAX_MS;
    }
    /* whole rows of turns, so that the last worker of the round is not left with a rest
     */
    int in_a_row = (to_serve + lanes - 1) / lanes;
    return within((schedule->deadline_ms - now_ms) / in_a_row, SCHEDULE_TURN_MIN_MS,
                  SCHEDULE_TURN_MAX_MS);
}

int64_t
schedule_least_ms(const struct schedule *schedule)
{
    struct census census = count_workers(schedule);
    int64_t least = 0;

    for (int e = 0; e < SCHEDULE_ENGINES_MAX; e++) {
        int lanes = schedule_lanes(schedule, e);
        int workers = census.workers[e];
        if (lanes == schedule->jobs && census.engines > 1) { /* shared by all */
            workers = (int)schedule->n;
        }
        if (lanes > 0 && workers > lanes) {
            int64_t need =
                (int64_t)SCHEDULE_TURN_MIN_MS * ((workers + lanes - 1) / lanes);
            least = need > least ? need : least;
        }
    }
    return least;
}
