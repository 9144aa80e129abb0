/*
 * Whether a crash lies in the fuzz harness itself: its first frame that counts is the
 * fuzz target's entry point or libFuzzer's FuzzedDataProvider, which is compiled into it.
 * What the harness calls is the program, be it in the same file: a harness's helper that
 * is taken for the program costs somebody a look, a bug that is taken for the harness's
 * is lost. Without debug information nothing is said, since the entry point then stands
 * for all that was inlined into it.
 */
#ifndef TRIAGE_HARNESS_H
#define TRIAGE_HARNESS_H

#include "triage/record.h"

/* The frame that says so, borrowed; NULL: the crash is not the harness's. After
 * stack_decide(). */
const struct frame *harness_frame(const struct record *record);

#endif
