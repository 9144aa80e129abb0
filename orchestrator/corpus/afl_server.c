/* AFL++'s fork server protocol as afl-fuzz speaks it, in a sandbox of our own. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/corpus/measure_private.h"

enum {
    CONTROL_FD = 198, /* AFL++'s FORKSRV_FD, and the next */
    STATUS_FD = 199,
    HELLO_MS = 10000, /* loader, sanitizer and constructors, on a loaded machine */
    WORD_MS = 10000,
    SANITIZER_EXIT = 86, /* AFL++'s MSAN_ERROR: what aborts not but exits so */
    MAP_ALIGN = 64,
};

/* AFL++ 4.04c, include/types.h */
static const uint32_t OPT_ENABLED = 0x80000001, OPT_MAPSIZE = 0x40000000,
                      OPT_TEST = 0x01000000, OPT_DICTIONARY = 0x10000000,
                      OPT_ERROR = 0xf800008f;

static uint32_t
map_size_of(uint32_t hello)
{
    return ((hello & 0x00fffffe) >> 1) + 1;
}

static void
server_end(struct afl_server *server)
{
    proc_clear(&server->proc);
    server->proc = (struct proc)PROC_INIT;
    fd_close(FD_STEAL(server->control));
    fd_close(FD_STEAL(server->status));
}

void
afl_server_clear(struct afl_server *server)
{
    server_end(server);
    fd_close(server->in);
    mem_free(server->input);
    strv_clear(&server->argv);
    strv_clear(&server->env);
}

/* --- before the first run --- */

static int
make_segment(size_t bytes, int *id, unsigned char **at, struct err *err)
{
    *id = shmget(IPC_PRIVATE, bytes, IPC_CREAT | IPC_EXCL | 0600);
    void *mapped = *id < 0 ? NULL : shmat(*id, NULL, 0);

    if (mapped == NULL || (intptr_t)mapped == -1) {
        return err_sys(err, "make %zu bytes of shared memory", bytes);
    }
    *at = mapped;
    /* Linux lets programs attach it by its id until the last has gone, and none is left
     * behind by whatever kills this one */
    return shmctl(*id, IPC_RMID, NULL) < 0 ? err_sys(err, "give up shared memory") : 0;
}

int
afl_server_prepare(struct afl_server *server, struct err *err)
{
    const struct command *command = &server->place->command;
    int rc = make_segment(MEASURE_MAP_MAX, &server->map_id, &server->map, err);

    rc = rc < 0 ? rc
                : make_segment(MEASURE_INPUT_MAX + sizeof(uint32_t), &server->case_id,
                               &server->test, err);
    if (rc < 0) {
        return rc;
    }
    server->input = fs_join(server->place->work, "input");
    command_arguments(command, server->input, &server->argv);
    command_environment(command, true, &server->env);
    strv_add(&server->env, "TMPDIR=/tmp");
    strv_add(&server->env, "LD_BIND_NOW=1"); /* not in every fork */
    strv_addf(&server->env, "__AFL_SHM_ID=%d", server->map_id);
    strv_addf(&server->env, "__AFL_SHM_FUZZ_ID=%d", server->case_id);
    strv_addf(&server->env, "AFL_MAP_SIZE=%d", MEASURE_MAP_MAX);
    if (command->mode == INPUT_STDIN) {
        server->in = memfd_create("input", MFD_CLOEXEC);
    }
    return command->mode == INPUT_STDIN && server->in < 0
               ? err_sys(err, "make a file in memory")
               : 0;
}

/* --- the server's start --- */

/* A word of the server's; false: none came. */
static bool
hear(const struct afl_server *server, void *word, int64_t ms)
{
    struct pollfd poll_fd = {server->status, POLLIN, 0};
    int64_t end = clock_mono_ms() + ms;
    int n;

    do {
        int64_t left = end - clock_mono_ms();
        n = poll(&poll_fd, 1, left < 0 ? 0 : (int)left);
    } while (n < 0 && errno == EINTR);
    return n > 0 &&
           fd_read(server->status, word, sizeof(uint32_t)) == (ssize_t)sizeof(uint32_t);
}

static bool
say(const struct afl_server *server, uint32_t word)
{
    return fd_write(server->control, &word, sizeof(word), NULL) == 0;
}

static int
spawn(struct afl_server *server, struct err *err)
{
    static const int keep[] = {CONTROL_FD, STATUS_FD};
    const struct command *command = &server->place->command;
    int control[2];
    int status[2];
    int rc = fd_pipe(control, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int their_control = control[0];
    server->control = control[1];
    rc = fd_pipe(status, err);
    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int their_status = status[1];
    server->status = status[0];
    struct proc_spec spec = {
        .envp = server->env.v,
        .in_fd = server->in,
        .out_fd = -1,
        .err_fd = -1,
        .keep = keep,
        .n_keep = COUNT(keep),
        .limits = {.address_bytes = command->asan ? 0 : command->memory_bytes,
                   .file_bytes = 256 << 20}};
    if (dup3(their_control, CONTROL_FD, O_CLOEXEC) < 0 ||
        dup3(their_status, STATUS_FD, O_CLOEXEC) < 0) {
        return err_sys(err, "put a descriptor in its place");
    }
    rc = measure_start(server->place, &server->argv, &spec, &server->proc, err);
    fd_close(CONTROL_FD);
    fd_close(STATUS_FD);
    return rc;
}

/* What the target says that it has, and what of it is wanted: no dictionary. */
static int
agree(struct afl_server *server, uint32_t hello, struct err *err)
{
    bool options = (hello & OPT_ENABLED) == OPT_ENABLED;

    if ((hello & OPT_ERROR) == OPT_ERROR) {
        return err_set(err, -ENOEXEC, "the target's fork server answers with error %u",
                       (hello & 0x00ffff00) >> 8);
    }
    server->map_bytes = options && (hello & OPT_MAPSIZE) == OPT_MAPSIZE
                            ? map_size_of(hello)
                            : 1U << 16; /* AFL's own MAP_SIZE */
    server->map_bytes = (server->map_bytes + MAP_ALIGN - 1) / MAP_ALIGN * MAP_ALIGN;
    server->shares_test = options && (hello & OPT_TEST) == OPT_TEST;
    if (server->map_bytes > MEASURE_MAP_MAX) {
        return err_set(err, -EFBIG, "the target's map of %u bytes is larger than %d",
                       server->map_bytes, MEASURE_MAP_MAX);
    }
    if (options && (hello & (OPT_TEST | OPT_DICTIONARY)) != 0 &&
        !say(server, OPT_ENABLED | (server->shares_test ? OPT_TEST : 0))) {
        return err_set(err, -ENOEXEC, "the target's fork server has gone");
    }
    return 0;
}

static int
server_start(struct afl_server *server, struct err *err)
{
    uint32_t hello = 0;

    if (server->proc.pid > 0) {
        return 0;
    }
    int rc = spawn(server, err);
    if (rc == 0 && !hear(server, &hello, HELLO_MS)) {
        rc = err_set(err, -ENOEXEC,
                     "the target starts no AFL++ fork server: corpora are measured on an "
                     "AFL++ build (afl-clang-fast), and it must run without an input");
    }
    rc = rc < 0 ? rc : agree(server, hello, err);
    if (rc < 0) {
        server_end(server);
    }
    return rc;
}

/* --- a run --- */

static int
put_file(int fd, const void *data, size_t len, struct err *err)
{
    if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
        return err_sys(err, "empty the place of the input");
    }
    int rc = fd_write(fd, data, len, err);
    return rc < 0 || lseek(fd, 0, SEEK_SET) == 0 ? rc : err_sys(err, "rewind the input");
}

/* A new file each time: what the last run made of its own is no matter. */
static int
put_input(const struct afl_server *server, const void *data, size_t len, struct err *err)
{
    uint32_t bytes = (uint32_t)len;

    if (server->shares_test) {
        memcpy(server->test, &bytes, sizeof(bytes));
        memcpy(server->test + sizeof(bytes), data, len);
        return 0;
    }
    if (server->in >= 0) {
        return put_file(server->in, data, len, err);
    }
    (void)unlink(server->input);
    AUTO(fd_close)
    int fd =
        open(server->input, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? err_sys(err, "make the input") : fd_write(fd, data, len, err);
}

static enum measure_kind
kind_of(int status)
{
    return WIFSIGNALED(status) ||
                   (WIFEXITED(status) && WEXITSTATUS(status) == SANITIZER_EXIT)
               ? MEASURE_CRASH
               : MEASURE_TRACE;
}

/* The pid is the target's word. Where it is one of this namespace the worst that it names
 * is itself; elsewhere it may be anybody's. False: the server is lost. */
static bool
end_run(struct afl_server *server, int32_t pid)
{
    int32_t status = 0;

    if (!measure_place_is_ours(server->place)) {
        server_end(server);
        return true;
    }
    (void)kill(pid, SIGKILL);
    return hear(server, &status, WORD_MS);
}

/* False: the server is lost. */
static bool
run_once(struct afl_server *server, int64_t limit_ms, enum measure_kind *kind)
{
    int32_t pid = 0;
    int32_t status = 0;

    memset(server->map, 0, server->map_bytes);
    if (!say(server, 0) || !hear(server, &pid, WORD_MS) || pid <= 1) {
        return false;
    }
    if (hear(server, &status, limit_ms)) {
        *kind = kind_of(status);
        return true;
    }
    *kind = MEASURE_HANG;
    return end_run(server, pid);
}

int
afl_server_run(struct afl_server *server, const void *data, size_t len,
               enum measure_kind *kind, struct err *err)
{
    int64_t limit_ms = server->place->command.timeout_ms;

    /* a busy machine makes hangs of slow runs: only what hangs twice does */
    for (int i = 0; i < 2; i++, limit_ms *= 2) {
        int rc = server_start(server, err);
        rc = rc < 0 ? rc : put_input(server, data, len, err);
        if (rc < 0) {
            return rc;
        }
        if (!run_once(server, limit_ms, kind)) {
            server_end(server);
            return err_set(err, -EIO, "the target's fork server was lost");
        }
        if (*kind != MEASURE_HANG) {
            break;
        }
    }
    return 0;
}
