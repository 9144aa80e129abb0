#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/publish/bug.h"
#include "orchestrator/supervise/solo.h"
#include "triage/sandbox.h"
#include "triage/store.h"
#include "triage/worker.h"

enum { RUNS = 10 };

static const char *export_to, *rung_name;
static int64_t runs;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_NUMBER, "runs", 'n', &runs, "N",
         "run it at most so often (default 10; three equal crashes decide)"},
        {CMD_TEXT, "export", 0, &export_to, "DIR",
         "write input, command and report there, and run nothing"},
        {CMD_TEXT, "sandbox", 0, &rung_name, "RUNG", "auto, bwrap, landlock or none"},
        {.kind = CMD_END}};

    return table;
}

/* All that is known of one bug before anything is run. */
struct subject {
    struct bug bug;
    struct buf input;
    struct buf report;
    struct command command; /* argv.n 0: there is none */
    struct record_settings settings;
    bool stored; /* settings are the target's; else defaults are taken */
};

static void
subject_clear(struct subject *subject)
{
    bug_clear(&subject->bug);
    buf_clear(&subject->input);
    buf_clear(&subject->report);
    command_clear(&subject->command);
    strv_clear(&subject->settings.ignore_frames);
}
AUTO_DEFINE_CLEAR(struct subject, subject_clear)

static int
load(const struct cmd_context *context, const char *id, const struct strv *command,
     struct subject *out, struct err *err)
{
    AUTO(store_close) struct store *store = NULL;
    int64_t number = 0;
    int rc = bug_parse_id(id, &number, err);

    rc = rc < 0 ? rc : store_open(context->state, DB_READ, &store, err);
    rc = rc < 0 ? rc : store_bug(store, number, &out->bug, err);
    if (rc < 0) {
        return rc;
    }
    int known = store_bug_command(store, number, &out->command, &out->settings, err);
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
    rc = rc < 0 ? rc : store_blob(store, out->bug.reproducer, &out->input, err);
    return rc < 0 ? rc : store_report(store, out->bug.crash, &out->report, err);
}

/* --- export --- */

static int
export_file(const struct subject *subject, const char *suffix, const struct buf *bytes,
            mode_t mode, struct err *err)
{
    AUTO(mem_free) char *name = mem_printf("%s.%s", subject->bug.name, suffix);
    AUTO(mem_free) char *path = fs_join(export_to, name);
    AUTO(mem_free) char *shown = str_name_dup(path);
    int rc = sandbox_refuse_output(path, err);

    rc = rc < 0 ? rc : fs_write(path, buf_str(bytes), bytes->len, mode, err);
    if (rc == 0) {
        (void)printf("%s\n", shown);
    }
    return rc;
}

static int
export_all(const struct cmd_context *context, const struct subject *subject,
           struct err *err)
{
    AUTO(buf_clear) struct buf script = BUF_INIT;
    AUTO(buf_clear) struct buf title = BUF_INIT;
    AUTO(mem_free) char *name = mem_printf("%s.input", subject->bug.name);
    AUTO(mem_free) char *absolute = fs_absolute(export_to);
    AUTO(mem_free) char *type = record_type_line(subject->bug.crash_type);
    AUTO(mem_free)
    char *frame = record_top_frame(subject->bug.crash_type, subject->bug.crash_state);
    AUTO(mem_free) char *line = command_shell(&subject->command, name);
    int rc = fs_mkdirs(absolute, 0755, err);

    buf_addf(&title, "%s: %s in %s", subject->bug.name, type, frame);
    AUTO(mem_free)
    char *shown = str_name_dup(buf_str(&title)); /* one line, whatever it holds */
    buf_addf(&script, "#!/bin/sh\n# %s\ncd \"$(dirname \"$0\")\" || exit 3\n%s\n", shown,
             line);
    rc = rc < 0 ? rc : export_file(subject, "input", &subject->input, 0644, err);
    rc = rc < 0 ? rc : export_file(subject, "sh", &script, 0755, err);
    if (rc == 0 && subject->report.len > 0) {
        rc = export_file(subject, "report", &subject->report, 0644, err);
    }
    if (rc == 0) {
        AUTO(mem_free) char *script_name = mem_printf("%s.sh", subject->bug.name);
        AUTO(mem_free) char *path = fs_join(export_to, script_name);
        AUTO(mem_free) char *next = str_name_dup(path);
        cmd_next(context, "%s%s", next[0] == '/' || next[0] == '.' ? "" : "./", next);
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
    enum sandbox_rung wanted = SANDBOX_AUTO;
    struct solo_config config = {.jobs = 1};
    AUTO(buf_clear) struct buf why = BUF_INIT;
    AUTO(solo_free) struct solo *solo = NULL;
    AUTO(json_decref) json_t *request = request_of(subject);
    int rc = rung_name == NULL ? 0 : sandbox_rung_parse(rung_name, &wanted, err);

    if (runs < 0 || runs > WORKER_RUNS_MAX) {
        rc = err_set(err, -EINVAL, "--runs %lld is no number from 1 to %d",
                     (long long)runs, WORKER_RUNS_MAX);
    }
    rc = rc < 0 ? rc : sandbox_choose(wanted, &config.rung, &why, err);
    if (rc == 0 && why.len > 0 && !context->json) {
        (void)cmd_fail(0, "the target is confined by %s: %s",
                       sandbox_rung_name(config.rung), buf_str(&why));
    }
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

static bool
same_bug(const struct subject *subject, const json_t *answer)
{
    const json_t *record = json_object_get(answer, "record");
    const char *major = json_get_str(json_object_get(record, "hash"), "major", "");

    return strcmp(major, subject->bug.signature) == 0;
}

static void
print_answer(const struct subject *subject, const json_t *answer)
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
                 same_bug(subject, answer) ? "" : ", but as another crash", type, frame);
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
print_json(const struct subject *subject, json_t *answer)
{
    json_t *line = json_object();

    json_put(line, "id", json_string(subject->bug.name));
    json_put(line, "same", json_boolean(same_bug(subject, answer)));
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
    int rc = run_it(context, subject, &answer, err);

    if (rc < 0) {
        return rc;
    }
    if (context->json) {
        print_json(subject, answer);
    } else {
        print_answer(subject, answer);
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
    AUTO(subject_clear) struct subject subject = {0};
    struct err err = ERR_INIT;
    int status = EXIT_DONE;

    if (args->n != 1) {
        return cmd_fail(
            EXIT_USAGE,
            "repro needs one bug: nightjar repro NJ-1 (nightjar bugs lists them)");
    }
    int rc = load(context, args->v[0], command, &subject, &err);
    if (rc == 0 && export_to != NULL) {
        rc = export_all(context, &subject, &err);
    } else if (rc == 0) {
        rc = repro(context, &subject, &status, &err);
    }
    return rc < 0 ? cmd_fail_err(&err) : status;
}

const struct cmd cmd_repro = {
    .name = "repro",
    .summary = "run a bug's reproducer again, or write it out",
    .usage = "BUG [--runs N] [--export DIR] [-- COMMAND [@@]]",
    .about =
        "Run the smallest known input of a bug on its target, in the sandbox, and say in "
        "how many\n"
        "runs it crashes and whether it is still the same crash. Behind -- another build "
        "can be\n"
        "named. Exit status 0 whether it crashes or not; 3 when it could not be run.\n\n"
        "  nightjar repro NJ-1\n"
        "  nightjar repro NJ-1 -- ./build-with-fix/target @@\n"
        "  nightjar repro NJ-1 --export out/    NJ-1.input, NJ-1.sh and NJ-1.report",
    .options = options,
    .run = run,
};
