/*
 * Why a call failed. Every function that can fail returns 0 or a negative errno and takes
 * a struct err last; the functions here fill it in and return the code, so that a failure
 * is one line. The text names the thing, the value and the cure; it is shown to a person
 * as is.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum { ERR_MSG_MAX = 1024 };

struct err {
    int code; /* the negative errno that was returned */
    char msg[ERR_MSG_MAX];
};

#define ERR_INIT \
    {            \
        0        \
    }

/* Record code and text (err may be NULL); return code. A text of more than ERR_MSG_MAX -
 * 1 bytes is cut between two characters and ends with "...". An argument may be err->msg
 * itself. */
int err_set(struct err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same after a failed system call: ": " and strerror(errno) follow; returns -errno,
 * or -EIO when errno is 0: never a success. */
int err_sys(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "<text>: " before the message in err; return code. */
int err_wrap(struct err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
