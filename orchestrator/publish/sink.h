/*
 * A sink: somewhere that numbers are sent. One file and one row in the table of sink.c,
 * which also makes it a key of `metrics:` in nightjar.yaml.
 */
#ifndef ORCHESTRATOR_PUBLISH_SINK_H
#define ORCHESTRATOR_PUBLISH_SINK_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "orchestrator/publish/http.h"
#include "orchestrator/publish/metrics.h"
#include "orchestrator/publish/push_memory.h"

enum { SINKS_MAX = 8, SINK_PAUSE_MAX_MS = 3600 * 1000 };

struct sink_target {
    const char *to;       /* a URL or a file's path, as the user gave it */
    const char *instance; /* who sends, where there are several; "" for none */
    int64_t timeout_ms;   /* of the whole exchange */
    /* What is known of it from before; in: of the last push that it took, out: of this
     * one. Borrowed. */
    struct push_memory *memory;
};

struct sink_ops {
    const char *name;  /* a key of nightjar.yaml too */
    bool file;         /* `to` is a path; else a URL */
    const char *about; /* a few words for --help */
    int (*push)(const struct sink_target *to, const struct metrics *metrics,
                struct err *err);
};

const struct sink_ops *sink_at(size_t i);           /* NULL behind the last */
const struct sink_ops *sink_find(const char *name); /* NULL: no such sink */

void sink_names(struct buf *out); /* appends "pushgateway, ..." */

/* As http_accepted(); when the receiver asked to be left alone for longer than we may
 * wait now, the memory says until when. */
int sink_accepted(const struct sink_target *to, const struct http_answer *answer,
                  struct err *err);

extern const struct sink_ops sink_pushgateway;
extern const struct sink_ops sink_remote_write;
extern const struct sink_ops sink_otlp;
extern const struct sink_ops sink_textfile;

#endif
