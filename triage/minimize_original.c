#include "triage/minimize_original.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "triage/options.h"

enum {
    SURE_TRIES = 3, /* runs that any original gets */
    LEVEL_FACTOR = 4,
    MEMORY_LEAST = 64 << 20,
};

void
original_clear(struct original *original)
{
    command_clear(&original->command);
    keep_clear(&original->keep);
    replay_run_clear(&original->run);
}

struct asking {
    const struct minimize_config *config;
    const struct buf *input;
    struct original *out;
};

static int
run_once(struct asking *asking, struct replay_run *run, struct err *err)
{
    replay_run_clear(run);
    asking->out->execs++;
    return replay_once(&asking->out->replay, buf_str(asking->input), asking->input->len,
                       run, err);
}

/* Whether the run shows what is asked for; the first that does says what is kept. */
static bool
shows(struct asking *asking, const struct replay_run *run)
{
    struct original *out = asking->out;
    const char *major = asking->config->major;

    if (out->keep.kind != NULL) {
        return keep_holds(&out->keep, run->record);
    }
    if (run->record == NULL ||
        (major != NULL && strcmp(major, run->record->hash_major) != 0)) {
        return false;
    }
    keep_of(run->record, asking->config->level, &out->keep);
    return true;
}

static int
does_not_show(const struct asking *asking, const struct replay_run *run, struct err *err)
{
    static const char *const did[] = {
        [REPLAY_CLEAN] = "runs to its end without a crash",
        [REPLAY_CRASH] = "crashes with another signature",
        [REPLAY_TIMEOUT] = "runs into its time limit",
        [REPLAY_BROKEN] = "was never truly run on",
        [REPLAY_UNPARSED] = "fails, but with no report that has a signature",
    };

    if (run->record != NULL && asking->config->major != NULL) {
        return err_set(err, -ENODATA, "the input %s: %s, not %s", did[run->outcome],
                       run->record->hash_major, asking->config->major);
    }
    return err_set(err, -ENODATA, "the input %s%s%.700s", did[run->outcome],
                   run->reason == NULL ? "" : ": ",
                   run->reason == NULL ? "" : run->reason);
}

/* Until it shows. 1: *run does; 0: it does not, and *run is the last one. */
static int
run_until_it_shows(struct asking *asking, struct replay_run *run, struct err *err)
{
    int64_t end = clock_mono_ms() + MINIMIZE_TRIES_MS;

    for (int i = 0; i < MINIMIZE_TRIES && (i < SURE_TRIES || clock_mono_ms() < end);
         i++) {
        int rc = run_once(asking, run, err);
        asking->out->n++;
        if (rc < 0) {
            return rc;
        }
        if (shows(asking, run)) {
            asking->out->k++;
            return 1;
        }
        if (run->outcome == REPLAY_BROKEN || run->outcome == REPLAY_TIMEOUT) {
            break;
        }
    }
    return 0;
}

/* With other layouts of memory, of which the first that shows it is kept. */
static int
try_layouts(struct asking *asking, struct replay_run *run, struct err *err)
{
    struct original *out = asking->out;

    for (size_t i = 0; out->command.asan && options_layout(i) != NULL; i++) {
        AUTO(replay_run_clear) struct replay_run other = {0};
        AUTO(command_clear) struct command before = {0};
        command_copy(&before, &out->command);
        command_add_options(&out->command, options_layout(i));
        int rc = run_once(asking, &other, err);
        if (rc < 0) {
            return rc;
        }
        if (other.outcome == REPLAY_CRASH && shows(asking, &other)) {
            replay_run_clear(run);
            *run = other;
            other = (struct replay_run){0};
            out->k = 1;
            out->n = 1;
            return 1;
        }
        command_copy(&out->command, &before);
    }
    return 0;
}

/* How often: what shows in `reliable` runs in a row is, what does not is run many times.
 * A hang is not asked again at its full limit. */
static int
measure_rate(struct asking *asking, int reliable, struct err *err)
{
    struct original *out = asking->out;
    int wanted = out->k == out->n ? reliable : MINIMIZE_RATE_RUNS;

    while (out->n < wanted && out->run.outcome != REPLAY_TIMEOUT) {
        AUTO(replay_run_clear) struct replay_run run = {0};
        int rc = run_once(asking, &run, err);
        if (rc < 0) {
            return rc;
        }
        out->n++;
        out->k += shows(asking, &run) ? 1 : 0;
        wanted = out->k == out->n ? reliable : MINIMIZE_RATE_RUNS;
    }
    out->acceptance = trial_acceptance(out->k, out->n);
    return 0;
}

/* --- limits --- */

static void
add_level(struct original *out, int64_t timeout_ms, int64_t memory_bytes)
{
    out->levels[out->n_levels++] = (struct level){timeout_ms, memory_bytes};
}

static void
make_levels(struct original *out)
{
    const struct command *full = &out->command;
    bool memory = strcmp(out->run.record->crash_type, "Out-of-memory") == 0;

    if (out->run.outcome == REPLAY_TIMEOUT) {
        for (int64_t ms = MINIMIZE_LOW_MS;
             ms < full->timeout_ms && out->n_levels + 1 < LEVELS_MAX;
             ms *= LEVEL_FACTOR) {
            add_level(out, ms, full->memory_bytes);
        }
        add_level(out, full->timeout_ms, full->memory_bytes);
        return;
    }
    int64_t timeout_ms = minimize_timeout(full->timeout_ms, out->run.wall_ms);
    for (int64_t part = (int64_t)LEVEL_FACTOR * LEVEL_FACTOR; memory && part > 1;
         part /= LEVEL_FACTOR) {
        if (full->memory_bytes / part >= MEMORY_LEAST) {
            add_level(out, timeout_ms, full->memory_bytes / part);
        }
    }
    add_level(out, timeout_ms, full->memory_bytes);
}

/* The lowest limits at which the original shows it as well. */
static int
choose_level(struct asking *asking, struct err *err)
{
    struct original *out = asking->out;
    AUTO(command_clear) struct command full = {0};
    int rc = 0;
    bool found = false;

    command_copy(&full, &out->command);
    while (!found && rc == 0 && out->first_level + 1 < out->n_levels) {
        AUTO(replay_run_clear) struct replay_run run = {0};
        const struct level *level = &out->levels[out->first_level];
        out->command.timeout_ms = level->timeout_ms;
        out->command.memory_bytes = level->memory_bytes;
        rc = run_once(asking, &run, err);
        found = rc == 0 && keep_holds(&out->keep, run.record);
        out->first_level += found ? 0 : 1;
    }
    out->command.timeout_ms = full.timeout_ms;
    out->command.memory_bytes = full.memory_bytes;
    return rc;
}

int
original_doubt(const struct minimize_config *config, const struct buf *input,
               struct original *out, struct err *err)
{
    struct asking asking = {config, input, out};

    return measure_rate(&asking, MINIMIZE_RATE_RUNS, err);
}

int
original_run(const struct minimize_config *config, const struct buf *input,
             struct original *out, struct err *err)
{
    struct asking asking = {config, input, out};

    command_copy(&out->command, config->replay->command);
    out->replay = *config->replay;
    out->replay.command = &out->command;
    int rc = run_until_it_shows(&asking, &out->run, err);
    if (rc == 0) {
        rc = try_layouts(&asking, &out->run, err);
    }
    if (rc <= 0) {
        return rc < 0 ? rc : does_not_show(&asking, &out->run, err);
    }
    rc = measure_rate(&asking, TRIAL_RELIABLE, err);
    if (rc < 0) {
        return rc;
    }
    make_levels(out);
    return choose_level(&asking, err);
}
