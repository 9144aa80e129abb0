/*
 * Memory that is never NULL: running out of it aborts the process, so every size that an
 * outsider can influence must have been checked against a limit before it comes here.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "base/auto.h"

/* New zeroed memory; size 0 is allowed. Free with mem_free(). */
void *mem_alloc(size_t size) __attribute__((returns_nonnull));

/* Zeroed memory for count elements; aborts when count * size overflows. */
void *mem_array(size_t count, size_t size) __attribute__((returns_nonnull));

/* Steals ptr (may be NULL), returns it resized; what was added is not zeroed. */
void *mem_resize(void *ptr, size_t size) __attribute__((returns_nonnull));

/* A list of n elements (NULL: 0) with room for one more: doubled when it is full, which
 * it is where n is 0 or a power of two, as it only grows by this. */
void *mem_grow(void *list, size_t n, size_t size) __attribute__((returns_nonnull));

/* New copy of data[0..len) with a NUL behind it. */
void *mem_dup(const void *data, size_t len) __attribute__((returns_nonnull));

/* New copy of a string; NULL gives NULL. */
char *mem_strdup(const char *text);

/* New string, as asprintf. */
char *mem_printf(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), returns_nonnull));

/* New string, as vasprintf. */
char *mem_vprintf(const char *fmt, va_list args)
    __attribute__((format(printf, 1, 0), returns_nonnull));

void mem_free(void *ptr); /* NULL is a no-op */

/* Part of a private mapping of a file that was only read: its pages may leave this
 * process; who reads them again gets them again. data on the boundary of a page. */
void mem_unload(const void *data, size_t len);

/* AUTO(mem_free) for an owner of any pointer type. */
static inline void
mem_free_auto(void *owner)
{
    void *ptr;

    memcpy(&ptr, owner, sizeof(ptr));
    mem_free(ptr);
}

#endif
