/*
 * Log lines on standard error: `level=warn sub=inbox path="..." msg="..."`. Every byte
 * that is not printable is escaped: a target must not be able to move the cursor of the
 * person at the terminal.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum { LOG_TEXT_MAX = 4096 };

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below this level are dropped; the default is LOG_WARN, `--verbose` lowers it. */
void log_set_level(enum log_level level);

/* fmt makes the whole text behind `sub=`; beyond LOG_TEXT_MAX bytes it is cut and ends
 * with "...". One call is one line: a newline in the text is escaped too. */
void log_line(enum log_level level, const char *sub, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
