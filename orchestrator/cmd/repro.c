#include "orchestrator/cmd/repro.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/rung.h"
#include "orchestrator/publish/bug.h"
#include "orchestrator/supervise/solo.h"
#include "triage/kept.h"
#include "triage/regression.h"
#include "triage/sandbox.h"
#include "triage/worker.h"

enum { RUNS = 10 };

static const char *export_to, *rung_name, *build_name;
static struct strv gdb_commands;
static int64_t runs;
static bool debug;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_NUMBER, "runs", 'n', &runs, "N",
         "run it at most so often (default 10; three equal crashes decide)"},
        {CMD_TEXT, "export", 0, &export_to, "DIR",
         "write input, repro.sh, build and report there, and run nothing"},
        {CMD_FLAG, "gdb", 0, &debug, NULL,
         "start gdb, without a sandbox, and stop where it crashes"},
        {CMD_LIST, "gdb-command", 0, &gdb_commands, "COMMAND",
         "for gdb, once it stands there; may be given several times"},
        {CMD_TEXT, "build", 0, &build_name, "ID|COMMIT",
         "on the program of a build that is known: nightjar build list"},
        {CMD_TEXT, "sandbox", 0, &rung_name, "RUNG", "auto, bwrap, landlock or none"},
        {.kind = CMD_END}};

    return table;
}

void
repro_clear(struct subject *subject)
{
    bug_clear(&subject->bug);
    buf_clear(&subject->input);
    buf_clear(&subject->original);
    buf_clear(&subject->report);
    command_clear(&subject->command);
    strv_clear(&subject->settings.ignore_frames);
}

/* The program of the build that was named, of the kind that the bug's is. */
static int
take_build(struct store *store, struct subject *subject, struct err *err)
{
    AUTO(revision_clear) struct revision revision = {0};
    AUTO(program_found_clear) struct program_found found = {0};
    struct regression of = {0};
    const char *kind = "given";
    int rc = revision_find(store, build_name, &revision, err);

    rc = rc < 0 ? rc : store_target(store, subject->bug.target, &of.target_id, err);
    rc = rc < 0 ? rc
                : regression_build(store, &of, subject->command.argv.v[0], &kind, err);
    rc = rc < 0 ? rc
                : kept_program(store, &revision, subject->bug.target, kind, &found, err);
    if (rc == 0) {
        mem_free(subject->command.argv.v[0]);
        subject->command.argv.v[0] = STEAL(found.path);
    }
    return rc;
}

int
repro_load(struct store *store, int64_t bug, const struct strv *command,
           struct subject *out, struct err *err)
{
    int rc = store_bug(store, bug, &out->bug, err);

    if (rc < 0) {
        return rc;
    }
    int known = store_bug_command(store, bug, &out->command, &out->settings, err);
    if (known == -ENODATA && command->n == 0) {
        return err_set(err, -ENODATA,
                       "%s stems from a report's text alone: there is no input to run",
                       out->bug.name);
    }
    if (known < 0 && known != -ENODATA) {
        return known;
    }
    out->stored = known == 0;
    rc = command->n == 0 ? 0 : command_from_argv(command, &out->command, err);
    if (rc == 0 && build_name != NULL) {
        rc = take_build(store, out, err);
    }
    if (out->bug.record != NULL) {
        command_add_options(&out->command, out->bug.record->replay_options);
    }
    rc = rc < 0 ? rc : store_blob(store, out->bug.reproducer, &out->input, err);
    if (rc == 0 && strcmp(out->bug.original, out->bug.reproducer) != 0) {
        (void)store_blob(store, out->bug.original, &out->original, NULL);
    }
    return rc < 0 ? rc : store_report(store, out->bug.crash, &out->report, err);
}

static int
load(const struct cmd_context *context, const char *id, const struct strv *command,
     struct subject *out, struct err *err)
{
    AUTO(store_close) struct store *store = NULL;
    int64_t number = 0;
    int rc = bug_parse_id(id, &number, err);

    rc = rc < 0 ? rc : store_open(context->state, DB_READ, &store, err);
    return rc < 0 ? rc : repro_load(store, number, command, out, err);
}

/* --- export, gdb --- */

static int
export_all(const struct cmd_context *context, const struct subject *subject,
           struct err *err)
{
    AUTO(strv_clear) struct strv written = {0};
    AUTO(json_decref) json_t *files = json_array();
    int rc = repro_export(subject, export_to, &written, err);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < written.n; i++) {
        AUTO(mem_free) char *shown = str_name_dup(written.v[i]);
        (void)json_array_append_new(files, json_text(shown));
        if (!context->json) {
            (void)printf("%s\n", shown);
        }
    }
    if (context->json) {
        AUTO(json_decref) json_t *line = json_object();
        json_put(line, "id", json_string(subject->bug.name));
        json_put(line, "files", json_incref(files));
        json_print(stdout, line);
    }
    AUTO(mem_free) char *folder = str_name_dup(export_to);
    AUTO(buf_clear) struct buf word = BUF_INIT;
    str_shell(&word, folder);
    cmd_next(context, "sh %s/repro.sh", buf_str(&word));
    return 0;
}

static int
start_gdb(const struct cmd_context *context, const struct subject *subject, int *status,
          struct err *err)
{
    int ended = 0;

    if (context->json) {
        return err_set(err, -EINVAL, "--gdb talks to a person: leave --json out");
    }
    (void)cmd_fail(0, "gdb runs the target on %s's input without a sandbox",
                   subject->bug.name);
    int rc = repro_gdb(subject, &gdb_commands, &ended, err);
    if (rc == 0 && (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0)) {
        *status = EXIT_UNDECIDED;
    }
    return rc;
}

/* --- runs --- */

static json_t *
request_of(const struct subject *subject)
{
    const struct record_settings *settings = &subject->settings;
    json_t *request = json_object();
    json_t *record_options = json_object();

    json_put(record_options, "fuzz_target", json_text(subject->bug.target));
    json_put(record_options, "ooms_and_hangs",
             json_boolean(!subject->stored || settings->ooms_and_hangs));
    json_put(record_options, "asserts_are_security",
             json_boolean(!subject->stored || settings->asserts_are_security));
    json_put(record_options, "checks_are_security",
             json_boolean(settings->checks_are_security));
    json_put(record_options, "ignore_frames", json_strv(&settings->ignore_frames));
    json_put(request, "op", json_string("triage"));
    json_put(request, "command", command_to_json(&subject->command));
    json_put(request, "options", record_options);
    json_put(request, "runs", json_integer(runs > 0 ? runs : RUNS));
    return request;
}

static int
run_it(const struct cmd_context *context, const struct subject *subject, json_t **answer,
       struct err *err)
{
    struct solo_config config = {.jobs = 1};
    AUTO(solo_free) struct solo *solo = NULL;
    AUTO(json_decref) json_t *request = request_of(subject);
    int rc = 0;

    if (runs < 0 || runs > WORKER_RUNS_MAX) {
        rc = err_set(err, -EINVAL, "--runs %lld is no number from 1 to %d",
                     (long long)runs, WORKER_RUNS_MAX);
    }
    rc = rc < 0 ? rc : rung_choose(context, NULL, rung_name, &config.rung, err);
    rc = rc < 0 ? rc : solo_new(&config, &solo, err);
    rc = rc < 0 ? rc : solo_run(solo, &request, &subject->input, 1, answer, err);
    if (rc == 0) {
        const char *error = json_get_str(*answer, "error", NULL);
        AUTO(mem_free) char *shown = error == NULL ? NULL : str_name_dup(error);
        rc = error == NULL ? 0
                           : err_set(err, -EIO, "%s: %.900s", subject->bug.name, shown);
    }
    return rc;
}

/* Whether triage would file it under this bug, which `nightjar verify` asks as well. */
static int
is_same_bug(const struct cmd_context *context, const struct subject *subject,
            const json_t *answer, bool *same, struct err *err)
{
    AUTO(store_close) struct store *store = NULL;
    AUTO(verified_clear) struct verified seen = {0};
    struct regression regression = {.bug = subject->bug.id,
                                    .target = subject->bug.target,
                                    .major = subject->bug.signature};
    int rc = store_open(context->state, DB_READ, &store, err);

    rc = rc < 0 ? rc : store_target(store, regression.target, &regression.target_id, err);
    rc = rc < 0 ? rc
                : regression_judge(store, &regression, json_get_int(answer, "job", 0),
                                   answer, &seen, err);
    *same = rc == 0 && seen.as == VERIFIED_SAME;
    return rc;
}

static void
print_answer(const struct subject *subject, const json_t *answer, bool same)
{
    const json_t *record = json_object_get(answer, "record");
    const char *outcome = json_get_str(answer, "outcome", "");
    const char *reason = json_get_str(answer, "reason", NULL);
    AUTO(buf_clear) struct buf text = BUF_INIT;
    long long k = (long long)json_get_int(answer, "k", 0);
    long long n = (long long)json_get_int(answer, "n", 0);

    buf_addf(&text, "%s: ", subject->bug.name);
    if (json_is_object(record)) {
        const char *crash_type = json_get_str(record, "crash_type", "");
        AUTO(mem_free) char *type = record_type_line(crash_type);
        AUTO(mem_free)
        char *frame =
            record_top_frame(crash_type, json_get_str(record, "crash_state", ""));
        buf_addf(&text, "reproduces in %lld of %lld runs%s: %s in %s", k, n,
                 same ? "" : ", but as another crash", type, frame);
    } else if (strcmp(outcome, "clean") == 0) {
        buf_addf(&text, "does not crash any more in %lld runs", n);
    } else {
        buf_addf(&text, "%s in %lld of %lld runs", outcome, k > 0 ? k : n, n);
    }
    if (reason != NULL) {
        buf_addf(&text, " (%s)", reason);
    }
    AUTO(mem_free) char *shown = str_name_dup(buf_str(&text));
    (void)printf("%s\n", shown);
}

static void
print_json(const struct subject *subject, json_t *answer, bool same)
{
    json_t *line = json_object();

    json_put(line, "id", json_string(subject->bug.name));
    json_put(line, "same", json_boolean(same));
    (void)json_object_del(answer, "job");
    (void)json_object_update(line, answer);
    json_print(stdout, line);
    json_decref(line);
}

static int
repro(const struct cmd_context *context, const struct subject *subject, int *status,
      struct err *err)
{
    AUTO(json_decref) json_t *answer = NULL;
    bool same = false;
    int rc = run_it(context, subject, &answer, err);

    rc = rc < 0 ? rc : is_same_bug(context, subject, answer, &same, err);
    if (rc < 0) {
        return rc;
    }
    if (context->json) {
        print_json(subject, answer, same);
    } else {
        print_answer(subject, answer, same);
        cmd_next(context, "nightjar show %s, or nightjar repro %s --export DIR",
                 subject->bug.name, subject->bug.name);
    }
    *status = strcmp(json_get_str(answer, "outcome", ""), "broken") == 0 ? EXIT_UNDECIDED
                                                                         : EXIT_DONE;
    return 0;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(repro_clear) struct subject subject = {0};
    struct err err = ERR_INIT;
    int status = EXIT_DONE;

    if (command->n > 0 && build_name != NULL) {
        return cmd_fail(EXIT_USAGE, "a command behind -- is a build of its own: leave "
                                    "--build out");
    }
    if (args->n != 1) {
        return cmd_fail(
            EXIT_USAGE,
            "repro needs one bug: nightjar repro NJ-1 (nightjar bugs lists them)");
    }
    int rc = load(context, args->v[0], command, &subject, &err);
    if (rc == 0 && export_to != NULL) {
        rc = export_all(context, &subject, &err);
    } else if (rc == 0 && debug) {
        rc = start_gdb(context, &subject, &status, &err);
    } else if (rc == 0) {
        rc = repro(context, &subject, &status, &err);
    }
    return rc < 0 ? cmd_fail_err(&err) : status;
}

const struct cmd cmd_repro = {
    .name = "repro",
    .summary = "run a bug's reproducer again, debug it, or write it out",
    .usage = "BUG [--runs N] [--export DIR] [--gdb] [-- COMMAND [@@]]",
    .about =
        "Run the smallest known input of a bug on its target, in the sandbox, and say in "
        "how many\n"
        "runs it crashes and whether it is still the same crash. Behind -- another build "
        "can be\n"
        "named. Exit status 0 whether it crashes or not; 3 when it could not be run.\n\n"
        "--export writes input, original (if it was minimized), repro.sh, BUILD, "
        "report.txt\n"
        "and README; a file of another content is never overwritten. repro.sh needs only "
        "the\n"
        "target, `sh repro.sh [TARGET]`, holds inputs of up to 2 kB itself, and ends "
        "with the\n"
        "target's own exit status: 0 says that it did not crash.\n\n"
        "--gdb stops at the signal, or where a sanitizer has printed its report, and "
        "shows\n"
        "the stack; where standard input is no terminal it then ends.\n\n"
        "  nightjar repro NJ-1\n"
        "  nightjar repro NJ-1 -- ./build-with-fix/target @@\n"
        "  nightjar repro NJ-1 --build 0123abc\n"
        "  nightjar repro NJ-1 --export NJ-1\n"
        "  nightjar repro NJ-1 --gdb --gdb-command 'info locals'",
    .options = options,
    .run = run,
};
