/*
 * What raises or lowers the score of a kind of crash, as a table of steps with a reason
 * each: where the program counter went, what the input had a hand in, what an allocator
 * or the C library noticed, whether what is shipped crashes too.
 */
#ifndef TRIAGE_SEVERITY_STEPS_H
#define TRIAGE_SEVERITY_STEPS_H

#include "triage/record.h"
#include "triage/severity_rules.h"

/* Apply all steps to record->severity_score, which holds the rule's score; appends to
 * record->reasons. */
void severity_steps(struct record *record, const struct severity_rule *rule,
                    const struct record_options *options);

/* Where a number of the crash (an address, a size) stands in the input, little or big
 * endian: the offset, or -1. Numbers that many inputs hold by chance are found nowhere:
 * of their significant bytes four, or for `least` 3 three, must be neither 00 nor ff.
 * With `near` the lowest byte need not agree, since a member of what a pointer points to
 * lies behind it. */
int64_t severity_find_number(uint64_t number, int least, bool near, const void *input,
                             size_t len);

#endif
