/*
 * Several runs of one input on one command: which of them stands for the input, and in
 * how many it showed.
 */
#ifndef TRIAGE_REPEAT_H
#define TRIAGE_REPEAT_H

#include "triage/replay.h"

struct repeat_result {
    struct replay_run
        best;    /* the run that stands for the input: of the majority's signature */
    int crashed; /* k: runs that showed best's hash.major */
    int runs;    /* n */
    int other;   /* runs that crashed with another signature */
};

void repeat_result_clear(struct repeat_result *result);
AUTO_DEFINE_CLEAR(struct repeat_result, repeat_result_clear)

/* Up to `runs` runs with an early stop: n identical crashes of n >= 3 decide; a timeout
 * is confirmed once; a broken replay is not repeated; nor is a further duplicate, if
 * config->known says so. */
int repeat(const struct replay_config *config, const void *input, size_t len, int runs,
           struct repeat_result *out, struct err *err);

#endif
