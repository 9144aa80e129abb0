#include "orchestrator/corpus/cover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "orchestrator/corpus/spool.h"

enum {
    ENTRIES_MIN = 1 << 10,
    TUPLES_MIN = 1 << 16,
    ROUNDS = 4, /* of runs again */
    PROGRESS_MS = 200,
};

struct entry {  /* a distinct trace, and the smallest input that has it */
    int64_t at; /* in the spool */
    uint64_t hash;
    uint64_t key; /* the first bytes of its content's hash */
    uint32_t bytes;
    uint32_t gain; /* tuples that it added when that was last looked at */
    bool kept, again;
};

struct cover {
    struct cover_config config;
    struct cover_sum sum;
    struct spool *spool;
    struct measure *measure;
    struct entry *entries;
    size_t n, cap;
    size_t *slots; /* by hash: index of an entry + 1 */
    size_t n_slots;
    uint32_t *count;     /* by tuple: distinct traces that have it, later kept ones */
    unsigned char *seen; /* by tuple: a kept input has shown it again */
    unsigned char *more; /* by tuple: further witnesses kept for it */
    size_t n_tuples;
    int64_t shown_ms;
};

/* --- measuring --- */

static void
show(struct cover *cover)
{
    int64_t now = clock_mono_ms();

    if (cover->config.progress != NULL && now - cover->shown_ms > PROGRESS_MS) {
        cover->shown_ms = now;
        cover->config.progress(cover->config.user, &cover->sum);
    }
}

static int
take(void *user, const struct measured *input, struct err *err)
{
    struct cover *cover = user;

    show(cover);
    return spool_add(cover->spool, input, err);
}

/* What a trace depends on besides the input: program, arguments, environment, limits. */
static uint64_t
subject_of(const struct command *command, const char *what)
{
    AUTO(json_decref) json_t *object = command_to_json(command);
    AUTO(mem_free) char *text = json_line(object);
    struct stat st = {0};
    uint64_t hash = 0xcbf29ce484222325;

    (void)stat(command->argv.v[0], &st);
    AUTO(mem_free)
    char *all = mem_printf("%s %s %lld %lld %lld.%ld", what, text, (long long)st.st_ino,
                           (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                           st.st_mtim.tv_nsec);
    for (const char *at = all; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
    }
    return hash;
}

static int
begin_measure(struct cover *cover, measure_take *told, struct err *err)
{
    const struct measure_config config = {.command = cover->config.command,
                                          .rung = cover->config.rung,
                                          .hide = cover->config.hide,
                                          .jobs = cover->config.jobs,
                                          .take = told,
                                          .user = cover};

    measure_free(STEAL(cover->measure));
    return measure_new(&config, &cover->measure, err);
}

int
cover_open(const struct cover_config *config, struct cover **out, struct err *err)
{
    AUTO(cover_close) struct cover *cover = mem_alloc(sizeof(*cover));

    cover->config = *config;
    int rc = spool_open(config->spool, subject_of(config->command, config->what),
                        &cover->spool, &cover->sum.known, err);
    rc = rc < 0 ? rc : begin_measure(cover, take, err);
    if (rc == 0) {
        *out = STEAL(cover);
    }
    return rc;
}

void
cover_close(struct cover *cover)
{
    if (cover == NULL) {
        return;
    }
    measure_free(cover->measure);
    spool_close(cover->spool);
    mem_free(cover->entries);
    mem_free(cover->slots);
    mem_free(cover->count);
    mem_free(cover->seen);
    mem_free(cover->more);
    mem_free(cover);
}

bool
cover_knows(const struct cover *cover, const char *path, const struct stat *st)
{
    return spool_has(cover->spool, path, st);
}

int
cover_add(struct cover *cover, const char *path, const struct stat *st, struct err *err)
{
    struct err why = ERR_INIT;

    cover->sum.inputs++;
    cover->sum.bytes += st->st_size;
    if (spool_has(cover->spool, path, st)) {
        return 0;
    }
    int rc = measure_push(cover->measure, path, 0, &why);
    return rc == -ENOENT || rc == -EINVAL ? 0
           : rc < 0                       ? err_set(err, rc, "%s", why.msg)
                                          : 0;
}

/* --- tuples --- */

static void
need_tuples(struct cover *cover, int64_t tuple)
{
    size_t n = cover->n_tuples == 0 ? TUPLES_MIN : cover->n_tuples;

    while (n <= (size_t)tuple) {
        n *= 2;
    }
    if (n > cover->n_tuples) {
        size_t old = cover->n_tuples;
        cover->count = mem_resize(cover->count, n * sizeof(*cover->count));
        cover->seen = mem_resize(cover->seen, n);
        cover->more = mem_resize(cover->more, n);
        memset(cover->count + old, 0, (n - old) * sizeof(*cover->count));
        memset(cover->seen + old, 0, n - old);
        memset(cover->more + old, 0, n - old);
        cover->n_tuples = n;
    }
}

/* Called for each tuple of an entry. */
typedef void each_tuple(struct cover *cover, int64_t tuple, uint32_t *sum);

static uint32_t
for_tuples(struct cover *cover, const struct entry *entry, each_tuple *visit)
{
    struct measured input;
    int64_t at = entry->at;
    size_t from = 0;
    int64_t tuple = -1;
    uint32_t sum = 0;

    if (!spool_read(cover->spool, &at, &input)) {
        return 0;
    }
    while (trace_next(input.trace, input.trace_bytes, &from, &tuple)) {
        need_tuples(cover, tuple);
        visit(cover, tuple, &sum);
    }
    return sum;
}

static void
count_up(struct cover *cover, int64_t tuple, uint32_t *sum)
{
    *sum += cover->count[tuple]++ == 0;
}

static void
count_down(struct cover *cover, int64_t tuple, uint32_t *sum)
{
    (void)sum;
    cover->count[tuple]--;
}

static void
count_new(struct cover *cover, int64_t tuple, uint32_t *sum)
{
    *sum += cover->count[tuple] == 0;
}

static void
count_single(struct cover *cover, int64_t tuple, uint32_t *sum)
{
    *sum += cover->count[tuple] == 1;
}

/* --- distinct traces --- */

static void
grow_slots(struct cover *cover)
{
    size_t n_slots = cover->n_slots == 0 ? (size_t)4 * ENTRIES_MIN : 2 * cover->n_slots;
    size_t *slots = mem_array(n_slots, sizeof(*slots));

    for (size_t i = 0; i < cover->n; i++) {
        size_t slot = (size_t)(cover->entries[i].hash % n_slots);
        while (slots[slot] != 0) {
            slot = (slot + 1) % n_slots;
        }
        slots[slot] = i + 1;
    }
    mem_free(cover->slots);
    cover->slots = slots;
    cover->n_slots = n_slots;
}

/* Of equal size the same one stands for a trace whatever order they were measured in. */
static bool
stands_better(const struct entry *a, const struct entry *b)
{
    return a->bytes != b->bytes ? a->bytes < b->bytes : a->key < b->key;
}

static void
note_trace(struct cover *cover, const struct measured *input, int64_t at)
{
    struct entry one = {.at = at, .hash = input->hash, .bytes = input->bytes};

    memcpy(&one.key, input->key, sizeof(one.key));
    if (2 * (cover->n + 1) > cover->n_slots) {
        grow_slots(cover);
    }
    size_t slot = (size_t)(input->hash % cover->n_slots);
    while (cover->slots[slot] != 0 &&
           cover->entries[cover->slots[slot] - 1].hash != input->hash) {
        slot = (slot + 1) % cover->n_slots;
    }
    if (cover->slots[slot] != 0) {
        struct entry *entry = &cover->entries[cover->slots[slot] - 1];
        if (stands_better(&one, entry)) {
            *entry = one;
        }
        return;
    }
    if (cover->n == cover->cap) {
        cover->cap = cover->cap == 0 ? ENTRIES_MIN : 2 * cover->cap;
        cover->entries = mem_resize(cover->entries, cover->cap * sizeof(*cover->entries));
    }
    cover->entries[cover->n++] = one;
    cover->slots[slot] = cover->n;
}

/* A killed run may have measured what was changed or removed since. */
static bool
is_still_there(const struct measured *input)
{
    struct stat st;

    return stat(input->path, &st) == 0 && st.st_ino == input->st.st_ino &&
           st.st_size == input->st.st_size &&
           st.st_mtim.tv_sec == input->st.st_mtim.tv_sec &&
           st.st_mtim.tv_nsec == input->st.st_mtim.tv_nsec;
}

static void
find_distinct(struct cover *cover)
{
    struct measured input;
    int64_t at = 0;

    for (int64_t from = 0; spool_read(cover->spool, &at, &input); from = at) {
        if (!is_still_there(&input)) {
            continue;
        }
        cover->sum.kinds[input.kind <= MEASURE_REFUSED ? input.kind : MEASURE_BROKEN]++;
        if (input.kind == MEASURE_TRACE && input.tuples > 0) {
            note_trace(cover, &input, from);
        }
    }
    cover->sum.distinct = (int64_t)cover->n;
}

static void
count_reached(const struct cover *cover, bool again, int64_t *edges, int64_t *tuples)
{
    *edges = 0;
    *tuples = 0;
    for (size_t i = 0; i < cover->n_tuples; i += MEASURE_BUCKETS) {
        int64_t n = 0;
        for (size_t k = i; k < i + MEASURE_BUCKETS; k++) {
            n += again ? cover->seen[k] : cover->count[k] > 0;
        }
        *tuples += n;
        *edges += n > 0;
    }
}

/* --- the choice --- */

static void
keep(struct cover *cover, struct entry *entry)
{
    entry->kept = true;
    (void)for_tuples(cover, entry, count_up);
}

/* What alone has a tuple. Afterwards the counts are those of the kept. */
static void
keep_essential(struct cover *cover)
{
    for (size_t i = 0; i < cover->n; i++) {
        (void)for_tuples(cover, &cover->entries[i], count_up);
    }
    count_reached(cover, false, &cover->sum.edges, &cover->sum.tuples);
    for (size_t i = 0; i < cover->n; i++) {
        cover->entries[i].kept = for_tuples(cover, &cover->entries[i], count_single) > 0;
    }
    need_tuples(cover, 0); /* nobody may have reached anything */
    memset(cover->count, 0, cover->n_tuples * sizeof(*cover->count));
    for (size_t i = 0; i < cover->n; i++) {
        if (cover->entries[i].kept) {
            (void)for_tuples(cover, &cover->entries[i], count_up);
        }
    }
}

static bool
is_better(const struct entry *a, const struct entry *b)
{
    return a->gain != b->gain     ? a->gain > b->gain
           : a->bytes != b->bytes ? a->bytes < b->bytes
                                  : a->hash < b->hash; /* in any order of the files */
}

/* A heap with the best on top. */
static void
sink(struct entry **heap, size_t n, size_t i)
{
    for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        child += child + 1 < n && is_better(heap[child + 1], heap[child]);
        if (!is_better(heap[child], heap[i])) {
            return;
        }
        struct entry *entry = heap[i];
        heap[i] = heap[child];
        heap[child] = entry;
        i = child;
    }
}

/* Gains only fall: one that is looked at again and stays on top is the best of all. */
static void
keep_greedily(struct cover *cover)
{
    AUTO(mem_free) struct entry **heap = mem_array(cover->n + 1, sizeof(struct entry *));
    size_t n = 0;

    for (size_t i = 0; i < cover->n; i++) {
        struct entry *entry = &cover->entries[i];
        entry->gain = entry->kept ? 0 : for_tuples(cover, entry, count_new);
        if (entry->gain > 0) {
            heap[n++] = entry;
        }
    }
    for (size_t i = n; i-- > 0;) {
        sink(heap, n, i);
    }
    while (n > 0) {
        struct entry *top = heap[0];
        uint32_t gain = for_tuples(cover, top, count_new);
        if (gain > 0 && gain == top->gain) {
            keep(cover, top);
            gain = 0;
        }
        top->gain = gain;
        if (gain == 0) {
            heap[0] = heap[--n];
        }
        sink(heap, n, 0);
    }
}

static int
by_size(const void *a, const void *b)
{
    const struct entry *const *x = a;
    const struct entry *const *y = b;

    return (*x)->bytes != (*y)->bytes ? ((*x)->bytes > (*y)->bytes ? -1 : 1)
                                      : ((*x)->hash > (*y)->hash ? -1 : 1);
}

static void
drop_superfluous(struct cover *cover)
{
    AUTO(mem_free) struct entry **kept = mem_array(cover->n + 1, sizeof(struct entry *));
    size_t n = 0;

    for (size_t i = 0; i < cover->n; i++) {
        if (cover->entries[i].kept) {
            kept[n++] = &cover->entries[i];
        }
    }
    qsort(kept, n, sizeof(struct entry *), by_size);
    for (size_t i = 0; i < n; i++) {
        if (for_tuples(cover, kept[i], count_single) == 0) {
            kept[i]->kept = false;
            (void)for_tuples(cover, kept[i], count_down);
        }
    }
}

/* --- the chosen again --- */

static int
see(void *user, const struct measured *input, struct err *err)
{
    struct cover *cover = user;
    size_t from = 0;
    int64_t tuple = -1;

    (void)err;
    show(cover);
    cover->sum.flaky +=
        input->kind != MEASURE_TRACE || input->hash != cover->entries[input->tag].hash;
    while (trace_next(input->trace, input->trace_bytes, &from, &tuple)) {
        need_tuples(cover, tuple);
        cover->seen[tuple] = 1;
    }
    return 0;
}

static int
run_again(struct cover *cover, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < cover->n && rc == 0; i++) {
        struct entry *entry = &cover->entries[i];
        struct measured input;
        int64_t at = entry->at;
        if (entry->kept && !entry->again && spool_read(cover->spool, &at, &input)) {
            entry->again = true;
            rc = measure_push(cover->measure, input.path, i, err);
        }
    }
    return rc < 0 ? rc : measure_finish(cover->measure, err);
}

static void
count_missing(struct cover *cover, int64_t tuple, uint32_t *sum)
{
    *sum += cover->count[tuple] > 0 && cover->seen[tuple] == 0 && cover->more[tuple] > 0;
}

static void
use_witness(struct cover *cover, int64_t tuple, uint32_t *sum)
{
    (void)sum;
    if (cover->more[tuple] > 0 && cover->more[tuple] < 255) {
        cover->more[tuple]--;
    }
}

/* Keep up to `most` further witnesses (255: all) of each tuple that was not seen again.
 */
static bool
keep_witnesses(struct cover *cover, unsigned char most)
{
    bool any = false;

    memset(cover->more, most, cover->n_tuples);
    for (size_t i = 0; i < cover->n; i++) {
        struct entry *entry = &cover->entries[i];
        if (!entry->kept && for_tuples(cover, entry, count_missing) > 0) {
            keep(cover, entry);
            (void)for_tuples(cover, entry, use_witness);
            any = true;
        }
    }
    return any;
}

static int
verify(struct cover *cover, struct err *err)
{
    static const unsigned char witnesses[ROUNDS] = {1, 4, 16, 255};
    int rc = begin_measure(cover, see, err);

    rc = rc < 0 ? rc : run_again(cover, err);
    for (int i = 0; i < ROUNDS && rc == 0; i++) {
        if (keep_witnesses(cover, witnesses[i])) {
            rc = run_again(cover, err);
        }
    }
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < cover->n_tuples; i++) {
        cover->seen[i] = cover->seen[i] != 0 && cover->count[i] > 0;
    }
    count_reached(cover, true, &cover->sum.kept_edges, &cover->sum.kept_tuples);
    cover->sum.unstable = cover->sum.tuples - cover->sum.kept_tuples;
    cover->sum.unstable_edges = cover->sum.edges - cover->sum.kept_edges;
    return 0;
}

int
cover_solve(struct cover *cover, struct cover_sum *sum, struct err *err)
{
    int rc = measure_finish(cover->measure, err);

    rc = rc < 0 ? rc : spool_map(cover->spool, err);
    if (rc < 0) {
        return rc;
    }
    find_distinct(cover);
    keep_essential(cover);
    keep_greedily(cover);
    drop_superfluous(cover);
    rc = verify(cover, err);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < cover->n; i++) {
        cover->sum.kept += cover->entries[i].kept;
        cover->sum.kept_bytes += cover->entries[i].kept ? cover->entries[i].bytes : 0;
    }
    *sum = cover->sum;
    return 0;
}

bool
cover_next(struct cover *cover, size_t *at, struct measured *out, uint32_t *alone)
{
    while (*at < cover->n && !cover->entries[*at].kept) {
        ++*at;
    }
    if (*at == cover->n) {
        return false;
    }
    const struct entry *entry = &cover->entries[(*at)++];
    int64_t from = entry->at;
    *alone = for_tuples(cover, entry, count_single);
    return spool_read(cover->spool, &from, out);
}

bool
cover_each(const struct cover *cover, int64_t *at, struct measured *out)
{
    return spool_read(cover->spool, at, out);
}
