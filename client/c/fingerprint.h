/* A name's fingerprint: a keyed hash of 128 bits. Who does not know the key cannot make two names collide, and by
 * chance none do: a name is known by its fingerprint. */
#ifndef MUSTER_CLIENT_FINGERPRINT_H
#define MUSTER_CLIENT_FINGERPRINT_H

#include "common/siphash.h"

struct fingerprint_key {
    uint64_t words[2]; /* random */
};

struct fingerprint {
    uint64_t low, high;
};

static inline struct fingerprint fingerprint_of(const struct fingerprint_key *key, const void *data, size_t len) {
    struct siphash_128 hash = siphash_128((const uint8_t *)key->words, data, len);
    return (struct fingerprint){hash.low, hash.high};
}

#endif
