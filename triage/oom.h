/*
 * Where memory ran out: ASan's hard limit ends a program with a line and no stack. One
 * run more, with the soft limit in its place, fails the allocation that comes next, and
 * that has a stack. What comes to the limit by other ways than malloc() stays without.
 */
#ifndef TRIAGE_OOM_H
#define TRIAGE_OOM_H

#include "base/err.h"
#include "triage/replay.h"

/* If a run on an ASan build ended as "Out-of-memory" without a stack, run it once more
 * and complete the record, which is finished again. Fails as replay_once() does. */
int oom_explain(const struct replay_config *config, const void *input, size_t len,
                struct replay_run *run, struct err *err);

#endif
