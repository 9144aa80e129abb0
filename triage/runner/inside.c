/* Process 1 of a sandbox: the runs, one after another. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "triage/runner.h"
#include "triage/runner/runner_private.h"

struct inside {
    int socket;
    int input; /* the bytes of the run, in a file that no target reaches */
    struct room room;
    struct setting setting;
    struct server server;
};

static void
inside_clear(struct inside *inside)
{
    server_end(&inside->server);
    room_clear(&inside->room);
    command_clear(&inside->setting.command);
    mem_free(inside->setting.preload);
    strv_clear(&inside->setting.argv);
    strv_clear(&inside->setting.env);
    fd_close(inside->socket);
    fd_close(inside->input);
}
AUTO_DEFINE_CLEAR(struct inside, inside_clear)

/* --- before the first run --- */

/* The socket leaves the standard descriptors, which a run's may take the place of. */
static int
make_descriptors(struct inside *inside, struct err *err)
{
    AUTO(fd_close) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    inside->socket = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    inside->input = memfd_create("input", MFD_CLOEXEC);
    if (inside->socket < 0 || inside->input < 0 || null_fd < 0 ||
        dup2(null_fd, STDIN_FILENO) < 0) {
        return err_sys(err, "take the socket, and make a file in memory");
    }
    return 0;
}

static int
take_setting(struct inside *inside, struct err *err)
{
    struct setting *setting = &inside->setting;
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(json_decref) json_t *object = NULL;
    uint32_t len = 0;
    int rc = wire_receive(inside->socket, &len, sizeof(len), -1, err);

    if (rc == 0 && len > WIRE_SETUP_MAX) {
        rc = err_set(err, -EPROTO, "a setting of %u bytes", len);
    }
    rc = rc < 0 ? rc : wire_receive_buf(inside->socket, &text, len, -1, err);
    rc = rc < 0 ? rc : json_parse(buf_str(&text), text.len, &object, err);
    rc = rc < 0 ? rc
                : command_from_json(json_object_get(object, "command"), &setting->command,
                                    err);
    if (rc < 0) {
        return rc;
    }
    setting->preload = mem_strdup(json_get_str(object, "preload", NULL));
    command_arguments(&setting->command, ROOM_INPUT, &setting->argv);
    command_environment(&setting->command, false, &setting->env);
    strv_add(&setting->env, "TMPDIR=/tmp");
    return 0;
}

/* --- a run --- */

static int
receive_input(const struct inside *inside, uint64_t len, struct err *err)
{
    static char piece[WIRE_PIECE];
    int rc = ftruncate(inside->input, 0) < 0 || lseek(inside->input, 0, SEEK_SET) < 0
                 ? err_sys(err, "empty the place of the input")
                 : 0;

    while (rc == 0 && len > 0) {
        size_t n = len < sizeof(piece) ? (size_t)len : sizeof(piece);
        rc = wire_receive(inside->socket, piece, n, -1, err);
        rc = rc < 0 ? rc : fd_write(inside->input, piece, n, err);
        len -= n;
    }
    return rc;
}

static int
put_input(const struct inside *inside, struct err *err)
{
    AUTO(fd_close)
    int fd = open(ROOM_INPUT, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? err_sys(err, "make the input") : wire_copy(inside->input, fd, err);
}

static int
start_plainly(struct inside *inside, const struct wire_ask *ask, struct limit_run *out,
              struct err *err)
{
    const struct setting *setting = &inside->setting;
    struct proc_spec spec = {.argv = setting->argv.v,
                             .envp = setting->env.v,
                             .cwd = ROOM_WORK,
                             .in_fd = -1,
                             .limits.file_bytes = RUNNER_FILE_MAX};
    struct limit limit = ask->limit;
    AUTO(fd_close) int input = -1;
    int rc =
        setting->command.mode == INPUT_STDIN ? fs_open(ROOM_INPUT, &input, NULL, err) : 0;

    /* as with the server; and descendants that fork on would fill the sandbox with their
     * dead, whom nobody reaps meanwhile */
    limit.ends_with_process = true;
    spec.in_fd = input;
    return rc < 0 ? rc : limit_run(&spec, &limit, out, err);
}

/* All as it was before the first run; the server may stay. */
static bool
make_sound(struct inside *inside)
{
    struct server *server = &inside->server;
    bool stays = server->proc.pid > 0 && server_is_sound(server) &&
                 !room_has_others(server->proc.pid);

    if (!stays) {
        bool killed = room_kill();
        server->proc.pid = 0; /* reaped with all others */
        server_end(server);
        if (!killed) {
            return false;
        }
    }
    return room_tidy(&inside->room);
}

static int
run(struct inside *inside, const struct wire_ask *ask, struct limit_run *out,
    struct err *err)
{
    struct server *server = &inside->server;
    int rc = put_input(inside, err);

    if (rc == 0 && ask->fresh == 0 && server_is_of_use(server)) {
        rc = server_run(server, &inside->setting, ask, inside->input, out, err);
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
        /* a fork was no witness: what it left is no part of the run that now comes */
        rc = make_sound(inside) ? put_input(inside, err)
                                : err_set(err, -EIO, "what a run left cannot be removed");
    }
    rc = rc < 0 ? rc : start_plainly(inside, ask, out, err);
    if (rc == 0 && ask->fresh == 0) {
        server_learn(server, out);
    }
    return rc;
}

static int
answer(const struct inside *inside, struct wire_answer *head, const struct limit_run *run,
       const char *message, struct err *err)
{
    AUTO(buf_clear) struct buf whole = {.max = 3 * (size_t)WIRE_OUTPUT_MAX};
    AUTO(buf_clear) struct buf stacks = {.max = WIRE_OUTPUT_MAX};

    for (size_t i = 0; i < run->stacks.n; i++) {
        buf_add(&stacks, run->stacks.v[i], strlen(run->stacks.v[i]) + 1);
    }
    head->status = run->status;
    head->hit = (int)run->hit;
    head->wall_ms = run->wall_ms;
    head->output_bytes = run->output.len;
    head->last_bytes = run->last_words.len;
    head->stacks_bytes = stacks.len;
    head->message_bytes = strlen(message);
    buf_add(&whole, head, sizeof(*head));
    buf_add(&whole, buf_str(&run->output), run->output.len);
    buf_add(&whole, buf_str(&run->last_words), run->last_words.len);
    buf_add(&whole, buf_str(&stacks), stacks.len);
    buf_adds(&whole, message);
    return wire_send(inside->socket, buf_str(&whole), whole.len, -1, err);
}

static int
serve_one(struct inside *inside, struct err *err)
{
    AUTO(limit_run_clear) struct limit_run result = {0};
    struct wire_answer head = {0};
    struct wire_ask ask;
    struct err why = ERR_INIT;
    int rc = wire_receive(inside->socket, &ask, sizeof(ask), -1, err);

    if (rc == 0 &&
        (ask.input_bytes > WIRE_INPUT_MAX || ask.limit.output_bytes > WIRE_OUTPUT_MAX)) {
        rc = err_set(err, -EPROTO, "an input or output beyond all limits");
    }
    rc = rc < 0 ? rc : receive_input(inside, ask.input_bytes, err);
    if (rc < 0) {
        return rc;
    }
    head.code = run(inside, &ask, &result, &why);
    head.sound = make_sound(inside);
    return answer(inside, &head, &result, why.msg, err);
}

int
runner_inside_main(void)
{
    AUTO(inside_clear)
    struct inside inside = {.socket = -1, .input = -1, .server = SERVER_INIT};
    struct err err = ERR_INIT;

    if (prctl(PR_SET_DUMPABLE, 0) < 0) {
        return 1;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    int rc = make_descriptors(&inside, &err);
    rc = rc < 0 ? rc : room_learn(&inside.room, &err);
    rc = rc < 0 ? rc : take_setting(&inside, &err);
    rc = rc == 0 && !make_sound(&inside) ? err_set(&err, -EIO, "it is not empty") : rc;
    rc = rc < 0 ? rc : server_prepare(&inside.server, &inside.setting, &err);
    rc = rc == 0 && !make_sound(&inside) ? err_set(&err, -EIO, "it is not empty") : rc;
    while (rc == 0) {
        rc = serve_one(&inside, &err);
    }
    if (rc == -EPIPE) {
        return 0; /* nobody asks any more */
    }
    (void)fprintf(stderr, "nightjar runner: %s\n", err.msg);
    return 1;
}
