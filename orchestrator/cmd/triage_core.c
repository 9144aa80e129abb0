#include "orchestrator/cmd/triage_core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "orchestrator/corpus/archives.h"
#include "orchestrator/supervise/pool_policy.h"
#include "triage/native.h"
#include "triage/replay.h"
#include "triage/worker.h"

enum {
    BLOCK_BYTES = 256 << 10,
    START_MS = 10000, /* of the worker, beyond gdb's own limits */
};

/* The private folder with the core in it. */
struct room {
    char *folder, *core;
};

static void
room_clear(struct room *room)
{
    if (room->folder != NULL) {
        (void)fs_remove(room->folder, NULL);
    }
    mem_free(room->folder);
    mem_free(room->core);
}
AUTO_DEFINE_CLEAR(struct room, room_clear)

/* --- the core file --- */

static int
unreadable(struct archive *archive, struct err *err)
{
    const char *why = archives.error_string(archive);
    AUTO(buf_clear) struct buf clean = {.max = 200};

    str_clean(&clean, why == NULL ? "" : why, why == NULL ? 0 : strlen(why));
    return err_set(err, -EINVAL, "it cannot be unpacked: %s", buf_str(&clean));
}

static bool
is_zero(const char *block, size_t len)
{
    return len > 0 && block[0] == 0 && memcmp(block, block + 1, len - 1) == 0;
}

/* What nobody wrote to stays a hole: a core is mostly that. */
static int
write_block(int fd, const char *block, size_t len, int64_t at, struct err *err)
{
    if (is_zero(block, len)) {
        return 0;
    }
    if (lseek(fd, (off_t)at, SEEK_SET) < 0) {
        return err_sys(err, "write it to a private folder");
    }
    return fd_write(fd, block, len, err);
}

static int
copy_data(struct archive *archive, int fd, struct err *err)
{
    AUTO(mem_free) char *block = mem_alloc(BLOCK_BYTES);
    int64_t size = 0;

    for (;;) {
        la_ssize_t n = archives.read_data(archive, block, BLOCK_BYTES);
        if (n < 0) {
            return unreadable(archive, err);
        }
        if (n == 0) {
            return ftruncate(fd, (off_t)size) < 0 ? err_sys(err, "write it") : 0;
        }
        if (size + n > TRIAGE_CORE_MAX) {
            return err_set(err, -EINVAL, "it has more than %lld GiB",
                           (long long)(TRIAGE_CORE_MAX >> 30));
        }
        int rc = write_block(fd, block, (size_t)n, size, err);
        if (rc < 0) {
            return rc;
        }
        size += n;
    }
}

/* Plain or compressed, into a file of the sandbox's own uid: the core may be readable by
 * root alone. */
static int
unpack(const char *from, int to, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    struct archive_entry *entry;
    int rc = archives_load(err);

    rc = rc < 0 ? rc : fs_open(from, &fd, NULL, err);
    if (rc < 0) {
        return rc;
    }
    AUTO(archive_close_free) struct archive *archive = archives.read_new();
    (void)archives.read_support_filter_gzip(archive);
    (void)archives.read_support_filter_xz(archive);
    (void)archives.read_support_filter_lz4(archive);
    (void)archives.read_support_filter_zstd(archive);
    (void)archives.read_support_format_raw(archive);
    if (archives.read_open_fd(archive, fd, BLOCK_BYTES) < ARCHIVE_WARN ||
        archives.read_next_header(archive, &entry) < ARCHIVE_WARN) {
        return unreadable(archive, err);
    }
    return copy_data(archive, to, err);
}

static int
check_core(int fd, struct err *err)
{
    Elf64_Ehdr head; /* e_ident and e_type lie in the same place in both classes */

    memset(&head, 0, sizeof(head));
    if (pread(fd, &head, sizeof(head), 0) < (ssize_t)sizeof(Elf32_Ehdr) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_type != ET_CORE) {
        return err_set(err, -EINVAL, "it is no core file");
    }
    return 0;
}

static int
make_room(const char *core, struct room *out, struct err *err)
{
    AUTO(room_clear) struct room room = {0};
    AUTO(fd_close) int fd = -1;
    uid_t uid;
    gid_t gid;
    int rc = replay_scratch(&room.folder, err);

    if (rc < 0) {
        return rc;
    }
    room.core = fs_join(room.folder, "core");
    fd = open(room.core, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_sys(err, "create '%s'", room.core);
    }
    sandbox_owner(&uid, &gid);
    if (geteuid() == 0 &&
        (fchown(fd, uid, gid) < 0 || chown(room.folder, uid, gid) < 0)) {
        return err_sys(err, "give '%s' to uid %d", room.folder, (int)uid);
    }
    rc = unpack(core, fd, err);
    rc = rc < 0 ? rc : check_core(fd, err);
    if (rc < 0) {
        return rc;
    }
    *out = room;
    memset(&room, 0, sizeof(room)); /* out owns it now */
    return 0;
}

/* --- the worker --- */

static int
write_request(const struct room *room, const struct command *command, const char *path,
              struct err *err)
{
    AUTO(json_decref) json_t *request = json_object();

    json_put(request, "job", json_integer(1));
    json_put(request, "op", json_string("core"));
    json_put(request, "input", json_name(room->core));
    json_put(request, "command", command_to_json(command));
    json_put(request, "options", json_object());
    AUTO(mem_free) char *line = json_line(request);
    AUTO(mem_free) char *text = mem_printf("%s\n", line);
    return fs_write(path, text, strlen(text), 0600, err);
}

static int
start_policy(const struct triage_core *of, const struct command *command,
             struct pool_policy *policy, struct err *err)
{
    policy->rung = of->rung;
    strv_add(&policy->hide, of->state);
    int rc = proc_self(&policy->program, err);
    if (rc == 0) {
        (void)pool_policy_know(policy, command);
    }
    return rc;
}

static int
read_answer(const struct proc_run *run, struct buf *out, struct err *err)
{
    AUTO(json_decref) json_t *answer = NULL;
    const char *text = buf_str(&run->output);
    const char *line = strstr(text, "{\"job\":");
    const char *report = NULL;

    if (line == NULL || json_parse(line, strcspn(line, "\n"), &answer, NULL) < 0) {
        char how[64];
        proc_status_show(how, sizeof(how), run->status);
        return err_set(err, -EIO, "the triage worker ended with %s and no answer",
                       run->timed_out ? "its time" : how);
    }
    const char *error = json_get_str(answer, "error", NULL);
    if (error != NULL) {
        return err_set(err, -ENODATA, "%s", error);
    }
    report = json_get_str(answer, "report", "");
    str_clean(out, report, strlen(report));
    return 0;
}

static int
ask_worker(const struct triage_core *of, const struct room *room,
           const struct command *command, struct buf *out, struct err *err)
{
    AUTO(pool_policy_clear) struct pool_policy policy = {0};
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(proc_run_clear) struct proc_run run = {.output.max = WORKER_LINE_MAX};
    AUTO(mem_free) char *request = mem_printf("%s/request", room->folder);
    AUTO(fd_close) int in_fd = -1;
    struct proc_spec spec = PROC_SPEC_INIT;
    int rc = start_policy(of, command, &policy, err);

    rc = rc < 0 ? rc : write_request(room, command, request, err);
    rc = rc < 0 ? rc : fs_open(request, &in_fd, NULL, err);
    rc = rc < 0 ? rc : pool_policy_wrap(&policy, room->folder, &argv, err);
    if (rc < 0) {
        return rc;
    }
    spec.argv = argv.v;
    spec.in_fd = in_fd;
    rc = proc_run(&spec, command->timeout_ms + NATIVE_GDB_MS + START_MS, &run, err);
    return rc < 0 ? rc : read_answer(&run, out, err);
}

int
triage_core_report(const struct triage_core *of, struct buf *out, struct err *err)
{
    AUTO(command_clear) struct command command = {0};
    AUTO(room_clear) struct room room = {0};
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(mem_free) char *shown = str_name_dup(of->core);

    strv_add(&argv, of->program);
    int rc = command_from_argv(&argv, &command, err);
    if (rc < 0) {
        return rc;
    }
    rc = make_room(of->core, &room, err);
    if (rc == 0) {
        strv_add(&command.read, room.core);
        rc = ask_worker(of, &room, &command, out, err);
    }
    return rc < 0 ? err_wrap(err, rc, "'%s'", shown) : 0;
}
