#include "protocol.h"

#include <string.h>

/* Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

void work_next_user(struct work *work, uint8_t *out) {
    uint64_t place = work->is_sequential ? work->next++ % work->users
                                         : (uint64_t)(((__uint128_t)next_random(&work->random) * work->users) >> 64);
    uint64_t number = work->first + place;
    memcpy(out, "user:", 5);
    for (int i = USER_BYTES - 1; i >= 5; i--, number /= 10) out[i] = (uint8_t)('0' + number % 10);
}
