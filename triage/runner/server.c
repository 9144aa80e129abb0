#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/preload.h"
#include "triage/runner.h"
#include "triage/runner/runner_private.h"

enum {
    HELLO_MS = 10000, /* loader, sanitizer and constructors, on a loaded machine */
    WORD_MS = 10000,  /* of the protocol, which the server says without thinking */
    DEATHS_MAX = 3,
    LEAKS_IN_A_ROW = 2,
};

void
server_end(struct server *server)
{
    proc_clear(&server->proc);
    fd_close(FD_STEAL(server->control));
    fd_close(FD_STEAL(server->status));
    fd_close(FD_STEAL(server->out[0]));
    fd_close(FD_STEAL(server->out[1]));
    fd_close(FD_STEAL(server->in));
}

/* --- starting it --- */

/* A limit that the sanitizer watches by a thread of its own: with that thread nothing
 * could be forked; whoever comes near it is run by a fresh start. */
static void
without_thread(const char *variable, struct strv *env)
{
    static const char option[] = "hard_rss_limit_mb=";
    const char *at = strstr(variable, option);

    if (at == NULL || strstr(variable, "_OPTIONS=") == NULL) {
        strv_add(env, variable);
        return;
    }
    const char *rest = at + strcspn(at, ":");
    strv_addf(env, "%.*s%s", (int)(at - variable), variable,
              *rest == ':' ? rest + 1 : rest);
}

/* False: the command has plans of its own for the loader, or the program takes none. */
static bool
make_environment(const struct setting *setting, struct strv *env)
{
    AUTO(mem_free)
    char *value = setting->preload == NULL
                      ? NULL
                      : preload_value(setting->command.argv.v[0], setting->preload);

    bool binds = false;

    for (size_t i = 0; i < setting->env.n && value != NULL; i++) {
        if (str_starts(setting->env.v[i], "LD_PRELOAD=")) {
            return false;
        }
        binds = binds || str_starts(setting->env.v[i], "LD_BIND_NOW=");
        without_thread(setting->env.v[i], env);
    }
    if (value != NULL) {
        strv_addf(env, "LD_PRELOAD=%s", value);
    }
    if (value != NULL && !binds) { /* each name is looked up once, not in every fork */
        strv_add(env, "LD_BIND_NOW=" PRELOAD_BIND);
    }
    return value != NULL;
}

static int
make_descriptors(struct server *server, bool with_input, int theirs[2], struct err *err)
{
    int control[2] = {-1, -1};
    int status[2] = {-1, -1};
    int rc = fd_pipe(control, err);

    rc = rc < 0 ? rc : fd_pipe(status, err);
    rc = rc < 0 ? rc : fd_pipe(server->out, err);
    rc = rc < 0 ? rc : fd_set_nonblock(server->out[0], true, err);
    server->control = control[1];
    server->status = status[0];
    theirs[0] = control[0];
    theirs[1] = status[1];
    if (rc == 0 && with_input) {
        server->in = memfd_create("input", MFD_CLOEXEC); /* nobody can seal it */
        rc = server->in < 0 ? err_sys(err, "make a file in memory") : 0;
    }
    server->out_flags = fcntl(server->out[1], F_GETFL);
    server->out_size = fcntl(server->out[1], F_GETPIPE_SZ);
    server->in_flags = server->in < 0 ? 0 : fcntl(server->in, F_GETFL);
    return rc;
}

/* At the protocol's own numbers, for the time of the start. */
static int
spawn(struct server *server, const struct setting *setting, const struct strv *env,
      const int theirs[2], struct err *err)
{
    static const int keep[] = {PRELOAD_CONTROL_FD, PRELOAD_STATUS_FD};
    const struct proc_spec spec = {.argv = setting->argv.v,
                                   .envp = env->v,
                                   .cwd = ROOM_WORK,
                                   .in_fd = server->in,
                                   .out_fd = server->out[1],
                                   .err_fd = server->out[1],
                                   .keep = keep,
                                   .n_keep = COUNT(keep),
                                   .limits.file_bytes = RUNNER_FILE_MAX};

    if (dup3(theirs[0], keep[0], O_CLOEXEC) < 0 ||
        dup3(theirs[1], keep[1], O_CLOEXEC) < 0) {
        return err_sys(err, "put a descriptor in its place");
    }
    int rc = proc_spawn(&spec, &server->proc, err);
    fd_close(keep[0]);
    fd_close(keep[1]);
    return rc;
}

/* A word of the server's. */
static int
hear(const struct server *server, uint32_t *word, int64_t ms)
{
    struct pollfd poll_fd = {server->status, POLLIN, 0};
    int64_t end = clock_mono_ms() + ms;
    int n = 0;

    do {
        int64_t left = end - clock_mono_ms();
        n = poll(&poll_fd, 1, left < 0 ? 0 : (int)left);
    } while (n < 0 && errno == EINTR);
    return n > 0 && fd_read(server->status, word, sizeof(*word)) == (ssize_t)sizeof(*word)
               ? 0
               : -1;
}

/* What constructors and a sanitizer's start printed is no part of a run. */
static void
drop_output(const struct server *server)
{
    char chunk[4096];

    while (read(server->out[0], chunk, sizeof(chunk)) > 0) {
    }
}

/* 1: it runs; 0: this program has none. */
static int
server_start(struct server *server, const struct setting *setting, struct err *err)
{
    AUTO(strv_clear) struct strv env = {0};
    int theirs[2] = {-1, -1};
    uint32_t hello = 0;

    if (server->refused || server->proc.pid > 0) {
        return !server->refused;
    }
    server->refused = !make_environment(setting, &env);
    if (server->refused) {
        return 0;
    }
    int rc = make_descriptors(server, setting->command.mode == INPUT_STDIN, theirs, err);
    rc = rc < 0 ? rc : spawn(server, setting, &env, theirs, err);
    fd_close(theirs[0]);
    fd_close(theirs[1]);
    if (rc < 0 || hear(server, &hello, HELLO_MS) < 0) {
        server_end(server);
        server->refused = true;
        return 0; /* the plain start says what is wrong with it */
    }
    drop_output(server);
    return 1;
}

int
server_prepare(struct server *server, const struct setting *setting, struct err *err)
{
    int rc = server_start(server, setting, err);

    return rc < 0 ? rc : 0;
}

/* --- a run --- */

static int
put_input(const struct server *server, int input, struct err *err)
{
    if (server->in < 0) {
        return 0;
    }
    if (ftruncate(server->in, 0) < 0 || lseek(server->in, 0, SEEK_SET) < 0) {
        return err_sys(err, "empty the standard input");
    }
    int rc = wire_copy(input, server->in, err);
    return rc < 0 || lseek(server->in, 0, SEEK_SET) == 0
               ? rc
               : err_sys(err, "rewind the standard input");
}

/* A server that does not do as the protocol says was hurt by a run. */
static int
server_died(struct server *server)
{
    server_end(server);
    server->refused = ++server->deaths >= DEATHS_MAX;
    return 0;
}

static bool
tells_of_leaks(const struct limit_run *run)
{
    static const char leaks[] = "LeakSanitizer";

    return run->output.len > 0 &&
           memmem(run->output.data, run->output.len, leaks, sizeof(leaks) - 1) != NULL;
}

/* Memory has another limit in a fresh start, where the sanitizer itself watches over it;
 * and LeakSanitizer knows the stack of the process that it started in, not a fork's. */
static bool
is_witness(const struct limit_run *run)
{
    return run->hit != LIMIT_MEMORY && !tells_of_leaks(run);
}

bool
server_is_of_use(const struct server *server)
{
    return !server->refused && server->leaks < LEAKS_IN_A_ROW;
}

void
server_learn(struct server *server, const struct limit_run *run)
{
    bool again = tells_of_leaks(run) && server->leaks < LEAKS_IN_A_ROW;

    server->leaks = tells_of_leaks(run) ? server->leaks + again : 0;
}

int
server_run(struct server *server, const struct setting *setting,
           const struct wire_ask *ask, int input, struct limit_run *out, struct err *err)
{
    AUTO(limit_run_clear) struct limit_run run = {0};
    struct limit limit = ask->limit;
    uint32_t word = 0;
    uint32_t pid = 0;
    int rc = server_start(server, setting, err);

    limit.memory_bytes = setting->command.memory_bytes;
    rc = rc <= 0 ? rc : put_input(server, input, err);
    if (rc < 0 || server->proc.pid == 0) {
        return rc;
    }
    if (fd_write(server->control, &word, sizeof(word), err) < 0 ||
        hear(server, &pid, WORD_MS) < 0 || pid == 0 || pid > INT32_MAX) {
        return server_died(server);
    }
    const struct limit_process process = {(pid_t)pid, server->status, server->out[0]};
    rc = limit_watch(&process, &limit, &run, err);
    if (rc < 0) {
        return rc;
    }
    if (run.hit == LIMIT_NONE && hear(server, &word, WORD_MS) < 0) {
        return server_died(server);
    }
    run.status = run.hit == LIMIT_NONE ? (int)word : run.status;
    if (run.hit != LIMIT_NONE) {
        server_end(server); /* it waits for a run that is about to be killed */
    }
    if (!is_witness(&run)) {
        return 0;
    }
    *out = run;
    memset(&run, 0, sizeof(run)); /* out owns it now */
    return 1;
}

bool
server_is_sound(const struct server *server)
{
    return fcntl(server->out[1], F_GETFL) == server->out_flags &&
           fcntl(server->out[1], F_GETPIPE_SZ) == server->out_size &&
           (server->in < 0 || fcntl(server->in, F_GETFL) == server->in_flags);
}
