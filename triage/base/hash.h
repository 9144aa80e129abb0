/* Content addresses. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>

enum { HASH_HEX_MAX = 65 };

/* SHA-256 of data as 64 lower-case hex digits and a NUL. */
void hash_sha256(const void *data, size_t len, char out[HASH_HEX_MAX]);

/* The n bytes that the first 2n characters of hex stand for. False: not all of these are
 * hexadecimal digits; out is undefined then. */
bool hash_bytes(const char *hex, unsigned char *out, size_t n);

/* The reverse: 2n digits and a NUL. */
void hash_hex(const unsigned char *bytes, size_t n, char *out);

#endif
