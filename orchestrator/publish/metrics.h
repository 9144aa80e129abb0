/*
 * Numbers to publish: families of samples, each a row of the catalog, built once and then
 * printed or sent by each sink in its own format.
 */
#ifndef ORCHESTRATOR_PUBLISH_METRICS_H
#define ORCHESTRATOR_PUBLISH_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "orchestrator/publish/catalog.h"

enum { METRIC_LABELS_MAX = 4 };

struct metric_label {
    const char *name;
    char *value; /* any text */
};

struct sample {
    struct metric_label labels[METRIC_LABELS_MAX];
    size_t n_labels;
    double value;    /* of a histogram: the sum */
    double *buckets; /* of a histogram: how many values, bucket by bucket; else NULL */
};

struct metric {
    const struct metric_kind *kind;
    struct sample *samples;
    size_t n;
    size_t *slots; /* a hash table of samples by labels: index + 1 */
    size_t n_slots;
};

struct metrics {
    struct metric v[METRICS]; /* by id; those that were not begun have no kind */
    int64_t at_ms;            /* when they were read; wall clock */
    int64_t since_ms;         /* from when on the counters count; wall clock */
};

void metrics_clear(struct metrics *metrics);
AUTO_DEFINE_CLEAR(struct metrics, metrics_clear)

/* Begin a family, which may stay without samples; borrowed from metrics. */
struct metric *metrics_family(struct metrics *metrics, enum metric_id id);

size_t metrics_count(const struct metrics *metrics); /* families */

/* Names and values of labels in turn, e.g. METRIC_LABELS("target", name). */
#define METRIC_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Add to, set, raise, or lower the sample with these labels (NULL: none), which is made
 * at 0 when it is not there; 0 is lowered to any value, since it stands for none. Names
 * are static, values are copied. */
void metric_add(struct metric *metric, const char *const *labels, double value);
void metric_set(struct metric *metric, const char *const *labels, double value);
void metric_raise(struct metric *metric, const char *const *labels, double value);
void metric_lower(struct metric *metric, const char *const *labels, double value);

/* The same for the bucket of a histogram, and for its sum. */
void metric_add_bucket(struct metric *metric, const char *const *labels, size_t bucket,
                       double count);

/* One series as Prometheus has them: a histogram is several. */
struct series {
    const struct metric *metric;
    const char *suffix; /* "", "_bucket", "_sum", "_count" */
    const struct sample *sample;
    const char *le; /* the label of a bucket; NULL: none */
    double value;   /* of a bucket: cumulated */
};
typedef int series_visit(void *user, const struct series *series, struct err *err);

/* Visit all; a non-zero return ends it and is returned. */
int metrics_series(const struct metrics *metrics, series_visit *visit, void *user,
                   struct err *err);
int metric_series(const struct metric *metric, series_visit *visit, void *user,
                  struct err *err);

#endif
