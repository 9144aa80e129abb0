#include "orchestrator/cmd/triage_run.h"

#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/report_log.h"
#include "orchestrator/cmd/rung.h"
#include "orchestrator/cmd/triage_core.h"
#include "orchestrator/config.h"

static struct triage_call call;
static bool core;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_NUMBER, "jobs", 'j', &call.jobs, "N",
         "triage workers at a time (default: cores; one more from 1,000 files on)"},
        {CMD_TEXT, "target", 't', &call.target, "NAME",
         "name of the target, or which of nightjar.yaml"},
        {CMD_NUMBER, "runs", 'n', &call.runs, "N",
         "replays of what may be a new bug, at most (default 10)"},
        {CMD_DURATION, "timeout", 0, &call.timeout_ms, "DURATION",
         "limit of one run (default 25s)"},
        {CMD_TEXT, "minimize", 0, &call.minimize, "DURATION|no",
         "time for each bug (default 5s)"},
        {CMD_FLAG, "reports", 0, &call.reports, NULL,
         "the files are reports' texts: run nothing"},
        {CMD_FLAG, "core", 0, &core, NULL,
         "the files are a core file and its program: run nothing"},
        {CMD_TEXT, "sandbox", 0, &call.rung, "RUNG", "auto, bwrap, landlock or none"},
        {.kind = CMD_END}};

    return table;
}

static int
choose_rung(const struct cmd_context *context, enum sandbox_rung *out, struct err *err)
{
    AUTO(config_free) struct config *config = NULL;
    int rc = config_load_settings(context->config, &config, err);

    return rc < 0 ? rc : rung_choose(context, config, call.rung, out, err);
}

/* The report stays beside the database under the core's name, so that the path that is
 * filed leads somewhere; the same core makes the same report. */
static int
keep_report(const char *state, const char *name, const struct buf *report, char **out,
            struct err *err)
{
    AUTO(mem_free) char *folder = fs_join(state, "cores");
    AUTO(mem_free) char *shown = str_name_dup(fs_base(name));
    char sha256[HASH_HEX_MAX];

    hash_sha256(buf_str(report), report->len, sha256);
    for (char *c = shown; *c != '\0'; c++) {
        if (*c == '\\') {
            *c = '_';
        }
    }
    AUTO(mem_free) char *path = mem_printf("%s/%.100s-%.12s.txt", folder, shown, sha256);
    int rc = fs_mkdirs(folder, 0700, err);
    rc = rc < 0 ? rc : fs_write(path, buf_str(report), report->len, 0600, err);
    if (rc == 0) {
        *out = STEAL(path);
    }
    return rc;
}

/* A core file is triaged as the report that gdb makes of it. */
static int
run_core(const struct cmd_context *context, const struct strv *args,
         const struct strv *command)
{
    AUTO(buf_clear) struct buf report = BUF_INIT;
    AUTO(strv_clear) struct strv paths = {0};
    AUTO(mem_free) char *state = fs_absolute(context->state);
    AUTO(mem_free) char *path = NULL;
    struct err err = ERR_INIT;

    if (args->n != 2 || command->n > 0 || call.reports) {
        return cmd_fail(EXIT_USAGE,
                        "which core file, of which program? nightjar triage --core CORE "
                        "PROGRAM");
    }
    struct triage_core of = {.core = args->v[0], .program = args->v[1], .state = state};
    int rc = choose_rung(context, &of.rung, &err);
    rc = rc < 0 ? rc : triage_core_report(&of, &report, &err);
    rc = rc < 0 ? rc : keep_report(state, of.core, &report, &path, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    strv_add(&paths, path);
    call.paths = &paths;
    call.command = command;
    call.source = "core";
    call.reports = true;
    call.target = call.target == NULL ? fs_base(of.program) : call.target;
    int status = triage_run(context, &call);
    call.paths = NULL;
    return status;
}

/* "-" is a log on standard input: the ledger reads files. */
static int
run_stdin(const struct cmd_context *context, const struct strv *args)
{
    AUTO(mem_free) char *state = fs_absolute(context->state);
    AUTO(mem_free) char *spool = NULL;
    AUTO(strv_clear) struct strv paths = {0};
    struct err err = ERR_INIT;

    if (report_log_spool(state, &spool, &err) < 0) {
        return cmd_fail_err(&err);
    }
    for (size_t i = 0; i < args->n; i++) {
        strv_add(&paths, strcmp(args->v[i], "-") == 0 ? spool : args->v[i]);
    }
    call.paths = &paths;
    int status = triage_run(context, &call);
    call.paths = NULL;
    (void)unlink(spool); /* the ledger has its parts */
    return status;
}

static bool
reads_stdin(const struct strv *args)
{
    for (size_t i = 0; i < args->n; i++) {
        if (strcmp(args->v[i], "-") == 0) {
            return true;
        }
    }
    return false;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    if (core) {
        return run_core(context, args, command);
    }
    call.paths = args;
    call.command = command;
    call.verb = "triage";
    call.source = call.reports ? "reports" : "triage";
    return call.reports && command->n == 0 && reads_stdin(args)
               ? run_stdin(context, args)
               : triage_run(context, &call);
}

const struct cmd cmd_triage = {
    .name = "triage",
    .summary = "turn crashing inputs into distinct bugs, worst first",
    .usage = "[PATH...] [-- COMMAND @@]",
    .about =
        "Replay every input in a sandbox, group what fails into bugs and rate them.\n"
        "PATH is a file, a folder, an AFL++ output folder or a folder of libFuzzer\n"
        "artifacts; of AFL++ the command is known, and the limit of one run is five\n"
        "times its own. @@ stands for the input's path; without it the input is\n"
        "standard input, or the argument of a libFuzzer program. Without PATH what is\n"
        "queued is triaged. Needs no other command before.\n\n"
        "--reports takes what programs printed: .casrep files, and CI logs of any size, "
        "of\n"
        "which each report becomes a crash of its own; - is a log on standard input, at\n"
        "most 1 GiB. Nothing is run.\n\n"
        "  nightjar triage ~/afl-out\n"
        "  nightjar triage crashes/ -- ./target --flag @@\n"
        "  nightjar triage artifacts/ -- ./fuzz_target\n"
        "  nightjar triage --reports ci-logs/\n"
        "  gh run view --log 4711 | nightjar triage --reports --target parser -\n"
        "  nightjar triage --core /var/lib/systemd/coredump/core.foo.zst ./foo\n\n"
        "Of a core file (plain, zst, xz, lz4 or gz) the stack, the registers and what\n"
        "failed are kept; the file itself is not, and there is no reproducer.",
    .options = options,
    .run = run,
};
