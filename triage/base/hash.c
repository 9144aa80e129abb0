#include "base/hash.h"

#include <sodium.h>
#include <string.h>

void
hash_sha256(const void *data, size_t len, char out[HASH_HEX_MAX])
{
    unsigned char digest[crypto_hash_sha256_BYTES];

    (void)crypto_hash_sha256(digest, data, len);
    (void)sodium_bin2hex(out, HASH_HEX_MAX, digest, sizeof(digest));
}

bool
hash_bytes(const char *hex, unsigned char *out, size_t n)
{
    size_t len = 0;

    return strnlen(hex, 2 * n) == 2 * n &&
           sodium_hex2bin(out, n, hex, 2 * n, NULL, &len, NULL) == 0 && len == n;
}

void
hash_hex(const unsigned char *bytes, size_t n, char *out)
{
    (void)sodium_bin2hex(out, 2 * n + 1, bytes, n);
}
