#include "orchestrator/publish/metrics.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

void
metrics_clear(struct metrics *metrics)
{
    for (size_t i = 0; i < metrics->n; i++) {
        struct metric *m = metrics->v[i];
        for (size_t k = 0; k < m->n; k++) {
            for (size_t l = 0; l < m->samples[k].n_labels; l++) {
                mem_free(m->samples[k].labels[l].value);
            }
        }
        mem_free(m->samples);
        mem_free(m);
    }
    mem_free(metrics->v);
    *metrics = (struct metrics){0};
}

struct metric *
metrics_family(struct metrics *metrics, enum metric_type type, const char *name,
               const char *help)
{
    struct metric *made = mem_alloc(sizeof(*made));

    *made = (struct metric){.name = name, .help = help, .type = type};
    metrics->v = mem_resize(metrics->v, (metrics->n + 1) * sizeof(struct metric *));
    metrics->v[metrics->n++] = made;
    return made;
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

static struct sample *
sample_of(struct metric *metric, const char *const *labels)
{
    for (size_t i = 0; i < metric->n; i++) {
        if (has_labels(&metric->samples[i], labels)) {
            return &metric->samples[i];
        }
    }
    metric->samples =
        mem_resize(metric->samples, (metric->n + 1) * sizeof(*metric->samples));
    struct sample *made = &metric->samples[metric->n++];
    *made = (struct sample){0};
    for (size_t i = 0; labels != NULL && labels[2 * i] != NULL; i++) {
        assert(i < METRIC_LABELS_MAX);
        made->labels[made->n_labels++] =
            (struct metric_label){labels[2 * i], mem_strdup(labels[2 * i + 1])};
    }
    return made;
}

void
metric_add(struct metric *metric, const char *const *labels, double value)
{
    sample_of(metric, labels)->value += value;
}

void
metric_raise(struct metric *metric, const char *const *labels, double value)
{
    struct sample *sample = sample_of(metric, labels);

    sample->value = fmax(sample->value, value);
}
