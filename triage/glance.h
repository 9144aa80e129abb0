/*
 * The cheap look at a run, before anything is symbolized: two runs with the same key show
 * the same crash, whatever else they printed. So a verdict on the one is a verdict on the
 * other, and a minimization symbolizes, groups and judges only what it has not seen yet.
 *
 * A key stands for the exit status of a run that printed nothing alarming (judge.h), if
 * what is looked for does, as any report does. Else it stands for the exit status and, of
 * an AddressSanitizer report, for all that a record is made of but the numbers: kind,
 * access, whether an address is near null, and each frame of each stack as module and
 * offset. What a verdict may rest on beside that (the last words of an abort, stacks of a
 * hang, gdb's second run of a bare signal) has no key, and is judged each time.
 */
#ifndef TRIAGE_GLANCE_H
#define TRIAGE_GLANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "triage/limit.h"

struct glance {
    uint64_t high, low;
};

/* False: the run has no key. `loud`: what is looked for prints something alarming. In
 * time linear in what it printed; no bytes do harm. */
bool glance_of(const struct limit_run *run, bool loud, struct glance *out);

enum { GLANCES_MAX = 4096 };

/* What was seen so far; zeroed to begin with, plain. Full, it takes no more. */
struct glances {
    struct glance key[GLANCES_MAX];
    bool verdict[GLANCES_MAX];
    size_t n;
};

/* 1 or 0: the verdict on that key; -1: it is new. */
int glances_find(const struct glances *glances, const struct glance *key);
void glances_add(struct glances *glances, const struct glance *key, bool verdict);

#endif
