#include "triage/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/judge.h"
#include "triage/limit.h"
#include "triage/native.h"
#include "triage/oom.h"

enum {
    GRACE_MS = 2000,        /* for the stack of a hang */
    ENGINE_SLACK_MS = 3000, /* libFuzzer looks at its clock every timeout/2 + 1 s */
    MEMORY_SLACK =
        128 << 20, /* the sanitizer's own limit, with its own report, comes first */
    SAMPLE_EACH_MS = 100, /* stacks of a hang */
    SAMPLES_LEAST = 3,
    SAMPLES_MOST = 10,
    SCANNED_MAX = 16 << 20, /* bytes of an input that are searched for what it controls */
};

void
replay_run_clear(struct replay_run *run)
{
    record_free(run->record);
    buf_clear(&run->report);
    mem_free(run->reason);
    *run = (struct replay_run){0};
}

const char *
replay_outcome_name(enum replay_outcome outcome)
{
    static const char *const names[] = {[REPLAY_CLEAN] = "clean",
                                        [REPLAY_CRASH] = "crash",
                                        [REPLAY_TIMEOUT] = "timeout",
                                        [REPLAY_BROKEN] = "broken",
                                        [REPLAY_UNPARSED] = "unparsed"};

    return names[outcome];
}

/* --- the folder of a run --- */

int
replay_scratch(char **out, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    AUTO(mem_free)
    char *path =
        mem_printf("%s/nightjar-XXXXXX", tmp == NULL || tmp[0] != '/' ? "/tmp" : tmp);

    /* others may pass through, to the folder of a run that belongs to the sandbox's uid,
     * but not look */
    if (mkdtemp(path) == NULL || chmod(path, 0711) < 0) {
        return err_sys(
            err, "make a private folder '%s' (is there room? TMPDIR says where)", path);
    }
    *out = STEAL(path);
    return 0;
}

struct folder {
    char *path;
    char *input;
};

static void
folder_clear(struct folder *folder)
{
    if (folder->path != NULL) {
        (void)fs_remove(folder->path, NULL);
    }
    mem_free(folder->path);
    mem_free(folder->input);
    *folder = (struct folder){0};
}
AUTO_DEFINE_CLEAR(struct folder, folder_clear)

static int
write_bytes(int fd, const struct runner_input *input, struct err *err)
{
    const char *data = input->data;
    int rc = 0;

    for (size_t at = 0; at < input->len && rc == 0; at += RUNNER_PIECE) {
        size_t len = input->len - at < RUNNER_PIECE ? input->len - at : RUNNER_PIECE;
        rc = fd_write(fd, data + at, len, err);
        if (input->mapped && len == RUNNER_PIECE) {
            mem_unload(data + at, len);
        }
    }
    return rc;
}

static int
write_input(const char *path, const struct runner_input *input, struct err *err)
{
    AUTO(fd_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    uid_t uid;
    gid_t gid;

    if (fd < 0) {
        return err_sys(err, "create '%s'", path);
    }
    sandbox_owner(&uid, &gid);
    if (geteuid() == 0 && fchown(fd, uid, gid) < 0) {
        return err_sys(err, "give '%s' to uid %d", path, (int)uid);
    }
    int rc = write_bytes(fd, input, err);
    return rc < 0 ? err_wrap(err, rc, "'%s'", path) : 0;
}

/* The same path for every run, as long as what the last target left there can be removed:
 * the path is on the target's stack, and must not make one run different from another. */
static int
make_folder(const struct replay_config *config, const struct runner_input *input,
            struct folder *out, struct err *err)
{
    static unsigned serial;
    AUTO(folder_clear) struct folder folder = {0};
    AUTO(mem_free) char *path = mem_printf("%s/run", config->scratch);

    if (fs_remove(path, NULL) < 0) {
        mem_free(path);
        path = mem_printf("%s/run-%u", config->scratch, serial++);
    }
    int rc = sandbox_mkdir(path, err);
    if (rc < 0) {
        return rc;
    }
    folder.path = STEAL(path);
    folder.input = fs_join(folder.path, "input");
    rc = write_input(folder.input, input, err);
    if (rc < 0) {
        return rc;
    }
    *out = folder;
    memset(&folder, 0, sizeof(folder)); /* out owns it now */
    return 0;
}

/* --- one run --- */

static int
make_argv(const struct replay_config *config, const struct replay_tool *tool,
          const struct folder *folder, struct strv *argv, struct err *err)
{
    AUTO(sandbox_policy_clear) struct sandbox_policy policy = {0};
    AUTO(strv_clear) struct strv shown = {0};
    AUTO(strv_clear) struct strv inner = {0};

    /* what is to be read stands there as if it were an argument: the same caution holds
     * for it */
    strv_add_all(&shown, &config->command->argv);
    strv_add_all(&shown, &config->command->read);
    int rc = sandbox_add_program(&policy, &shown, err);
    if (rc < 0) {
        return rc;
    }
    if (config->hide != NULL) {
        strv_add_all(&policy.hide, config->hide);
    }
    strv_add(&policy.write, folder->path);
    policy.cwd = folder->path;
    if (tool == NULL) {
        command_arguments(config->command, folder->input, &inner);
    } else {
        tool->arguments(tool->user, config->command, folder->input, &inner);
        strv_add(&policy.read, inner.v[0]);
    }
    return sandbox_wrap(config->rung, &policy, &inner, argv, err);
}

/* Each holds the target up for some 20 ms: few in a short time, though four of ten may
 * all be in one function that the loop calls. */
static int
samples_in(int64_t timeout_ms)
{
    int64_t n = timeout_ms / SAMPLE_EACH_MS;

    return n < SAMPLES_LEAST ? SAMPLES_LEAST : n > SAMPLES_MOST ? SAMPLES_MOST : (int)n;
}

static struct limit
limits_of(const struct replay_config *config)
{
    const struct command *command = config->command;
    struct limit limit = {.wall_ms = command->timeout_ms,
                          .grace_ms = GRACE_MS,
                          .memory_bytes = command->memory_bytes,
                          .samples = samples_in(command->timeout_ms),
                          .samples_ms = command->timeout_ms,
                          .output_bytes = COMMAND_OUTPUT_MAX};

    if (command->mode == INPUT_LIBFUZZER && !config->hasty) { /* its own report first */
        limit.wall_ms += limit.wall_ms / 2 + ENGINE_SLACK_MS;
    }
    if (limit.memory_bytes > 0 && (command->asan || command->mode == INPUT_LIBFUZZER)) {
        limit.memory_bytes += limit.memory_bytes / 4 + MEMORY_SLACK;
    }
    if (config->hasty) {
        limit.grace_ms = 0;
        limit.samples = 0;
    }
    return limit;
}

/* In a sandbox and a folder of its own, which are gone afterwards: nothing that the
 * target left there can be taken for a module. */
static int
run_alone(const struct replay_config *config, const struct limit *limit,
          const struct runner_input *bytes, struct limit_run *out, struct err *err)
{
    struct proc_spec spec = PROC_SPEC_INIT;
    AUTO(folder_clear) struct folder folder = {0};
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(strv_clear) struct strv env = {0};
    AUTO(fd_close) int input = -1;
    int rc = make_folder(config, bytes, &folder, err);

    rc = rc < 0 ? rc : make_argv(config, NULL, &folder, &argv, err);
    if (rc == 0 && config->command->mode == INPUT_STDIN) {
        rc = fs_open(folder.input, &input, NULL, err);
    }
    if (rc < 0) {
        return rc;
    }
    command_environment(config->command, false, &env);
    spec.argv = argv.v;
    spec.envp = env.v;
    spec.cwd = folder.path;
    spec.in_fd = input;
    spec.limits.file_bytes = RUNNER_FILE_MAX;
    return limit_run(&spec, limit, out, err);
}

/* Errors of the start that are the target's: it is not there, or cannot be run. */
static bool
is_targets_fault(int code)
{
    return code == -ENOENT || code == -ENOTDIR || code == -ENOEXEC || code == -EACCES ||
           code == -ELIBBAD;
}

/* A file that is there and yet "not there": what would have to run or load it is
 * missing. */
static char *
why_not_started(const struct command *command, int code, const struct err *own)
{
    const char *program = command->argv.v[0];

    if (code != -ENOENT || access(program, F_OK) != 0) {
        return mem_strdup(own->msg);
    }
    AUTO(mem_free) char *shown = str_name_dup(program);
    return mem_printf("'%s' is there, but its interpreter is not: the #! line, or the "
                      "loader that it names",
                      shown);
}

/* A failure that is the target's is no failure: *broken says it. */
static int
blame(const struct command *command, int rc, const struct err *own, char **broken,
      struct err *err)
{
    if (is_targets_fault(rc)) {
        *broken = why_not_started(command, rc, own);
        return 0;
    }
    return rc < 0 ? err_set(err, rc, "%s", own->msg) : 0;
}

int
replay_start(const struct replay_config *config, const void *input, size_t len,
             char **broken, struct err *err)
{
    const struct limit limit = limits_of(config);
    const struct runner_input bytes = {input, len, config->fresh, config->mapped};
    struct err own = ERR_INIT;

    *broken = NULL;
    if (config->runner == NULL) {
        return 0;
    }
    int rc = runner_start(config->runner, config->command, &limit, &bytes, &own);
    return blame(config->command, rc, &own, broken, err);
}

static int
finish_run(const struct replay_config *config, const void *input, size_t len,
           struct limit_run *out, struct err *err)
{
    const struct limit limit = limits_of(config);
    const struct runner_input bytes = {input, len, config->fresh, config->mapped};

    return config->runner == NULL
               ? run_alone(config, &limit, &bytes, out, err)
               : runner_finish(config->runner, config->command, &limit, &bytes, out, err);
}

int
replay_with(const struct replay_config *config, const struct replay_tool *tool,
            const void *input, size_t len, struct limit_run *out, struct err *err)
{
    AUTO(folder_clear) struct folder folder = {0};
    AUTO(strv_clear) struct strv argv = {0};
    struct proc_spec spec = PROC_SPEC_INIT;
    const struct runner_input bytes = {input, len, true, config->mapped};
    int rc = make_folder(config, &bytes, &folder, err);

    rc = rc < 0 ? rc : make_argv(config, tool, &folder, &argv, err);
    if (rc < 0) {
        return rc;
    }
    spec.argv = argv.v;
    spec.envp = tool->env->v;
    spec.cwd = folder.path;
    spec.limits.file_bytes = RUNNER_FILE_MAX;
    return limit_run(&spec, &tool->limit, out, err);
}

int
replay_finish(const struct replay_config *config, const void *input, size_t len,
              struct limit_run *out, char **broken, struct err *err)
{
    struct err own = ERR_INIT;
    int rc = finish_run(config, input, len, out, &own);

    *broken = NULL;
    return blame(config->command, rc, &own, broken, err);
}

int
replay_judge(const struct replay_config *config, const void *input, size_t len,
             struct limit_run *run, struct replay_run *out, struct err *err)
{
    AUTO(replay_run_clear) struct replay_run result = {0};
    struct record_options options =
        *config->options; /* with the input, for the severity */
    struct replay_config knowing = *config;

    options.input = input;
    options.input_len = len < SCANNED_MAX ? len : SCANNED_MAX;
    knowing.options = &options;
    int rc = judge_run(&knowing, run, &result, err);
    if (rc < 0) {
        return rc;
    }
    result.status = run->status;
    result.wall_ms = run->wall_ms;
    result.report = run->output;
    run->output = (struct buf)BUF_INIT;
    buf_add(&result.report, buf_str(&run->last_words), run->last_words.len);
    rc = native_explain(&knowing, input, len, &result, err);
    rc = rc < 0 ? rc : oom_explain(&knowing, input, len, &result, err);
    if (rc < 0) {
        return rc;
    }
    *out = result;
    result = (struct replay_run){0};
    return 0;
}

int
replay_once(const struct replay_config *config, const void *input, size_t len,
            struct replay_run *out, struct err *err)
{
    AUTO(limit_run_clear) struct limit_run run = {0};
    char *broken = NULL;
    int rc = replay_start(config, input, len, &broken, err);

    rc = rc < 0 || broken != NULL ? rc
                                  : replay_finish(config, input, len, &run, &broken, err);
    if (rc < 0 || broken == NULL) {
        return rc < 0 ? rc : replay_judge(config, input, len, &run, out, err);
    }
    *out = (struct replay_run){.outcome = REPLAY_BROKEN, .reason = broken};
    return 0;
}
