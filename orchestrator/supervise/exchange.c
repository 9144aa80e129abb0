#include "orchestrator/supervise/exchange_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/engine/folder.h"

enum {
    COST_FACTOR = 50,  /* a pass may take a fiftieth of the time */
    SETTLED_MS = 1000, /* unchanged for so long: its engine has finished writing */
    DAY_MS = 24 * 3600 * 1000,
};

/* --- what has passed by --- */

static uint64_t
name_key(const char *folder, const char *name)
{
    AUTO(mem_free) char *path = fs_join(folder, name);
    char hex[HASH_HEX_MAX];

    hash_sha256(path, strlen(path), hex);
    return exchange_key(hex);
}

uint64_t
exchange_key(const char *sha256)
{
    unsigned char bytes[sizeof(uint64_t)];
    uint64_t key = 0;

    (void)hash_bytes(sha256, bytes, sizeof(bytes));
    memcpy(&key, bytes, sizeof(key));
    return key == 0 ? 1 : key;
}

static bool
is_new(struct seen_files *seen, uint64_t key)
{
    if (seen_find(seen, key) != NULL) {
        return false;
    }
    seen_add(seen, key);
    return true;
}

/* --- sides and routes --- */

static struct side *
side_of(struct meeting *meeting, const struct engine_ops *ops)
{
    for (size_t i = 0; i < meeting->n_sides; i++) {
        if (meeting->sides[i].ops == ops) {
            return &meeting->sides[i];
        }
    }
    return NULL;
}

/* Into `to` from an engine, or from other targets. */
static struct route *
route_of(struct side *to, const char *source)
{
    for (size_t i = 0; i < to->n_routes; i++) {
        if (strcmp(to->routes[i].source, source) == 0) {
            return &to->routes[i];
        }
    }
    if (to->n_routes == COUNT(to->routes)) {
        return NULL;
    }
    struct route *route = &to->routes[to->n_routes++];
    *route = (struct route){.source = source};
    return route;
}

static void
tell(const struct exchange *exchange, const struct meeting *meeting,
     const struct side *to, const struct route *route, const char *result, int64_t n)
{
    json_t *message = n == 0 ? NULL : json_object();

    if (message == NULL) {
        return;
    }
    AUTO(mem_free)
    char *direction = mem_printf("%s_to_%s", route->source, to->ops->name);

    json_put(message, "op", json_string("exchange"));
    json_put(message, "target", json_text(meeting->target->name));
    json_put(message, "direction", json_text(direction));
    json_put(message, "result", json_string(result));
    json_put(message, "n", json_integer(n));
    exchange->config.tell(exchange->config.user, message);
}

/* What happened in a pass, in one go. */
static void
tell_all(const struct exchange *exchange, struct meeting *meeting)
{
    for (size_t i = 0; i < meeting->n_sides; i++) {
        for (size_t k = 0; k < meeting->sides[i].n_routes; k++) {
            struct route *route = &meeting->sides[i].routes[k];
            tell(exchange, meeting, &meeting->sides[i], route, "offered", route->offered);
            tell(exchange, meeting, &meeting->sides[i], route, "useful", route->useful);
            route->offered = 0;
            route->useful = 0;
        }
    }
}

/* --- into the target's corpus --- */

/* False: it is being changed by somebody else. What has no corpus gets one with the first
 * input. */
static bool
begin_corpus(const struct exchange *exchange, struct meeting *meeting, bool create)
{
    if (meeting->library == NULL) {
        (void)library_open(exchange->config.state, meeting->target->name, create,
                           &meeting->library, NULL);
    }
    return meeting->library == NULL || library_begin(meeting->library, NULL) != -EBUSY;
}

/* What fails costs the corpus an input that two engines have. */
static void
keep(const struct exchange *exchange, struct meeting *meeting, const char *source,
     const struct offer *offer)
{
    AUTO(mem_free)
    char *origin = offer->target == NULL ? mem_printf("worker:%s", source)
                                         : mem_printf("cross:%s", offer->target);
    struct err err = ERR_INIT;

    if (meeting->library == NULL && !begin_corpus(exchange, meeting, true)) {
        return;
    }
    if (meeting->library != NULL &&
        library_add(meeting->library, buf_str(offer->bytes), offer->bytes->len,
                    offer->sha256, origin, &err) < 0 &&
        !meeting->unkept) {
        meeting->unkept = true;
        log_line(LOG_WARN, "exchange", "target=%s inputs do not reach its corpus: %s",
                 meeting->target->name, err.msg);
    }
}

static void
end_corpus(struct meeting *meeting)
{
    if (meeting->library != NULL) {
        (void)library_end(meeting->library, NULL);
    }
}

/* --- into all others --- */

bool
exchange_room(struct meeting *meeting, const struct side *from, const char *source)
{
    int64_t now = clock_mono_ms();

    for (size_t i = 0; i < meeting->n_sides; i++) {
        struct side *to = &meeting->sides[i];
        struct route *route = to == from ? NULL : route_of(to, source);
        if (route != NULL && (now < to->ready_ms || !exchange_has_room(to, route, now))) {
            return false;
        }
    }
    return true;
}

void
exchange_offer(const struct exchange *exchange, struct meeting *meeting,
               const struct side *from, const char *source, struct offer *offer)
{
    hash_sha256(buf_str(offer->bytes), offer->bytes->len, offer->sha256);
    if (!is_new(&meeting->passed, exchange_key(offer->sha256))) {
        return;
    }
    keep(exchange, meeting, source, offer);
    for (size_t i = 0; i < meeting->n_sides; i++) {
        struct side *to = &meeting->sides[i];
        struct route *route = to == from ? NULL : route_of(to, source);
        if (route != NULL) {
            exchange_give(to, route, offer);
        }
    }
}

/* --- out of an engine --- */

struct pass {
    const struct exchange *exchange;
    struct meeting *meeting;
    struct side *side;
    const char *folder;
    int64_t files, bytes; /* that were read */
    bool all;             /* nothing was left for the next one */
};

/* 1: read; 0: not yet; negative: never. */
static int
read_input(int dir, const char *name, struct offer *offer)
{
    struct stat *st = &offer->st;

    offer->fd =
        openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (offer->fd < 0 || fstat(offer->fd, st) < 0 || !S_ISREG(st->st_mode) ||
        st->st_size > EXCHANGE_INPUT_MAX) {
        return -EINVAL;
    }
    int64_t age = clock_wall_ms() - clock_file_ms(&st->st_mtim);
    if (age < SETTLED_MS && age > -SETTLED_MS) {
        return 0;
    }
    AUTO(mem_free) char *data = mem_alloc((size_t)st->st_size + 1);
    ssize_t len = fd_read(offer->fd, data, (size_t)st->st_size);
    buf_cut(offer->bytes, 0);
    if (len > 0) {
        buf_add(offer->bytes, data, (size_t)len);
    }
    return len > 0 ? 1 : -EINVAL; /* neither engine takes in what is empty */
}

int
exchange_read(int dir, const char *name, struct offer *offer)
{
    offer->dir = dir;
    offer->name = name;
    int rc = read_input(dir, name, offer);
    if (rc != 1) {
        fd_close(FD_STEAL(offer->fd));
    }
    return rc;
}

/* "libfuzzer-1764262800-0,src:000004": kept of what was offered in this campaign. */
static void
credit_taken(struct pass *pass, const char *peer)
{
    struct side *to = pass->side;

    for (size_t i = 0; i < to->n_routes; i++) {
        struct route *route = &to->routes[i];
        AUTO(mem_free)
        char *mine = mem_printf("%s-%lld-", route->source, (long long)to->session);
        if (str_starts(peer, mine)) {
            route->useful++;
        }
    }
}

/* 0: done with it; 1: the pass is over; -EAGAIN: later. */
static int
take_own(struct pass *pass, int dir, const char *name)
{
    AUTO(buf_clear) struct buf bytes = {.max = EXCHANGE_INPUT_MAX};
    struct offer offer = {.fd = -1, .bytes = &bytes};
    const char *source = pass->side->ops->name;

    if (pass->files >= EXCHANGE_PASS_FILES || pass->bytes >= EXCHANGE_PASS_BYTES ||
        !exchange_room(pass->meeting, pass->side, source)) {
        return 1;
    }
    int rc = exchange_read(dir, name, &offer);
    if (rc == 0) {
        return -EAGAIN;
    }
    if (rc == 1) {
        pass->files++;
        pass->bytes += (int64_t)bytes.len;
        exchange_offer(pass->exchange, pass->meeting, pass->side, source, &offer);
        fd_close(offer.fd);
    }
    return 0;
}

static int
look_at_input(void *user, int dir, const char *name, unsigned char type)
{
    struct pass *pass = user;
    const char *peer = NULL;
    enum engine_input what = pass->side->ops->input(name, &peer);
    uint64_t key = what == ENGINE_INPUT_OTHER ? 0 : name_key(pass->folder, name);

    (void)type;
    if (key == 0 || seen_find(&pass->side->looked, key) != NULL) {
        return 0;
    }
    int rc = 0;
    if (what == ENGINE_INPUT_OWN) {
        rc = take_own(pass, dir, name);
    } else {
        credit_taken(pass, peer);
    }
    if (rc == 0) {
        seen_add(&pass->side->looked, key);
    }
    pass->all = pass->all && rc == 0;
    return rc == 1 ? 1 : 0;
}

static struct outlet *
outlet_of(struct side *side, const char *folder)
{
    for (size_t i = 0; i < side->n_outlets; i++) {
        if (strcmp(side->outlets[i].folder, folder) == 0) {
            return &side->outlets[i];
        }
    }
    if (side->n_outlets == COUNT(side->outlets)) {
        return NULL;
    }
    struct outlet *outlet = &side->outlets[side->n_outlets++];
    outlet->folder = mem_strdup(folder);
    return outlet;
}

/* Nothing is listed that has not changed since all in it was seen; within the resolution
 * of its time, and a little more, a change could hide. */
static void
look_at_outlet(void *user, const char *folder, bool consume)
{
    struct pass *pass = user;
    struct outlet *outlet = outlet_of(pass->side, folder);
    AUTO(fd_close) int fd = -1;
    struct stat st;

    (void)consume;
    if (outlet == NULL || folder_open(pass->side->folder, folder, &fd, NULL) < 0 ||
        fstat(fd, &st) < 0 ||
        memcmp(&st.st_mtim, &outlet->seen, sizeof(st.st_mtim)) == 0) {
        return;
    }
    pass->folder = folder;
    pass->all = true;
    (void)folder_list(pass->side->folder, folder, look_at_input, pass, NULL);
    bool quiet = clock_wall_ms() / 1000 - st.st_mtim.tv_sec > 2;
    outlet->seen = pass->all && quiet ? st.st_mtim : (struct timespec){0};
}

static void
meet(const struct exchange *exchange, struct meeting *meeting)
{
    int64_t begun = clock_mono_ms();

    for (size_t i = 0; i < meeting->n_sides; i++) {
        struct side *side = &meeting->sides[i];
        struct pass pass = {.exchange = exchange, .meeting = meeting, .side = side};
        exchange_nudge(side, begun);
        side->ops->inputs(side->folder, look_at_outlet, &pass);
    }
    end_corpus(meeting);
    tell_all(exchange, meeting);
    int64_t took = clock_mono_ms() - begun;
    meeting->next_ms =
        begun +
        (took * COST_FACTOR > EXCHANGE_EVERY_MS ? took * COST_FACTOR : EXCHANGE_EVERY_MS);
}

/* --- the whole --- */

struct exchange *
exchange_new(const struct exchange_config *config)
{
    struct exchange *exchange = mem_alloc(sizeof(*exchange));

    exchange->config = *config;
    exchange->n = config->targets->n;
    exchange->meetings = mem_array(exchange->n, sizeof(*exchange->meetings));
    for (size_t t = 0; t < exchange->n; t++) {
        exchange->meetings[t].target = config->targets->v[t];
    }
    return exchange;
}

static void
side_clear(struct side *side)
{
    mem_free(side->folder);
    seen_clear(&side->looked);
    fd_close(side->nudge_fd);
    for (size_t i = 0; i < side->n_outlets; i++) {
        mem_free(side->outlets[i].folder);
    }
}

void
exchange_free(struct exchange *exchange)
{
    if (exchange == NULL) {
        return;
    }
    for (size_t t = 0; t < exchange->n; t++) {
        struct meeting *meeting = &exchange->meetings[t];
        for (size_t i = 0; i < meeting->n_sides; i++) {
            side_clear(&meeting->sides[i]);
        }
        seen_clear(&meeting->passed);
        library_close(meeting->library);
    }
    mem_free(exchange->meetings);
    mem_free(exchange);
}

/* Inlets of an earlier campaign, whose numbers say nothing here. */
static int
drop_inlet(void *user, int dir, const char *name, unsigned char type)
{
    const struct side *side = user;

    (void)dir;
    (void)type;
    if (str_starts(name, ENGINE_INLET_PREFIX)) {
        AUTO(mem_free) char *path = fs_join(side->folder, name);
        (void)fs_remove(path, NULL);
    }
    return 0;
}

void
exchange_join(struct exchange *exchange, size_t target, const struct engine_ops *ops)
{
    struct meeting *meeting = &exchange->meetings[target];

    if (side_of(meeting, ops) != NULL || meeting->n_sides == COUNT(meeting->sides)) {
        return;
    }
    struct side *side = &meeting->sides[meeting->n_sides++];
    *side = (struct side){.ops = ops,
                          .nudge_fd = -1,
                          .session = clock_wall_ms() / 1000,
                          .ready_ms = clock_mono_ms() + EXCHANGE_WAIT_MS};
    side->folder = mem_printf("%s/fuzz/%s/%s", exchange->config.state,
                              meeting->target->name, ops->name);
    (void)folder_list(side->folder, "", drop_inlet, side, NULL);
}

void
exchange_ready(struct exchange *exchange, size_t target, const struct engine_ops *ops)
{
    struct side *side = side_of(&exchange->meetings[target], ops);

    if (side != NULL) {
        side->ready_ms = 0;
    }
}

void
exchange_credit(struct exchange *exchange, size_t target, const struct engine_ops *ops,
                int64_t inputs)
{
    struct meeting *meeting = &exchange->meetings[target];
    struct side *to = side_of(meeting, ops);
    int64_t now = clock_mono_ms();

    for (size_t i = 0; to != NULL && i < to->n_routes; i++) {
        struct route *route = &to->routes[i];
        int64_t fresh = now - route->offered_ms > CREDIT_MS ? 0 : route->fresh;
        int64_t n = inputs < fresh ? inputs : fresh;
        if (n > 0) {
            route->fresh -= n;
            inputs -= n;
            route->useful += n;
        }
    }
}

/* By the clock on the wall: a day is one, also where the machine slept. */
static bool
cross_due(const struct exchange *exchange, struct meeting *meeting, int64_t wall_ms)
{
    int64_t since = wall_ms - meeting->crossed_ms;
    bool daily = exchange->config.cross == EXCHANGE_CROSS_DAILY;

    return exchange->config.cross != EXCHANGE_CROSS_NO && exchange->n > 1 &&
           (meeting->crossed_ms == 0 || (daily && (since >= DAY_MS || since < 0))) &&
           exchange_room(meeting, NULL, EXCHANGE_CROSS);
}

void
exchange_tick(struct exchange *exchange)
{
    int64_t now = clock_mono_ms();

    for (size_t t = 0; t < exchange->n; t++) {
        struct meeting *meeting = &exchange->meetings[t];
        if (meeting->n_sides == 0 || now < meeting->next_ms) {
            continue;
        }
        if (!begin_corpus(exchange, meeting, false)) {
            meeting->next_ms = now + EXCHANGE_EVERY_MS; /* what is new waits */
            continue;
        }
        int64_t wall_ms = clock_wall_ms();
        if (cross_due(exchange, meeting, wall_ms)) {
            meeting->crossed_ms = wall_ms;
            exchange_cross(exchange, t);
        }
        meet(exchange, meeting);
    }
}

void
exchange_settle(struct exchange *exchange)
{
    for (size_t t = 0; t < exchange->n; t++) {
        (void)begin_corpus(exchange, &exchange->meetings[t], false);
        meet(exchange, &exchange->meetings[t]);
    }
}
