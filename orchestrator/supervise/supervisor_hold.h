/*
 * Which targets are held: their workers pause and get no turn. By the disk
 * (corpus/disk.h), or because what they fuzz with is being pruned: while a worker of a
 * target may run, its folders are locked against that (corpus/queues.h).
 */
#ifndef ORCHESTRATOR_SUPERVISE_SUPERVISOR_HOLD_H
#define ORCHESTRATOR_SUPERVISE_SUPERVISOR_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/auto.h"
#include "orchestrator/corpus/disk.h"
#include "orchestrator/target.h"

struct hold_config { /* borrowed */
    const char *state;
    const struct target_list *targets;
    const struct disk_limits *disk;
    bool (*alive)(void *user, size_t target); /* a worker of it is there */
    void (*say)(void *user, size_t target, const char *text); /* a line for a person */
    void *user;
};

struct hold;

/* Nobody is held before the first look. */
struct hold *hold_new(const struct hold_config *config) __attribute__((returns_nonnull));
void hold_free(struct hold *hold); /* gives the locks back; NULL is a no-op */
AUTO_DEFINE(struct hold *, hold_free)

/* Look, at most once a second; now: clock_mono_ms(). */
void hold_look(struct hold *hold, int64_t now);

bool hold_is(const struct hold *hold, size_t target);

#endif
