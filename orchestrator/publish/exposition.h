/*
 * The text formats of Prometheus, for scraping, files and the Pushgateway.
 */
#ifndef ORCHESTRATOR_PUBLISH_EXPOSITION_H
#define ORCHESTRATOR_PUBLISH_EXPOSITION_H

#include "base/buf.h"
#include "orchestrator/publish/metrics.h"

enum exposition {
    EXPOSITION_PROMETHEUS,  /* text/plain; version=0.0.4 */
    EXPOSITION_OPENMETRICS, /* application/openmetrics-text; version=1.0.0: a counter's
                         family goes without _total, and the end is marked */
};

/* Appends to out; ends with a newline. */
void exposition_print(const struct metrics *metrics, enum exposition format,
                      struct buf *out);

#endif
