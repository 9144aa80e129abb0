/* Two clocks: monotonic for everything that is measured or waited for, wall-clock (UTC)
 * for what is stored or shown. In milliseconds, but for what says otherwise. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "base/err.h"

enum { CLOCK_TEXT_MAX = 32 };

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void); /* since 1970-01-01T00:00:00Z */

/* A file's time in ms; whoever wrote the file may have set any: it is held within what
 * can be added to and taken from without overflow. */
int64_t clock_file_ms(const struct timespec *time);

/* "2026-11-23T17:55:54Z" */
void clock_iso(char out[CLOCK_TEXT_MAX], int64_t wall_ms);

/* The reverse, as people and git write it: "2026-11-23" (its beginning), the same with
 * "T17:55" or " 17:55:54", and "Z", nothing (UTC), or "+01:00" behind that; "@" and
 * seconds. -EINVAL. */
int clock_read(const char *text, int64_t *wall_ms, struct err *err);

#endif
