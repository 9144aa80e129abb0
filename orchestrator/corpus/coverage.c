#include "orchestrator/corpus/coverage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "orchestrator/corpus/coverage_lines.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/engine/folder.h"
#include "triage/program.h"
#include "triage/replay.h"

enum {
    TOOL_MS = 10 * 60 * 1000,
    EXPORT_MAX = 64 << 20, /* bytes of llvm-cov's answer */
};

struct measuring {
    const struct coverage_call *call;
    char *scratch, *inputs, *profile; /* folders */
    struct command command;
    struct strv names;  /* of the copied inputs, absolute: their SHA-256s */
    const char *root;   /* of what is collected */
    const char *folder; /* below it */
    int64_t failed;
};

static void
measuring_clear(struct measuring *m)
{
    if (m->scratch != NULL) {
        (void)fs_remove(m->scratch, NULL);
    }
    mem_free(m->scratch);
    mem_free(m->inputs);
    mem_free(m->profile);
    command_clear(&m->command);
    strv_clear(&m->names);
}
AUTO_DEFINE_CLEAR(struct measuring, measuring_clear)

/* --- inputs --- */

/* Under the name of its bytes: what is there twice runs once. */
static int
take_bytes(struct measuring *m, const struct buf *bytes, struct err *err)
{
    char sha256[HASH_HEX_MAX];

    hash_sha256(buf_str(bytes), bytes->len, sha256);
    AUTO(mem_free) char *path = fs_join(m->inputs, sha256);
    if (fs_exists(path) || m->names.n >= COVERAGE_INPUTS_MAX) {
        return 0;
    }
    strv_add(&m->names, path);
    return fs_write(path, buf_str(bytes), bytes->len, 0644, err);
}

static int
take_file(void *user, int dir, const char *name, unsigned char type)
{
    AUTO(buf_clear) struct buf bytes = {.max = COVERAGE_INPUT_MAX};
    AUTO(fd_close)
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    int rc = 1;

    (void)type;
    if (fd < 0 || name[0] == '.' || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        st.st_size > COVERAGE_INPUT_MAX) {
        return 0;
    }
    while (rc > 0 && !bytes.truncated) {
        rc = fd_read_some(fd, &bytes, SIZE_MAX, NULL);
    }
    return rc < 0 || bytes.truncated ? 0 : take_bytes(user, &bytes, NULL);
}

static void
take_folder(struct measuring *m, const char *root, const char *folder)
{
    (void)folder_list(root, folder, take_file, m, NULL); /* what is not there is empty */
}

static int
take_instance(void *user, int dir, const char *name, unsigned char type)
{
    struct measuring *m = user;

    (void)dir;
    if (type == DT_DIR && name[0] == 'w') {
        AUTO(mem_free) char *queue = mem_printf("%s/queue", name);
        take_folder(m, m->root, queue);
    }
    return 0;
}

static int
take_path(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct measuring *m = user;
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    if (st == NULL || st->st_size > COVERAGE_INPUT_MAX) {
        return 0;
    }
    int rc = fs_read(path, COVERAGE_INPUT_MAX, &bytes, err);
    return rc < 0 ? rc : take_bytes(m, &bytes, err);
}

/* Seeds, the library, and what the workers of all engines keep. */
static int
collect(struct measuring *m, struct err *err)
{
    const char *name = m->call->target->name;
    AUTO(mem_free) char *base = mem_printf("%s/fuzz/%s", m->call->state, name);
    AUTO(mem_free) char *aflpp = fs_join(base, "aflpp");
    AUTO(mem_free) char *seeds = fs_join(m->scratch, "seeds");
    AUTO(mem_free) char *library = library_inputs_path(m->call->state, name);
    int64_t count = 0;
    int rc = target_unpack_seeds(m->call->target, seeds, &count, err);

    if (rc < 0) {
        return rc;
    }
    take_folder(m, seeds, "");
    take_folder(m, base, "libfuzzer/corpus");
    m->root = aflpp;
    (void)folder_list(aflpp, "", take_instance, m, NULL);
    m->root = NULL;
    rc = fs_is_folder(library) ? fs_walk(library, take_path, m, err) : 0;
    for (size_t i = 0; i < m->call->paths->n && rc == 0; i++) {
        rc = fs_walk_links(m->call->paths->v[i], take_path, m, err);
    }
    return rc;
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, so that the same corpus is run, and named, in the same way each time. */
static void
name_corpus(struct measuring *m, char out[HASH_HEX_MAX])
{
    AUTO(buf_clear) struct buf all = BUF_INIT;

    qsort(m->names.v, m->names.n, sizeof(*m->names.v), by_text);
    for (size_t i = 0; i < m->names.n; i++) {
        buf_adds(&all, fs_base(m->names.v[i]));
    }
    hash_sha256(buf_str(&all), all.len, out);
}

/* --- runs --- */

static int
sandboxed(const struct measuring *m, const struct strv *command, struct strv *argv,
          struct err *err)
{
    AUTO(sandbox_policy_clear) struct sandbox_policy policy = {.cwd = m->profile};
    int rc = sandbox_add_program(&policy, &m->command.argv, err);

    strv_add_all(&policy.read, &m->command.read);
    strv_add(&policy.read, m->inputs);
    strv_add(&policy.write, m->profile);
    strv_add(&policy.hide, m->call->state);
    return rc < 0 ? rc : sandbox_wrap(m->call->rung, &policy, command, argv, err);
}

/* 0: the process ended by itself, so that its profile is written; 1: it did not. */
static int
run_once(const struct measuring *m, const struct strv *inputs, struct err *err)
{
    AUTO(strv_clear) struct strv command = {0};
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(strv_clear) struct strv env = {0};
    AUTO(proc_run_clear) struct proc_run run = {.output.max = 4096};
    AUTO(fd_close) int in = -1;
    struct proc_spec spec = PROC_SPEC_INIT;

    command_arguments(&m->command, inputs->v[0], &command);
    for (size_t i = 1; i < inputs->n; i++) {
        strv_add(&command, inputs->v[i]);
    }
    command_environment(&m->command, false, &env);
    strv_addf(&env, "LLVM_PROFILE_FILE=%s/%%m.profraw", m->profile);
    int rc = sandboxed(m, &command, &argv, err);
    if (rc == 0 && m->command.mode == INPUT_STDIN) {
        rc = fs_open(inputs->v[0], &in, NULL, err);
    }
    if (rc < 0) {
        return rc;
    }
    spec.argv = argv.v;
    spec.envp = env.v;
    spec.in_fd = in;
    rc = proc_run(&spec, m->command.timeout_ms * (int64_t)inputs->n, &run, err);
    if (rc < 0) {
        return rc;
    }
    bool crashed = !WIFEXITED(run.status) || run.timed_out;
    if (WIFEXITED(run.status) && WEXITSTATUS(run.status) == SANDBOX_EXIT) {
        return err_set(err, -EIO, "%.500s", buf_str(&run.output));
    }
    /* a tool says by its status what it thinks of an input, a harness only that it broke;
     * bwrap tells a signal as a shell does */
    bool broke = !crashed && WEXITSTATUS(run.status) != 0 &&
                 (m->call->target->in_process || WEXITSTATUS(run.status) > 128);
    return crashed || broke ? 1 : 0;
}

static int
run_part(const struct measuring *m, size_t from, size_t n, struct err *err)
{
    AUTO(strv_clear) struct strv part = {0};

    for (size_t i = from; i < from + n; i++) {
        strv_add(&part, m->names.v[i]);
    }
    return run_once(m, &part, err);
}

/* What fails is halved until it is alone; what goes well is doubled again. */
static int
run_all(struct measuring *m, struct err *err)
{
    size_t most = m->call->target->in_process ? COVERAGE_BATCH : 1;
    size_t size = most;
    size_t at = 0;

    while (at < m->names.n) {
        size_t left = m->names.n - at;
        size_t n = left < size ? left : size;
        int rc = run_part(m, at, n, err);
        if (rc < 0) {
            return rc;
        }
        if (rc == 1 && n > 1) {
            size = n / 2;
            continue;
        }
        m->failed += rc;
        at += n;
        size = 2 * size < most ? 2 * size : most;
    }
    return 0;
}

/* --- LLVM's tools --- */

static int
run_tool(const struct measuring *m, const char *tool, const struct strv *arguments,
         struct buf *out, struct err *err)
{
    const char *program = m->command.argv.v[0];
    AUTO(mem_free) char *path = program_llvm_tool(program, tool);
    AUTO(strv_clear) struct strv command = {0};
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(proc_run_clear) struct proc_run run = {.output.max = EXPORT_MAX};
    AUTO(strv_clear) struct strv env = {0};
    struct proc_spec spec = PROC_SPEC_INIT;

    if (path == NULL) {
        return err_set(err, -ENOENT,
                       "%s is missing: install the package llvm of the version of clang "
                       "that built '%s'",
                       tool, program);
    }
    strv_add(&command, path);
    strv_add_all(&command, arguments);
    int rc = sandboxed(m, &command, &argv, err);
    if (rc < 0) {
        return rc;
    }
    spec.argv = argv.v;
    strv_add(&env, "PATH=/usr/bin:/bin");
    strv_add(&env, "LC_ALL=C.UTF-8");
    spec.envp = env.v;
    rc = proc_run(&spec, TOOL_MS, &run, err);
    if (rc == 0 && run.status != 0) {
        AUTO(mem_free) char *said = str_name_dup(buf_str(&run.output));
        return err_set(err, -EIO, "%s: %.600s", tool, said);
    }
    if (rc == 0) {
        buf_clear(out);
        *out = run.output;
        run.output = (struct buf)BUF_INIT;
    }
    return rc;
}

static int
merge(const struct measuring *m, struct err *err)
{
    AUTO(strv_clear) struct strv arguments = {0};
    AUTO(buf_clear) struct buf out = BUF_INIT;

    strv_add(&arguments, "merge");
    strv_add(&arguments, "-sparse");
    strv_add(&arguments, "-o");
    strv_addf(&arguments, "%s/all.profdata", m->profile);
    strv_add(&arguments, m->profile);
    return run_tool(m, "llvm-profdata", &arguments, &out, err);
}

/* how: NULL, or a further option. */
static int export(const struct measuring *m, const char *format, const char *how,
                  struct buf *out, struct err *err)
{
    AUTO(strv_clear) struct strv arguments = {0};

    strv_add(&arguments, "export");
    strv_addf(&arguments, "-format=%s", format);
    if (how != NULL) {
        strv_add(&arguments, how);
    }
    strv_addf(&arguments, "-instr-profile=%s/all.profdata", m->profile);
    strv_add(&arguments, m->command.argv.v[0]);
    return run_tool(m, "llvm-cov", &arguments, out, err);
}

static int
export_counts(const struct measuring *m, struct coverage *to, struct err *err)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    int rc = export(m, "text", "-summary-only", &out, err);
    const char *text = strchr(buf_str(&out), '{'); /* behind warnings */
    return rc < 0         ? rc
           : text == NULL ? err_set(err, -EBADMSG, "llvm-cov said nothing")
                          : coverage_read(text, strlen(text), to, err);
}

/* Which lines and functions it reaches. Of a program that is too large for that its
 * counts are all there is. */
static int
export_lines(const struct measuring *m, const struct coverage *coverage, struct err *err)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    int rc = export(m, "lcov", NULL, &out, err);

    return rc < 0 || out.truncated
               ? rc
               : coverage_lines_keep(m->call->state, m->call->target->name, coverage,
                                     buf_str(&out), out.len, err);
}

/* --- the report --- */

static bool
is_source(const char *path)
{
    static const char *const ends[] = {".c",  ".h",   ".cc", ".cpp", ".cxx",
                                       ".hh", ".hpp", ".rs", ".m",   ".inc"};
    bool source = false;

    for (size_t i = 0; i < COUNT(ends); i++) {
        source = source || str_ends(path, ends[i]);
    }
    return source && path[0] == '/' && strstr(path, "/.") == NULL;
}

static int
report(struct measuring *m, const struct coverage *coverage, struct err *err)
{
    AUTO(strv_clear) struct strv arguments = {0};
    AUTO(buf_clear) struct buf out = BUF_INIT;
    AUTO(mem_free) char *made = fs_join(m->profile, "html");
    AUTO(mem_free) char *shown = str_name_dup(m->call->html);
    AUTO(mem_free) char *program = mem_strdup(m->command.argv.v[0]);

    for (size_t i = 0; i < coverage->n; i++) {
        if (is_source(coverage->files[i].name)) {
            strv_add(&m->command.read, coverage->files[i].name);
        }
    }
    strv_add(&arguments, "show");
    strv_add(&arguments, "-format=html");
    strv_addf(&arguments, "-output-dir=%s", made);
    strv_addf(&arguments, "-instr-profile=%s/all.profdata", m->profile);
    strv_add(&arguments, program);
    int rc = run_tool(m, "llvm-cov", &arguments, &out, err);
    if (rc < 0) {
        return rc;
    }
    if (rename(made, m->call->html) == 0) {
        return 0;
    }
    return err_sys(err, "put the report to '%s' (on the file system of TMPDIR)", shown);
}

/* --- the whole --- */

static int
prepare(struct measuring *m, struct err *err)
{
    const struct target *target = m->call->target;
    const char *program = target->builds[BUILD_COVERAGE];
    AUTO(strv_clear) struct strv argv = {0};

    if (program == NULL) {
        return err_set(err, -ENODATA,
                       "%s has no coverage build: scripts/build-target %s OUT coverage "
                       "makes one (clang -fprofile-instr-generate -fcoverage-mapping)",
                       target->name, target->name);
    }
    if (m->call->html != NULL && fs_exists(m->call->html)) {
        return err_set(err, -EEXIST, "'%s' is there already", m->call->html);
    }
    strv_add(&argv, program);
    strv_add_all(&argv, &target->args);
    int rc = command_from_argv(&argv, &m->command, err);
    if (rc == 0) {
        m->command.timeout_ms = target->timeout_ms;
        strv_add_all(&m->command.read, &target->read);
        strv_add_all(&m->command.env, &target->env);
        m->command.mode = target->in_process ? INPUT_LIBFUZZER : m->command.mode;
        rc = replay_scratch(&m->scratch, err);
    }
    if (rc < 0) {
        return rc;
    }
    m->inputs = fs_join(m->scratch, "inputs");
    m->profile = fs_join(m->scratch, "profile");
    rc = fs_mkdirs(m->inputs, 0755, err);
    return rc < 0 ? rc : sandbox_mkdir(m->profile, err);
}

int
coverage_measure(const struct coverage_call *call, struct coverage *out, struct err *err)
{
    AUTO(measuring_clear) struct measuring m = {.call = call};
    AUTO(coverage_clear) struct coverage coverage = {0};
    int rc = prepare(&m, err);

    rc = rc < 0 ? rc : collect(&m, err);
    if (rc < 0) {
        return rc;
    }
    name_corpus(&m, coverage.corpus);
    rc = run_all(&m, err);
    rc = rc < 0 ? rc : merge(&m, err);
    rc = rc < 0 ? rc : export_counts(&m, &coverage, err);
    rc = rc < 0 || call->html == NULL ? rc : report(&m, &coverage, err);
    if (rc < 0) {
        return rc;
    }
    char *id = program_build_id(m.command.argv.v[0]);
    coverage.build_id = id == NULL ? mem_strdup("") : id;
    coverage.inputs = (int64_t)m.names.n;
    coverage.failed = m.failed;
    coverage.at = clock_wall_ms();
    rc = export_lines(&m, &coverage, err);
    if (rc < 0) {
        return rc;
    }
    *out = coverage;
    memset(&coverage, 0, sizeof(coverage)); /* out owns it now */
    return 0;
}
