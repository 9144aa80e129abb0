#include "orchestrator/publish/metrics.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { SLOTS_MIN = 16 };

void
metrics_clear(struct metrics *metrics)
{
    for (size_t i = 0; i < METRICS; i++) {
        struct metric *m = &metrics->v[i];
        for (size_t k = 0; k < m->n; k++) {
            for (size_t l = 0; l < m->samples[k].n_labels; l++) {
                mem_free(m->samples[k].labels[l].value);
            }
            mem_free(m->samples[k].buckets);
        }
        mem_free(m->samples);
        mem_free(m->slots);
    }
    *metrics = (struct metrics){0};
}

struct metric *
metrics_family(struct metrics *metrics, enum metric_id id)
{
    metrics->v[id].kind = catalog_row(id);
    return &metrics->v[id];
}

size_t
metrics_count(const struct metrics *metrics)
{
    size_t n = 0;

    for (size_t i = 0; i < METRICS; i++) {
        n += metrics->v[i].kind != NULL;
    }
    return n;
}

/* --- samples by their labels: there are thousands where there are many targets --- */

/* FNV-1a, with the end of each word. */
static uint64_t
hash_word(uint64_t hash, const char *word)
{
    do {
        hash = (hash ^ (unsigned char)*word) * 1099511628211U;
    } while (*word++ != '\0');
    return hash;
}

static uint64_t
hash_sample(const struct sample *sample)
{
    uint64_t hash = 14695981039346656037U;

    for (size_t i = 0; i < sample->n_labels; i++) {
        hash =
            hash_word(hash_word(hash, sample->labels[i].name), sample->labels[i].value);
    }
    return hash;
}

static uint64_t
hash_labels(const char *const *labels)
{
    uint64_t hash = 14695981039346656037U;

    for (; labels != NULL && *labels != NULL; labels++) {
        hash = hash_word(hash, *labels);
    }
    return hash;
}

static bool
has_labels(const struct sample *sample, const char *const *labels)
{
    size_t n = 0;

    for (; labels != NULL && labels[2 * n] != NULL; n++) {
        if (n == sample->n_labels || strcmp(sample->labels[n].name, labels[2 * n]) != 0 ||
            strcmp(sample->labels[n].value, labels[2 * n + 1]) != 0) {
            return false;
        }
    }
    return n == sample->n_labels;
}

/* At most half of the slots are taken. */
static void
grow(struct metric *metric)
{
    size_t n = metric->n_slots == 0 ? SLOTS_MIN : 2 * metric->n_slots;

    mem_free(metric->slots);
    metric->slots = mem_array(n, sizeof(*metric->slots));
    metric->n_slots = n;
    for (size_t i = 0; i < metric->n; i++) {
        size_t at = hash_sample(&metric->samples[i]) % n;
        while (metric->slots[at] != 0) {
            at = (at + 1) % n;
        }
        metric->slots[at] = i + 1;
    }
}

static struct sample *
make_sample(struct metric *metric, const char *const *labels)
{
    metric->samples =
        mem_resize(metric->samples, (metric->n + 1) * sizeof(*metric->samples));
    struct sample *made = &metric->samples[metric->n++];
    *made = (struct sample){0};
    for (size_t i = 0; labels != NULL && labels[2 * i] != NULL; i++) {
        assert(i < METRIC_LABELS_MAX);
        made->labels[made->n_labels++] =
            (struct metric_label){labels[2 * i], mem_strdup(labels[2 * i + 1])};
    }
    if (metric->kind->shape != NULL) {
        made->buckets = mem_array(metric->kind->shape->n + 1, sizeof(*made->buckets));
    }
    return made;
}

static struct sample *
sample_of(struct metric *metric, const char *const *labels)
{
    if (2 * (metric->n + 1) > metric->n_slots) {
        grow(metric);
    }
    size_t at = hash_labels(labels) % metric->n_slots;
    while (metric->slots[at] != 0) {
        struct sample *there = &metric->samples[metric->slots[at] - 1];
        if (has_labels(there, labels)) {
            return there;
        }
        at = (at + 1) % metric->n_slots;
    }
    metric->slots[at] = metric->n + 1;
    return make_sample(metric, labels);
}

void
metric_add(struct metric *metric, const char *const *labels, double value)
{
    sample_of(metric, labels)->value += value;
}

void
metric_set(struct metric *metric, const char *const *labels, double value)
{
    sample_of(metric, labels)->value = value;
}

void
metric_raise(struct metric *metric, const char *const *labels, double value)
{
    struct sample *sample = sample_of(metric, labels);

    sample->value = fmax(sample->value, value);
}

void
metric_lower(struct metric *metric, const char *const *labels, double value)
{
    struct sample *sample = sample_of(metric, labels);
    bool none = !(sample->value > 0);

    sample->value = none ? value : fmin(sample->value, value);
}

void
metric_add_bucket(struct metric *metric, const char *const *labels, size_t bucket,
                  double count)
{
    assert(bucket <= metric->kind->shape->n);
    sample_of(metric, labels)->buckets[bucket] += count;
}

/* --- series --- */

static int
visit_histogram(const struct metric *metric, const struct sample *sample,
                series_visit *visit, void *user, struct err *err)
{
    struct series series = {metric, "_bucket", sample, NULL, 0};
    char le[HISTOGRAM_LE_MAX];
    int rc = 0;

    series.le = le;
    for (size_t i = 0; rc == 0 && i <= metric->kind->shape->n; i++) {
        histogram_le(metric->kind->shape, i, le);
        series.value += sample->buckets[i];
        rc = visit(user, &series, err);
    }
    const struct series count = {metric, "_count", sample, NULL, series.value};
    const struct series sum = {metric, "_sum", sample, NULL, sample->value};
    rc = rc != 0 ? rc : visit(user, &sum, err);
    return rc != 0 ? rc : visit(user, &count, err);
}

int
metric_series(const struct metric *metric, series_visit *visit, void *user,
              struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < metric->n; i++) {
        const struct sample *sample = &metric->samples[i];
        const struct series series = {metric, "", sample, NULL, sample->value};
        rc = sample->buckets == NULL ? visit(user, &series, err)
                                     : visit_histogram(metric, sample, visit, user, err);
    }
    return rc;
}

int
metrics_series(const struct metrics *metrics, series_visit *visit, void *user,
               struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < METRICS; i++) {
        rc = metric_series(&metrics->v[i], visit, user, err);
    }
    return rc;
}
