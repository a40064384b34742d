#include "clock.h"

#include <time.h>

static uint64_t read_us(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

struct instant clock_now(void) {
    return (struct instant){.now_ms = CLOCK_BASE_MS + read_us(CLOCK_BOOTTIME) / 1000,
                            .wall_ms = read_us(CLOCK_REALTIME) / 1000};
}

uint64_t clock_monotonic_us(void) {
    return read_us(CLOCK_MONOTONIC);
}
