/* A keyed hash of a name, of 128 bits: SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012)
 * with its longer output. Who does not know the key cannot make two names collide, and by chance none do: a name is
 * known by its fingerprint. */
#ifndef MUSTER_CLIENT_FINGERPRINT_H
#define MUSTER_CLIENT_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fingerprint_key {
    uint64_t words[2];
};

struct fingerprint {
    uint64_t low, high;
};

struct fingerprint_state {
    uint64_t a, b, c, d;
};

static inline uint64_t fingerprint_rotate(uint64_t x, unsigned bits) {
    return x << bits | x >> (64 - bits);
}

/* One SipRound. */
static inline void fingerprint_stir(struct fingerprint_state *s) {
    s->a += s->b;
    s->c += s->d;
    s->b = fingerprint_rotate(s->b, 13) ^ s->a;
    s->d = fingerprint_rotate(s->d, 16) ^ s->c;
    s->a = fingerprint_rotate(s->a, 32) + s->d;
    s->c += s->b;
    s->d = fingerprint_rotate(s->d, 21) ^ s->a;
    s->b = fingerprint_rotate(s->b, 17) ^ s->c;
    s->c = fingerprint_rotate(s->c, 32);
}

static inline void fingerprint_absorb(struct fingerprint_state *s, uint64_t word) {
    s->d ^= word;
    fingerprint_stir(s);
    s->a ^= word;
}

static inline uint64_t fingerprint_little_endian(uint64_t word) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(word);
#else
    return word;
#endif
}

static inline uint64_t fingerprint_word(const char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return fingerprint_little_endian(word);
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
    struct fingerprint_state s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee, k0 ^ 0x6c7967656e657261,
                                  k1 ^ 0x7465646279746573};
    size_t left = len;
    for (; left >= 8; left -= 8, at += 8) fingerprint_absorb(&s, fingerprint_word(at));
    fingerprint_absorb(&s, fingerprint_tail(at, left) | (uint64_t)len << 56);
    s.c ^= 0xee;
    for (int i = 0; i < 3; i++) fingerprint_stir(&s);
    struct fingerprint out = {.low = s.a ^ s.b ^ s.c ^ s.d};
    s.b ^= 0xdd;
    for (int i = 0; i < 3; i++) fingerprint_stir(&s);
    out.high = s.a ^ s.b ^ s.c ^ s.d;
    return out;
}

#endif
