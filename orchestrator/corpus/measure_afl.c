/* Coverage by AFL's map: one run of the fork server after another. */
#include <string.h>

#include "base/mem.h"
#include "orchestrator/corpus/measure_private.h"

static bool
takes(const struct command *command)
{
    return command->mode != INPUT_LIBFUZZER;
}

static void
end(void *state)
{
    struct afl_server *server = state;

    if (server != NULL) {
        afl_server_clear(server);
        mem_free(server);
    }
}

static int
begin(const struct measure_place *place, void **state, struct err *err)
{
    struct afl_server *server = mem_alloc(sizeof(*server));

    *server = (struct afl_server)AFL_SERVER_INIT;
    server->place = place;
    int rc = afl_server_prepare(server, err);
    if (rc < 0) {
        end(server);
        return rc;
    }
    *state = server;
    return 0;
}

static unsigned int
bucket_of(unsigned char hits)
{
    return hits < 4     ? hits - 1U
           : hits < 8   ? 3
           : hits < 16  ? 4
           : hits < 32  ? 5
           : hits < 128 ? 6
                        : 7;
}

/* Most of a map is zero: eight bytes at a time. */
static void
read_map(const struct afl_server *server, struct measure_shot *shot)
{
    const unsigned char *map = server->map;
    int64_t last = -1;

    for (uint32_t i = 0; i < server->map_bytes; i += 8) {
        uint64_t word;
        memcpy(&word, map + i, sizeof(word));
        for (uint32_t k = i; word != 0 && k < i + 8; k++) {
            if (map[k] != 0) {
                measure_put_tuple(shot, &last, k * MEASURE_BUCKETS + bucket_of(map[k]));
            }
        }
    }
}

static int
run(void *state, struct measure_shot *shots, size_t n, size_t *done, struct err *err)
{
    struct afl_server *server = state;
    int rc = afl_server_run(server, shots[0].data, shots[0].len, &shots[0].kind, err);

    (void)n;
    if (rc == 0 && shots[0].kind == MEASURE_TRACE) {
        read_map(server, &shots[0]);
    }
    *done = 1;
    return rc;
}

const struct measure_ops measure_afl = {
    .name = "AFL++'s map",
    .batch_max = 16,
    .aim_us = 20000,
    .ahead = true,
    .takes = takes,
    .open = begin,
    .run = run,
    .close = end,
};
