#include "triage/minimize.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/publish/bug.h"
#include "orchestrator/supervise/solo.h"
#include "triage/command.h"
#include "triage/sandbox.h"

enum { DEFAULT_MS = 60000, REDRAW_MS = 200, MINUTE_MS = 60000 };

static const char *output, *rung_name;
static int64_t jobs, for_ms, timeout_ms;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "output", 'o', &output, "FILE",
         "where the result goes (default: INPUT.min)"},
        {CMD_NUMBER, "jobs", 'j', &jobs, "N", "runs at a time (default: cores)"},
        {CMD_DURATION, "for", 0, &for_ms, "DURATION",
         "end with what there is (default 60s)"},
        {CMD_DURATION, "timeout", 0, &timeout_ms, "DURATION",
         "limit of one run (default 25s)"},
        {CMD_TEXT, "sandbox", 0, &rung_name, "RUNG", "auto, bwrap, landlock or none"},
        {.kind = CMD_END}};

    return table;
}

struct run {
    const struct cmd_context *context;
    char *output;
    struct buf input;
    struct command command;
    struct solo *solo;
    json_t *request;  /* for a candidate */
    json_t *best;     /* the worker's answer for the best so far */
    json_t **answers; /* of the last test */
    size_t width;
    struct shrink_result result;
    int64_t begun_ms, shown_ms, last_minute;
    bool drawn;
};

static void
run_clear(struct run *run)
{
    solo_free(run->solo);
    for (size_t i = 0; run->answers != NULL && i < run->width; i++) {
        json_decref(run->answers[i]);
    }
    mem_free(run->answers);
    json_decref(run->request);
    json_decref(run->best);
    command_clear(&run->command);
    buf_clear(&run->input);
    shrink_result_clear(&run->result);
    mem_free(run->output);
}
AUTO_DEFINE_CLEAR(struct run, run_clear)

/* --- what is asked for --- */

static int
find_output(struct run *run, const char *path, struct err *err)
{
    struct stat in;
    struct stat out;

    run->output = output == NULL ? mem_printf("%s.min", path) : mem_strdup(output);
    int rc = sandbox_refuse_output(run->output, err);
    if (rc < 0) {
        return rc;
    }
    AUTO(mem_free) char *name = str_name_dup(run->output);
    bool exists = stat(run->output, &out) == 0;
    if (exists && stat(path, &in) == 0 && in.st_dev == out.st_dev &&
        in.st_ino == out.st_ino) {
        return err_set(err, -EINVAL,
                       "'%s' is the input itself, which is never overwritten: "
                       "choose another with -o",
                       name);
    }
    if (exists && S_ISDIR(out.st_mode)) {
        return err_set(err, -EINVAL, "'%s' is a folder: name a file with -o", name);
    }
    /* better now than after an hour's work */
    AUTO(mem_free) char *absolute = fs_absolute(run->output);
    AUTO(mem_free)
    char *folder = mem_dup(absolute, (size_t)(fs_base(absolute) - absolute));
    if (access(folder, W_OK) < 0) {
        return err_sys(err, "write into the folder of '%s' (choose another with -o)",
                       name);
    }
    return 0;
}

static int
cores(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : CPU_COUNT(&set);
}

static void progress(void *user);

static int
start_workers(struct run *run, struct err *err)
{
    enum sandbox_rung wanted = SANDBOX_AUTO;
    AUTO(buf_clear) struct buf why = BUF_INIT;
    struct solo_config config = {
        .jobs = (int)(jobs > 0 ? jobs : cores()), .tick = progress, .user = run};
    int rc = rung_name == NULL ? 0 : sandbox_rung_parse(rung_name, &wanted, err);

    if (jobs < 0 || jobs > SOLO_JOBS_MAX) {
        rc = err_set(err, -EINVAL, "--jobs %lld is no number from 1 to %d",
                     (long long)jobs, SOLO_JOBS_MAX);
    }
    rc = rc < 0 ? rc : sandbox_choose(wanted, &config.rung, &why, err);
    if (rc == 0 && why.len > 0 && !run->context->json) {
        (void)cmd_fail(0, "the target is confined by %s: %s",
                       sandbox_rung_name(config.rung), buf_str(&why));
    }
    config.jobs = config.jobs > SOLO_JOBS_MAX ? SOLO_JOBS_MAX : config.jobs;
    run->width = (size_t)config.jobs;
    run->answers = mem_array(run->width, sizeof(json_t *));
    return rc < 0 ? rc : solo_new(&config, &run->solo, err);
}

/* --- progress --- */

static void
take_line_away(struct run *run)
{
    if (run->drawn) {
        (void)fputs("\r\033[K", stderr);
        run->drawn = false;
    }
}

static void
progress(void *user)
{
    struct run *run = user;
    const struct shrink_progress *done = &run->result.progress;
    int64_t now = clock_mono_ms();
    int64_t minute = (now - run->begun_ms) / MINUTE_MS;
    bool due =
        run->context->live ? now - run->shown_ms >= REDRAW_MS : minute > run->last_minute;
    char before[32];
    char after[32];

    if (!due || run->context->json) {
        return;
    }
    run->shown_ms = now;
    run->last_minute = minute;
    str_bytes_show(before, sizeof(before), (int64_t)run->input.len);
    str_bytes_show(after, sizeof(after),
                   (int64_t)(run->best == NULL ? run->input.len : run->result.bytes.len));
    (void)fprintf(stderr, "%s%s -> %s, %lld runs in %lld s; Ctrl-C keeps what there is%s",
                  run->context->live ? "\r\033[K" : "nightjar: ", before, after,
                  (long long)done->execs, (long long)((now - run->begun_ms) / 1000),
                  run->context->live ? "" : "\n");
    run->drawn = run->context->live;
}

static bool
go_on(void *user, const struct shrink_progress *done)
{
    struct run *run = user;

    (void)done;
    progress(run);
    return !solo_interrupted(run->solo);
}

/* --- the original, and the candidates --- */

/* A request without what solo_run() adds; new. */
static json_t *
request_of(const struct run *run, const char *op)
{
    json_t *request = json_object();
    json_t *record_options = json_object();

    json_put(record_options, "fuzz_target", json_name(fs_base(run->command.argv.v[0])));
    json_put(record_options, "ooms_and_hangs", json_true());
    json_put(request, "op", json_string(op));
    json_put(request, "command", command_to_json(&run->command));
    json_put(request, "options", record_options);
    json_put(request, "runs", json_integer(MINIMIZE_TRIES));
    return request;
}

static const char *
major_of(const json_t *answer)
{
    const json_t *record = json_object_get(answer, "record");

    return json_get_str(json_object_get(record, "hash"), "major", NULL);
}

/* What the input did in place of a crash: -ENODATA. */
static int
no_crash(const json_t *answer, struct err *err)
{
    static const struct {
        const char *outcome, *text;
    } did[] = {
        {"clean", "runs to its end without a crash"},
        {"broken", "was never truly run on"},
        {"unparsed", "makes the target fail, but with no report that has a signature"}};
    const char *outcome = json_get_str(answer, "outcome", "");
    const char *reason = json_get_str(answer, "reason", NULL);
    const char *text = "did something that is not known here";

    for (size_t i = 0; i < COUNT(did); i++) {
        text = strcmp(outcome, did[i].outcome) == 0 ? did[i].text : text;
    }
    AUTO(mem_free) char *shown = reason == NULL ? NULL : str_name_dup(reason);
    return err_set(err, -ENODATA, "the input %s%s%.700s", text, shown == NULL ? "" : ": ",
                   shown == NULL ? "" : shown);
}

static int
run_original(struct run *run, struct err *err)
{
    AUTO(json_decref) json_t *request = request_of(run, "triage");
    AUTO(json_decref) json_t *answer = NULL;
    int rc = solo_run(run->solo, &request, &run->input, 1, &answer, err);

    if (rc < 0) {
        return rc;
    }
    const char *error = json_get_str(answer, "error", NULL);
    if (error != NULL) {
        AUTO(mem_free) char *shown = str_name_dup(error);
        return err_set(err, -EIO, "the input cannot be run: %.900s", shown);
    }
    if (major_of(answer) == NULL) {
        return no_crash(answer, err);
    }
    run->result.progress.execs = json_get_int(answer, "n", MINIMIZE_TRIES);
    if (strcmp(json_get_str(answer, "outcome", ""), "timeout") != 0) {
        run->command.timeout_ms =
            minimize_timeout(run->command.timeout_ms, json_get_int(answer, "wall_ms", 0));
    }
    run->request = request_of(run, "test");
    json_put(run->request, "runs", json_integer(MINIMIZE_CONFIRM));
    json_put(run->request, "major", json_string(major_of(answer)));
    json_put(run->request, "place",
             json_text(json_get_str(json_object_get(answer, "record"), "place", NULL)));
    run->best = STEAL(answer);
    return 0;
}

static int
test(void *user, const struct buf *list, size_t n, size_t *shown, int64_t *execs,
     struct err *err)
{
    struct run *run = user;
    AUTO(mem_free) json_t **requests = mem_array(n, sizeof(json_t *));

    for (size_t i = 0; i < run->width; i++) {
        json_decref(STEAL(run->answers[i]));
    }
    for (size_t i = 0; i < n; i++) {
        requests[i] = run->request;
    }
    int rc = solo_run(run->solo, requests, list, n, run->answers, err);
    if (rc < 0) {
        return rc;
    }
    *shown = n;
    for (size_t i = n; i-- > 0;) {
        const char *error = json_get_str(run->answers[i], "error", NULL);
        if (error != NULL) {
            AUTO(mem_free) char *text = str_name_dup(error);
            return err_set(err, -EIO, "a candidate cannot be run: %.900s", text);
        }
        *execs += json_get_int(run->answers[i], "execs", 1);
        *shown = json_get_bool(run->answers[i], "shows", false) ? i : *shown;
    }
    return 0;
}

static void
keep(void *user, size_t index)
{
    struct run *run = user;

    json_decref(run->best);
    run->best = json_incref(run->answers[index]);
}

/* --- the result --- */

static void
print_result(const struct run *run, const char *path)
{
    const struct shrink_result *result = &run->result;
    const json_t *record = json_object_get(run->best, "record");
    AUTO(mem_free) char *type = record_type_line(json_get_str(record, "crash_type", ""));
    AUTO(mem_free)
    char *frame = record_top_frame(json_get_str(record, "crash_type", ""),
                                   json_get_str(record, "crash_state", ""));
    AUTO(mem_free) char *name = str_name_dup(path);
    AUTO(mem_free) char *out = str_name_dup(run->output);
    AUTO(buf_clear) struct buf title = BUF_INIT;
    char took[48];

    buf_addf(&title, "%s in %s", type, frame);
    AUTO(mem_free) char *shown = str_name_dup(buf_str(&title));
    str_duration_show(took, sizeof(took), result->progress.wall_ms);
    (void)printf("%s: %s\n", name, shown);
    (void)printf("%zu -> %zu bytes, %lld runs in %s%s\n", run->input.len,
                 result->bytes.len, (long long)result->progress.execs, took,
                 result->finished ? "" : ", not finished");
    if (result->kept_right != NULL) {
        (void)printf("made right again where bytes went: %s\n", result->kept_right);
    }
    (void)printf("%s\n", out);
}

static void
print_json(const struct run *run, const char *path)
{
    const struct shrink_result *result = &run->result;
    json_t *line = json_object();

    json_put(line, "file", json_name(path));
    json_put(line, "output", json_name(run->output));
    json_put(line, "bytes_before", json_integer((json_int_t)run->input.len));
    json_put(line, "bytes", json_integer((json_int_t)result->bytes.len));
    json_put(line, "execs", json_integer(result->progress.execs));
    json_put(line, "wall_ms", json_integer(result->progress.wall_ms));
    json_put(line, "finished", json_boolean(result->finished));
    json_put(line, "kept_right",
             result->kept_right == NULL ? json_null() : json_string(result->kept_right));
    json_put(line, "record", json_incref(json_object_get(run->best, "record")));
    json_print(stdout, line);
    json_decref(line);
}

static int
finish(struct run *run, const char *path, struct err *err)
{
    const struct shrink_result *result = &run->result;
    int rc = fs_write_atomic(run->output, buf_str(&result->bytes), result->bytes.len,
                             0644, err);

    take_line_away(run);
    if (rc < 0) {
        return rc;
    }
    if (run->context->json) {
        print_json(run, path);
    } else {
        print_result(run, path);
    }
    if (result->failure.code != 0 && !solo_interrupted(run->solo)) {
        *err = result->failure;
        return err_wrap(err, result->failure.code, "it ended early");
    }
    AUTO(mem_free) char *line = command_shell(&run->command, run->output);
    AUTO(mem_free) char *shown = str_name_dup(line);
    if (result->finished || solo_interrupted(run->solo)) {
        cmd_next(run->context, "%s", shown);
    } else {
        AUTO(buf_clear) struct buf word = BUF_INIT;
        str_shell(&word, run->output);
        AUTO(mem_free) char *file = str_name_dup(buf_str(&word));
        cmd_next(run->context,
                 "nightjar minimize %s --for 10m -- COMMAND, to go on from there", file);
    }
    return 0;
}

static int
minimize_file(struct run *run, const char *path, const struct strv *words,
              struct err *err)
{
    const struct shrink_oracle oracle = {.user = run, .test = test, .keep = keep};
    const struct shrink_limits limits = {
        .wall_ms = for_ms > 0 ? for_ms : DEFAULT_MS, .report = go_on, .user = run};
    int rc = fs_read(path, MINIMIZE_INPUT_MAX, &run->input, err);

    rc = rc < 0 ? rc : find_output(run, path, err);
    rc = rc < 0 ? rc : command_from_argv(words, &run->command, err);
    if (rc < 0) {
        return rc;
    }
    if (timeout_ms > 0) {
        run->command.timeout_ms = timeout_ms;
    }
    run->begun_ms = clock_mono_ms();
    rc = start_workers(run, err);
    rc = rc < 0 ? rc : run_original(run, err);
    if (rc < 0) {
        take_line_away(run);
        return rc;
    }
    struct shrink_oracle with_width = oracle;
    with_width.width = run->width;
    shrink(&with_width, &limits, buf_str(&run->input), run->input.len, &run->result);
    return finish(run, path, err);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(run_clear) struct run work = {.context = context};
    struct err err = ERR_INIT;

    if (args->n != 1 || command->n == 0) {
        return cmd_fail(EXIT_USAGE, "minimize needs a file and the command behind --: "
                                    "nightjar minimize FILE -- ./target @@");
    }
    return minimize_file(&work, args->v[0], command, &err) < 0 ? cmd_fail_err(&err)
                                                               : EXIT_DONE;
}

const struct cmd cmd_minimize = {
    .name = "minimize",
    .summary = "make a crashing input small, keeping the crash that it is",
    .usage = "FILE [-o OUT] -- COMMAND [@@]",
    .about =
        "Find a smaller input that shows the same signature (crash type and the "
        "frames that count)\n"
        "at every step, so that one bug never turns into another. The file itself "
        "is not touched.\n"
        "Length fields and checksums (CRC-32, Adler-32, sums) that cover what goes are "
        "made right\nagain; the result says which.\n"
        "Without @@ the command reads standard input; a libFuzzer target needs "
        "neither. No database\n"
        "is needed. Exit status 3 when the input does not crash.\n\n"
        "  nightjar minimize crash-1 -- ./target @@\n"
        "  nightjar minimize crash-1 -o small --jobs 4 --for 10m -- ./target -x @@",
    .options = options,
    .run = run,
};
