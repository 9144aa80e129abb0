/*
 * The numbers that nightjar publishes, read from the store: a list of metric families
 * that every format prints and every sink sends. Names, types and labels: Prometheus
 * conventions (base units, `_total` for counters, no unbounded label). All label
 * combinations that can occur are there from the start at 0, since increase() misses the
 * first event of a series that was born with it.
 */
#ifndef ORCHESTRATOR_PUBLISH_METRICS_H
#define ORCHESTRATOR_PUBLISH_METRICS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "triage/store.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER };

struct sample {
    char *labels; /* rendered: `target="png",state="new"`, values escaped; "" for none */
    double value;
};

struct metric {
    const char *name, *help;
    enum metric_type type;
    struct sample *samples;
    size_t n;
};

struct metrics {
    struct metric *v;
    size_t n;
};

void metrics_clear(struct metrics *metrics);
AUTO_DEFINE_CLEAR(struct metrics, metrics_clear)

/* Read everything from the store. */
int metrics_collect(struct store *store, struct metrics *out, struct err *err);

/* Prometheus text format 0.0.4; appends to out. */
void metrics_text(const struct metrics *metrics, struct buf *out);

#endif
