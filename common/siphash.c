#include "siphash.h"

void siphash_names_one_by_one(const uint8_t key[16], const struct text *names, size_t n, uint64_t *hashes) {
    for (size_t i = 0; i < n; i++) hashes[i] = siphash(key, 1, 3, names[i].data, names[i].len);
}

#if defined(__x86_64__)

enum { LANES = 8 };

/* Four lanes of one word of the state. */
typedef uint64_t lanes __attribute__((vector_size(32)));
typedef uint32_t half_lanes __attribute__((vector_size(32)));

#define LANES_ROTATE(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))
#define LANES_SWAP(x)         ((lanes)__builtin_shufflevector((half_lanes)(x), (half_lanes)(x), 1, 0, 3, 2, 5, 4, 7, 6))

#define LANES_ROUND(v)                                                                                                 \
    do {                                                                                                               \
        (v)[0] += (v)[1], (v)[1] = LANES_ROTATE((v)[1], 13) ^ (v)[0], (v)[0] = LANES_SWAP((v)[0]);                     \
        (v)[2] += (v)[3], (v)[3] = LANES_ROTATE((v)[3], 16) ^ (v)[2];                                                  \
        (v)[0] += (v)[3], (v)[3] = LANES_ROTATE((v)[3], 21) ^ (v)[0];                                                  \
        (v)[2] += (v)[1], (v)[1] = LANES_ROTATE((v)[1], 17) ^ (v)[2], (v)[2] = LANES_SWAP((v)[2]);                     \
    } while (0)

static inline uint64_t lane_word(const struct text *name, size_t at) {
    return siphash_read64(name->data + at);
}

static inline uint64_t lane_last_word(const struct text *name) {
    return siphash_last_word_of_long(name->data, name->len);
}

#define LANES_ABSORB(v, ...)                                                                                           \
    do {                                                                                                               \
        lanes word_ = {__VA_ARGS__};                                                                                   \
        (v)[3] ^= word_;                                                                                               \
        LANES_ROUND(v);                                                                                                \
        (v)[0] ^= word_;                                                                                               \
    } while (0)

/* Whether lanes can hash the first LANES names together: the same number of whole words, at least one. */
static bool names_are_even(const struct text *names) {
    uint32_t words = names[0].len / 8, differ = 0;
    for (int i = 1; i < LANES; i++) differ |= names[i].len / 8 ^ words;
    return words > 0 && differ == 0;
}

/* Hashes LANES names that are even: two chains of four lanes, so that one's latency hides behind the other's work. */
__attribute__((target("avx2"))) static void hash_lanes(const uint8_t key[16], const struct text *names,
                                                       uint64_t *hashes) {
    uint64_t k0 = siphash_read64(key), k1 = siphash_read64(key + 8);
    lanes zero = {0}, a[4], b[4], out[2];
    a[0] = b[0] = zero + (k0 ^ 0x736f6d6570736575);
    a[1] = b[1] = zero + (k1 ^ 0x646f72616e646f6d);
    a[2] = b[2] = zero + (k0 ^ 0x6c7967656e657261);
    a[3] = b[3] = zero + (k1 ^ 0x7465646279746573);
    for (size_t at = 0; at + 8 <= names[0].len; at += 8) {
        LANES_ABSORB(a, lane_word(&names[0], at), lane_word(&names[1], at), lane_word(&names[2], at),
                     lane_word(&names[3], at));
        LANES_ABSORB(b, lane_word(&names[4], at), lane_word(&names[5], at), lane_word(&names[6], at),
                     lane_word(&names[7], at));
    }
    LANES_ABSORB(a, lane_last_word(&names[0]), lane_last_word(&names[1]), lane_last_word(&names[2]),
                 lane_last_word(&names[3]));
    LANES_ABSORB(b, lane_last_word(&names[4]), lane_last_word(&names[5]), lane_last_word(&names[6]),
                 lane_last_word(&names[7]));
    a[2] ^= 0xff, b[2] ^= 0xff;
    for (int i = 0; i < 3; i++) {
        LANES_ROUND(a);
        LANES_ROUND(b);
    }
    out[0] = a[0] ^ a[1] ^ a[2] ^ a[3];
    out[1] = b[0] ^ b[1] ^ b[2] ^ b[3];
    memcpy(hashes, out, sizeof out);
}

void siphash_names(const uint8_t key[16], const struct text *names, size_t n, uint64_t *hashes) {
    if (__builtin_cpu_supports("avx2"))
        for (; n >= LANES; names += LANES, hashes += LANES, n -= LANES) {
            if (names_are_even(names)) hash_lanes(key, names, hashes);
            else siphash_names_one_by_one(key, names, LANES, hashes);
        }
    siphash_names_one_by_one(key, names, n, hashes);
}

#else

void siphash_names(const uint8_t key[16], const struct text *names, size_t n, uint64_t *hashes) {
    siphash_names_one_by_one(key, names, n, hashes);
}

#endif
