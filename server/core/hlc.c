#include "hlc.h"

static uint64_t physical(const struct hlc *clock, uint64_t now_ms) {
    return (clock->wall_ms_at_zero + now_ms) << HLC_COUNTER_BITS;
}

struct hlc hlc_start(uint64_t wall_ms, uint64_t now_ms) {
    return (struct hlc){.wall_ms_at_zero = wall_ms - now_ms};
}

uint64_t hlc_next(struct hlc *clock, uint64_t now_ms) {
    uint64_t now = physical(clock, now_ms + clock->ahead_ms);
    /* A full counter carries into the milliseconds, which is what it should do: the order holds. */
    clock->last = now > clock->last ? now : clock->last + 1;
    return clock->last;
}

bool hlc_plausible(const struct hlc *clock, uint64_t stamp, uint64_t now_ms) {
    /* Measured from the physical clock, not from `last`: else each stamp could push the next one further. */
    uint64_t now = physical(clock, now_ms);
    return stamp <= now || stamp - now <= HLC_AHEAD_MAX_MS << HLC_COUNTER_BITS;
}

void hlc_observe(struct hlc *clock, uint64_t stamp, uint64_t now_ms) {
    if (stamp > clock->last) clock->last = stamp;
    uint64_t stamp_ms = stamp >> HLC_COUNTER_BITS, own_ms = clock->wall_ms_at_zero + now_ms;
    if (stamp_ms > own_ms && stamp_ms - own_ms > clock->ahead_ms) clock->ahead_ms = stamp_ms - own_ms;
}
