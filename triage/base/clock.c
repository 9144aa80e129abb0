#include "base/clock.h"

#include <time.h>

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
