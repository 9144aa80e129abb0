#include "triage/minimize.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    TIMEOUT_FACTOR = 10, /* a candidate's time, by the original's */
    TIMEOUT_LEAST_MS = 1000,
};

struct search {
    struct replay_config config;
    struct command command; /* with the time of a candidate */
    char major[RECORD_HASH_MAX];
    char *place;           /* to keep; NULL: none, or not to be kept */
    struct replay_run run; /* the last one */
    struct minimize_result result;
};

void
minimize_result_clear(struct minimize_result *result)
{
    buf_clear(&result->bytes);
    replay_run_clear(&result->run);
    *result = (struct minimize_result){0};
}

static void
search_clear(struct search *search)
{
    command_clear(&search->command);
    replay_run_clear(&search->run);
    minimize_result_clear(&search->result);
    mem_free(search->place);
}
AUTO_DEFINE_CLEAR(struct search, search_clear)

bool
minimize_keeps(const struct record *record, const char *major, const char *place)
{
    return record != NULL && strcmp(record->hash_major, major) == 0 &&
           (place == NULL || record->samples > 0 ||
            (record->place != NULL && strcmp(record->place, place) == 0));
}

static bool
shows(const struct search *search, const struct replay_run *run)
{
    return minimize_keeps(run->record, search->major, search->place);
}

/* --- the oracle: one candidate, run here; it must show the signature twice --- */

static int
test(void *user, const struct buf *list, size_t n, size_t *shown, int64_t *execs,
     struct err *err)
{
    struct search *search = user;

    *shown = n;
    for (int i = 0; i < MINIMIZE_CONFIRM; i++) {
        replay_run_clear(&search->run);
        int rc =
            replay_once(&search->config, buf_str(list), list->len, &search->run, err);
        if (rc < 0) {
            return rc;
        }
        ++*execs;
        if (!shows(search, &search->run)) {
            return 0;
        }
    }
    *shown = 0;
    return 0;
}

static void
keep(void *user, size_t index)
{
    struct search *search = user;

    (void)index;
    replay_run_clear(&search->result.run);
    search->result.run = search->run;
    search->run = (struct replay_run){0};
}

/* --- the original --- */

static int
does_not_show(const struct search *search, const struct replay_run *run, struct err *err)
{
    static const char *const did[] = {
        [REPLAY_CLEAN] = "runs to its end without a crash",
        [REPLAY_CRASH] = "crashes with another signature",
        [REPLAY_TIMEOUT] = "runs into its time limit",
        [REPLAY_BROKEN] = "never truly ran",
        [REPLAY_UNPARSED] = "fails, but with no report that has a signature",
    };

    if (run->record != NULL) {
        return err_set(err, -ENODATA, "the input %s: %s, not %s", did[run->outcome],
                       run->record->hash_major, search->major);
    }
    return err_set(err, -ENODATA, "the input %s%s%s", did[run->outcome],
                   run->reason == NULL ? "" : ": ",
                   run->reason == NULL ? "" : run->reason);
}

/* Run the original until it shows the signature, and learn how long it takes. */
static int
run_original(struct search *search, const void *input, size_t len, const char *major,
             struct err *err)
{
    struct replay_run *run = &search->result.run;

    (void)snprintf(search->major, sizeof(search->major), "%s",
                   major == NULL ? "" : major);
    for (int i = 0; i < MINIMIZE_TRIES; i++) {
        replay_run_clear(run);
        search->result.progress.execs++;
        int rc = replay_once(&search->config, input, len, run, err);
        if (rc < 0) {
            return rc;
        }
        if (major == NULL && run->record != NULL) {
            (void)snprintf(search->major, sizeof(search->major), "%s",
                           run->record->hash_major);
        }
        if (shows(search, run)) {
            search->place = mem_strdup(run->record->place);
            return 0;
        }
        if (run->outcome == REPLAY_BROKEN) {
            break;
        }
    }
    return does_not_show(search, run, err);
}

int64_t
minimize_timeout(int64_t timeout_ms, int64_t took_ms)
{
    int64_t enough = took_ms * TIMEOUT_FACTOR + TIMEOUT_LEAST_MS;

    return enough < timeout_ms ? enough : timeout_ms;
}

int
minimize(const struct replay_config *config, const struct buf *input, const char *major,
         const struct shrink_limits *limits, struct minimize_result *out, struct err *err)
{
    AUTO(search_clear) struct search search = {.config = *config};
    AUTO(shrink_result_clear) struct shrink_result shrunk = {0};
    const struct shrink_oracle oracle = {
        .user = &search, .width = 1, .test = test, .keep = keep};
    int64_t start = clock_mono_ms();

    minimize_result_clear(out);
    if (input->len > MINIMIZE_INPUT_MAX) {
        return err_set(err, -EFBIG, "the input has %zu bytes, minimization ends at %d",
                       input->len, MINIMIZE_INPUT_MAX);
    }
    command_copy(&search.command, config->command);
    search.config.command = &search.command;
    int rc = run_original(&search, buf_str(input), input->len, major, err);
    if (rc < 0) {
        return rc;
    }
    if (search.result.run.outcome != REPLAY_TIMEOUT) {
        search.command.timeout_ms =
            minimize_timeout(search.command.timeout_ms, search.result.run.wall_ms);
    }
    struct shrink_limits left = *limits;
    int64_t spent = clock_mono_ms() - start;
    left.wall_ms = limits->wall_ms == 0      ? 0
                   : limits->wall_ms > spent ? limits->wall_ms - spent
                                             : 1;
    shrunk.progress.execs = search.result.progress.execs;
    shrink(&oracle, &left, buf_str(input), input->len, &shrunk);
    search.result.bytes = shrunk.bytes;
    shrunk.bytes = (struct buf)BUF_INIT;
    search.result.progress = shrunk.progress;
    search.result.progress.wall_ms = clock_mono_ms() - start;
    search.result.finished = shrunk.finished;
    *out = search.result;
    search.result = (struct minimize_result){0};
    return 0;
}
