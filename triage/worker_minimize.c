#include "triage/worker_minimize.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum { MINIMIZE_MAX_MS = 24 * 3600 * 1000 };

struct lanes {
    struct runner *runner[TRIAL_LANES_MAX];
    size_t n; /* the first is the worker's own */
};

static void
lanes_clear(struct lanes *lanes)
{
    for (size_t i = 1; i < lanes->n; i++) {
        runner_free(lanes->runner[i]);
    }
}
AUTO_DEFINE_CLEAR(struct lanes, lanes_clear)

/* Each has a folder of its own: what a fork server runs from is not overwritten. */
static int
add_lane(struct lanes *lanes, const struct replay_config *replay, struct err *err)
{
    AUTO(mem_free) char *folder = mem_printf("%s/lane-%zu", replay->scratch, lanes->n);
    const struct runner_config config = {replay->hide, folder};

    if (mkdir(folder, 0711) < 0 && errno != EEXIST) {
        return err_sys(err, "make a folder for a lane");
    }
    int rc = runner_new(&config, &lanes->runner[lanes->n], err);
    lanes->n += rc == 0 ? 1 : 0;
    return rc;
}

static int
make_lanes(struct lanes *lanes, const struct replay_config *replay, size_t wanted,
           struct err *err)
{
    int rc = 0;

    lanes->runner[0] = replay->runner;
    lanes->n = 1;
    while (rc == 0 && lanes->n < wanted && replay->runner != NULL) {
        rc = add_lane(lanes, replay, err);
    }
    return rc;
}

/* --- the call --- */

struct calling {
    const struct replay_config *replay;
    const json_t *request;
    const struct buf *input;
    bool (*go_on)(void);
    json_t *answer;
    char *output;
};

static bool
report(void *user, const struct shrink_progress *progress)
{
    const struct calling *calling = user;

    (void)progress;
    return calling->go_on();
}

/* For whoever watches, and for the case that this process does not live to the end. */
static void
better(void *user, const struct buf *bytes)
{
    const struct calling *calling = user;

    (void)fs_write(calling->output, buf_str(bytes), bytes->len, 0600, NULL);
}

static int
configure(struct calling *calling, struct minimize_config *config, char **journal,
          struct err *err)
{
    const json_t *request = calling->request;
    int64_t wall_ms = json_get_int(request, "wall_ms", 0);
    int64_t lanes = json_get_int(request, "lanes", 1);
    int rc =
        keep_level_parse(json_get_str(request, "keep", "major"), &config->level, err);

    if (rc < 0) {
        return err_wrap(err, rc, "'keep'");
    }
    if (wall_ms < 1 || wall_ms > MINIMIZE_MAX_MS) {
        return err_set(err, -EINVAL, "'wall_ms' is not a number from 1 to %d",
                       MINIMIZE_MAX_MS);
    }
    if (lanes < 1 || lanes > TRIAL_LANES_MAX) {
        return err_set(err, -EINVAL, "'lanes' is not a number from 1 to %d",
                       TRIAL_LANES_MAX);
    }
    rc = worker_path(request, "output", &calling->output, err);
    if (rc == 0 && json_get_str(request, "journal", NULL) != NULL) {
        rc = worker_path(request, "journal", journal, err);
    }
    config->replay = calling->replay;
    config->major = json_get_str(request, "major", NULL);
    config->journal = *journal;
    config->trim = json_get_bool(request, "trim", false);
    config->lanes = (size_t)lanes;
    config->limits =
        (struct shrink_limits){.wall_ms = wall_ms,
                               .brief = json_get_bool(request, "brief", false),
                               .report = report,
                               .user = calling};
    config->better = better;
    config->user = calling;
    return rc;
}

/* --- the answer --- */

/* What the input did in place of the crash that was to be kept. */
static int
say_what_it_did(const struct calling *calling, const char *why, struct err *err)
{
    AUTO(replay_run_clear) struct replay_run run = {0};
    const struct buf *input = calling->input;
    int rc = replay_once(calling->replay, buf_str(input), input->len, &run, err);

    if (rc < 0) {
        return rc;
    }
    if (run.reason == NULL) {
        run.reason = mem_strdup(why);
    }
    worker_put_counts(calling->answer, 0, MINIMIZE_TRIES, run.record == NULL ? 0 : 1);
    worker_put_run(calling->answer, &run);
    json_put(calling->answer, "bytes", json_integer((json_int_t)input->len));
    json_put(calling->answer, "execs", json_integer(MINIMIZE_TRIES));
    json_put(calling->answer, "finished", json_true());
    return 0;
}

/* Each as a file beside the output, "output.found-0", and its record. */
static int
put_found(const struct calling *calling, const struct minimize_result *result,
          struct err *err)
{
    json_t *array = json_array();

    json_put(calling->answer, "found", array);
    for (size_t i = 0; i < result->n_found; i++) {
        const struct trial_found *found = &result->found[i];
        AUTO(mem_free) char *path = mem_printf("%s.found-%zu", calling->output, i);
        json_t *object = json_object();
        json_put(object, "file", json_name(path));
        json_put(object, "bytes", json_integer((json_int_t)found->bytes.len));
        json_put(object, "record", record_to_json(found->record));
        (void)json_array_append_new(array, object);
        int rc = fs_write(path, buf_str(&found->bytes), found->bytes.len, 0600, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static void
put_steps(json_t *answer, const struct minimize_result *result)
{
    json_t *array = json_array();

    for (size_t i = 0; i < result->n_steps; i++) {
        const struct minimize_step *step = &result->steps[i];
        json_t *triple = json_array();
        (void)json_array_append_new(triple, json_integer(step->bytes));
        (void)json_array_append_new(triple, json_integer(step->execs));
        (void)json_array_append_new(triple, json_integer(step->wall_ms));
        (void)json_array_append_new(array, triple);
    }
    json_put(answer, "steps", array);
}

static void
put_trimmed(json_t *answer, const struct minimize_result *result)
{
    json_t *array = json_array();

    for (size_t i = 0; i < result->dropped.n; i++) {
        (void)json_array_append_new(array, json_text(result->dropped.v[i]));
    }
    json_put(answer, "dropped", array);
    if (result->dropped.n > 0) {
        json_put(answer, "command", command_to_json(&result->command));
    }
}

static void
put_result(json_t *answer, const struct minimize_result *result)
{
    worker_put_counts(answer, result->k, result->n, result->n - result->k);
    worker_put_run(answer, &result->run);
    json_put(answer, "bytes", json_integer((json_int_t)result->bytes.len));
    json_put(answer, "execs", json_integer(result->progress.execs));
    json_put(answer, "search_ms", json_integer(result->progress.wall_ms));
    json_put(answer, "judged", json_integer(result->counts.judged));
    json_put(answer, "recalled", json_integer(result->counts.recalled));
    json_put(answer, "need", json_integer(result->acceptance.need));
    json_put(answer, "of", json_integer(result->acceptance.of));
    json_put(answer, "finished", json_boolean(result->finished));
    json_put(answer, "kept_right", json_text(result->kept_right));
    put_trimmed(answer, result);
    put_steps(answer, result);
}

int
worker_minimize(const struct replay_config *replay, const json_t *request,
                const struct buf *input, bool (*go_on)(void), json_t *answer,
                struct err *err)
{
    AUTO(minimize_result_clear) struct minimize_result result = {0};
    AUTO(mem_free) char *journal = NULL;
    AUTO(lanes_clear) struct lanes lanes = {0};
    struct calling calling = {replay, request, input, go_on, answer, NULL};
    struct minimize_config config = {0};
    int rc = configure(&calling, &config, &journal, err);
    AUTO(mem_free) char *output = calling.output;

    rc = rc < 0 ? rc : make_lanes(&lanes, replay, config.lanes, err);
    if (rc < 0) {
        return rc;
    }
    config.lanes = lanes.n;
    config.runners = replay->runner == NULL ? NULL : lanes.runner;
    rc = minimize(&config, input, &result, err);
    if (rc == -ENODATA) {
        struct err why = *err;
        return say_what_it_did(&calling, why.msg, err);
    }
    rc = rc < 0 ? rc
                : fs_write(output, buf_str(&result.bytes), result.bytes.len, 0600, err);
    rc = rc < 0 ? rc : put_found(&calling, &result, err);
    if (rc == 0) {
        put_result(answer, &result);
    }
    return rc;
}
