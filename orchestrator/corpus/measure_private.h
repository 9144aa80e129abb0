/*
 * Between the files of measure. Both ends of the socket are this program.
 *
 * First comes the setting, JSON behind its length (uint32_t). Then packets: up to
 * MEASURE_PACKET descriptors with one byte, which says whether the batch is whole
 * (MEASURE_RUN, also with no descriptor) or goes on (MEASURE_MORE). When it is whole its
 * inputs are run, and answers come in their order, each with its trace (or, of a negative
 * code, the message) behind it.
 */
#ifndef ORCHESTRATOR_CORPUS_MEASURE_PRIVATE_H
#define ORCHESTRATOR_CORPUS_MEASURE_PRIVATE_H

#include <sys/types.h>

#include "base/proc.h"
#include "orchestrator/corpus/measure.h"
#include "triage/sandbox.h"

enum {
    MEASURE_SETUP_MAX = 1 << 20,
    MEASURE_GAP_MAX = 5,            /* bytes of a gap */
    MEASURE_PACKET = 32,            /* descriptors in a message */
    MEASURE_BATCH_MAX = 1024,       /* inputs */
    MEASURE_BATCH_BYTES = 32 << 20, /* of all its inputs, but for the last */
    MEASURE_MESSAGE_MAX = 200,
    MEASURE_RUN = 'r',
    MEASURE_MORE = 'm',
};

struct measure_answer {
    int32_t code; /* 0, or a negative errno: the target cannot be measured at all */
    int32_t kind;
    uint32_t bytes, tuples, trace_bytes;
    uint32_t run_us; /* what it took, its share of what the batch took */
    uint64_t hash;
    unsigned char key[MEASURE_KEY_BYTES];
};

/* --- within the sandbox --- */

struct measure_shot { /* an input of a batch */
    const void *data; /* borrowed */
    size_t len;       /* 1 to MEASURE_INPUT_MAX */
    enum measure_kind kind;
    uint32_t tuples;
    uint64_t hash;
    struct buf trace; /* empty before the run */
};

/* Append a tuple, above *last (first -1), to the shot's trace. */
void measure_put_tuple(struct measure_shot *shot, int64_t *last, uint32_t tuple);

struct measure_place { /* where the target is started */
    struct command command;
    enum sandbox_rung rung; /* of the sandbox around this process */
    char *work; /* absolute; the target's working folder, which it may write */
};

/* rung is set. Makes the folder `work` in the working folder, which is the sandbox's
 * private one. */
int measure_place_begin(struct measure_place *place, struct err *err);
void measure_place_clear(struct measure_place *place);

/* Whether this is process 1 of a pid namespace, in which a start needs no sandbox of its
 * own: then all other processes that it sees are the target's, and their pids mean
 * something. */
bool measure_place_is_ours(const struct measure_place *place);

/* Start a program with the target's view of the files. argv and cwd of spec are set here;
 * TMPDIR as well, where it is in a sandbox of its own. */
int measure_start(const struct measure_place *place, const struct strv *command,
                  struct proc_spec *spec, struct proc *out, struct err *err);

/* Let the policy show what the command needs. */
int measure_show(const struct command *command, struct sandbox_policy *policy,
                 struct err *err);

/* A way to measure: one file, and one row in measure_ops_of(). The first that takes the
 * command is used. */
struct measure_ops {
    const char *name;
    size_t batch_max; /* inputs that are run together */
    int64_t aim_us;   /* how long a batch should take */
    bool ahead;       /* a second batch may wait in the socket */
    bool (*takes)(const struct command *command);
    /* `place` is borrowed until close(). */
    int (*open)(const struct measure_place *place, void **state, struct err *err);
    /* Run the first `done` (at least one) of n shots, and say how it was. -EIO: the
     * sandbox is of no more use, another one tries them. Any other failure stands for all
     * inputs that will come. */
    int (*run)(void *state, struct measure_shot *shots, size_t n, size_t *done,
               struct err *err);
    void (*close)(void *state);
};

extern const struct measure_ops measure_afl, measure_libfuzzer;

const struct measure_ops *measure_ops_of(const struct command *command);

/* --- afl_server.c --- */

struct afl_server {
    const struct measure_place *place; /* borrowed */
    char *input;                       /* the file that @@ stands for */
    struct strv argv, env;
    struct proc proc;
    int control, status; /* our ends; -1 */
    int in;              /* INPUT_STDIN: a file in memory; -1 */
    int map_id, case_id; /* of SysV segments, which go with the last that uses them */
    unsigned char *map, *test; /* test: its length (uint32_t) and the bytes */
    uint32_t map_bytes;        /* of this target */
    bool shares_test;          /* the target takes its input from there */
};

#define AFL_SERVER_INIT                                                         \
    {                                                                           \
        .proc = PROC_INIT, .control = -1, .status = -1, .in = -1, .map_id = -1, \
        .case_id = -1                                                           \
    }

/* Shared memory, arguments and environment; server->place is set. */
int afl_server_prepare(struct afl_server *server, struct err *err);
void afl_server_clear(struct afl_server *server);

/* One run on the bytes. The map is as the run left it. -ENOEXEC: no fork server answers;
 * -EIO: it was lost in the middle of this run. */
int afl_server_run(struct afl_server *server, const void *data, size_t len,
                   enum measure_kind *kind, struct err *err);

#endif
