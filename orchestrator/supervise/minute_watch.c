#include "orchestrator/supervise/minute_watch.h"

#include "base/clock.h"
#include "base/mem.h"
#include "orchestrator/supervise/minute.h"

struct minute_watch {
    const struct crew *crew;
    struct minute *minute;
    void (*tell)(void *user, json_t *message);
    void *user;
    int64_t wall_ms, begun_ms, tick_ms; /* of this minute; 0: not begun */
};

struct minute_watch *
minute_watch_new(const struct crew *crew, void (*tell)(void *user, json_t *message),
                 void *user)
{
    struct minute_watch *watch = mem_alloc(sizeof(*watch));

    *watch = (struct minute_watch){
        .crew = crew,
        .minute = minute_new(crew->n, crew->config.targets->n, crew->config.jobs),
        .tell = tell,
        .user = user};
    return watch;
}

void
minute_watch_free(struct minute_watch *watch)
{
    if (watch != NULL) {
        minute_free(watch->minute);
        mem_free(watch);
    }
}

static void
begin_minute(struct minute_watch *watch, int64_t now)
{
    watch->wall_ms = clock_wall_ms();
    watch->begun_ms = now;
}

static void
look_at_all(struct minute_watch *watch, int64_t ms)
{
    const struct crew *crew = watch->crew;

    for (size_t i = 0; i < crew->n; i++) {
        const struct crew_member *member = &crew->members[i];
        const struct worker_numbers *numbers = worker_numbers(member->worker);
        const struct minute_look look = {
            .worker = i,
            .target = member->target,
            .state = worker_state(member->worker),
            .has_job = member->job >= 0,
            .held = hold_is(crew->hold, member->target),
            .steady = worker_engine(member->worker)->counts_steadily,
            .execs = numbers->execs,
            .edges = numbers->edges};
        minute_look(watch->minute, &look, ms);
    }
}

static json_t *
slice_message(const char *target, const struct control_slice *slice)
{
    json_t *message = json_object();
    json_t *faults = json_object();

    for (size_t i = 0; i < slice->n_faults; i++) {
        json_put(faults, slice->faults[i].cause, json_integer(slice->faults[i].ms));
    }
    json_put(message, "op", json_string("control"));
    json_put(message, "target", json_text(target));
    json_put(message, "minute", json_integer(slice->minute));
    json_put(message, "counts", json_boolean(slice->counts));
    json_put(message, "cause", json_string(slice->cause));
    json_put(message, "scheduled_ms", json_integer(slice->scheduled_ms));
    json_put(message, "productive_ms", json_integer(slice->productive_ms));
    json_put(message, "faults", faults);
    return message;
}

static void
end_minute(struct minute_watch *watch, int64_t now)
{
    const struct target_list *targets = watch->crew->config.targets;
    struct control_slice slice;

    for (size_t t = 0; t < targets->n; t++) {
        if (minute_slice(watch->minute, t, watch->wall_ms, now - watch->begun_ms,
                         &slice)) {
            watch->tell(watch->user, slice_message(targets->v[t]->name, &slice));
        }
    }
    minute_next(watch->minute);
}

/* Minutes follow each other without a gap, however late a tick is, unless this process
 * did not run at all for a while. */
static void
next_minute(struct minute_watch *watch, int64_t now)
{
    end_minute(watch, now);
    if (now - watch->begun_ms < 2 * (int64_t)CONTROL_SLICE_MS) {
        watch->wall_ms += CONTROL_SLICE_MS;
        watch->begun_ms += CONTROL_SLICE_MS;
    } else {
        begin_minute(watch, now);
    }
}

void
minute_watch_tick(struct minute_watch *watch)
{
    int64_t now = clock_mono_ms();

    if (watch->begun_ms == 0) {
        begin_minute(watch, now);
    } else {
        look_at_all(watch, now - watch->tick_ms);
    }
    watch->tick_ms = now;
    if (now - watch->begun_ms >= CONTROL_SLICE_MS) {
        next_minute(watch, now);
    }
}

void
minute_watch_end(struct minute_watch *watch)
{
    if (watch->begun_ms != 0) {
        end_minute(watch, clock_mono_ms());
        watch->begun_ms = 0;
    }
}
