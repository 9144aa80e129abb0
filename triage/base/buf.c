#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

size_t
buf_room(const struct buf *buf)
{
    size_t max = buf->max == 0 ? BUF_MAX_DEFAULT : buf->max;

    max = max < SIZE_MAX / 4 ? max : SIZE_MAX / 4; /* so that doubling cannot overflow */
    return buf->len < max ? max - buf->len : 0;
}

/* Make room for len more bytes and the NUL; returns how many of them may be added. */
static size_t
reserve(struct buf *buf, size_t len)
{
    size_t room = buf_room(buf);

    if (len > room) {
        buf->truncated = true;
        len = room;
    }
    if (buf->len + len + 1 > buf->cap) {
        size_t cap = buf->cap == 0 ? 64 : buf->cap;
        while (cap < buf->len + len + 1) {
            cap *= 2;
        }
        buf->data = mem_resize(buf->data, cap);
        buf->cap = cap;
    }
    return len;
}

void
buf_add(struct buf *buf, const void *data, size_t len)
{
    len = reserve(buf, len);
    if (len > 0) {
        memcpy(buf->data + buf->len, data, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void
buf_adds(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void
buf_addc(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void
buf_addf(struct buf *buf, const char *fmt, ...)
{
    char small[512];
    va_list args;
    va_list again;

    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    if (len < 0) {
        abort(); /* text must not vanish */
    }
    if ((size_t)len < sizeof(small)) {
        buf_add(buf, small, (size_t)len);
    } else {
        AUTO(mem_free) char *large = mem_vprintf(fmt, again);
        buf_add(buf, large, (size_t)len);
    }
    va_end(again);
}

void
buf_cut(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    if (buf->data != NULL) {
        buf->len = len;
        buf->data[len] = '\0';
    }
}

void
buf_drop(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    if (len == 0) {
        return;
    }
    memmove(buf->data, buf->data + len, buf->len - len + 1);
    buf->len -= len;
}

const char *
buf_str(const struct buf *buf)
{
    return buf->data == NULL ? "" : buf->data;
}

char *
buf_steal(struct buf *buf)
{
    char *text = buf->data == NULL ? mem_alloc(1) : buf->data;

    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
    buf->truncated = false;
    return text;
}

void
buf_clear(struct buf *buf)
{
    mem_free(buf->data);
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
    buf->truncated = false;
}

static void
strv_push(struct strv *list, char *text)
{
    /* powers of two, so that appending is linear over all */
    if ((list->n & (list->n + 1)) == 0) {
        list->v = mem_resize(list->v, (2 * (list->n + 1)) * sizeof(*list->v));
    }
    list->v[list->n++] = text;
    list->v[list->n] = NULL;
}

void
strv_add(struct strv *list, const char *text)
{
    assert(text != NULL);
    strv_push(list, mem_strdup(text));
}

void
strv_addf(struct strv *list, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    strv_push(list, mem_vprintf(fmt, args));
    va_end(args);
}

void
strv_add_all(struct strv *list, const struct strv *more)
{
    for (size_t i = 0; i < more->n; i++) {
        strv_add(list, more->v[i]);
    }
}

bool
strv_has(const struct strv *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->v[i], text) == 0) {
            return true;
        }
    }
    return false;
}

void
strv_clear(struct strv *list)
{
    for (size_t i = 0; i < list->n; i++) {
        mem_free(list->v[i]);
    }
    mem_free(list->v);
    list->v = NULL;
    list->n = 0;
}
