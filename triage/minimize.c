#include "triage/minimize.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

enum {
    CACHE_SLOTS = 1 << 16, /* a power of two; emptied when half full */
    DIGEST = 16, /* bytes of a candidate's hash that are kept: chance is no enemy here */
    TIMEOUT_FACTOR = 10, /* a candidate's time, by the original's */
    TIMEOUT_LEAST_MS = 1000,
};

struct search {
    struct replay_config config;
    struct command command; /* with the time of a candidate */
    const struct minimize_limits *limits;
    struct minimize_result result;
    char major[RECORD_HASH_MAX];
    int64_t start_ms;
    bool stopped;
    char (*failed)[DIGEST]; /* hash set of candidates that did not show it */
    size_t n_failed;
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
    minimize_result_clear(&search->result);
    mem_free(search->failed);
}
AUTO_DEFINE_CLEAR(struct search, search_clear)

/* --- the cache of what failed --- */

/* Whether the bytes are in the cache; they are from now on. */
static bool
tried_before(struct search *search, const char *bytes, size_t len)
{
    static const char empty[DIGEST];
    char hash[HASH_HEX_MAX];
    size_t slot = 0;

    hash_sha256(bytes, len, hash);
    for (int i = 0; i < 8; i++) {
        slot = slot * 31 + (unsigned char)hash[DIGEST + i];
    }
    if (search->n_failed >= CACHE_SLOTS / 2) {
        memset(search->failed, 0, (size_t)CACHE_SLOTS * DIGEST);
        search->n_failed = 0;
    }
    for (;; slot++) {
        char *at = search->failed[slot & (CACHE_SLOTS - 1)];
        if (memcmp(at, hash, DIGEST) == 0) {
            return true;
        }
        if (memcmp(at, empty, DIGEST) == 0) {
            memcpy(at, hash, DIGEST);
            search->n_failed++;
            return false;
        }
    }
}

/* --- runs --- */

static bool
may_go_on(struct search *search)
{
    struct minimize_progress *progress = &search->result.progress;
    const struct minimize_limits *limits = search->limits;

    progress->bytes = search->result.bytes.len;
    progress->wall_ms = clock_mono_ms() - search->start_ms;
    if ((limits->wall_ms > 0 && progress->wall_ms >= limits->wall_ms) ||
        (limits->execs > 0 && progress->execs >= limits->execs) ||
        (limits->report != NULL && !limits->report(limits->user, progress))) {
        search->stopped = true;
    }
    return !search->stopped;
}

static bool
shows(const struct search *search, const struct replay_run *run)
{
    return run->record != NULL && strcmp(run->record->hash_major, search->major) == 0;
}

/* Whether a candidate shows the signature, twice: *run is the second run then. A failure
 * of the machine ends the search with what it has. */
static bool
test(struct search *search, const char *bytes, size_t len, struct replay_run *run)
{
    if (tried_before(search, bytes, len)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        replay_run_clear(run);
        if (!may_go_on(search)) {
            return false;
        }
        search->result.progress.execs++;
        if (replay_once(&search->config, bytes, len, run, NULL) < 0) {
            search->stopped = true;
            return false;
        }
        if (!shows(search, run)) {
            return false;
        }
    }
    return true;
}

static bool
take_if_shown(struct search *search, struct buf *candidate)
{
    AUTO(replay_run_clear) struct replay_run run = {0};

    if (search->stopped || !test(search, buf_str(candidate), candidate->len, &run)) {
        return false;
    }
    replay_run_clear(&search->result.run);
    search->result.run = run;
    run = (struct replay_run){0};
    buf_clear(&search->result.bytes);
    search->result.bytes = *candidate;
    *candidate = (struct buf)BUF_INIT;
    return true;
}

/* --- the two kinds of step --- */

/* The bytes without [from, to). */
static bool
try_without(struct search *search, size_t from, size_t to)
{
    const struct buf *bytes = &search->result.bytes;
    AUTO(buf_clear) struct buf candidate = BUF_INIT;

    buf_add(&candidate, buf_str(bytes), from);
    buf_add(&candidate, buf_str(bytes) + to, bytes->len - to);
    return take_if_shown(search, &candidate);
}

/* The bytes with [from, to) made dull. */
static bool
try_dull(struct search *search, size_t from, size_t to)
{
    const struct buf *bytes = &search->result.bytes;
    AUTO(buf_clear) struct buf candidate = BUF_INIT;
    bool changed = false;

    buf_add(&candidate, buf_str(bytes), bytes->len);
    for (size_t i = from; i < to; i++) {
        unsigned char c = (unsigned char)candidate.data[i];
        char dull = isprint(c) || isspace(c) ? '0' : '\0';
        changed = changed || candidate.data[i] != dull;
        candidate.data[i] = dull;
    }
    return changed && take_if_shown(search, &candidate);
}

typedef bool step(struct search *search, size_t from, size_t to);

/* Blocks of falling size, from the back, where what matters least often stands. Whether
 * anything was gained. */
static bool
sweep(struct search *search, step *try_block)
{
    size_t size = 1;
    bool gained = false;

    while (size < search->result.bytes.len) {
        size *= 2;
    }
    for (; size > 0 && !search->stopped; size /= 2) {
        size_t end = search->result.bytes.len;
        while (end > 0 && !search->stopped) {
            size_t from = end > size ? end - size : 0;
            gained = try_block(search, from, end) || gained;
            end = from;
        }
    }
    return gained;
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
run_original(struct search *search, const char *major, struct err *err)
{
    const struct buf *bytes = &search->result.bytes;
    struct replay_run *run = &search->result.run;

    (void)snprintf(search->major, sizeof(search->major), "%s",
                   major == NULL ? "" : major);
    for (int i = 0; i < MINIMIZE_TRIES; i++) {
        replay_run_clear(run);
        search->result.progress.execs++;
        int rc = replay_once(&search->config, buf_str(bytes), bytes->len, run, err);
        if (rc < 0) {
            return rc;
        }
        if (major == NULL && run->record != NULL) {
            (void)snprintf(search->major, sizeof(search->major), "%s",
                           run->record->hash_major);
        }
        if (shows(search, run)) {
            return 0;
        }
        if (run->outcome == REPLAY_BROKEN) {
            break;
        }
    }
    return does_not_show(search, run, err);
}

/* A candidate that runs far longer than the original does something else. */
static void
shorten_timeout(struct search *search)
{
    int64_t enough = search->result.run.wall_ms * TIMEOUT_FACTOR + TIMEOUT_LEAST_MS;

    if (search->result.run.outcome != REPLAY_TIMEOUT &&
        enough < search->command.timeout_ms) {
        search->command.timeout_ms = enough;
    }
}

int
minimize(const struct replay_config *config, const void *input, size_t len,
         const char *major, const struct minimize_limits *limits,
         struct minimize_result *out, struct err *err)
{
    AUTO(search_clear)
    struct search search = {
        .config = *config, .limits = limits, .start_ms = clock_mono_ms()};

    minimize_result_clear(out);
    if (len > MINIMIZE_INPUT_MAX) {
        return err_set(err, -EFBIG, "the input has %zu bytes, minimization ends at %d",
                       len, MINIMIZE_INPUT_MAX);
    }
    command_copy(&search.command, config->command);
    search.config.command = &search.command;
    buf_add(&search.result.bytes, input, len);
    int rc = run_original(&search, major, err);
    if (rc < 0) {
        return rc;
    }
    search.failed = mem_array(CACHE_SLOTS, DIGEST);
    shorten_timeout(&search);
    bool gained = may_go_on(&search) && len > 0;
    while (gained && !search.stopped) {
        gained = sweep(&search, try_without);
        gained = sweep(&search, try_dull) || gained;
    }
    search.result.finished = !search.stopped;
    search.result.progress.bytes = search.result.bytes.len;
    search.result.progress.wall_ms = clock_mono_ms() - search.start_ms;
    *out = search.result;
    search.result = (struct minimize_result){0};
    return 0;
}
