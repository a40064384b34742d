/* The monotonic clock, for durations and deadlines within a process. A step of the wall clock does not move it. */
#ifndef MUSTER_COMMON_MONOTONIC_H
#define MUSTER_COMMON_MONOTONIC_H

#include <stdint.h>
#include <time.h>

static inline uint64_t monotonic_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline uint64_t monotonic_ms(void) {
    return monotonic_us() / 1000;
}

#endif
