#include "random.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int by) {
    return (x << by) | (x >> (64 - by));
}

struct random random_of(uint64_t seed) {
    struct random random;
    for (size_t i = 0; i < 4; i++) random.words[i] = splitmix(&seed);
    return random;
}

uint64_t random_next(struct random *random) {
    uint64_t *s = random->words;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t bound) {
    /* The remainder of 2^64 by bound would be favoured: draw again below it. */
    uint64_t least = -bound % bound;
    uint64_t x;
    do {
        x = random_next(random);
    } while (x < least);
    return x % bound;
}

uint64_t random_between(struct random *random, uint64_t first, uint64_t last) {
    return first + random_below(random, last - first + 1);
}

bool random_chance(struct random *random, uint64_t times, uint64_t out_of) {
    return random_below(random, out_of) < times;
}

void random_letters(struct random *random, char *out, size_t len) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    for (size_t i = 0; i < len; i++) out[i] = letters[random_below(random, sizeof letters - 1)];
}

uint64_t random_fresh_seed(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t state = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + ((uint64_t)getpid() << 48);
    return splitmix(&state);
}

uint64_t random_number_from_environment(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    if (value == NULL || *value == '\0') return otherwise;
    char *end;
    uint64_t number = strtoull(value, &end, 0);
    return *end == '\0' ? number : otherwise;
}
