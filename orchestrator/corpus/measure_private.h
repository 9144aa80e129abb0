/* Between the files of measure. Both ends of the socket are this program. */
#ifndef ORCHESTRATOR_CORPUS_MEASURE_PRIVATE_H
#define ORCHESTRATOR_CORPUS_MEASURE_PRIVATE_H

#include <sys/types.h>

#include "base/proc.h"
#include "orchestrator/corpus/measure.h"

#define MEASURE_WORK  "/tmp/work"
#define MEASURE_INPUT MEASURE_WORK "/input"

enum {
    MEASURE_SETUP_MAX = 1 << 20,
    MEASURE_GAP_MAX = 5, /* bytes of a gap */
};

/* First a command as JSON behind its length (uint32_t). Then a byte for each input, with
 * its descriptor, and to each an answer, with the trace behind it. Answers come in the
 * order of the inputs. */
struct measure_answer {
    int32_t code; /* 0, or a negative errno: the target cannot be measured at all */
    int32_t kind;
    uint32_t bytes, tuples, trace_bytes;
    uint64_t hash;
    unsigned char key[MEASURE_KEY_BYTES];
    char message[200];
};

/* --- afl_server.c: within the sandbox --- */

struct afl_server {
    struct command command;
    struct strv argv, env;
    struct proc proc;
    int control, status;       /* our ends; -1 */
    int in;                    /* INPUT_STDIN: a file in memory; -1 */
    int map_id, case_id;       /* of SysV segments */
    unsigned char *map, *test; /* test: its length (uint32_t) and the bytes */
    uint32_t map_bytes;        /* of this target */
    bool shares_test;          /* the target takes its input from there */
};

#define AFL_SERVER_INIT                                                         \
    {                                                                           \
        .proc = PROC_INIT, .control = -1, .status = -1, .in = -1, .map_id = -1, \
        .case_id = -1                                                           \
    }

/* Shared memory, arguments and environment; server->command is set. */
int afl_server_prepare(struct afl_server *server, struct err *err);
void afl_server_clear(struct afl_server *server);
AUTO_DEFINE_CLEAR(struct afl_server, afl_server_clear)

/* One run on the bytes. The map is as the run left it. -ENOEXEC: no fork server answers;
 * -EIO: it was lost in the middle of this run, and is started again for the next. */
int afl_server_run(struct afl_server *server, const void *data, size_t len,
                   enum measure_kind *kind, struct err *err);

#endif
