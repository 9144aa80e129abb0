/*
 * Numbers to publish: families of samples, built once and then printed or sent by each
 * sink in its own format. Names, types and labels follow Prometheus' conventions: base
 * units, `_total` for counters, no unbounded label.
 */
#ifndef ORCHESTRATOR_PUBLISH_METRICS_H
#define ORCHESTRATOR_PUBLISH_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER };

enum { METRIC_LABELS_MAX = 4 };

struct metric_label {
    const char *name;
    char *value; /* any text */
};

struct sample {
    struct metric_label labels[METRIC_LABELS_MAX];
    size_t n_labels;
    double value;
};

struct metric {
    const char *name; /* static, as help */
    const char *help; /* a sentence on one line */
    enum metric_type type;
    struct sample *samples;
    size_t n;
};

struct metrics {
    struct metric **v; /* families do not move when more are added */
    size_t n;
    int64_t at_ms;    /* when they were read; wall clock */
    int64_t since_ms; /* from when on the counters count; wall clock */
};

void metrics_clear(struct metrics *metrics);
AUTO_DEFINE_CLEAR(struct metrics, metrics_clear)

/* A new family; owned by metrics. */
struct metric *metrics_family(struct metrics *metrics, enum metric_type type,
                              const char *name, const char *help);

/* Names and values of labels in turn, e.g. METRIC_LABELS("target", name). */
#define METRIC_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Add to, or raise to, the sample with these labels (NULL: none), which is made at 0 when
 * it is not there. Names are static, values are copied. */
void metric_add(struct metric *metric, const char *const *labels, double value);
void metric_raise(struct metric *metric, const char *const *labels, double value);

#endif
