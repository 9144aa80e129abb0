/*
 * A crash without a report: a build without a sanitizer that was killed by a signal says
 * nothing of where. A second run, under gdb in the same sandbox, tells the stack,
 * registers, siginfo and the instruction; CASR's rules for raw signals (native_rules.h)
 * tell the rest. Costs about 0.2 s for each run that crashed so; every one of them pays
 * it, since a signature stands on the stack.
 */
#ifndef TRIAGE_NATIVE_H
#define TRIAGE_NATIVE_H

#include "base/err.h"
#include "triage/replay.h"

enum {
    NATIVE_GDB_MS = 15000,       /* what gdb may take beyond the run's own limit */
    NATIVE_GDB_MEMORY = 1 << 30, /* bytes that it may take beyond the run's own */
    NATIVE_REPORT_MAX = 1 << 20, /* bytes of the report that follows from it */
    NATIVE_OUTPUT_MAX = 4 << 20, /* bytes of its output */
};

/* The gdb to use, an absolute path; NULL: there is none in PATH. New string. */
char *native_debugger(void);

/*
 * Two kinds of crashes are run once more under config->debugger (NULL: nothing is done):
 *  - one by a fatal signal whose record has no stack: record and report are completed by
 *    all that it shows;
 *  - a sanitizer's report of a jump to where there is no code: it cannot tell which
 *    function jumped (AddressSanitizer leaves it out, or faults itself and prints no
 *    stack at all), so the stack is gdb's and the rest of the report stands.
 * Where it does not crash by the same signal there, it is tried with addresses as random
 * as they were; else the record stays as it is, a bare one says so. The record is
 * finished again. Fails as replay_once() does.
 */
int native_explain(const struct replay_config *config, const void *input, size_t len,
                   struct replay_run *run, struct err *err);

/*
 * The same for a core file of config->command's program, which must be among what the
 * command may read: a crash with record and report. -ENODATA: gdb finds no signal or no
 * stack in it, and the message says what it said; -ENOENT: there is no gdb.
 */
int native_core(const struct replay_config *config, const char *core,
                struct replay_run *out, struct err *err);

#endif
