/* SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014. For spreading work and
 * seeding, never for keys or nonces, which are libsodium's. The state is a counter, so any value is a good seed, and
 * threads may share one with an atomic add of SPLITMIX64_STEP and splitmix64_mix of the sum. */
#ifndef MUSTER_COMMON_RANDOM_H
#define MUSTER_COMMON_RANDOM_H

#include <stdint.h>

#define SPLITMIX64_STEP UINT64_C(0x9e3779b97f4a7c15)

/* Spreads a value over 64 bits; a bijection. Pure. */
static inline uint64_t splitmix64_mix(uint64_t z) {
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* The next number of a sequence; *state is the caller's, one thread at a time. */
static inline uint64_t splitmix64_next(uint64_t *state) {
    return splitmix64_mix(*state += SPLITMIX64_STEP);
}

#endif
