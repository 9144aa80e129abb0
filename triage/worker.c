#include "triage/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/judge.h"
#include "triage/minimize.h"
#include "triage/native.h"
#include "triage/parse/parse.h"
#include "triage/repeat.h"
#include "triage/route.h"
#include "triage/runner.h"
#include "triage/symbolize.h"

enum {
    EXIT_BROKEN = 3,
    REPORT_HEAD =
        WORKER_REPORT_MAX / 4, /* of a report that is cut; the rest is its tail */
    MINIMIZE_MAX_MS = 24 * 3600 * 1000,
};

struct worker {
    const struct worker_config *config;
    struct symbolizer *symbolizer; /* NULL: there is none here */
    char *debugger;                /* the same */
    char *scratch;
    struct runner *runner; /* NULL where no sandbox lasts for many runs */
    struct known *known;
    int out_fd; /* the answers; moved away from descriptor 1 */
    struct buf lines;
    bool skipping; /* within a line that was too long */
};

/* Set by SIGUSR1: the minimization at work, or else the next one, is to end. */
static volatile sig_atomic_t hurry;

static void
on_hurry(int sig)
{
    (void)sig;
    hurry = 1;
}

static void
worker_clear(struct worker *worker)
{
    symbolizer_free(worker->symbolizer);
    mem_free(worker->debugger);
    runner_free(worker->runner);
    known_free(worker->known);
    if (worker->scratch != NULL) {
        (void)fs_remove(worker->scratch, NULL);
    }
    mem_free(worker->scratch);
    fd_close(worker->out_fd);
    buf_clear(&worker->lines);
}
AUTO_DEFINE_CLEAR(struct worker, worker_clear)

/* --- a job --- */

struct work {
    const json_t *request;
    struct worker *worker;
    struct record_options options;
    struct strv ignore_frames;
    struct command command;
    struct buf input;
    json_t *answer; /* borrowed */
};

static void
work_clear(struct work *work)
{
    strv_clear(&work->ignore_frames);
    command_clear(&work->command);
    buf_clear(&work->input);
}
AUTO_DEFINE_CLEAR(struct work, work_clear)

static int
take_options(struct work *work, struct err *err)
{
    const json_t *object = json_object_get(work->request, "options");

    json_get_strv(object, "ignore_frames", &work->ignore_frames);
    if (work->ignore_frames.n > WORKER_PATTERNS_MAX) {
        return err_set(err, -EINVAL, "more than %d patterns in ignore_frames",
                       WORKER_PATTERNS_MAX);
    }
    work->options = (struct record_options){
        .fuzz_target = json_get_str(object, "fuzz_target", NULL),
        .ooms_and_hangs = json_get_bool(object, "ooms_and_hangs", false),
        .asserts_are_security = json_get_bool(object, "asserts_are_security", true),
        .checks_are_security = json_get_bool(object, "checks_are_security", false),
        .judge_harness = true,
        .ignore_frames = &work->ignore_frames,
    };
    return 0;
}

static int
take_path(const struct work *work, const char *key, char **out, struct err *err)
{
    const char *name = json_get_str(work->request, key, "");
    AUTO(mem_free) char *path = NULL;
    int rc = str_unname(name, &path, err);

    if (rc < 0) {
        return err_wrap(err, rc, "'%s'", key);
    }
    if (path[0] != '/') {
        return err_set(err, -EINVAL, "'%s' is not an absolute path", key);
    }
    *out = STEAL(path);
    return 0;
}

static int
read_part(int fd, off_t from, size_t len, struct buf *out, struct err *err)
{
    size_t end = out->len + len;
    int rc = lseek(fd, from, SEEK_SET) < 0 ? err_sys(err, "seek") : 1;

    while (rc > 0 && out->len < end) {
        rc = fd_read_some(fd, out, end - out->len, err);
    }
    return rc < 0 ? rc : 0;
}

/* Of a report that no runtime would have printed its head and its tail are read. */
static int
read_report(const char *path, struct buf *out, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    struct stat st;
    const size_t head = WORKER_TEXT_MAX / 4;
    int rc = fs_open(path, &fd, &st, err);

    if (rc < 0 || st.st_size <= WORKER_TEXT_MAX) {
        return rc < 0 ? rc : fs_read(path, WORKER_TEXT_MAX, out, err);
    }
    rc = read_part(fd, 0, head, out, err);
    buf_addf(out, "\n[nightjar: %lld bytes left out here]\n",
             (long long)st.st_size - WORKER_TEXT_MAX);
    off_t tail = st.st_size - (WORKER_TEXT_MAX - (off_t)head);
    return rc < 0 ? rc : read_part(fd, tail, WORKER_TEXT_MAX - head, out, err);
}

static int
take_input(struct work *work, bool runs, struct err *err)
{
    AUTO(mem_free) char *path = NULL;
    int rc = take_path(work, "input", &path, err);

    work->input.max = WORKER_INPUT_MAX;
    if (rc == 0 && !runs) {
        return read_report(path, &work->input, err);
    }
    return rc < 0 ? rc : fs_read(path, WORKER_INPUT_MAX, &work->input, err);
}

static struct replay_config
replay_config_of(const struct work *work)
{
    return (struct replay_config){.rung = work->worker->config->rung,
                                  .command = &work->command,
                                  .options = &work->options,
                                  .symbolizer = work->worker->symbolizer,
                                  .hide = work->worker->config->hide,
                                  .scratch = work->worker->scratch,
                                  .runner = work->worker->runner,
                                  .known = work->worker->known,
                                  .debugger = work->worker->debugger};
}

/* --- answers --- */

/* A report as text: its head and its tail, when it is long; clean. */
static json_t *
report_json(const struct buf *report)
{
    AUTO(buf_clear) struct buf text = {.max = (size_t)WORKER_REPORT_MAX * 4};
    const char *data = buf_str(report);

    if (report->len <= WORKER_REPORT_MAX) {
        str_clean(&text, data, report->len);
    } else {
        size_t tail = WORKER_REPORT_MAX - REPORT_HEAD;
        str_clean(&text, data, REPORT_HEAD);
        buf_addf(&text, "\n[nightjar: %zu bytes left out here]\n",
                 report->len - WORKER_REPORT_MAX);
        str_clean(&text, data + report->len - tail, tail);
    }
    return json_stringn(buf_str(&text), text.len);
}

static void
put_run(json_t *answer, const struct replay_run *run)
{
    json_put(answer, "outcome", json_string(replay_outcome_name(run->outcome)));
    json_put(answer, "record",
             run->record == NULL ? json_null() : record_to_json(run->record));
    json_put(answer, "report", report_json(&run->report));
    json_put(answer, "reason", json_text(run->reason));
    json_put(answer, "wall_ms", json_integer(run->wall_ms));
}

static void
put_counts(json_t *answer, int k, int n, int other)
{
    json_put(answer, "k", json_integer(k));
    json_put(answer, "n", json_integer(n));
    json_put(answer, "other", json_integer(other));
}

/* --- the operations --- */

/* What it did on each build, for the store. */
static void
put_replays(json_t *answer, const struct route_result *result)
{
    json_t *array = json_array();

    for (size_t i = 0; i < result->n_replays; i++) {
        const struct route_replay *replay = &result->replays[i];
        json_t *object = json_object();
        json_put(object, "kind", json_text(replay->kind));
        json_put(object, "outcome", json_string(replay_outcome_name(replay->outcome)));
        json_put(object, "major",
                 replay->major[0] == '\0' ? json_null() : json_string(replay->major));
        json_put(object, "k", json_integer(replay->k));
        json_put(object, "n", json_integer(replay->n));
        (void)json_array_append_new(array, object);
    }
    json_put(answer, "replays", array);
}

static int
do_triage(struct work *work, struct err *err)
{
    AUTO(route_result_clear) struct route_result result = {0};
    AUTO(build_list_clear) struct build_list builds = {0};
    const struct replay_config config = replay_config_of(work);
    const char *build = json_get_str(work->request, "build", NULL);
    int64_t runs = json_get_int(work->request, "runs", 1);
    const struct route_plan plan = {build == NULL ? NULL : record_build_kind(build),
                                    &builds, &work->input, (int)runs};

    if (runs < 1 || runs > WORKER_RUNS_MAX) {
        return err_set(err, -EINVAL, "'runs' is not a number from 1 to %d",
                       WORKER_RUNS_MAX);
    }
    int rc = build_list_from_json(json_object_get(work->request, "builds"), &builds, err);
    rc = rc < 0 ? rc : route(&config, &plan, &result, err);
    if (rc < 0) {
        return rc;
    }
    put_counts(work->answer, result.shown.crashed, result.shown.runs, result.shown.other);
    put_run(work->answer, &result.shown.best);
    put_replays(work->answer, &result);
    return 0;
}

static bool
go_on(void *user, const struct shrink_progress *progress)
{
    (void)user;
    (void)progress;
    return hurry == 0;
}

/* What the input did in place of the crash that was to be kept. */
static int
not_minimized(struct work *work, const struct replay_config *config, const char *why,
              struct err *err)
{
    AUTO(replay_run_clear) struct replay_run run = {0};
    int rc = replay_once(config, buf_str(&work->input), work->input.len, &run, err);

    if (rc < 0) {
        return rc;
    }
    if (run.reason == NULL) {
        run.reason = mem_strdup(why);
    }
    put_counts(work->answer, 0, MINIMIZE_TRIES, run.record == NULL ? 0 : 1);
    put_run(work->answer, &run);
    json_put(work->answer, "bytes", json_integer((json_int_t)work->input.len));
    json_put(work->answer, "execs", json_integer(MINIMIZE_TRIES));
    json_put(work->answer, "finished", json_true());
    return 0;
}

static int
do_minimize(struct work *work, struct err *err)
{
    AUTO(minimize_result_clear) struct minimize_result result = {0};
    AUTO(mem_free) char *output = NULL;
    const struct replay_config config = replay_config_of(work);
    struct shrink_limits limits = {.wall_ms = json_get_int(work->request, "wall_ms", 0),
                                   .report = go_on};
    int rc = take_path(work, "output", &output, err);

    if (rc < 0) {
        return rc;
    }
    if (limits.wall_ms < 1 || limits.wall_ms > MINIMIZE_MAX_MS) {
        return err_set(err, -EINVAL, "'wall_ms' is not a number from 1 to %d",
                       MINIMIZE_MAX_MS);
    }
    rc = minimize(&config, &work->input, json_get_str(work->request, "major", NULL),
                  &limits, &result, err);
    if (rc == -ENODATA) {
        struct err why = *err;
        return not_minimized(work, &config, why.msg, err);
    }
    rc = rc < 0 ? rc
                : fs_write(output, buf_str(&result.bytes), result.bytes.len, 0600, err);
    if (rc < 0) {
        return rc;
    }
    put_counts(work->answer, 1, 1, 0);
    put_run(work->answer, &result.run);
    json_put(work->answer, "bytes", json_integer((json_int_t)result.bytes.len));
    json_put(work->answer, "execs", json_integer(result.progress.execs));
    json_put(work->answer, "finished", json_boolean(result.finished));
    return 0;
}

/* A candidate of somebody else's minimization: what does not show the signature costs one
 * run and a short answer. */
static int
do_test(struct work *work, struct err *err)
{
    AUTO(replay_run_clear) struct replay_run run = {0};
    const struct replay_config config = replay_config_of(work);
    const char *major = json_get_str(work->request, "major", "");
    bool shows = true;
    int execs = 0;

    while (shows && execs < MINIMIZE_CONFIRM) {
        replay_run_clear(&run);
        int rc = replay_once(&config, buf_str(&work->input), work->input.len, &run, err);
        if (rc < 0) {
            return rc;
        }
        execs++;
        shows =
            minimize_keeps(run.record, major, json_get_str(work->request, "place", NULL));
    }
    json_put(work->answer, "shows", json_boolean(shows));
    json_put(work->answer, "execs", json_integer(execs));
    if (shows) {
        put_counts(work->answer, execs, execs, 0);
        put_run(work->answer, &run);
    }
    return 0;
}

static int
do_report(struct work *work, struct err *err)
{
    AUTO(replay_run_clear) struct replay_run run = {.outcome = REPLAY_CLEAN};
    int rc = parse_report(buf_str(&work->input), work->input.len, &work->options,
                          &run.record, err);

    if (rc == 0) {
        bool timeout = strcmp(run.record->crash_type, "Timeout") == 0;
        run.outcome = timeout ? REPLAY_TIMEOUT : REPLAY_CRASH;
        rc = record_finish(run.record, &work->options, err);
    } else if (rc == -ENODATA) {
        const char *text = judge_alarming(buf_str(&work->input), work->input.len);
        run.outcome = text == NULL ? REPLAY_CLEAN : REPLAY_UNPARSED;
        run.reason =
            text == NULL
                ? mem_strdup(err->msg)
                : mem_printf("it says '%s', but no parser knows the report", text);
        rc = 0;
    }
    if (rc < 0) {
        return rc;
    }
    run.report = work->input;
    work->input = (struct buf)BUF_INIT;
    put_counts(work->answer, run.outcome == REPLAY_CLEAN ? 0 : 1, 1, 0);
    put_run(work->answer, &run);
    return 0;
}

/* A core file is not read into memory: gdb opens it. */
static int
do_core(struct work *work, struct err *err)
{
    AUTO(replay_run_clear) struct replay_run run = {0};
    AUTO(mem_free) char *core = NULL;
    const struct replay_config config = replay_config_of(work);
    int rc = take_path(work, "input", &core, err);

    rc = rc < 0 ? rc : native_core(&config, core, &run, err);
    if (rc < 0) {
        return rc;
    }
    put_counts(work->answer, 1, 1, 0);
    put_run(work->answer, &run);
    return 0;
}

static const struct operation {
    const char *name;
    bool runs;  /* needs a command */
    bool reads; /* its input is read first */
    int (*work)(struct work *work, struct err *err);
} operations[] = {{"triage", true, true, do_triage},
                  {"minimize", true, true, do_minimize},
                  {"test", true, true, do_test},
                  {"report", false, true, do_report},
                  {"core", true, false, do_core}};

static int
serve(struct worker *worker, const json_t *request, json_t *answer, struct err *err)
{
    AUTO(work_clear)
    struct work work = {.request = request, .worker = worker, .answer = answer};
    const char *name = json_get_str(request, "op", "");
    const struct operation *operation = NULL;

    for (size_t i = 0; i < COUNT(operations); i++) {
        operation = strcmp(name, operations[i].name) == 0 ? &operations[i] : operation;
    }
    if (operation == NULL) {
        return err_set(err, -EINVAL,
                       "'op' is '%.40s', not triage, minimize, test, report or core",
                       name);
    }
    int rc = take_options(&work, err);
    rc = rc < 0 || !operation->reads ? rc : take_input(&work, operation->runs, err);
    if (rc == 0 && operation->runs) {
        rc = command_from_json(json_object_get(request, "command"), &work.command, err);
    }
    rc = rc < 0 ? rc : operation->work(&work, err);
    hurry = 0;
    return rc;
}

/* --- lines --- */

static int
send_answer(const struct worker *worker, const json_t *answer, const json_t *job,
            struct err *err)
{
    AUTO(mem_free) char *text = json_line(answer);
    AUTO(buf_clear) struct buf line = {.max = WORKER_LINE_MAX};

    buf_adds(&line, text);
    buf_addc(&line, '\n');
    if (line.truncated) {
        AUTO(json_decref) json_t *instead = json_object();
        json_put(instead, "job", json_deep_copy(job));
        json_put(instead, "error",
                 json_string("the answer has more than WORKER_LINE_MAX bytes"));
        AUTO(mem_free) char *shorter = json_line(instead);
        buf_clear(&line);
        buf_addf(&line, "%s\n", shorter);
    }
    return fd_write(worker->out_fd, buf_str(&line), line.len, err);
}

static int
answer_line(struct worker *worker, const char *line, size_t len, struct err *err)
{
    AUTO(json_decref) json_t *request = NULL;
    AUTO(json_decref) json_t *answer = json_object();
    struct err why = ERR_INIT;
    int rc = json_parse(line, len, &request, &why);
    const json_t *number = json_object_get(request, "job");
    AUTO(json_decref)
    json_t *job =
        json_is_integer(number) ? json_integer(json_integer_value(number)) : json_null();

    if (rc == 0 && !json_is_integer(number)) {
        rc = err_set(&why, -EINVAL, "'job' is not a number");
    }
    json_put(answer, "job", json_incref(job));
    rc = rc < 0 ? rc : serve(worker, request, answer, &why);
    if (rc < 0) {
        (void)json_object_clear(answer);
        json_put(answer, "job", json_incref(job));
        json_put(answer, "error", json_text(why.msg));
    }
    return send_answer(worker, answer, job, err);
}

/* Serve what stands in the buffer in whole lines. */
static int
serve_lines(struct worker *worker, struct err *err)
{
    struct buf *lines = &worker->lines;

    for (;;) {
        const char *newline =
            lines->len == 0 ? NULL : memchr(lines->data, '\n', lines->len);
        if (newline == NULL) {
            break;
        }
        size_t len = (size_t)(newline - lines->data);
        int rc = worker->skipping ? 0 : answer_line(worker, lines->data, len, err);
        if (rc < 0) {
            return rc;
        }
        worker->skipping = false;
        buf_drop(lines, len + 1);
    }
    if (lines->len >= WORKER_LINE_MAX) {
        static const char too_long[] =
            "{\"job\":null,\"error\":\"a line of more than WORKER_LINE_MAX bytes\"}\n";
        int rc = worker->skipping
                     ? 0
                     : fd_write(worker->out_fd, too_long, sizeof(too_long) - 1, err);
        worker->skipping = true;
        buf_clear(lines);
        return rc;
    }
    return 0;
}

/* Nothing that we or a library print by accident may stand among the answers. */
static int
take_output(struct worker *worker, struct err *err)
{
    worker->out_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (worker->out_fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        return err_sys(err, "take standard output for the answers");
    }
    return 0;
}

static int
start(struct worker *worker, struct err *err)
{
    const struct sigaction action = {.sa_handler = on_hurry, .sa_flags = SA_RESTART};
    struct err no_symbolizer = ERR_INIT;

    /* a target of the same uid must reach neither our memory nor our descriptors by /proc
     */
    if (prctl(PR_SET_DUMPABLE, 0) < 0) {
        return err_sys(err, "make the worker non-dumpable");
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigaction(SIGUSR1, &action, NULL);
    int rc = take_output(worker, err);
    rc = rc < 0 ? rc : replay_scratch(&worker->scratch, err);
    if (rc < 0) {
        return rc;
    }
    if (worker->config->rung == SANDBOX_BWRAP) {
        const struct runner_config runner = {worker->config->hide, worker->scratch};
        rc = runner_new(&runner, &worker->runner, err);
        if (rc < 0) {
            return rc;
        }
    }
    worker->known = known_new();
    worker->debugger = native_debugger();
    if (symbolizer_new(NULL, worker->config->roots, &worker->symbolizer, &no_symbolizer) <
        0) {
        log_line(LOG_WARN, "worker", "msg=\"%s\"", no_symbolizer.msg);
    }
    return 0;
}

static int
serve_all(struct worker *worker, struct err *err)
{
    int rc = 1;

    while (rc > 0) {
        rc = fd_read_some(STDIN_FILENO, &worker->lines, WORKER_LINE_MAX, err);
        if (rc > 0) {
            int served = serve_lines(worker, err);
            rc = served < 0 ? served : rc;
        }
    }
    return rc;
}

int
worker_main(const struct worker_config *config)
{
    AUTO(worker_clear)
    struct worker worker = {
        .config = config, .out_fd = -1, .lines.max = (size_t)2 * WORKER_LINE_MAX};
    struct err err = ERR_INIT;
    int rc = start(&worker, &err);

    rc = rc < 0 ? rc : serve_all(&worker, &err);
    if (rc < 0) {
        (void)fprintf(stderr, "nightjar triage-worker: %s\n", err.msg);
        return EXIT_BROKEN;
    }
    return 0;
}
