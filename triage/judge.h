/*
 * What came of a run: its report first, then a limit that it came to, then how it ended.
 * All that the target printed is hostile; the worst that it can do is to be taken for
 * what it claims to be.
 */
#ifndef TRIAGE_JUDGE_H
#define TRIAGE_JUDGE_H

#include <stddef.h>

#include "base/err.h"
#include "triage/limit.h"
#include "triage/replay.h"

/* Fill in outcome, record (symbolized and finished) and reason of *out, which is empty.
 * -EINVAL: a bad ignore pattern among the options. */
int judge_run(const struct replay_config *config, const struct limit_run *run,
              struct replay_run *out, struct err *err);

/* A constant text of those that speak of a failure, whoever printed it, if text holds
 * one; else NULL. */
const char *judge_alarming(const char *text, size_t len);

#endif
