#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How much of a wrapped message is kept: what went wrong matters more than where. */
enum { ERR_PREFIX_MAX = 480, ERR_WHY_MAX = 96 };

static const char cut_mark[] = "...";

/* Format into out; a text that does not fit ends with "..." and never within a UTF-8
 * sequence. */
static void __attribute__((format(printf, 3, 0)))
format_cut(char *out, size_t size, const char *fmt, va_list args)
{
    int len = vsnprintf(out, size, fmt, args);

    if (len < 0) {
        out[0] = '\0';
    }
    if (len < 0 || (size_t)len < size) {
        return;
    }
    size_t end = size - sizeof(cut_mark);
    while (end > 0 && ((unsigned char)out[end] & 0xc0) == 0x80) {
        end--;
    }
    memcpy(out + end, cut_mark, sizeof(cut_mark));
}

static int
store(struct err *err, int code, const char *text)
{
    err->code = code;
    (void)snprintf(err->msg, sizeof(err->msg), "%s", text);
    return code;
}

int
err_set(struct err *err, int code, const char *fmt, ...)
{
    char text[ERR_MSG_MAX]; /* an argument may be err->msg itself */
    va_list args;

    if (err == NULL) {
        return code;
    }
    va_start(args, fmt);
    format_cut(text, sizeof(text), fmt, args);
    va_end(args);
    return store(err, code, text);
}

int
err_sys(struct err *err, const char *fmt, ...)
{
    /* errno 0 would read as success where the caller knows that it was none */
    int saved = errno == 0 ? EIO : errno;
    char what[ERR_MSG_MAX - ERR_WHY_MAX];
    char why[ERR_WHY_MAX];
    va_list args;

    va_start(args, fmt);
    format_cut(what, sizeof(what), fmt, args);
    va_end(args);
    return err_set(err, -saved, "%s: %s", what, strerror_r(saved, why, sizeof(why)));
}

int
err_wrap(struct err *err, int code, const char *fmt, ...)
{
    char prefix[ERR_PREFIX_MAX];
    va_list args;

    if (err == NULL) {
        return code;
    }
    va_start(args, fmt);
    format_cut(prefix, sizeof(prefix), fmt, args);
    va_end(args);
    return err_set(err, code, "%s: %s", prefix, err->msg);
}
