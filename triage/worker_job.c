#include "triage/worker_private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/judge.h"
#include "triage/native.h"
#include "triage/parse/parse.h"
#include "triage/route.h"
#include "triage/worker_minimize.h"

enum {
    REPORT_HEAD =
        WORKER_REPORT_MAX / 4, /* of a report that is cut; the rest is its tail */
};

/* --- a job --- */

struct work {
    const json_t *request;
    struct worker *worker;
    struct record_options options;
    struct strv ignore_frames;
    struct command command;
    struct buf input; /* its bytes are mapped where `mapped` is set */
    bool mapped;
    json_t *answer; /* borrowed */
};

static void
work_clear(struct work *work)
{
    strv_clear(&work->ignore_frames);
    command_clear(&work->command);
    if (work->mapped) {
        (void)munmap(work->input.data, work->input.len);
    } else {
        buf_clear(&work->input);
    }
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

int
worker_path(const json_t *request, const char *key, char **out, struct err *err)
{
    const char *name = json_get_str(request, key, "");
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

/* Mapped, not read: the worker's memory does not grow with it. Nobody writes to the file
 * before it is answered for. */
static int
map_input(struct work *work, const char *path, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    struct stat st;
    int rc = fs_open(path, &fd, &st, err);

    if (rc < 0 || st.st_size == 0) {
        return rc;
    }
    if (st.st_size > WORKER_INPUT_MAX) {
        return err_set(err, -EFBIG, "'%s' has more than %d bytes", path,
                       WORKER_INPUT_MAX);
    }
    size_t len = (size_t)st.st_size;
    void *data = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        return err_sys(err, "map '%s'", path);
    }
    work->input = (struct buf){.data = data, .len = len, .cap = len};
    work->mapped = true;
    return 0;
}

static int
take_input(struct work *work, bool runs, struct err *err)
{
    AUTO(mem_free) char *path = NULL;
    int rc = worker_path(work->request, "input", &path, err);

    if (rc < 0 || runs) {
        return rc < 0 ? rc : map_input(work, path, err);
    }
    work->input.max = WORKER_INPUT_MAX;
    return read_report(path, &work->input, err);
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
                                  .mapped = work->mapped,
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

void
worker_put_run(json_t *answer, const struct replay_run *run)
{
    json_put(answer, "outcome", json_string(replay_outcome_name(run->outcome)));
    json_put(answer, "record",
             run->record == NULL ? json_null() : record_to_json(run->record));
    json_put(answer, "report", report_json(&run->report));
    json_put(answer, "reason", json_text(run->reason));
    json_put(answer, "wall_ms", json_integer(run->wall_ms));
}

void
worker_put_counts(json_t *answer, int k, int n, int other)
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

/* True: a further duplicate, and it is said of which crash (answered.h). */
static bool
answer_shortly(struct work *work, const struct route_result *result)
{
    struct answered *answered = work->worker->answered;
    const struct replay_run *run = &result->shown.best;

    if (run->outcome != REPLAY_CRASH || result->n_replays != 1) {
        return false;
    }
    int64_t scope = answered_scope(answered, work->request);
    int64_t same = answered_find(answered, scope, run->record);
    if (same == 0 || !result->shown.is_duplicate ||
        json_get_bool(work->request, "whole", false)) {
        answered_add(answered, scope, run->record, json_get_int(work->request, "job", 0));
        return false;
    }
    json_put(work->answer, "same", json_integer(same));
    json_put(work->answer, "wall_ms", json_integer(run->wall_ms));
    return true;
}

static int
take_runs(const struct work *work, int *out, struct err *err)
{
    int64_t runs = json_get_int(work->request, "runs", 1);

    if (runs < 1 || runs > WORKER_RUNS_MAX) {
        return err_set(err, -EINVAL, "'runs' is not a number from 1 to %d",
                       WORKER_RUNS_MAX);
    }
    *out = (int)runs;
    return 0;
}

static int
do_triage(struct work *work, struct err *err)
{
    AUTO(route_result_clear) struct route_result result = {0};
    AUTO(build_list_clear) struct build_list builds = {0};
    const struct replay_config config = replay_config_of(work);
    const char *build = json_get_str(work->request, "build", NULL);
    struct route_plan plan = {build == NULL ? NULL : record_build_kind(build), &builds,
                              &work->input, 1};
    int rc = take_runs(work, &plan.runs, err);

    rc = rc < 0 ? rc
                : build_list_from_json(json_object_get(work->request, "builds"), &builds,
                                       err);
    known_learn(work->worker->known, json_object_get(work->request, "known"));
    rc = rc < 0 ? rc : route(&config, &plan, &result, err);
    if (rc < 0) {
        return rc;
    }
    if (answer_shortly(work, &result)) {
        return 0;
    }
    AUTO(json_decref) json_t *news = known_news(work->worker->known);
    if (json_array_size(news) > 0) {
        json_put(work->answer, "known", STEAL(news));
    }
    worker_put_counts(work->answer, result.shown.crashed, result.shown.runs,
                      result.shown.other);
    worker_put_run(work->answer, &result.shown.best);
    put_replays(work->answer, &result);
    return 0;
}

/* What is shipped: whether it crashes, not where. */
static int
do_release(struct work *work, struct err *err)
{
    AUTO(route_result_clear) struct route_result result = {0};
    const struct replay_config config = replay_config_of(work);
    struct route_plan plan = {.input = &work->input};
    int rc = take_runs(work, &plan.runs, err);

    rc = rc < 0 ? rc : route_release(&config, &plan, &result, err);
    if (rc < 0) {
        return rc;
    }
    const struct route_replay *replay = &result.replays[0];
    json_put(work->answer, "outcome", json_string(replay_outcome_name(replay->outcome)));
    worker_put_counts(work->answer, replay->k, replay->n, 0);
    put_replays(work->answer, &result);
    return 0;
}

static bool
go_on(void)
{
    return worker_hurry == 0;
}

static int
do_minimize(struct work *work, struct err *err)
{
    struct replay_config config = replay_config_of(work);

    config.mapped = false; /* candidates are not */
    return worker_minimize(&config, work->request, &work->input, go_on, work->answer,
                           err);
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
    worker_put_counts(work->answer, run.outcome == REPLAY_CLEAN ? 0 : 1, 1, 0);
    worker_put_run(work->answer, &run);
    return 0;
}

/* A core file is not read into memory: gdb opens it. */
static int
do_core(struct work *work, struct err *err)
{
    AUTO(replay_run_clear) struct replay_run run = {0};
    AUTO(mem_free) char *core = NULL;
    const struct replay_config config = replay_config_of(work);
    int rc = worker_path(work->request, "input", &core, err);

    rc = rc < 0 ? rc : native_core(&config, core, &run, err);
    if (rc < 0) {
        return rc;
    }
    worker_put_counts(work->answer, 1, 1, 0);
    worker_put_run(work->answer, &run);
    return 0;
}

/* What takes time is begun, and nothing waited for. A command that cannot be prepared
 * says why when it runs. */
static int
do_prepare(struct work *work, struct err *err)
{
    const json_t *command = json_object_get(work->request, "command");
    struct err ignored = ERR_INIT;

    if (work->worker->symbolizer != NULL) {
        symbolizer_prepare(work->worker->symbolizer);
    }
    if (command != NULL && work->worker->runner != NULL &&
        command_from_json(command, &work->command, &ignored) == 0) {
        (void)runner_prepare(work->worker->runner, &work->command, &ignored);
    }
    json_put(work->answer, "ready", json_true());
    (void)err;
    return 0;
}

static const struct operation {
    const char *name;
    bool runs;  /* needs a command */
    bool reads; /* its input is read first */
    int (*work)(struct work *work, struct err *err);
} operations[] = {
    {"triage", true, true, do_triage},   {"minimize", true, true, do_minimize},
    {"release", true, true, do_release}, {"report", false, true, do_report},
    {"core", true, false, do_core},      {"prepare", false, true, do_prepare}};

int
worker_serve(struct worker *worker, const json_t *request, json_t *answer,
             struct err *err)
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
                       "'op' is '%.40s', not triage, minimize, release, report, core or "
                       "prepare",
                       name);
    }
    int rc = take_options(&work, err);
    rc = rc < 0 || !operation->reads ? rc : take_input(&work, operation->runs, err);
    if (rc == 0 && operation->runs) {
        rc = command_from_json(json_object_get(request, "command"), &work.command, err);
    }
    rc = rc < 0 ? rc : operation->work(&work, err);
    worker_hurry = 0;
    return rc;
}
