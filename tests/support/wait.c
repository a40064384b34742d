#include "wait.h"

#include <time.h>

enum { WAIT_STEP_MS = 5 };

uint64_t wait_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool wait_until(bool (*fact)(void *context), void *context, uint64_t timeout_ms) {
    uint64_t began_ms = wait_now_ms();
    for (;;) {
        bool is_last = wait_now_ms() - began_ms >= timeout_ms;
        if (fact(context)) return true;
        if (is_last) return false;
        nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_MS * 1000000}, NULL);
    }
}
