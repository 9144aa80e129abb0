#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

static enum log_level threshold = LOG_WARN;

void
log_set_level(enum log_level level)
{
    threshold = level;
}

void
log_line(enum log_level level, const char *sub, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    AUTO(buf_clear) struct buf line = BUF_INIT;
    char at[CLOCK_TEXT_MAX];
    char text[LOG_TEXT_MAX + 1];
    va_list args;

    if (level < threshold) {
        return;
    }
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    clock_iso(at, clock_wall_ms());
    buf_addf(&line, "time=%s level=%s sub=%s ", at, names[level], sub);
    str_name(&line, text, len < 0 ? 0 : strlen(text));
    /* one write a line: what other processes log cannot stand in its middle */
    buf_adds(&line, len > LOG_TEXT_MAX ? "...\n" : "\n");
    (void)fwrite(line.data, 1, line.len, stderr);
}
