/*
 * Where a program hangs: its stack at several moments, taken from outside by eu-stack
 * (elfutils), so that the program goes on, whatever it was built with. A loop calls this
 * and that: one stack names whatever it was just in, and the next run another. The frames
 * that all samples share, from main() down, end with the function whose loop it is.
 *
 * The program that is looked at is hostile, and so are the names and tables in its files:
 * eu-stack reads them in a process of its own with a limit of time.
 */
#ifndef TRIAGE_HANG_H
#define TRIAGE_HANG_H

#include "base/buf.h"
#include "base/err.h"
#include "triage/record.h"
#include "triage/symbolize.h"

/* The stack of the busiest thread below a process, as eu-stack prints it; appends.
 * -ENOENT: there is no eu-stack, or no such process; -EIO: it could not look. */
int hang_sample(pid_t root, struct buf *out, struct err *err);

/*
 * Replace the crash's own stack by the frames that all samples share, named by the
 * symbolizer (may be NULL); sets record->samples. Samples without a frame do not count.
 * False, and nothing is changed, when there are none or they share nothing.
 */
bool hang_frames(const struct strv *samples, struct symbolizer *symbolizer,
                 struct record *record);

#endif
