/*
 * What is remembered of pushing numbers to a sink, in STATE/push, a file for each sink
 * and address: which series it knows, so that those that end can be ended there, and
 * until when it wants to be left alone. Without it nothing is lost but that.
 */
#ifndef ORCHESTRATOR_PUBLISH_PUSH_MEMORY_H
#define ORCHESTRATOR_PUBLISH_PUSH_MEMORY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct push_memory {
    struct strv series;    /* as the sink names them, on one line each */
    int64_t not_before_ms; /* wall clock; 0: at any time */
};
void push_memory_clear(struct push_memory *memory);
AUTO_DEFINE_CLEAR(struct push_memory, push_memory_clear)

/* The file of a sink; new path. */
char *push_memory_path(const char *state, const char *sink, const char *to,
                       const char *instance);

/* Nothing is there, or nothing that can be read: empty. */
void push_memory_read(const char *path, struct push_memory *out);
int push_memory_write(const char *path, const struct push_memory *memory,
                      struct err *err);

#endif
