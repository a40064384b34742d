/* SipHash: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. Keyed, so that nobody who does not know the
 * key can aim at a slot of a table. Muster uses SipHash-1-3, as hash tables elsewhere do; the rounds are arguments so
 * that tests can hold the code against the paper's vectors for SipHash-2-4. Everything here is pure. */
#ifndef MUSTER_COMMON_SIPHASH_H
#define MUSTER_COMMON_SIPHASH_H

#include "text.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t siphash_rotate(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
}

static inline uint64_t siphash_read64(const void *from) {
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

static inline void siphash_absorb(uint64_t v[4], int c, uint64_t word) {
    v[3] ^= word;
    for (int i = 0; i < c; i++) siphash_round(v);
    v[0] ^= word;
}

/* The last word of a name of at least 8 bytes: what is left after the whole words, and the length in the upper byte. It
 * is shifted in two steps: by 64 bits in all, where nothing is left. */
static inline uint64_t siphash_last_word_of_long(const void *data, size_t len) {
    uint64_t overlapping = siphash_read64((const uint8_t *)data + len - 8);
    return overlapping >> 1 >> (63 - 8 * (len % 8)) | (uint64_t)len << 56;
}

/* The last word of any name. Reads pieces that overlap, where a loop over bytes would mispredict its end. */
static inline uint64_t siphash_last_word(const void *data, size_t len) {
    const uint8_t *at = data;
    uint64_t upper = (uint64_t)len << 56;
    if (len >= 8) return siphash_last_word_of_long(data, len);
    if (len >= 4) {
        uint32_t first, last;
        memcpy(&first, at, sizeof first);
        memcpy(&last, at + len - 4, sizeof last);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        first = __builtin_bswap32(first);
        last = __builtin_bswap32(last);
#endif
        return (uint64_t)last << 8 * (len - 4) | first | upper;
    }
    if (len == 0) return upper;
    return (uint64_t)at[0] | (uint64_t)at[len / 2] << 8 * (len / 2) | (uint64_t)at[len - 1] << 8 * (len - 1) | upper;
}

/* Leaves in v what the finalization of both lengths of output begins with. */
static inline void siphash_words(uint64_t v[4], const uint8_t key[16], int c, const void *data, size_t len) {
    const uint8_t *at = data;
    uint64_t k0 = siphash_read64(key), k1 = siphash_read64(key + 8);
    v[0] ^= k0 ^ 0x736f6d6570736575, v[1] ^= k1 ^ 0x646f72616e646f6d;
    v[2] ^= k0 ^ 0x6c7967656e657261, v[3] ^= k1 ^ 0x7465646279746573;
    for (size_t words = len / 8; words > 0; words--, at += 8) siphash_absorb(v, c, siphash_read64(at));
    siphash_absorb(v, c, siphash_last_word(data, len));
}

static inline uint64_t siphash_finish(uint64_t v[4], int d) {
    for (int i = 0; i < d; i++) siphash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* SipHash-c-d of `len` bytes. */
static inline uint64_t siphash(const uint8_t key[16], int c, int d, const void *data, size_t len) {
    uint64_t v[4] = {0};
    siphash_words(v, key, c, data, len);
    v[2] ^= 0xff;
    return siphash_finish(v, d);
}

struct siphash_128 {
    uint64_t low, high;
};

/* The longer output of SipHash-1-3: by chance no two names have the same. */
static inline struct siphash_128 siphash_128(const uint8_t key[16], const void *data, size_t len) {
    uint64_t v[4] = {0, 0xee, 0, 0};
    struct siphash_128 out;
    siphash_words(v, key, 1, data, len);
    v[2] ^= 0xee;
    out.low = siphash_finish(v, 3);
    v[1] ^= 0xdd;
    out.high = siphash_finish(v, 3);
    return out;
}

/* SipHash-1-3 of each of n names, several side by side where the processor can: the same values as siphash gives. */
void siphash_names(const uint8_t key[16], const struct text *names, size_t n, uint64_t *hashes);
/* The same one by one, for processors that cannot. For siphash_names, and its test. */
void siphash_names_one_by_one(const uint8_t key[16], const struct text *names, size_t n, uint64_t *hashes);

#endif
