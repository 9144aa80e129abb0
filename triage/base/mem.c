#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

void *
mem_alloc(size_t size)
{
    return mem_array(1, size);
}

void *
mem_array(size_t count, size_t size)
{
    void *ptr = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);

    if (ptr == NULL) {
        abort();
    }
    return ptr;
}

void *
mem_resize(void *ptr, size_t size)
{
    void *resized = realloc(ptr, size == 0 ? 1 : size);

    if (resized == NULL) {
        abort();
    }
    return resized;
}

void *
mem_grow(void *list, size_t n, size_t size)
{
    size_t room = n == 0 ? 1 : 2 * n;

    if ((n & (n - 1)) != 0 && list != NULL) {
        return list;
    }
    if (room > SIZE_MAX / size) {
        abort();
    }
    return mem_resize(list, room * size);
}

void *
mem_dup(const void *data, size_t len)
{
    if (len == SIZE_MAX) {
        abort();
    }
    char *copy = mem_alloc(len + 1);

    if (len > 0) {
        memcpy(copy, data, len);
    }
    return copy;
}

char *
mem_strdup(const char *text)
{
    return text == NULL ? NULL : mem_dup(text, strlen(text));
}

char *
mem_printf(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    char *text = mem_vprintf(fmt, args);
    va_end(args);
    return text;
}

char *
mem_vprintf(const char *fmt, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, fmt, args) < 0 || text == NULL) {
        abort();
    }
    return text;
}

void
mem_free(void *ptr)
{
    free(ptr);
}

void
mem_unload(const void *data, size_t len)
{
    void *pages;

    memcpy(&pages, &data, sizeof(pages));
    (void)madvise(pages, len, MADV_DONTNEED);
}
