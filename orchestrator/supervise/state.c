#include "orchestrator/supervise/state.h"

#include <assert.h>
#include <stddef.h>

enum { DOUBLINGS_MAX = 20 };

typedef unsigned handler(struct machine *machine, const struct worker_end *end);

static unsigned
enter(struct machine *machine, enum worker_state state, unsigned actions)
{
    machine->state = state;
    return actions;
}

/* xorshift64: spreads restarts, so that workers which died together do not come back
 * together. */
static uint64_t
next_random(struct machine *machine)
{
    uint64_t x = machine->jitter;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    machine->jitter = x;
    return x;
}

/* base doubled `times`, up to max, and up to a quarter more. */
static int64_t
wait_of(struct machine *machine, int64_t base, int64_t max, int times)
{
    int64_t wait = base;

    for (int i = 0; i < times && i < DOUBLINGS_MAX && wait < max; i++) {
        wait *= 2;
    }
    wait = wait < max ? wait : max;
    return wait + (int64_t)(next_random(machine) % (uint64_t)(wait / 4 + 1));
}

/* --- handlers --- */

static unsigned
go(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, WORKER_STARTING, WORKER_DO_START);
}

static unsigned
run(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, WORKER_RUNNING, 0);
}

static unsigned
freeze(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, WORKER_FROZEN, WORKER_DO_KILL | WORKER_DO_SAY);
}

static unsigned
slow_down(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, WORKER_SLOW, 0);
}

static unsigned
flatten(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, WORKER_PLATEAUED, 0);
}

static unsigned
yield_turn(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, WORKER_PAUSED, WORKER_DO_ASK);
}

static unsigned
finish(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, WORKER_FINISHED, WORKER_DO_ASK);
}

/* Without a process there is nobody to ask. */
static unsigned
finish_idle(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, WORKER_FINISHED, 0);
}

static unsigned
kill_it(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, machine->state, WORKER_DO_KILL);
}

static unsigned
give_up_starting(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, WORKER_DEAD, WORKER_DO_SAY);
}

static unsigned
ready_again(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, WORKER_PAUSED, 0);
}

/* A run that went well for a while forgives the failures before it. */
static unsigned
failed(struct machine *machine, const struct worker_end *end)
{
    const struct engine_policy *policy = machine->policy;
    bool quick = !end->was_ready || end->ran_ms < policy->quick_ms;

    machine->bad_ends = quick ? machine->bad_ends + 1 : 1;
    if (machine->bad_ends >= policy->loop_limit) {
        return enter(machine, WORKER_QUARANTINED, WORKER_DO_SAY);
    }
    machine->wait_ms = wait_of(machine, policy->backoff_ms, policy->backoff_max_ms,
                               machine->bad_ends - 1);
    return enter(machine, WORKER_BACKOFF, WORKER_DO_WAIT | WORKER_DO_SAY);
}

/* The normal end of a libFuzzer run. A shallow find that returns at once would make the
 * worker spin. */
static unsigned
found(struct machine *machine, const struct worker_end *end)
{
    const struct engine_policy *policy = machine->policy;
    bool shallow = end->ran_ms < policy->shallow_ms;
    bool same = end->find_key == machine->find_key;

    machine->bad_ends = 0;
    machine->same_finds = shallow && same ? machine->same_finds + 1 : 0;
    machine->find_key = end->find_key;
    machine->wait_ms =
        wait_of(machine, policy->cool_ms, policy->cool_max_ms, machine->same_finds);
    return enter(machine, WORKER_BACKOFF, WORKER_DO_WAIT);
}

static unsigned
repaired(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    machine->wait_ms =
        wait_of(machine, machine->policy->cool_ms, machine->policy->cool_max_ms, 0);
    return enter(machine, WORKER_BACKOFF, WORKER_DO_WAIT);
}

static unsigned
give_up(struct machine *machine, const struct worker_end *end)
{
    (void)end;
    return enter(machine, WORKER_QUARANTINED, WORKER_DO_SAY);
}

/* --- the table --- */

/* An end of a process that is meant to go on. That one had nothing more to do is no
 * failure, but to end so again and again at once is. */
#define ENDS                                                                       \
    [WORKER_ENDED] = failed, [WORKER_FOUND] = found, [WORKER_REPAIRED] = repaired, \
    [WORKER_FAILED] = failed, [WORKER_HOPELESS] = give_up
#define FUZZING \
    [WORKER_SILENT] = freeze, [WORKER_YIELD] = yield_turn, [WORKER_STOP] = finish, ENDS

static handler *const table[WORKER_STATES][WORKER_EVENTS] = {
    [WORKER_PAUSED] = {[WORKER_GO] = go,
                       [WORKER_STOP] = finish, /* its process may still be ending */
                       [WORKER_OVERDUE] = kill_it,
                       [WORKER_HOPELESS] = give_up},
    [WORKER_STARTING] =
        {[WORKER_ALIVE] = run, [WORKER_UNSTARTABLE] = give_up_starting, FUZZING},
    [WORKER_RUNNING] =
        {[WORKER_BELOW_SPEED] = slow_down, [WORKER_NO_NEWS] = flatten, FUZZING},
    [WORKER_SLOW] = {[WORKER_AT_SPEED] = run, [WORKER_NO_NEWS] = flatten, FUZZING},
    [WORKER_PLATEAUED] = {[WORKER_NEWS] = run, FUZZING},
    [WORKER_FROZEN] = {[WORKER_OVERDUE] = kill_it,
                       [WORKER_STOP] = finish,
                       /* however it ends, it did so because it was killed */
                       [WORKER_ENDED] = failed,
                       [WORKER_FOUND] = found,
                       [WORKER_REPAIRED] = repaired,
                       [WORKER_FAILED] = failed,
                       [WORKER_HOPELESS] = failed},
    [WORKER_BACKOFF] = {[WORKER_WAITED] = ready_again, [WORKER_STOP] = finish_idle},
    [WORKER_QUARANTINED] = {0},
    [WORKER_FINISHED] = {[WORKER_OVERDUE] = kill_it},
    [WORKER_DEAD] = {0},
};

void
machine_init(struct machine *machine, const struct engine_policy *policy, uint64_t seed)
{
    *machine = (struct machine){
        .state = WORKER_PAUSED, .policy = policy, .jitter = seed == 0 ? 1 : seed};
}

unsigned
machine_feed(struct machine *machine, enum worker_event event,
             const struct worker_end *end)
{
    handler *run_handler = table[machine->state][event];

    assert(event < WORKER_ENDED || end != NULL);
    return run_handler == NULL ? 0 : run_handler(machine, end);
}

const char *
worker_state_name(enum worker_state state)
{
    static const char *const names[WORKER_STATES] = {
        [WORKER_STARTING] = "starting",   [WORKER_RUNNING] = "running",
        [WORKER_FROZEN] = "frozen",       [WORKER_SLOW] = "slow",
        [WORKER_BACKOFF] = "backoff",     [WORKER_QUARANTINED] = "quarantined",
        [WORKER_PLATEAUED] = "plateaued", [WORKER_PAUSED] = "paused",
        [WORKER_FINISHED] = "finished",   [WORKER_DEAD] = "dead"};

    return names[state];
}

bool
worker_state_busy(enum worker_state state)
{
    return state == WORKER_STARTING || state == WORKER_RUNNING || state == WORKER_SLOW ||
           state == WORKER_PLATEAUED || state == WORKER_FROZEN;
}

bool
worker_state_final(enum worker_state state)
{
    return state == WORKER_QUARANTINED || state == WORKER_FINISHED ||
           state == WORKER_DEAD;
}
