#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list args;

    if (err == NULL) {
        return code;
    }
    err->code = code;
    va_start(args, fmt);
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, args);
    va_end(args);
    return code;
}

int
err_sys(struct err *err, const char *fmt, ...)
{
    int saved = errno;
    char what[ERR_MSG_MAX];
    char why[80];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return err_set(err, -saved, "%.940s: %s", what, strerror_r(saved, why, sizeof(why)));
}

int
err_wrap(struct err *err, int code, const char *fmt, ...)
{
    char prefix[ERR_MSG_MAX];
    va_list args;

    if (err == NULL) {
        return code;
    }
    va_start(args, fmt);
    (void)vsnprintf(prefix, sizeof(prefix), fmt, args);
    va_end(args);

    struct err inner = *err;
    return err_set(err, code, "%.480s: %.540s", prefix, inner.msg);
}
