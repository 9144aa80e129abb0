/*
 * What was known before a run of the gate began, so that what it finds can be told apart:
 * the bugs and their states, and which targets anything was known of.
 *
 * A second run on the same builds decides as the first did: what that found and held
 * against them is as new to them as it was then, though the store knows it meanwhile.
 */
#ifndef ORCHESTRATOR_GATE_BASELINE_H
#define ORCHESTRATOR_GATE_BASELINE_H

#include "base/hash.h"
#include "orchestrator/gate/finding.h"
#include "orchestrator/target.h"
#include "triage/store.h"

enum { BASELINE_RUNS = 200 }; /* earlier runs of the gate that are looked at */

struct baseline_bug {
    int64_t id;
    char state[16];
    enum severity severity;
    bool held; /* an earlier run on these builds failed for it */
};

struct baseline {
    struct baseline_bug *v; /* by ascending id */
    size_t n;
    struct strv targets; /* that were known */
};

void baseline_clear(struct baseline *baseline);
AUTO_DEFINE_CLEAR(struct baseline, baseline_clear)

/* The key of all builds of all targets: of their build ids, or of their bytes. "" where a
 * program cannot be read. */
void baseline_key(const struct target_list *targets, char out[HASH_HEX_MAX]);

/* key: of the builds to be judged; *out is empty. */
int baseline_read(struct store *store, const struct target_list *targets, const char *key,
                  struct baseline *out, struct err *err);

const struct baseline_bug *baseline_find(const struct baseline *baseline,
                                         int64_t bug); /* or NULL */

/* Leave a "gate.verdict" event: verdict, duration, counts, and what baseline_read() asks
 * for. */
int baseline_leave(struct store *store, const struct findings *findings, const char *key,
                   struct err *err);

#endif
