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
#include "triage/judge.h"
#include "triage/limit.h"

enum {
    GRACE_MS = 2000,        /* for the stack of a hang */
    ENGINE_SLACK_MS = 3000, /* libFuzzer looks at its clock every timeout/2 + 1 s */
    MEMORY_SLACK =
        128 << 20, /* the sanitizer's own limit, with its own report, comes first */
    FILE_MAX = 256 << 20, /* bytes of a file that a target writes */
    SIGNATURES_MAX = 16,  /* different crashes of one input that are told apart */
    SAME_DECIDES = 3,
    SAME_TIMEOUT_DECIDES = 2,
};

void
replay_run_clear(struct replay_run *run)
{
    record_free(run->record);
    buf_clear(&run->report);
    mem_free(run->reason);
    *run = (struct replay_run){0};
}

void
replay_result_clear(struct replay_result *result)
{
    replay_run_clear(&result->best);
    *result = (struct replay_result){0};
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
write_input(const char *path, const void *input, size_t len, struct err *err)
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
    int rc = fd_write(fd, input, len, err);
    return rc < 0 ? err_wrap(err, rc, "'%s'", path) : 0;
}

/* The same path for every run, as long as what the last target left there can be removed:
 * the path is on the target's stack, and must not make one run different from another. */
static int
make_folder(const struct replay_config *config, const void *input, size_t len,
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
    rc = write_input(folder.input, input, len, err);
    if (rc < 0) {
        return rc;
    }
    *out = folder;
    memset(&folder, 0, sizeof(folder)); /* out owns it now */
    return 0;
}

/* --- one run --- */

static int
make_argv(const struct replay_config *config, const struct folder *folder,
          struct strv *argv, struct err *err)
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
    command_arguments(config->command, folder->input, &inner);
    return sandbox_wrap(config->rung, &policy, &inner, argv, err);
}

static struct limit
limits_of(const struct command *command)
{
    struct limit limit = {.wall_ms = command->timeout_ms,
                          .grace_ms = GRACE_MS,
                          .memory_bytes = command->memory_bytes,
                          .output_bytes = COMMAND_OUTPUT_MAX};

    if (command->mode == INPUT_LIBFUZZER) { /* its own timeout report comes first */
        limit.wall_ms += limit.wall_ms / 2 + ENGINE_SLACK_MS;
    }
    if (limit.memory_bytes > 0 && (command->asan || command->mode == INPUT_LIBFUZZER)) {
        limit.memory_bytes += limit.memory_bytes / 4 + MEMORY_SLACK;
    }
    return limit;
}

static int
run_target(const struct replay_config *config, const struct folder *folder,
           struct limit_run *out, struct err *err)
{
    const struct limit limit = limits_of(config->command);
    struct proc_spec spec = PROC_SPEC_INIT;
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(strv_clear) struct strv env = {0};
    AUTO(fd_close) int input = -1;
    int rc = make_argv(config, folder, &argv, err);

    if (rc == 0 && config->command->mode == INPUT_STDIN) {
        rc = fs_open(folder->input, &input, NULL, err);
    }
    if (rc < 0) {
        return rc;
    }
    command_environment(config->command, false, &env);
    spec.argv = argv.v;
    spec.envp = env.v;
    spec.cwd = folder->path;
    spec.in_fd = input;
    spec.limits.file_bytes = FILE_MAX;
    return limit_run(&spec, &limit, out, err);
}

/* Errors of the start that are the target's: it is not there, or cannot be run. */
static bool
is_targets_fault(int code)
{
    return code == -ENOENT || code == -ENOTDIR || code == -ENOEXEC || code == -EACCES ||
           code == -ELIBBAD;
}

int
replay_once(const struct replay_config *config, const void *input, size_t len,
            struct replay_run *out, struct err *err)
{
    AUTO(replay_run_clear) struct replay_run result = {0};
    AUTO(limit_run_clear) struct limit_run run = {0};
    AUTO(folder_clear) struct folder folder = {0};
    struct err own = ERR_INIT;
    int rc = make_folder(config, input, len, &folder, err);

    if (rc < 0) {
        return rc;
    }
    rc = run_target(config, &folder, &run, &own);
    folder_clear(
        &folder); /* before anything that it left there could be taken for a module */
    if (is_targets_fault(rc)) {
        result.outcome = REPLAY_BROKEN;
        result.reason = mem_strdup(own.msg);
    } else if (rc < 0) {
        return err_set(err, rc, "%s", own.msg);
    } else {
        rc = judge_run(config, &run, &result, err);
        if (rc < 0) {
            return rc;
        }
    }
    result.status = run.status;
    result.wall_ms = run.wall_ms;
    result.report = run.output;
    run.output = (struct buf)BUF_INIT;
    buf_add(&result.report, buf_str(&run.last_words), run.last_words.len);
    *out = result;
    result = (struct replay_run){0};
    return 0;
}

/* --- several runs --- */

struct tally {
    struct replay_run
        first[SIGNATURES_MAX]; /* of each signature, in order of appearance */
    int count[SIGNATURES_MAX];
    int n;
    int runs, crashed;
};

static void
tally_clear(struct tally *tally)
{
    for (int i = 0; i < tally->n; i++) {
        replay_run_clear(&tally->first[i]);
    }
}
AUTO_DEFINE_CLEAR(struct tally, tally_clear)

static bool
same_signature(const struct replay_run *a, const struct replay_run *b)
{
    if (a->record == NULL || b->record == NULL) {
        return a->record == b->record && a->outcome == b->outcome;
    }
    return strcmp(a->record->hash_major, b->record->hash_major) == 0;
}

static bool
is_crash(const struct replay_run *run)
{
    return run->record != NULL || run->outcome == REPLAY_UNPARSED;
}

/* Takes over what run holds. */
static void
tally_add(struct tally *tally, struct replay_run *run)
{
    int i = 0;

    tally->runs++;
    tally->crashed += is_crash(run) ? 1 : 0;
    while (i < tally->n && !same_signature(&tally->first[i], run)) {
        i++;
    }
    if (i == SIGNATURES_MAX) {
        return;
    }
    tally->count[i]++;
    if (i == tally->n) {
        tally->first[tally->n++] = *run;
        *run = (struct replay_run){0};
    }
}

static bool
tally_decided(const struct tally *tally, const struct replay_run *last)
{
    if (last->outcome == REPLAY_BROKEN) {
        return true;
    }
    if (!is_crash(last) || tally->n != 1) {
        return false;
    }
    return tally->runs >=
           (last->outcome == REPLAY_TIMEOUT ? SAME_TIMEOUT_DECIDES : SAME_DECIDES);
}

int
replay(const struct replay_config *config, const void *input, size_t len, int runs,
       struct replay_result *out, struct err *err)
{
    AUTO(tally_clear) struct tally tally = {0};
    bool decided = false;
    int best = 0;

    for (int i = 0; i == 0 || (i < runs && !decided); i++) {
        AUTO(replay_run_clear) struct replay_run run = {0};
        int rc = replay_once(config, input, len, &run, err);
        if (rc < 0) {
            return rc;
        }
        tally_add(&tally, &run);
        decided = tally_decided(&tally, &tally.first[tally.n - 1]);
    }
    for (int i = 1; i < tally.n;
         i++) { /* the most frequent crash, before any that is none */
        bool more = is_crash(&tally.first[i]) == is_crash(&tally.first[best])
                        ? tally.count[i] > tally.count[best]
                        : is_crash(&tally.first[i]);
        best = more ? i : best;
    }
    replay_result_clear(out);
    out->best = tally.first[best];
    tally.first[best] = (struct replay_run){0};
    out->runs = tally.runs;
    out->crashed = is_crash(&out->best) ? tally.count[best] : 0;
    out->other = tally.crashed - out->crashed;
    return 0;
}
