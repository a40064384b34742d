/* A keyed hash of a name, of 128 bits: SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012)
 * with its longer output, from the rounds that the roll uses. Who does not know the key cannot make two names collide,
 * and by chance none do: a name is known by its fingerprint. */
#ifndef MUSTER_CLIENT_FINGERPRINT_H
#define MUSTER_CLIENT_FINGERPRINT_H

#include "common/siphash.h"

struct fingerprint_key {
    uint64_t words[2];
};

struct fingerprint {
    uint64_t low, high;
};

static inline void fingerprint_absorb(uint64_t v[4], uint64_t word) {
    v[3] ^= word;
    siphash_round(v);
    v[0] ^= word;
}

/* The last 0 to 7 bytes, in pieces that overlap where a loop would mispredict its end. */
static inline uint64_t fingerprint_tail(const char *at, size_t len) {
    if (len >= 4) {
        uint32_t first, last;
        memcpy(&first, at, sizeof first);
        memcpy(&last, at + len - 4, sizeof last);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        first = __builtin_bswap32(first);
        last = __builtin_bswap32(last);
#endif
        return (uint64_t)last << 8 * (len - 4) | first;
    }
    if (len == 0) return 0;
    return (uint64_t)(uint8_t)at[0] | (uint64_t)(uint8_t)at[len / 2] << 8 * (len / 2) |
           (uint64_t)(uint8_t)at[len - 1] << 8 * (len - 1);
}

static inline struct fingerprint fingerprint_of(const struct fingerprint_key *key, const void *data, size_t len) {
    const char *at = data;
    uint64_t k0 = key->words[0], k1 = key->words[1];
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    size_t left = len;
    for (; left >= 8; left -= 8, at += 8) fingerprint_absorb(v, siphash_read64((const uint8_t *)at));
    fingerprint_absorb(v, fingerprint_tail(at, left) | (uint64_t)len << 56);
    v[2] ^= 0xee;
    for (int i = 0; i < 3; i++) siphash_round(v);
    struct fingerprint out = {.low = v[0] ^ v[1] ^ v[2] ^ v[3]};
    v[1] ^= 0xdd;
    for (int i = 0; i < 3; i++) siphash_round(v);
    out.high = v[0] ^ v[1] ^ v[2] ^ v[3];
    return out;
}

#endif
