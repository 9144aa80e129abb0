/* Between the files of the runner. */
#ifndef TRIAGE_RUNNER_PRIVATE_H
#define TRIAGE_RUNNER_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/proc.h"
#include "triage/command.h"
#include "triage/limit.h"

/* --- wire.c: what goes over the socket. Both ends are this program. --- */

enum {
    WIRE_SETUP_MAX = 1 << 20,   /* bytes of the first message */
    WIRE_INPUT_MAX = 128 << 20, /* of an input */
    WIRE_PIECE = 64 << 10,      /* of it, at a time */
    WIRE_OUTPUT_MAX = 4 << 20,  /* of either part of an answer */
    WIRE_MESSAGE_MAX = ERR_MSG_MAX,
};

/* First a line of JSON behind its length (uint32_t): "command" as command_to_json() has
 * it, "preload" the fork server's file or null. Then asks, each with its input behind
 * it, and an answer to each, with its parts behind it. */
struct wire_ask {
    struct limit limit;
    uint64_t input_bytes;
    uint64_t fresh;
};

struct wire_answer {
    int32_t
        code; /* 0, or a negative errno: the run could not be made, message says why */
    int32_t status, hit;
    int32_t sound; /* all is as before; 0: no further run here */
    int64_t wall_ms;
    /* of what follows in this order; of the stacks each ends with a NUL */
    uint64_t output_bytes, last_bytes, stacks_bytes, message_bytes;
};

/* -EPIPE when the other side has gone, -ETIMEDOUT at the monotonic `end` (-1: never). */
int wire_send(int fd, const void *data, size_t len, int64_t end, struct err *err);
int wire_receive(int fd, void *data, size_t len, int64_t end, struct err *err);

/* Receive len bytes into a buffer, which is cleared first. */
int wire_receive_buf(int fd, struct buf *out, size_t len, int64_t end, struct err *err);

/* All bytes of a file to where another one is written, in the kernel. */
int wire_copy(int from, int to, struct err *err);

/* --- room.c: what a run may leave behind, within its own namespaces --- */

#define ROOM_WORK  "/tmp/work"
#define ROOM_INPUT ROOM_WORK "/input"

struct room_place { /* what was there before the first run */
    char *path;
    dev_t dev;
    ino_t ino;
    mode_t mode;
    bool folder;             /* of this file system: emptied; else a mount, left alone */
    struct timespec changed; /* when it last was, the last time that it was looked into */
    bool settled; /* that was long enough before to tell a later change by it */
};

struct room {
    struct room_place *places;
    size_t n;
};

/* Learn what is there: before the first run. */
int room_learn(struct room *room, struct err *err);
void room_clear(struct room *room);
AUTO_DEFINE_CLEAR(struct room, room_clear)

/* Whether processes other than this one, `spare` (0: none) and their threads are left. A
 * process that forks and ends cannot hide: zombies count, and orphans are our children.
 */
bool room_has_others(pid_t spare);

/* Kill and reap every process but this one. False: some would not die. */
bool room_kill(void);

/* Empty the folders and remove SysV objects. False: it is not as it was. No process but
 * trusted ones may run. */
bool room_tidy(struct room *room);

/* --- server.c: a fork server within the command's program --- */

struct server {
    struct proc proc;
    int control, status; /* our ends; -1 */
    int out[2];          /* the runs' outputs; out[1] is the server's as well */
    int in;              /* INPUT_STDIN: a file in memory, the server's as well */
    int out_flags, in_flags, out_size;
    int deaths;   /* without an answer */
    int leaks;    /* programs started in a row that told of leaks */
    bool refused; /* the program takes none, or dies of it */
};

#define SERVER_INIT                                                               \
    {                                                                             \
        .proc = PROC_INIT, .control = -1, .status = -1, .out = {-1, -1}, .in = -1 \
    }

/* What every start of the command has in common. */
struct setting {
    struct command command;
    char *preload; /* NULL: none */
    struct strv argv, env;
};

void server_end(struct server *server);

/* Start it before the first run; it may be refused. */
int server_prepare(struct server *server, const struct setting *setting, struct err *err);

/*
 * A run on the bytes of the file `input`. 1: *out holds it, status and all; 0: there is
 * no server, or a fork is no witness of this run: start the program; negative: the
 * machine failed. At 1 and 0 processes may be left.
 */
int server_run(struct server *server, const struct setting *setting,
               const struct wire_ask *ask, int input, struct limit_run *out,
               struct err *err);

/* Whether a fork may be a witness of the next run: a program whose inputs leak, one after
 * the other, is better started at once than after a fork. */
bool server_is_of_use(const struct server *server);

/* What came of a start in the server's place. */
void server_learn(struct server *server, const struct limit_run *run);

/* Whether the server is as it was before the last run. */
bool server_is_sound(const struct server *server);

#endif
