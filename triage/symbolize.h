/*
 * Names for module+offset frames by one long-lived llvm-symbolizer, cached by (module
 * file, offset); not by the build id that a report states, or a hostile report could
 * poison the names of another program. Only regular ELF files that a loader could have
 * mapped are ever named to it (a report that names /dev/zero hangs it), and only those
 * below the allowed roots. A symbolizer that does not answer in time is killed, its
 * frames stay bare, and it is started again for the next module.
 */
#ifndef TRIAGE_SYMBOLIZE_H
#define TRIAGE_SYMBOLIZE_H

#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "triage/record.h"

struct symbolizer;

/* `program`: path or name in PATH, NULL for the newest llvm-symbolizer* found. Nothing is
 * started before the first lookup. `roots`: folders that modules may lie in, copied;
 * NULL: anywhere. -ENOENT, with the cure, when there is none. */
int symbolizer_new(const char *program, const struct strv *roots, struct symbolizer **out,
                   struct err *err);
void symbolizer_free(struct symbolizer *symbolizer);
AUTO_DEFINE(struct symbolizer *, symbolizer_free)

/* How long one answer may take; the default is 20 s, since the first includes reading the
 * module. */
void symbolizer_set_timeout(struct symbolizer *symbolizer, int64_t answer_ms);

/* Start the program before there is something to look up. */
void symbolizer_prepare(struct symbolizer *symbolizer);

/* Fill in function, file, line, column, start_line of the frames that have module+offset
 * and no function, and the build id where the report does not tell it; inlined frames are
 * inserted before the frame that they are inlined into and marked. libc's frames get the
 * names of its symbol table and no lines. What cannot be named stays as it is, and so do
 * libc's frames below main(): this never fails. */
void symbolize_record(struct symbolizer *symbolizer, struct record *record);

/* The version line of the program, for doctor. New string. */
int symbolizer_version(const char *program, char **out, struct err *err);

#endif
