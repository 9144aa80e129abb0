/*
 * A growing byte buffer with an upper bound, always NUL-terminated behind its bytes, and
 * a vector of strings. A buffer that reached its bound drops what follows and says so in
 * `truncated`: input that an outsider controls is cut, never grown without end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"

enum { BUF_MAX_DEFAULT = 64 << 20 };

struct buf {
    char *data; /* NULL until the first byte is added */
    size_t len;
    size_t cap;
    size_t max; /* 0 means BUF_MAX_DEFAULT */
    bool truncated;
};

#define BUF_INIT         \
    {                    \
        NULL, 0, 0, 0, 0 \
    }

/* How many more bytes fit below the bound. */
size_t buf_room(const struct buf *buf);

void buf_add(struct buf *buf, const void *data, size_t len);
void buf_adds(struct buf *buf, const char *text);
void buf_addc(struct buf *buf, char c);
void buf_addf(struct buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Keep the first len bytes only (len <= buf->len). */
void buf_cut(struct buf *buf, size_t len);

/* Forget the first len bytes (len <= buf->len). Moves the rest: drop many lines at once,
 * not each. */
void buf_drop(struct buf *buf, size_t len);

/* The bytes as a string, "" when empty. Borrowed, valid until the next change. */
const char *buf_str(const struct buf *buf);

/* The bytes as a new string; the buffer is empty and not truncated afterwards, the bound
 * stays. */
char *buf_steal(struct buf *buf);

void buf_clear(struct buf *buf); /* free; the bound stays */
AUTO_DEFINE_CLEAR(struct buf, buf_clear)

/* A list of strings that it owns; v[n] is NULL, so v serves as an argument vector. */
struct strv {
    char **v; /* NULL when n is 0 and nothing was ever added */
    size_t n;
};

void strv_add(struct strv *list, const char *text); /* copies; never NULL */
void strv_addf(struct strv *list, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void strv_add_all(struct strv *list, const struct strv *more);
bool strv_has(const struct strv *list, const char *text);
void strv_clear(struct strv *list);
AUTO_DEFINE_CLEAR(struct strv, strv_clear)

#endif
