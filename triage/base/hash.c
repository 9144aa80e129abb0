#include "base/hash.h"

#include <sodium.h>

void
hash_sha256(const void *data, size_t len, char out[HASH_HEX_MAX])
{
    unsigned char digest[crypto_hash_sha256_BYTES];

    (void)crypto_hash_sha256(digest, data, len);
    (void)sodium_bin2hex(out, HASH_HEX_MAX, digest, sizeof(digest));
}
