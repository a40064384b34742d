/* SipHash: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. Keyed, so that nobody who does not know the
 * key can aim at a slot of a table. The roll uses SipHash-1-3, as hash tables elsewhere do; the rounds are arguments so
 * that tests can hold the code against the paper's vectors for SipHash-2-4. */
#ifndef MUSTER_COMMON_SIPHASH_H
#define MUSTER_COMMON_SIPHASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t siphash_rotate(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
}

static inline uint64_t siphash_read64(const uint8_t *from) {
    uint64_t x;
    memcpy(&x, from, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

static inline void siphash_round(uint64_t v[4]) {
    v[0] += v[1], v[1] = siphash_rotate(v[1], 13) ^ v[0], v[0] = siphash_rotate(v[0], 32);
    v[2] += v[3], v[3] = siphash_rotate(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = siphash_rotate(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = siphash_rotate(v[1], 17) ^ v[2], v[2] = siphash_rotate(v[2], 32);
}

/* SipHash-c-d of `len` bytes. Pure. */
static inline uint64_t siphash(const uint8_t key[16], int c, int d, const void *data, size_t len) {
    const uint8_t *at = data;
    uint64_t k0 = siphash_read64(key), k1 = siphash_read64(key + 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    for (size_t words = len / 8; words > 0; words--, at += 8) {
        uint64_t m = siphash_read64(at);
        v[3] ^= m;
        for (int i = 0; i < c; i++) siphash_round(v);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)len << 56;
    for (size_t i = 0; i < len % 8; i++) last |= (uint64_t)at[i] << (8 * i);
    v[3] ^= last;
    for (int i = 0; i < c; i++) siphash_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < d; i++) siphash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
