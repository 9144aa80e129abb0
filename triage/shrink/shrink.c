#include "triage/shrink.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "triage/shrink/strategy.h"

enum {
    CACHE_SLOTS = 1 << 17, /* a power of two; emptied when half full */
    TEXT_PERCENT = 90,     /* of an input, printable: it is text */
    FIELD_NEAR = 16,       /* bytes about a field's ends in which it may be wrong */
    CANDIDATES_MAX = 3,    /* of one edit */
    IDLE_ASKS = 256,       /* edits without a trial until the limits are looked at */
    DULL_MAX = 8,          /* rounds of dullness after which deletion begins anew */
    /* Without a success a strategy is left alone for the rest of a round after so many
     * candidates, and one more for so many bytes: most of what it has to give comes
     * early, or not at all */
    PATIENCE = 48,
    PATIENCE_SHARE = 16,
    THOROUGH = 0, /* an effort: to the end, whatever it brings */
    /* A brief search ends when no more than such a share went for so many candidates, one
     * more for so many bytes, and one more for so many that it took until then */
    IDLE = 400,
    IDLE_BYTES = 8,
    IDLE_ANSWERED = 2,
    IDLE_SHARE = 64,
    SUCCESS =
        3, /* it counts for so many more: it is confirmed, and what runs ahead ends */
    /* So many successes of one pass say that its grain is too fine: it begins anew at one
     * that is so many times as coarse */
    WINS_MAX = 12,
    COARSER = 16,
};

struct candidate {
    struct buf bytes;
    XXH128_hash_t hash;
    struct layout layout;
    struct cursor taken;
};

struct search {
    const struct shrink_oracle *oracle;
    const struct shrink_limits *limits;
    struct shrink_result *result;
    int64_t start_ms;
    bool stopped;
    bool idle;            /* a brief search has nothing more to expect */
    size_t answered;      /* candidates */
    size_t gained;        /* how many they were when enough went last ... */
    size_t mark;          /* ... which left so many bytes */
    XXH128_hash_t *tried; /* hash set of the candidates so far; a zero is free */
    size_t n_tried;
    struct sketch best;
    /* of the pass at work */
    const struct strategy *strategy;
    size_t grain;
    struct cursor cursor;
    void *plan;
    bool over;
    size_t effort;           /* patience's factor; or THOROUGH */
    size_t asked;            /* candidates since its last success in this round */
    int wins;                /* of the pass at work */
    struct candidate *batch; /* what waits to be tried, at most the oracle's width */
    size_t n_batch;
};

void
shrink_result_clear(struct shrink_result *result)
{
    buf_clear(&result->bytes);
    mem_free(STEAL(result->kept_right));
}

static void
forget_batch(struct search *search)
{
    for (size_t i = 0; i < search->n_batch; i++) {
        buf_clear(&search->batch[i].bytes);
    }
    search->n_batch = 0;
}

static void
search_clear(struct search *search)
{
    forget_batch(search);
    mem_free(search->batch);
    mem_free(search->plan);
    mem_free(search->tried);
    buf_clear(&search->best.bytes);
}
AUTO_DEFINE_CLEAR(struct search, search_clear)

static XXH128_hash_t *
slot_of(const struct search *search, XXH128_hash_t hash)
{
    static const XXH128_hash_t free_slot;

    for (size_t slot = (size_t)hash.low64;; slot++) {
        XXH128_hash_t *at = &search->tried[slot & (CACHE_SLOTS - 1)];
        if (XXH128_isEqual(*at, hash) || XXH128_isEqual(*at, free_slot)) {
            return at;
        }
    }
}

/* Only what was answered counts as tried: what was offered and forgotten depends on the
 * width, and the result must not. */
static void
count_as_tried(struct search *search, XXH128_hash_t hash)
{
    if (search->n_tried >= CACHE_SLOTS / 2) {
        memset(search->tried, 0, CACHE_SLOTS * sizeof(*search->tried));
        search->n_tried = 0;
    }
    XXH128_hash_t *at = slot_of(search, hash);
    search->n_tried += XXH128_isEqual(*at, hash) ? 0 : 1;
    *at = hash;
}

static bool
is_tried(const struct search *search, XXH128_hash_t hash)
{
    bool tried = XXH128_isEqual(*slot_of(search, hash), hash);

    for (size_t i = 0; i < search->n_batch && !tried; i++) {
        tried = XXH128_isEqual(search->batch[i].hash, hash);
    }
    return tried;
}

static bool
may_go_on(struct search *search)
{
    struct shrink_progress *progress = &search->result->progress;
    const struct shrink_limits *limits = search->limits;

    progress->bytes = search->best.bytes.len;
    progress->wall_ms = clock_mono_ms() - search->start_ms;
    if ((limits->wall_ms > 0 && progress->wall_ms >= limits->wall_ms) ||
        (limits->execs > 0 && progress->execs >= limits->execs) ||
        (limits->report != NULL && !limits->report(limits->user, progress))) {
        search->stopped = true;
    }
    return !search->stopped;
}

/* --- the best so far --- */

static bool
is_text(const struct buf *bytes)
{
    size_t plain = 0;

    for (size_t i = 0; i < bytes->len; i++) {
        unsigned char c = (unsigned char)bytes->data[i];
        plain += isprint(c) || isspace(c) ? 1 : 0;
    }
    return plain * 100 >= bytes->len * TEXT_PERCENT;
}

static void
take(struct search *search, struct candidate *candidate)
{
    if (candidate->bytes.len + search->mark / IDLE_SHARE < search->mark) {
        search->gained = search->answered;
        search->mark = candidate->bytes.len;
    }
    buf_clear(&search->best.bytes);
    search->best.bytes = candidate->bytes;
    candidate->bytes = (struct buf)BUF_INIT;
    search->best.layout = candidate->layout;
    search->best.text = is_text(&search->best.bytes);
    search->cursor = candidate->taken;
    search->over = false;
    search->asked = 0;
    search->wins++;
    mem_free(STEAL(search->plan));
}

/* --- candidates --- */

/* A field's span is known but roughly: near its ends the edit may not have been in it. */
static bool
is_doubtful(const struct layout *layout, const struct edit *edit)
{
    for (size_t i = 0; i < layout->n; i++) {
        const struct field *field = &layout->field[i];
        const size_t ends[] = {field->at, field->from, field->to};
        for (size_t k = 0; k < COUNT(ends); k++) {
            if (edit->from <= ends[k] + FIELD_NEAR && edit->to + FIELD_NEAR >= ends[k]) {
                return true;
            }
        }
    }
    return false;
}

static void
add_candidate(struct search *search, const struct step *step, bool plain)
{
    struct candidate *candidate = &search->batch[search->n_batch];

    *candidate = (struct candidate){.taken = step->taken};
    if (layout_edit(&search->best.layout, &search->best.bytes, &step->edit, plain,
                    &candidate->bytes, &candidate->layout)) {
        candidate->hash = XXH3_128bits(buf_str(&candidate->bytes), candidate->bytes.len);
        if (!is_tried(search, candidate->hash)) {
            search->n_batch++;
            search->asked++;
            return;
        }
    }
    buf_clear(&candidate->bytes);
}

/* The next edit, as up to CANDIDATES_MAX candidates; false at the end of the pass. */
static bool
ask(struct search *search)
{
    AUTO(step_clear) struct step step = {0};

    if (!search->strategy->next(&search->best, search->grain, &search->cursor,
                                &search->plan, &step)) {
        return false;
    }
    if (!step.taken_set) {
        step.taken = (struct cursor){.at = step.edit.from + step.edit.with.len,
                                     .stage = search->cursor.stage};
    }
    size_t n_guess = step.edit.n_guess;
    if (step.sure) {
        add_candidate(search, &step, false);
        return true;
    }
    step.edit.n_guess = 0;
    add_candidate(search, &step, false);
    if (is_doubtful(&search->best.layout, &step.edit)) {
        add_candidate(search, &step, true);
    }
    if (n_guess > 0) { /* a guess that was not needed must not stay */
        step.edit.n_guess = n_guess;
        add_candidate(search, &step, false);
    }
    return true;
}

/* How many more may be answered before a brief search ends. */
static size_t
left_of_idle(const struct search *search)
{
    size_t limit =
        IDLE + search->best.bytes.len / IDLE_BYTES + search->gained / IDLE_ANSWERED;
    size_t since = search->answered - search->gained;

    return !search->limits->brief ? SIZE_MAX : since < limit ? limit - since : 0;
}

static bool
is_over(const struct search *search)
{
    return search->stopped || search->idle;
}

/* Try what waits, as far as the oracle's width goes; whether one was taken. By what was
 * answered, not by what was asked or run, so that the end is the same for any width. */
static bool
try_batch(struct search *search)
{
    struct shrink_result *result = search->result;
    const struct shrink_oracle *oracle = search->oracle;
    struct buf list[SHRINK_WIDTH_MAX];
    size_t n = search->n_batch < oracle->width ? search->n_batch : oracle->width;
    size_t left = left_of_idle(search);

    n = n < left ? n : left;
    size_t shown = n;
    search->idle = left == 0;
    for (size_t i = 0; i < n; i++) {
        list[i] = search->batch[i].bytes;
    }
    if (n == 0 || !may_go_on(search)) {
        shown = n;
        search->stopped = search->stopped || n > 0;
    } else if (oracle->test(oracle->user, list, n, &shown, &result->progress.execs,
                            &result->failure) < 0) {
        search->stopped = true;
        shown = n;
    }
    for (size_t i = 0; i < n && i <= shown; i++) {
        count_as_tried(search, search->batch[i].hash);
        search->answered++;
    }
    if (shown < n) {
        search->answered += SUCCESS;
        take(search, &search->batch[shown]);
        if (oracle->keep != NULL) {
            oracle->keep(oracle->keep_user, &search->best.bytes);
        }
        forget_batch(search);
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        buf_clear(&search->batch[i].bytes);
    }
    search->n_batch -= n;
    memmove(search->batch, search->batch + n, search->n_batch * sizeof(*search->batch));
    return false;
}

/* By what was asked, not by what was answered: the same for any width. */
static bool
is_tired(const struct search *search)
{
    size_t patience = PATIENCE + search->best.bytes.len / PATIENCE_SHARE;

    return search->effort != THOROUGH && search->asked >= search->effort * patience;
}

static bool
is_too_fine(const struct search *search)
{
    return search->wins >= WINS_MAX && search->strategy->phase == STRATEGY_DELETE &&
           search->grain * COARSER < search->best.bytes.len;
}

/* Once through the input with one strategy. */
static bool
pass(struct search *search, const struct strategy *strategy, size_t grain)
{
    bool gained = false;
    int idle = 0;

    search->wins = 0;
    if (strategy->text_only && !search->best.text) {
        return false;
    }
    search->strategy = strategy;
    search->grain = grain;
    search->cursor = (struct cursor){.at = search->best.bytes.len};
    search->over = false;
    mem_free(STEAL(search->plan));
    while (!is_too_fine(search) && (!search->over || search->n_batch > 0) &&
           !is_over(search)) {
        if (search->n_batch < search->oracle->width) {
            search->over = search->over || is_tired(search) || !ask(search);
        }
        if (search->over || search->n_batch >= search->oracle->width) {
            gained = try_batch(search) || gained;
            idle = 0;
        } else if (++idle % IDLE_ASKS == 0) { /* all of them were tried before */
            (void)may_go_on(search);
        }
    }
    return gained;
}

static bool
round_of(struct search *search, enum strategy_phase phase)
{
    size_t asked[STRATEGIES_MAX] = {0};
    size_t grain = 1;
    bool gained = false;

    while (grain < search->best.bytes.len) {
        grain *= 2;
    }
    while (grain > 0 && !is_over(search)) {
        bool coarser = false;
        for (size_t i = 0; strategies[i] != NULL && !is_over(search) && !coarser; i++) {
            if (strategies[i]->phase == phase && search->best.bytes.len > 0) {
                search->asked = asked[i];
                gained = pass(search, strategies[i], grain) || gained;
                asked[i] = search->asked;
                coarser = is_too_fine(search);
            }
        }
        grain = coarser ? grain * COARSER : grain / 2;
    }
    return gained;
}

/* What there is to be done, the likeliest first; what brings anything begins anew. A dull
 * input has fewer numbers that look like lengths: it is made so early. */
static const struct stage {
    enum strategy_phase phase;
    size_t effort;
    bool desperate;
} stages[] = {
    {STRATEGY_DELETE, 1, false},       {STRATEGY_DELETE, 4, false},
    {STRATEGY_PLAIN, 1, false},        {STRATEGY_DELETE, THOROUGH, false},
    {STRATEGY_DELETE, THOROUGH, true}, {STRATEGY_PLAIN, THOROUGH, false},
};

static bool
run_stage(struct search *search, const struct stage *stage)
{
    search->effort = stage->effort;
    search->best.desperate = stage->desperate;
    if (stage->phase == STRATEGY_DELETE) {
        layout_find_checksums(&search->best.layout, &search->best.bytes);
    }
    return round_of(search, stage->phase);
}

static void
search_all(struct search *search)
{
    int dulled = 0;

    for (size_t i = 0; i < COUNT(stages) && !is_over(search);) {
        bool again = run_stage(search, &stages[i]) &&
                     (stages[i].phase == STRATEGY_DELETE || dulled++ < DULL_MAX);
        i = again ? 0 : i + 1;
    }
    if (search->idle) { /* it is to be read all the same */
        forget_batch(search);
        search->idle = false;
        search->answered = 0;
        search->gained = 0;
        (void)run_stage(search, &stages[2]);
    }
}

void
shrink(const struct shrink_oracle *oracle, const struct shrink_limits *limits,
       const void *input, size_t len, struct shrink_result *out)
{
    AUTO(search_clear)
    struct search search = {
        .oracle = oracle, .limits = limits, .result = out, .start_ms = clock_mono_ms()};

    assert(oracle->width >= 1 && oracle->width <= SHRINK_WIDTH_MAX);
    search.tried = mem_array(CACHE_SLOTS, sizeof(*search.tried));
    search.batch = mem_array(oracle->width + CANDIDATES_MAX, sizeof(*search.batch));
    buf_add(&search.best.bytes, input, len);
    search.best.text = is_text(&search.best.bytes);
    search.mark = len;
    out->failure.code = 0;
    count_as_tried(&search,
                   XXH3_128bits(buf_str(&search.best.bytes), search.best.bytes.len));
    if (len > 0) {
        search_all(&search);
    }
    if (out->failure.code == -ECANCELED) {
        out->failure.code = 0;
    }
    out->finished = !search.stopped;
    shrink_result_clear(out);
    out->kept_right = layout_words(&search.best.layout);
    out->bytes = search.best.bytes;
    search.best.bytes = (struct buf)BUF_INIT;
    out->progress.bytes = out->bytes.len;
    out->progress.wall_ms = clock_mono_ms() - search.start_ms;
}
