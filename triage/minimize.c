#include "triage/minimize.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "triage/judge.h"
#include "triage/minimize_original.h"
#include "triage/minimize_trim.h"

struct search {
    const struct minimize_config *config;
    const struct buf *input;
    int64_t start_ms, deadline_ms; /* 0: none */
    struct original original;
    struct replay_config replay; /* of a candidate: original.replay with `command` */
    struct command command;
    struct verdicts *verdicts;
    struct trial *trial;
    struct minimize_result result;
    int64_t execs; /* before the search at work */
};

void
minimize_result_clear(struct minimize_result *result)
{
    buf_clear(&result->bytes);
    replay_run_clear(&result->run);
    mem_free(result->kept_right);
    mem_free(result->steps);
    trial_found_free(result->found, result->n_found);
    strv_clear(&result->dropped);
    command_clear(&result->command);
    *result = (struct minimize_result){0};
}

static void
search_clear(struct search *search)
{
    trial_free(search->trial);
    verdicts_free(search->verdicts);
    command_clear(&search->command);
    original_clear(&search->original);
    minimize_result_clear(&search->result);
}
AUTO_DEFINE_CLEAR(struct search, search_clear)

/* --- what shrink() and trial_test() call --- */

static bool
go_on(void *user)
{
    struct search *search = user;
    const struct shrink_limits *limits = &search->config->limits;

    return (search->deadline_ms == 0 || clock_mono_ms() < search->deadline_ms) &&
           (limits->report == NULL ||
            limits->report(limits->user, &search->result.progress));
}

static bool
report(void *user, const struct shrink_progress *progress)
{
    struct search *search = user;

    search->result.progress = *progress;
    search->result.progress.wall_ms = clock_mono_ms() - search->start_ms;
    return go_on(user);
}

static void
add_step(struct search *search, const struct buf *bytes)
{
    struct minimize_result *result = &search->result;

    if (result->n_steps < MINIMIZE_STEPS_MAX) {
        result->steps =
            mem_resize(result->steps, ++result->n_steps * sizeof(*result->steps));
    }
    result->steps[result->n_steps - 1] =
        (struct minimize_step){.bytes = (int64_t)bytes->len,
                               .execs = search->execs + trial_counts(search->trial)->runs,
                               .wall_ms = clock_mono_ms() - search->start_ms};
}

static void
keep(void *user, const struct buf *bytes)
{
    struct search *search = user;

    add_step(search, bytes);
    if (search->config->better != NULL) {
        search->config->better(search->config->user, bytes);
    }
}

/* --- the journal --- */

/* What verdicts rest on; of the command as it was given, not with lowered limits. */
static char *
identity_of(const struct search *search)
{
    const struct command *command = search->original.replay.command;
    const struct keep *what = &search->original.keep;
    AUTO(json_decref) json_t *object = command_to_json(command);
    AUTO(mem_free) char *text = json_line(object);
    struct stat st = {0};

    (void)stat(command->argv.v[0], &st);
    return mem_printf("%s %lld %lld.%ld %d %s %s %s %s %s", text, (long long)st.st_size,
                      (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (int)what->level,
                      what->major, what->level == KEEP_EXACT ? what->minor : "",
                      what->kind, what->function, what->place == NULL ? "" : what->place);
}

/* --- the search, at one level of limits --- */

static const struct acceptance at_once = {1, 1};

/* Looking for leaks is most of what a run without a crash costs, and a fork of the
 * server's is no witness of them. */
static void
spare_leaks(struct command *command)
{
    if (command->asan) {
        command_add_options(command, "ASAN_OPTIONS=detect_leaks=0");
    }
}

/* Sandboxes of candidates are made while the original runs; it rarely leaks, and nothing
 * but they would wait for them. */
static void
make_ready(const struct minimize_config *config)
{
    AUTO(command_clear) struct command command = {0};

    command_copy(&command, config->replay->command);
    spare_leaks(&command);
    for (size_t i = 0; config->runners != NULL && i < config->lanes; i++) {
        struct err ignored = ERR_INIT; /* the first run says it again */
        (void)runner_prepare(config->runners[i], &command, &ignored);
    }
}

static void
set_limits(struct search *search, const struct level *level)
{
    command_clear(&search->command);
    command_copy(&search->command, search->original.replay.command);
    search->command.timeout_ms = level->timeout_ms;
    search->command.memory_bytes = level->memory_bytes;
    if (strstr(search->original.keep.kind, "leak") == NULL) {
        spare_leaks(&search->command);
    }
    search->replay = search->original.replay;
    search->replay.command = &search->command;
    search->replay.hasty = search->original.run.outcome != REPLAY_TIMEOUT &&
                           strcmp(search->original.keep.kind, "Out-of-memory") != 0;
}

static void
run_search(struct search *search)
{
    const struct shrink_oracle oracle = {.user = search->trial,
                                         .width = search->config->lanes * TRIAL_AHEAD,
                                         .test = trial_test,
                                         .keep = keep,
                                         .keep_user = search};
    const struct shrink_limits limits = {.execs = search->config->limits.execs,
                                         .brief = search->config->limits.brief,
                                         .report = report,
                                         .user = search};
    AUTO(shrink_result_clear) struct shrink_result shrunk = {0};
    struct minimize_result *result = &search->result;

    shrunk.progress.execs = search->execs;
    shrink(&oracle, &limits, buf_str(search->input), search->input->len, &shrunk);
    trial_stop(search->trial);
    buf_clear(&result->bytes);
    result->bytes = shrunk.bytes;
    shrunk.bytes = (struct buf)BUF_INIT;
    mem_free(result->kept_right);
    result->kept_right = STEAL(shrunk.kept_right);
    result->progress.execs = shrunk.progress.execs;
    result->finished = shrunk.finished;
    search->execs = shrunk.progress.execs - trial_counts(search->trial)->runs;
}

/* A run of the result under the full limits: 1 or 0. */
static int
run_result(struct search *search, struct err *err)
{
    AUTO(replay_run_clear) struct replay_run run = {0};
    const struct buf *bytes = &search->result.bytes;
    int rc = replay_once(&search->original.replay, buf_str(bytes), bytes->len, &run, err);

    search->result.progress.execs++;
    if (rc < 0 || !keep_holds(&search->original.keep, run.record)) {
        return rc;
    }
    replay_run_clear(&search->result.run);
    search->result.run = run;
    run = (struct replay_run){0};
    return 1;
}

/* Whether the result shows it: 1 or 0. Every time, where no candidate had to twice. */
static int
verify(struct search *search, struct acceptance accept, struct err *err)
{
    bool always = accept.need == at_once.need;
    int runs = always                    ? MINIMIZE_SURE
               : accept.of > accept.need ? 2 * accept.of
                                         : accept.of + 1;
    int rc = always ? 1 : 0;

    for (int i = 0; i < runs && rc == (always ? 1 : 0); i++) {
        rc = run_result(search, err);
    }
    return rc;
}

/* What was found does not show it after all: chance, or a journal that lies. */
static void
fall_back(struct search *search)
{
    struct minimize_result *result = &search->result;

    verdicts_forget(search->verdicts);
    buf_clear(&result->bytes);
    buf_add(&result->bytes, search->input->data, search->input->len);
    replay_run_clear(&result->run);
    result->run = search->original.run;
    search->original.run = (struct replay_run){0};
    mem_free(STEAL(result->kept_right));
    result->finished = false;
}

static int
search_by(struct search *search, struct acceptance accept, struct err *err)
{
    trial_change(search->trial, &search->replay, &search->original.keep, accept);
    run_search(search);
    search->result.acceptance = accept;
    return verify(search, accept, err);
}

static void
take_rate(struct search *search)
{
    search->result.k = search->original.k;
    search->result.n = search->original.n;
    search->result.acceptance = search->original.acceptance;
}

/* The result does not always show it: two runs of the original in a row were chance. */
static int
doubt(struct search *search, struct err *err)
{
    int64_t before = search->original.execs;
    int rc = original_doubt(search->config, search->input, &search->original, err);

    search->execs += search->original.execs - before;
    take_rate(search);
    verdicts_forget(search->verdicts);
    return rc;
}

/* What shows in every run is believed at once, which spares each success a run that no
 * lane can share; if that was too good a faith, it is done again without. 1 or 0. */
static int
search_level(struct search *search, struct err *err)
{
    const struct acceptance *accept = &search->original.acceptance;
    int rc = 0;

    if (accept->need == accept->of && search->replay.hasty) {
        rc = search_by(search, at_once, err);
        rc = rc == 0 ? doubt(search, err) : rc;
    }
    return rc != 0 ? rc : search_by(search, *accept, err);
}

static int
search_all_levels(struct search *search, struct err *err)
{
    const struct original *original = &search->original;

    for (size_t i = original->first_level; i < original->n_levels; i++) {
        set_limits(search, &original->levels[i]);
        if (i > original->first_level) {
            verdicts_forget(search->verdicts); /* those of other limits */
        }
        int rc = search_level(search, err);
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
    }
    fall_back(search);
    return 0;
}

/* --- all of it --- */

static int
prepare(struct search *search, struct err *err)
{
    const struct minimize_config *config = search->config;
    int rc = original_run(config, search->input, &search->original, err);

    search->execs = search->original.execs;
    if (rc < 0) {
        return rc;
    }
    take_rate(search);
    AUTO(mem_free) char *identity = identity_of(search);
    rc = verdicts_open(config->journal, identity, &search->verdicts, err);
    if (rc < 0) {
        return err_wrap(err, rc, "the journal");
    }
    search->replay = search->original.replay;
    const struct buf *said = &search->original.run.report;
    const struct trial_config trial = {.replay = &search->replay,
                                       .runners = config->runners,
                                       .lanes = config->lanes,
                                       .keep = &search->original.keep,
                                       .loud = judge_alarming(buf_str(said), said->len) !=
                                               NULL,
                                       .acceptance = search->original.acceptance,
                                       .verdicts = search->verdicts,
                                       .go_on = go_on,
                                       .user = search};
    trial_new(&trial, &search->trial);
    return 0;
}

int64_t
minimize_timeout(int64_t timeout_ms, int64_t took_ms)
{
    enum { FACTOR = 10, LEAST_MS = 100 };
    int64_t enough = took_ms * FACTOR + LEAST_MS;

    return enough < timeout_ms ? enough : timeout_ms;
}

int
minimize(const struct minimize_config *config, const struct buf *input,
         struct minimize_result *out, struct err *err)
{
    AUTO(search_clear)
    struct search search = {
        .config = config, .input = input, .start_ms = clock_mono_ms()};

    minimize_result_clear(out);
    if (input->len > MINIMIZE_INPUT_MAX) {
        return err_set(err, -EFBIG, "the input has %zu bytes, minimization ends at %d",
                       input->len, MINIMIZE_INPUT_MAX);
    }
    if (config->limits.wall_ms > 0) {
        search.deadline_ms = search.start_ms + config->limits.wall_ms;
    }
    make_ready(config);
    int rc = prepare(&search, err);
    rc = rc < 0 ? rc : search_all_levels(&search, err);
    if (rc == 0 && config->trim && go_on(&search)) {
        rc = minimize_trim(&search.original, &search.result, err);
    }
    if (rc < 0) {
        return rc;
    }
    search.result.n_found = trial_take_found(search.trial, &search.result.found);
    search.result.counts = *trial_counts(search.trial);
    search.result.progress.bytes = search.result.bytes.len;
    search.result.progress.wall_ms = clock_mono_ms() - search.start_ms;
    *out = search.result;
    search.result = (struct minimize_result){0};
    return 0;
}
