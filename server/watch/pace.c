#include "pace.h"

/* Watchers of one pace are answered at so many different times of each interval. */
enum { PACE_PHASES = 4 };

static uint64_t pace_step(uint32_t min_interval_ms) {
    return min_interval_ms < PACE_PHASES ? 1 : min_interval_ms / PACE_PHASES;
}

uint64_t pace_due_ms(uint64_t paced_ms, uint32_t min_interval_ms) {
    if (min_interval_ms == 0) return 0;
    uint64_t step = pace_step(min_interval_ms);
    return (paced_ms + min_interval_ms + step - 1) / step * step;
}

uint64_t pace_answered_ms(uint64_t due_ms, uint32_t min_interval_ms, uint64_t now_ms) {
    return now_ms - due_ms < pace_step(min_interval_ms) ? due_ms : now_ms;
}
