/* base/hash.h -- a seeded hash of text, for tables with keys from untrusted input: it cannot choose
 * the chains. */
#ifndef ER_HASH_H
#define ER_HASH_H

#include "base/os.h"

#include <string.h>

static inline uint64_t er_hash(uint64_t seed, const char *key, size_t size)
{
    uint64_t hash = seed ^ size; /* eight bytes at a time, each mixed in with splitmix64's finish */
    for (size_t i = 0; i < size; i += 8) {
        uint64_t piece = 0;
        memcpy(&piece, key + i, size - i < 8 ? size - i : 8);
        hash ^= piece;
        hash = er_random_next(&hash);
    }
    return hash;
}

#endif
