#include "triage/minimize.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/rung.h"
#include "orchestrator/publish/bug.h"
#include "orchestrator/supervise/solo.h"
#include "triage/command.h"
#include "triage/sandbox.h"

enum { DEFAULT_MS = 60000, REDRAW_MS = 200, MINUTE_MS = 60000 };

static const char *output, *rung_name, *keep_name;
static int64_t jobs, for_ms, timeout_ms;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "output", 'o', &output, "FILE",
         "where the result goes (default: INPUT.min)"},
        {CMD_NUMBER, "jobs", 'j', &jobs, "N", "runs at a time (default: cores)"},
        {CMD_DURATION, "for", 0, &for_ms, "DURATION",
         "search to the end, in that time at most (default: as long as it brings "
         "something, "
         "60s at most)"},
        {CMD_DURATION, "timeout", 0, &timeout_ms, "DURATION",
         "limit of one run (default 25s)"},
        {CMD_TEXT, "keep", 0, &keep_name, "WHAT",
         "exact (all frames and lines), major (signature and place; the default) or "
         "loose "
         "(kind and place)"},
        {CMD_TEXT, "sandbox", 0, &rung_name, "RUNG", "auto, bwrap, landlock or none"},
        {.kind = CMD_END}};

    return table;
}

struct run {
    const struct cmd_context *context;
    char *output, *journal;
    enum keep_level level;
    struct buf input, bytes; /* bytes: the result */
    struct command command;
    struct solo *solo;
    json_t *answer; /* of the worker */
    int lanes;
    int64_t begun_ms, shown_ms, last_minute;
    bool drawn;
};

static void
run_clear(struct run *run)
{
    solo_free(run->solo);
    json_decref(run->answer);
    command_clear(&run->command);
    buf_clear(&run->input);
    buf_clear(&run->bytes);
    mem_free(run->output);
    mem_free(run->journal);
}
AUTO_DEFINE_CLEAR(struct run, run_clear)

/* --- what is asked for --- */

static int
find_output(struct run *run, const char *path, struct err *err)
{
    struct stat in;
    struct stat out;

    run->output = output == NULL ? mem_printf("%s.min", path) : mem_strdup(output);
    run->journal = mem_printf("%s.journal", run->output);
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

static void watch(void *user);

/* One worker, which has as many lanes as there are to be runs at a time. */
static int
start_worker(struct run *run, struct err *err)
{
    struct solo_config config = {.jobs = 1, .patient = true, .tick = watch, .user = run};
    int rc = 0;

    if (jobs < 0 || jobs > TRIAL_LANES_MAX) {
        rc = err_set(err, -EINVAL, "--jobs %lld is no number from 1 to %d",
                     (long long)jobs, TRIAL_LANES_MAX);
    }
    run->lanes = (int)(jobs > 0 ? jobs : proc_cpus());
    run->lanes = run->lanes < TRIAL_LANES_MAX ? run->lanes : TRIAL_LANES_MAX;
    rc = rc < 0 ? rc : rung_choose(run->context, NULL, rung_name, &config.rung, err);
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

static int64_t
size_of(const struct run *run, const char *name)
{
    AUTO(mem_free) char *path = fs_join(solo_folder(run->solo, 0), name);
    struct stat st;

    return lstat(path, &st) < 0 ? -1 : (int64_t)st.st_size;
}

static void
show_progress(struct run *run, int64_t now)
{
    int64_t journal = size_of(run, "journal");
    int64_t best = size_of(run, "output");
    char before[32];
    char after[32];

    str_bytes_show(before, sizeof(before), (int64_t)run->input.len);
    str_bytes_show(after, sizeof(after), best < 0 ? (int64_t)run->input.len : best);
    (void)fprintf(
        stderr, "%s%s -> %s, %zu candidates in %lld s; Ctrl-C keeps what there is%s",
        run->context->live ? "\r\033[K" : "nightjar: ", before, after,
        verdicts_in(journal < 0 ? 0 : (size_t)journal),
        (long long)((now - run->begun_ms) / 1000), run->context->live ? "" : "\n");
    run->drawn = run->context->live;
}

/* The journal outlives this process beside the output, not in a passing folder. */
static void
keep_journal(const struct run *run)
{
    AUTO(mem_free) char *path = fs_join(solo_folder(run->solo, 0), "journal");

    if (size_of(run, "journal") > 0) {
        (void)verdicts_copy(path, run->journal, NULL);
    }
}

static void
watch(void *user)
{
    struct run *run = user;
    int64_t now = clock_mono_ms();
    int64_t minute = (now - run->begun_ms) / MINUTE_MS;
    bool due =
        run->context->live ? now - run->shown_ms >= REDRAW_MS : minute > run->last_minute;

    keep_journal(run);
    if (due && !run->context->json) {
        run->shown_ms = now;
        run->last_minute = minute;
        show_progress(run, now);
    }
}

/* --- the job --- */

/* A request without what solo_run() adds; new. */
static json_t *
request_of(const struct run *run)
{
    json_t *request = json_object();
    json_t *record_options = json_object();

    json_put(record_options, "fuzz_target", json_name(fs_base(run->command.argv.v[0])));
    json_put(record_options, "ooms_and_hangs", json_true());
    json_put(request, "op", json_string("minimize"));
    json_put(request, "command", command_to_json(&run->command));
    json_put(request, "options", record_options);
    json_put(request, "keep", json_string(keep_level_name(run->level)));
    json_put(request, "lanes", json_integer(run->lanes));
    json_put(request, "wall_ms", json_integer(for_ms > 0 ? for_ms : DEFAULT_MS));
    json_put(request, "brief", json_boolean(for_ms == 0));
    json_put(request, "trim", json_true());
    return request;
}

/* What the input did in place of a crash: -ENODATA. */
static int
no_crash(const json_t *answer, struct err *err)
{
    AUTO(mem_free) char *shown = str_name_dup(json_get_str(answer, "reason", ""));

    return err_set(err, -ENODATA, "%.900s", shown);
}

/* What the worker left in its folder; it may be anything. */
static int
read_left(const struct run *run, const char *name, struct buf *out, struct err *err)
{
    AUTO(mem_free) char *path = fs_join(solo_folder(run->solo, 0), name);
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    int rc = 1;

    if (fd < 0 || fstat(fd, &st) < 0) {
        return err_sys(err, "open what the worker left");
    }
    if (!S_ISREG(st.st_mode) || st.st_size > MINIMIZE_INPUT_MAX) {
        return err_set(err, -EBADMSG, "what the worker left is no file of an input");
    }
    buf_clear(out);
    while (rc > 0 && out->len <= MINIMIZE_INPUT_MAX) {
        rc = fd_read_some(fd, out, MINIMIZE_INPUT_MAX + 1 - out->len, err);
    }
    return rc < 0 ? rc : 0;
}

static int
run_job(struct run *run, struct err *err)
{
    AUTO(json_decref) json_t *request = request_of(run);
    AUTO(mem_free) char *journal = fs_join(solo_folder(run->solo, 0), "journal");
    int rc = verdicts_copy(run->journal, journal, err);

    rc = rc < 0 ? rc : solo_run(run->solo, &request, &run->input, 1, &run->answer, err);
    keep_journal(run);
    if (rc < 0) {
        return rc;
    }
    const char *error = json_get_str(run->answer, "error", NULL);
    if (error != NULL) {
        AUTO(mem_free) char *shown = str_name_dup(error);
        return err_set(err, -EIO, "the input cannot be minimized: %.900s", shown);
    }
    if (json_get_int(run->answer, "k", 0) == 0) {
        return no_crash(run->answer, err);
    }
    return read_left(run, "output", &run->bytes, err);
}

/* --- other crashes on the way --- */

/* Beside the output, "crash.min.found-1": new ones only, so that nothing of a person's is
 * overwritten. */
static int
save_found(const struct run *run, size_t i, const json_t *found, struct err *err)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    AUTO(mem_free) char *name = mem_printf("output.found-%zu", i);
    AUTO(mem_free) char *path = mem_printf("%s.found-%zu", run->output, i + 1);
    const json_t *record = json_object_get(found, "record");
    AUTO(mem_free) char *type = record_type_line(json_get_str(record, "crash_type", ""));
    AUTO(mem_free)
    char *frame = record_top_frame(json_get_str(record, "crash_type", ""),
                                   json_get_str(record, "crash_state", ""));
    AUTO(mem_free) char *title = mem_printf("%s in %s", type, frame);
    AUTO(mem_free) char *shown = str_name_dup(title);
    AUTO(mem_free) char *shown_path = str_name_dup(path);
    int rc = read_left(run, name, &bytes, err);

    rc = rc < 0 ? rc : fs_write_atomic(path, buf_str(&bytes), bytes.len, 0644, err);
    if (rc == 0 && !run->context->json) {
        (void)printf("another crash on the way: %s: %s\n", shown_path, shown);
    }
    return rc;
}

static int
save_all_found(const struct run *run, struct err *err)
{
    const json_t *list = json_object_get(run->answer, "found");
    int rc = 0;

    for (size_t i = 0; i < json_array_size(list) && i < TRIAL_FOUND_MAX && rc == 0; i++) {
        rc = save_found(run, i, json_array_get(list, i), err);
    }
    return rc;
}

/* --- the result --- */

static void
print_list(const char *before, const json_t *list)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;

    for (size_t i = 0; i < json_array_size(list); i++) {
        AUTO(mem_free)
        char *shown = str_name_dup(json_string_value(json_array_get(list, i)));
        buf_addf(&text, "%s%s", i > 0 ? ", " : "", shown);
    }
    if (text.len > 0) {
        (void)printf("%s: %s\n", before, buf_str(&text));
    }
}

static void
print_result(const struct run *run, const char *path)
{
    const json_t *answer = run->answer;
    const json_t *record = json_object_get(answer, "record");
    const char *kept_right = json_get_str(answer, "kept_right", NULL);
    AUTO(mem_free) char *type = record_type_line(json_get_str(record, "crash_type", ""));
    AUTO(mem_free)
    char *frame = record_top_frame(json_get_str(record, "crash_type", ""),
                                   json_get_str(record, "crash_state", ""));
    AUTO(mem_free) char *name = str_name_dup(path);
    AUTO(mem_free) char *out = str_name_dup(run->output);
    AUTO(mem_free) char *title = mem_printf("%s in %s", type, frame);
    AUTO(mem_free) char *shown = str_name_dup(title);
    char took[48];

    str_duration_show(took, sizeof(took), clock_mono_ms() - run->begun_ms);
    (void)printf("%s: %s\n", name, shown);
    (void)printf("%zu -> %zu bytes, %lld runs in %s%s\n", run->input.len, run->bytes.len,
                 (long long)json_get_int(answer, "execs", 0), took,
                 json_get_bool(answer, "finished", false) ? "" : ", not finished");
    if (json_get_int(answer, "k", 0) < json_get_int(answer, "n", 0)) {
        (void)printf("flaky: %lld of %lld runs of the original show it; a candidate had "
                     "to show it in %lld of %lld\n",
                     (long long)json_get_int(answer, "k", 0),
                     (long long)json_get_int(answer, "n", 0),
                     (long long)json_get_int(answer, "need", 0),
                     (long long)json_get_int(answer, "of", 0));
    }
    if (kept_right != NULL) {
        AUTO(mem_free) char *right = str_name_dup(kept_right);
        (void)printf("made right again where bytes went: %s\n", right);
    }
    print_list("not needed for it", json_object_get(answer, "dropped"));
    (void)printf("%s\n", out);
}

static void
print_json(const struct run *run, const char *path)
{
    static const char *const same[] = {
        "execs", "judged",     "recalled", "finished", "k",         "n",     "need",
        "of",    "kept_right", "dropped",  "steps",    "search_ms", "record"};
    json_t *line = json_object();
    json_t *found = json_array();

    json_put(line, "file", json_name(path));
    json_put(line, "output", json_name(run->output));
    json_put(line, "bytes_before", json_integer((json_int_t)run->input.len));
    json_put(line, "bytes", json_integer((json_int_t)run->bytes.len));
    json_put(line, "wall_ms", json_integer(clock_mono_ms() - run->begun_ms));
    json_put(line, "keep", json_string(keep_level_name(run->level)));
    for (size_t i = 0; i < COUNT(same); i++) {
        json_put(line, same[i], json_incref(json_object_get(run->answer, same[i])));
    }
    for (size_t i = 0; i < json_array_size(json_object_get(run->answer, "found")); i++) {
        AUTO(mem_free) char *name = mem_printf("%s.found-%zu", run->output, i + 1);
        (void)json_array_append_new(found, json_name(name));
    }
    json_put(line, "found", found);
    json_print(stdout, line);
    json_decref(line);
}

/* How to run what came out; without what it does not need. */
static void
say_next(const struct run *run, const char *path)
{
    AUTO(command_clear) struct command less = {0};
    const json_t *object = json_object_get(run->answer, "command");
    bool trimmed = object != NULL && command_from_json(object, &less, NULL) == 0;

    if (json_get_bool(run->answer, "finished", false) || solo_interrupted(run->solo)) {
        AUTO(mem_free)
        char *line = command_shell(trimmed ? &less : &run->command, run->output);
        AUTO(mem_free) char *shown = str_name_dup(line);
        cmd_next(run->context, "%s", shown);
        return;
    }
    AUTO(buf_clear) struct buf words = BUF_INIT;
    str_shell(&words, path);
    if (output != NULL) {
        buf_adds(&words, " -o ");
        str_shell(&words, output);
    }
    AUTO(mem_free) char *shown = str_name_dup(buf_str(&words));
    cmd_next(run->context,
             "nightjar minimize %s --for 10m -- COMMAND, to go on from there", shown);
}

static int
finish(struct run *run, const char *path, struct err *err)
{
    int rc =
        fs_write_atomic(run->output, buf_str(&run->bytes), run->bytes.len, 0644, err);

    take_line_away(run);
    rc = rc < 0 ? rc : save_all_found(run, err);
    if (rc < 0) {
        return rc;
    }
    if (json_get_bool(run->answer, "finished", false)) {
        (void)unlink(run->journal);
    }
    if (run->context->json) {
        print_json(run, path);
    } else {
        print_result(run, path);
    }
    say_next(run, path);
    return 0;
}

/* The worker died of it, or would not end: what it had reached is kept. */
static int
save_what_there_is(struct run *run, const struct err *why, struct err *err)
{
    struct err none = ERR_INIT;

    take_line_away(run);
    if (run->answer != NULL || run->solo == NULL ||
        read_left(run, "output", &run->bytes, &none) < 0 ||
        run->bytes.len >= run->input.len ||
        fs_write_atomic(run->output, buf_str(&run->bytes), run->bytes.len, 0644, &none) <
            0) {
        return err_set(err, why->code, "%s", why->msg);
    }
    AUTO(mem_free) char *name = str_name_dup(run->output);
    return err_set(err, why->code,
                   "%.700s; the best until then, %zu bytes, is in '%.200s'", why->msg,
                   run->bytes.len, name);
}

static int
minimize_file(struct run *run, const char *path, const struct strv *words,
              struct err *err)
{
    struct err why = ERR_INIT;
    int rc = fs_read(path, MINIMIZE_INPUT_MAX, &run->input, err);

    rc = rc < 0 || keep_name == NULL ? rc : keep_level_parse(keep_name, &run->level, err);
    rc = rc < 0 ? rc : find_output(run, path, err);
    rc = rc < 0 ? rc : command_from_argv(words, &run->command, err);
    if (rc < 0) {
        return rc;
    }
    if (timeout_ms > 0) {
        run->command.timeout_ms = timeout_ms;
    }
    run->begun_ms = clock_mono_ms();
    rc = start_worker(run, &why);
    rc = rc < 0 ? rc : run_job(run, &why);
    return rc < 0 ? save_what_there_is(run, &why, err) : finish(run, path, err);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(run_clear) struct run work = {.context = context, .level = KEEP_MAJOR};
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
        "made right\nagain, and options of the command that the crash does not need are "
        "left out of the line to\nrun it by; the result says which. What crashes in "
        "another "
        "way on the way is saved beside the\noutput (OUT.found-1). OUT.journal is there "
        "until it is finished: the same command goes on\nfrom there, whatever ended it.\n"
        "Without @@ the command reads standard input; a libFuzzer target needs "
        "neither. No database\n"
        "is needed. Exit status 3 when the input does not crash.\n\n"
        "  nightjar minimize crash-1 -- ./target @@\n"
        "  nightjar minimize crash-1 -o small --jobs 4 --for 10m -- ./target -x @@\n"
        "  nightjar minimize crash-1 --keep exact -- ./target",
    .options = options,
    .run = run,
};
