/*
 * How often a crash reproduces, from k of n runs: a rate is an estimate, so it is told
 * with its 95 % confidence interval by Wilson's score method (Wilson 1927; Brown, Cai and
 * DasGupta 2001 recommend it for n below 40, where the usual k/n +- 1.96 s is far too
 * narrow and is nothing at all for k = n). Runs that stop early because they agree make
 * the lower end a little too low or too high, by less than what one run more would move.
 */
#ifndef TRIAGE_RATE_H
#define TRIAGE_RATE_H

#include <stddef.h>

struct rate {
    double low, high; /* 0 to 1 */
};

/* 0 <= k <= n; of no run at all (n 0) nothing is known: 0 to 1. */
struct rate rate_of(int k, int n);

/* "3 of 3 runs, at least 44 % with 95 % confidence", "2 of 10 runs, 6 % to 51 % ...",
 * "0 of 10 runs, at most 28 % ..."; "never run" for n 0. */
void rate_show(char *out, size_t size, int k, int n);

#endif
