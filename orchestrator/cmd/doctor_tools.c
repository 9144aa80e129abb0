#include "orchestrator/cmd/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/config.h"
#include "triage/native.h"
#include "triage/program.h"
#include "triage/sandbox.h"
#include "triage/symbolize.h"

enum { SANITIZER_RUNS = 10 };

void
doctor_config(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(config_free) struct config *config = NULL;
    struct err err = ERR_INIT;

    if (config_load(host->config, &config, &err) < 0) {
        doctor_say(result, DOCTOR_FAIL, "%s", err.msg);
        return;
    }
    if (config->path == NULL) {
        doctor_say(result, DOCTOR_OK, "no nightjar.yaml here: defaults");
        return;
    }
    doctor_say(result, DOCTOR_OK, "%s, %zu targets", config->path, config->targets.n);
}

/* --- engines --- */

/* What some releases of afl-fuzz can do and others cannot; nightjar asks, too, before it
 * uses them. */
static void
list_missing(const struct buf *help, struct buf *out)
{
    static const struct {
        const char *text, *name;
    } features[] = {
        {"\n  -P ", "-P"},
        {"\n  -a ", "-a"},
        {"\n  -z ", "-z"},
        {"AFL_FINAL_SYNC", "AFL_FINAL_SYNC"},
        {"AFL_IGNORE_SEED_PROBLEMS", "AFL_IGNORE_SEED_PROBLEMS"},
        {"AFL_NO_SYNC", "AFL_NO_SYNC"},
    };

    for (size_t i = 0; i < COUNT(features); i++) {
        if (strstr(buf_str(help), features[i].text) == NULL) {
            buf_addf(out, "%s%s", out->len > 0 ? ", " : "", features[i].name);
        }
    }
}

/* The word behind "afl-fuzz++" of the help's first line, which may be coloured. */
static void
afl_version(const struct buf *help, char out[32])
{
    AUTO(buf_clear) struct buf clean = BUF_INIT;

    str_clean(&clean, buf_str(help), help->len);
    const char *at = strstr(buf_str(&clean), "afl-fuzz++");
    at = at == NULL ? "" : at + strlen("afl-fuzz++");
    (void)snprintf(out, 32, "%.*s",
                   (int)strspn(at, "0123456789.abcdefghijklmnopqrstuvwxyz"), at);
}

void
doctor_afl(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(mem_free) char *program = program_find("afl-fuzz");
    AUTO(buf_clear) struct buf help = BUF_INIT;
    AUTO(buf_clear) struct buf missing = BUF_INIT;
    char version[32];
    int status = 0;

    (void)host;
    if (program == NULL) {
        doctor_say(result, DOCTOR_FAIL, "there is no afl-fuzz in PATH");
        return;
    }
    const char *const argv[] = {program, "-hh", NULL};
    if (!doctor_run(argv, &status, &help) || strstr(buf_str(&help), "afl-fuzz") == NULL) {
        doctor_say(result, DOCTOR_FAIL, "'%s -hh' says nothing", program);
        return;
    }
    afl_version(&help, version);
    list_missing(&help, &missing);
    doctor_say(result, DOCTOR_OK, "%s in %s%s%s",
               version[0] == '\0' ? "unknown version" : version, program,
               missing.len > 0 ? "; does not know " : "", buf_str(&missing));
}

static char *
find_any(const char *const *names)
{
    char *program = NULL;

    for (; program == NULL && *names != NULL; names++) {
        program = program_find(*names);
    }
    return program;
}

static char *
find_clang(void)
{
    static const char *const names[] = {"clang-14", "clang",    "clang-19", "clang-18",
                                        "clang-17", "clang-16", "clang-15", NULL};

    return find_any(names);
}

void
doctor_libfuzzer(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(mem_free) char *clang = find_clang();
    AUTO(buf_clear) struct buf output = BUF_INIT;
    char line[64];
    int status = 0;

    (void)host;
    if (clang == NULL) {
        doctor_say(result, DOCTOR_WARN,
                   "no clang in PATH: no libFuzzer target can be built here");
        return;
    }
    AUTO(mem_free)
    char *name = mem_printf("--print-file-name=libclang_rt.fuzzer-%s.a",
#if defined(__aarch64__)
                            "aarch64"
#else
                            "x86_64"
#endif
    );
    const char *const where[] = {clang, name, NULL};
    bool found =
        doctor_run(where, &status, &output) && strchr(buf_str(&output), '/') != NULL;
    const char *const ask[] = {clang, "--version", NULL};
    (void)doctor_run(ask, &status, &output);
    (void)doctor_first_line(buf_str(&output), line);
    if (!found) {
        doctor_say(result, DOCTOR_WARN, "%s has no libFuzzer beside it", line);
        doctor_cure(result,
                    "apt-get install libclang-rt-14-dev (of clang's own version)");
        return;
    }
    doctor_say(result, DOCTOR_OK, "%s", line);
}

/* --- a program with ASan, really run --- */

struct trial {
    char folder[32];
    int failed; /* of SANITIZER_RUNS */
    char why[64];
};

static bool
compile(const char *compiler, const struct trial *trial)
{
    static const char source[] = "int main(void) { return 0; }\n";
    AUTO(mem_free) char *from = fs_join(trial->folder, "empty.c");
    AUTO(mem_free) char *to = fs_join(trial->folder, "empty");
    AUTO(buf_clear) struct buf output = BUF_INIT;
    const char *const argv[] = {compiler, "-fsanitize=address", from, "-o", to, NULL};
    int status = 0;

    return fs_write(from, source, sizeof(source) - 1, 0600, NULL) == 0 &&
           doctor_run(argv, &status, &output) && status == 0;
}

static void
try_runs(struct trial *trial)
{
    AUTO(mem_free) char *program = fs_join(trial->folder, "empty");
    const char *const argv[] = {program, NULL};

    for (int i = 0; i < SANITIZER_RUNS; i++) {
        AUTO(buf_clear) struct buf output = BUF_INIT;
        int status = 0;
        if (!doctor_run(argv, &status, &output) || status != 0) {
            trial->failed++;
            (void)doctor_first_line(buf_str(&output), trial->why);
        }
    }
}

void
doctor_sanitizer(const struct doctor_host *host, struct doctor_result *result)
{
    static const char *const compilers[] = {"clang-14", "clang", "gcc", "cc", NULL};
    AUTO(mem_free) char *compiler = find_any(compilers);
    struct trial trial = {.folder = "/tmp/nightjar-doctor.XXXXXX"};

    (void)host;
    if (compiler == NULL) {
        doctor_say(result, DOCTOR_OK, "no compiler to try one with (see aslr)");
        return;
    }
    if (mkdtemp(trial.folder) == NULL) {
        doctor_say(result, DOCTOR_WARN, "not tried: no folder in /tmp: %s",
                   strerror(errno));
        doctor_cure(result, "make /tmp writable");
        return;
    }
    if (!compile(compiler, &trial)) {
        doctor_say(result, DOCTOR_WARN, "%s builds no program with ASan", compiler);
        doctor_cure(result,
                    "apt-get install clang libclang-rt-14-dev, or libasan8 for gcc");
    } else {
        try_runs(&trial);
        if (trial.failed > 0) {
            doctor_say(result, DOCTOR_FAIL,
                       "%d of %d empty programs with ASan failed: %s", trial.failed,
                       SANITIZER_RUNS, trial.why);
            if (strstr(trial.why, "failed to allocate") != NULL) {
                doctor_cure(result,
                            "ulimit -v unlimited, or more memory (see limits, memory)");
            }
        } else {
            doctor_say(result, DOCTOR_OK, "%d of %d programs with ASan ran (%s)",
                       SANITIZER_RUNS, SANITIZER_RUNS, compiler);
        }
    }
    (void)fs_remove(trial.folder, NULL);
}

/* --- triage --- */

void
doctor_symbolizer(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(mem_free) char *version = NULL;
    struct err err = ERR_INIT;
    char line[64];

    (void)host;
    if (symbolizer_version(NULL, &version, &err) < 0) {
        doctor_say(result, DOCTOR_FAIL, "%s", err.msg);
        return;
    }
    doctor_say(result, DOCTOR_OK, "%s", doctor_first_line(version, line));
}

void
doctor_debugger(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(mem_free) char *program = native_debugger();
    AUTO(buf_clear) struct buf output = BUF_INIT;
    char line[64];
    int status = 0;

    (void)host;
    if (program == NULL) {
        doctor_say(
            result, DOCTOR_WARN,
            "there is no gdb in PATH: a crash of a build without a sanitizer is "
            "only a signal, without stack or class, and core files cannot be read");
        return;
    }
    const char *const argv[] = {program, "-nx", "-batch", "--version", NULL};
    if (!doctor_run(argv, &status, &output) || status != 0) {
        doctor_say(result, DOCTOR_WARN, "'%s --version' fails", program);
        return;
    }
    doctor_say(result, DOCTOR_OK, "%s", doctor_first_line(buf_str(&output), line));
}

/* For the stacks of hangs (triage/hang.h). */
void
doctor_sampler(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(mem_free) char *program = program_find("eu-stack");
    AUTO(buf_clear) struct buf output = BUF_INIT;
    char line[64];
    int status = 0;

    (void)host;
    if (program == NULL) {
        doctor_say(result, DOCTOR_WARN,
                   "there is no eu-stack in PATH: the stack of a hang is that of one "
                   "moment, and a build without a sanitizer has none");
        return;
    }
    const char *const argv[] = {program, "--version", NULL};
    if (!doctor_run(argv, &status, &output) || status != 0) {
        doctor_say(result, DOCTOR_WARN, "'%s --version' fails", program);
        return;
    }
    doctor_say(result, DOCTOR_OK, "%s", doctor_first_line(buf_str(&output), line));
}

void
doctor_sandbox(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(buf_clear) struct buf why = BUF_INIT;
    enum sandbox_rung rung = SANDBOX_NONE;
    struct err err = ERR_INIT;

    (void)host;
    if (sandbox_choose(SANDBOX_AUTO, &rung, &why, &err) < 0) {
        doctor_say(result, DOCTOR_FAIL, "%s", err.msg);
        return;
    }
    if (why.len > 0) {
        doctor_say(result, DOCTOR_WARN, "%s, since %s", sandbox_rung_name(rung),
                   buf_str(&why));
        doctor_cure(result,
                    "what keeps the better one from working is said above and below");
        return;
    }
    doctor_say(result, DOCTOR_OK, "%s", sandbox_rung_name(rung));
}

void
doctor_bubblewrap(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(mem_free) char *program = program_find("bwrap");
    AUTO(buf_clear) struct buf output = BUF_INIT;
    char line[64];
    int status = 0;

    (void)host;
    if (program == NULL) {
        doctor_say(result, DOCTOR_WARN, "there is no bwrap in PATH");
        return;
    }
    const char *const argv[] = {program, "--version", NULL};
    if (!doctor_run(argv, &status, &output) || status != 0) {
        doctor_say(result, DOCTOR_WARN, "'%s --version' fails", program);
        return;
    }
    doctor_say(result, DOCTOR_OK, "%s", doctor_first_line(buf_str(&output), line));
}
