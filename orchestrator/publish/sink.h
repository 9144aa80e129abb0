/*
 * A sink: somewhere that numbers are sent. One file and one row in the table of sink.c.
 */
#ifndef ORCHESTRATOR_PUBLISH_SINK_H
#define ORCHESTRATOR_PUBLISH_SINK_H

#include "base/err.h"
#include "orchestrator/publish/metrics.h"

struct sink_target {
    const char *url;      /* as the user gave it */
    const char *instance; /* grouping key besides the job; "" for none */
    int64_t timeout_ms;   /* of the whole exchange */
};

struct sink_ops {
    const char *name;
    int (*push)(const struct sink_target *to, const struct metrics *metrics,
                struct err *err);
};

const struct sink_ops *sink_find(const char *name); /* NULL: no such sink */

extern const struct sink_ops sink_pushgateway;

#endif
