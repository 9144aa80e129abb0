#include "triage/shrink.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

enum {
    CACHE_SLOTS = 1 << 16, /* a power of two; emptied when half full */
    DIGEST = 16, /* digits of a candidate's hash that are kept: chance is no enemy here */
};

struct search {
    const struct shrink_oracle *oracle;
    const struct shrink_limits *limits;
    struct shrink_result *result;
    int64_t start_ms;
    bool stopped;
    char (*tried)[DIGEST]; /* hash set of the candidates so far */
    size_t n_tried;
    struct buf *batch; /* candidates that wait to be tried, at most the oracle's width */
    size_t *starts;    /* where the block of each begins */
    size_t n_batch;
};

void
shrink_result_clear(struct shrink_result *result)
{
    buf_clear(&result->bytes);
}

static void
search_clear(struct search *search)
{
    for (size_t i = 0; i < search->n_batch; i++) {
        buf_clear(&search->batch[i]);
    }
    mem_free(search->batch);
    mem_free(search->starts);
    mem_free(search->tried);
}
AUTO_DEFINE_CLEAR(struct search, search_clear)

/* Whether the bytes were tried; they count as tried from now on. */
static bool
tried_before(struct search *search, const struct buf *bytes)
{
    static const char empty[DIGEST];
    char hash[HASH_HEX_MAX];
    size_t slot = 0;

    hash_sha256(buf_str(bytes), bytes->len, hash);
    for (int i = 0; i < 8; i++) {
        slot = slot * 31 + (unsigned char)hash[DIGEST + i];
    }
    if (search->n_tried >= CACHE_SLOTS / 2) {
        memset(search->tried, 0, (size_t)CACHE_SLOTS * DIGEST);
        search->n_tried = 0;
    }
    for (;; slot++) {
        char *at = search->tried[slot & (CACHE_SLOTS - 1)];
        if (memcmp(at, hash, DIGEST) == 0) {
            return true;
        }
        if (memcmp(at, empty, DIGEST) == 0) {
            memcpy(at, hash, DIGEST);
            search->n_tried++;
            return false;
        }
    }
}

static bool
may_go_on(struct search *search)
{
    struct shrink_progress *progress = &search->result->progress;
    const struct shrink_limits *limits = search->limits;

    progress->bytes = search->result->bytes.len;
    progress->wall_ms = clock_mono_ms() - search->start_ms;
    if ((limits->wall_ms > 0 && progress->wall_ms >= limits->wall_ms) ||
        (limits->execs > 0 && progress->execs >= limits->execs) ||
        (limits->report != NULL && !limits->report(limits->user, progress))) {
        search->stopped = true;
    }
    return !search->stopped;
}

/* Try what waits. The start of the block that could go, or SIZE_MAX; the batch is empty
 * then. */
static size_t
try_batch(struct search *search)
{
    struct shrink_result *result = search->result;
    const struct shrink_oracle *oracle = search->oracle;
    size_t n = search->n_batch;
    size_t shown = n;
    size_t start = SIZE_MAX;

    if (n > 0 && may_go_on(search) &&
        oracle->test(oracle->user, search->batch, n, &shown, &result->progress.execs,
                     &result->failure) < 0) {
        search->stopped = true;
        shown = n;
    }
    if (shown < n) {
        start = search->starts[shown];
        buf_clear(&result->bytes);
        result->bytes = search->batch[shown];
        search->batch[shown] = (struct buf)BUF_INIT;
        if (oracle->keep != NULL) {
            oracle->keep(oracle->user, shown);
        }
    }
    for (size_t i = 0; i < n; i++) {
        buf_clear(&search->batch[i]);
    }
    search->n_batch = 0;
    return start;
}

/* --- the two kinds of step: a candidate from the best so far; false when it would be the
 * same --- */

typedef bool step(const struct buf *bytes, size_t from, size_t to, struct buf *candidate);

static bool
without(const struct buf *bytes, size_t from, size_t to, struct buf *candidate)
{
    buf_add(candidate, buf_str(bytes), from);
    buf_add(candidate, buf_str(bytes) + to, bytes->len - to);
    return true;
}

static bool
dulled(const struct buf *bytes, size_t from, size_t to, struct buf *candidate)
{
    bool changed = false;

    buf_add(candidate, buf_str(bytes), bytes->len);
    for (size_t i = from; i < to; i++) {
        unsigned char c = (unsigned char)candidate->data[i];
        char dull = isprint(c) || isspace(c) ? '0' : '\0';
        changed = changed || candidate->data[i] != dull;
        candidate->data[i] = dull;
    }
    return changed;
}

static void
add_candidate(struct search *search, step *make, size_t from, size_t to)
{
    struct buf candidate = BUF_INIT;

    if (!make(&search->result->bytes, from, to, &candidate) ||
        tried_before(search, &candidate)) {
        buf_clear(&candidate);
        return;
    }
    search->starts[search->n_batch] = from;
    search->batch[search->n_batch++] = candidate;
}

/* All blocks of one size, from the back, where what matters least often stands. */
static bool
pass(struct search *search, step *make, size_t size)
{
    size_t end = search->result->bytes.len;
    bool gained = false;

    while ((end > 0 || search->n_batch > 0) && !search->stopped) {
        if (end > 0) {
            size_t from = end > size ? end - size : 0;
            add_candidate(search, make, from, end);
            end = from;
        }
        if (search->n_batch == search->oracle->width || end == 0) {
            size_t start = try_batch(search);
            gained = gained || start != SIZE_MAX;
            end = start == SIZE_MAX ? end : start; /* what lies behind it was tried */
        }
    }
    return gained;
}

static bool
sweep(struct search *search, step *make)
{
    size_t size = 1;
    bool gained = false;

    while (size < search->result->bytes.len) {
        size *= 2;
    }
    for (; size > 0 && !search->stopped; size /= 2) {
        gained = pass(search, make, size) || gained;
    }
    return gained;
}

void
shrink(const struct shrink_oracle *oracle, const struct shrink_limits *limits,
       const void *input, size_t len, struct shrink_result *out)
{
    AUTO(search_clear)
    struct search search = {
        .oracle = oracle, .limits = limits, .result = out, .start_ms = clock_mono_ms()};
    bool gained = len > 0;

    assert(oracle->width >= 1 && oracle->width <= SHRINK_WIDTH_MAX);
    search.tried = mem_array(CACHE_SLOTS, DIGEST);
    search.batch = mem_array(oracle->width, sizeof(*search.batch));
    search.starts = mem_array(oracle->width, sizeof(*search.starts));
    buf_clear(&out->bytes);
    buf_add(&out->bytes, input, len);
    out->failure.code = 0;
    while (gained && !search.stopped) {
        gained = sweep(&search, without);
        gained = sweep(&search, dulled) || gained;
    }
    out->finished = !search.stopped;
    out->progress.bytes = out->bytes.len;
    out->progress.wall_ms = clock_mono_ms() - search.start_ms;
}
