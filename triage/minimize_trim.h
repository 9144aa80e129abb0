/* The last part of minimize.h: options of the command that the bug does not need. */
#ifndef TRIAGE_MINIMIZE_TRIM_H
#define TRIAGE_MINIMIZE_TRIM_H

#include "triage/minimize_original.h"

enum { TRIM_TRIES_MAX = 128 /* options that are tried at most; each costs a sandbox */ };

/*
 * Take away, one at a time, what result->bytes shows the same without: an option of a
 * variable such as ASAN_OPTIONS, a whole variable, an argument with the value that stands
 * behind it, an argument. The program itself and the arguments that name the input stay.
 * Fills in result->dropped and, where that is not empty, result->command. Fails where the
 * machine does.
 */
int minimize_trim(const struct original *original, struct minimize_result *result,
                  struct err *err);

#endif
