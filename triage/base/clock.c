#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"

enum { ZONE_MAX = 14 * 3600 /* seconds east or west of Greenwich */ };
#define SECONDS_MAX INT64_C(253402300799) /* of the year 9999 */

static int64_t
now_ms(clockid_t id)
{
    struct timespec ts = {0, 0};

    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_mono_ms(void)
{
    return now_ms(CLOCK_MONOTONIC);
}

int64_t
clock_mono_us(void)
{
    struct timespec ts = {0, 0};

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_wall_ms(void)
{
    return now_ms(CLOCK_REALTIME);
}

int64_t
clock_file_ms(const struct timespec *time)
{
    const int64_t most = INT64_MAX / 4000;
    int64_t seconds = time->tv_sec;

    seconds = seconds > most ? most : seconds < -most ? -most : seconds;
    return seconds * 1000 + time->tv_nsec / 1000000;
}

void
clock_iso(char out[CLOCK_TEXT_MAX], int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm = {0};

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static bool
read_date(const char *text, int64_t *seconds)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
                                        "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm = {0};
        const char *rest = strptime(text, forms[i], &tm);
        if (rest != NULL && *rest != '\0') { /* "Z", "+01:00", " +0100" */
            rest = strptime(rest, "%z", &tm);
        }
        int64_t east = tm.tm_gmtoff; /* which timegm() clears */
        if (rest != NULL && *rest == '\0' && east >= -ZONE_MAX && east <= ZONE_MAX) {
            *seconds = (int64_t)timegm(&tm) - east;
            return true;
        }
    }
    return false;
}

int
clock_read(const char *text, int64_t *wall_ms, struct err *err)
{
    int64_t seconds = 0;
    bool read = text[0] == '@'
                    ? str_number("time", text + 1, 0, SECONDS_MAX, &seconds, NULL) == 0
                    : read_date(text, &seconds);

    if (!read || seconds < 0 || seconds > SECONDS_MAX) {
        AUTO(mem_free) char *name = str_name_dup(text);
        return err_set(err, -EINVAL,
                       "'%.80s' is no time such as 2026-11-23T17:55:54Z or 2026-11-23",
                       name);
    }
    *wall_ms = seconds * 1000;
    return 0;
}
