/* Content addresses. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>

enum { HASH_HEX_MAX = 65 };

/* SHA-256 of data as 64 lower-case hex digits and a NUL. */
void hash_sha256(const void *data, size_t len, char out[HASH_HEX_MAX]);

#endif
