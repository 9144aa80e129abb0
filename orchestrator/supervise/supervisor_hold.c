#include "orchestrator/supervise/supervisor_hold.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/corpus/queues.h"

enum { EVERY_MS = 1000, LINE_MAX_BYTES = 1024 };

struct place { /* of a target */
    bool held;
    int lock; /* -1: its workers must not run */
};

struct hold {
    struct hold_config config;
    struct place *places;
    bool low; /* all are held, since the disk is */
    bool looked;
    int64_t looked_ms;
};

struct hold *
hold_new(const struct hold_config *config)
{
    struct hold *hold = mem_alloc(sizeof(*hold));

    hold->config = *config;
    hold->places = mem_array(config->targets->n, sizeof(*hold->places));
    for (size_t t = 0; t < config->targets->n; t++) {
        hold->places[t].lock = -1;
    }
    return hold;
}

void
hold_free(struct hold *hold)
{
    if (hold == NULL) {
        return;
    }
    for (size_t t = 0; t < hold->config.targets->n; t++) {
        fd_close(hold->places[t].lock);
    }
    mem_free(hold->places);
    mem_free(hold);
}

bool
hold_is(const struct hold *hold, size_t target)
{
    return hold->places[target].held;
}

/* Whether its workers may run, and why not. */
static bool
may_run(struct hold *hold, size_t target, struct buf *why)
{
    const char *name = hold->config.targets->v[target]->name;
    AUTO(mem_free) char *path = disk_hold_path(hold->config.state, name);
    struct place *place = &hold->places[target];

    if (hold->low || fs_exists(path)) {
        if (fs_read(path, LINE_MAX_BYTES, why, NULL) < 0) {
            buf_adds(why, "the disk is all but full");
        }
        return false;
    }
    if (place->lock < 0 &&
        queues_lock(hold->config.state, name, false, &place->lock, NULL) == -EBUSY) {
        buf_adds(why, "what they fuzz with is being pruned");
        return false;
    }
    return true;
}

static void
look_at(struct hold *hold, size_t target)
{
    struct place *place = &hold->places[target];
    AUTO(buf_clear) struct buf why = BUF_INIT;
    bool held = !may_run(hold, target, &why);

    if (held && !hold->config.alive(hold->config.user, target)) {
        fd_close(FD_STEAL(place->lock)); /* now they may be pruned */
    }
    if (held == place->held) {
        return;
    }
    place->held = held;
    AUTO(mem_free)
    char *text = mem_printf("its target is held: %.*s", (int)strcspn(buf_str(&why), "\n"),
                            buf_str(&why));
    hold->config.say(hold->config.user, target,
                     held ? text : "its target is held no longer: there is room");
}

void
hold_look(struct hold *hold, int64_t now)
{
    if (hold->looked && now - hold->looked_ms < EVERY_MS) {
        return;
    }
    hold->looked = true;
    hold->looked_ms = now;
    hold->low = disk_is_low(hold->config.state, hold->config.disk, hold->low);
    for (size_t t = 0; t < hold->config.targets->n; t++) {
        look_at(hold, t);
    }
}
