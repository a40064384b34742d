/* A seeded generator for tests: xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64. The same seed gives the
 * same numbers on every machine. Not for secrets. One thread at a time per generator. */
#ifndef MUSTER_TESTS_SUPPORT_RANDOM_H
#define MUSTER_TESTS_SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t words[4];
};

struct random random_of(uint64_t seed);
uint64_t random_next(struct random *random);
/* Evenly spread over 0..bound-1; bound ≥ 1. */
uint64_t random_below(struct random *random, uint64_t bound);
/* Evenly spread over first..last, both included; first ≤ last. */
uint64_t random_between(struct random *random, uint64_t first, uint64_t last);
/* True `times` times in `out_of`, on average. */
bool random_chance(struct random *random, uint64_t times, uint64_t out_of);
/* Fills `out` with `len` letters and digits; writes no NUL. */
void random_letters(struct random *random, char *out, size_t len);

/* A seed that differs from run to run: print it, so that the run can be had again. */
uint64_t random_fresh_seed(void);
/* The number in the environment variable `name` (decimal, or hex after 0x), or `otherwise` if it is unset or none. */
uint64_t random_number_from_environment(const char *name, uint64_t otherwise);

#endif
