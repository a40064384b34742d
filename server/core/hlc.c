#include "hlc.h"

struct hlc hlc_start(uint64_t wall_ms, uint64_t now_ms) {
    if (wall_ms > HLC_WALL_MAX_MS) wall_ms = HLC_WALL_MAX_MS;
    return (struct hlc){.wall_ms_at_zero = wall_ms - now_ms, .peers_ms = INT64_MIN, .carried_ms = INT64_MIN};
}

static int64_t greater(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* How far a stamp is ahead of the wall clock of the start. */
static int64_t ahead_of_wall_ms(const struct hlc *clock, uint64_t stamp, uint64_t now_ms) {
    return (int64_t)((stamp >> HLC_COUNTER_BITS) - (clock->wall_ms_at_zero + now_ms));
}

/* How far the clock is. */
static int64_t ahead_ms(const struct hlc *clock) {
    return greater(clock->set_ms, greater(clock->peers_ms, clock->carried_ms));
}

static uint64_t physical(const struct hlc *clock, uint64_t now_ms) {
    return (clock->wall_ms_at_zero + now_ms + (uint64_t)ahead_ms(clock)) << HLC_COUNTER_BITS;
}

uint64_t hlc_next(struct hlc *clock, uint64_t now_ms) {
    uint64_t now = physical(clock, now_ms);
    /* A full counter carries into the milliseconds, which is what it should do: the order holds. */
    clock->last = now > clock->last ? now : clock->last + 1;
    clock->has_given = true;
    return clock->last;
}

uint64_t hlc_now(const struct hlc *clock, uint64_t now_ms) {
    uint64_t now = physical(clock, now_ms);
    if (clock->last == 0) return 0;
    return now > clock->last ? now : clock->last;
}

bool hlc_is_stamp(uint64_t stamp) {
    return stamp != 0 && stamp <= HLC_STAMP_MAX;
}

void hlc_observe(struct hlc *clock, uint64_t stamp, uint64_t now_ms) {
    if (!hlc_is_stamp(stamp)) return;
    if (stamp > clock->last) clock->last = stamp;
    clock->peers_ms = greater(clock->peers_ms, ahead_of_wall_ms(clock, stamp, now_ms));
}

void hlc_follow(struct hlc *clock, uint64_t stamp, uint64_t now_ms) {
    if (!hlc_is_stamp(stamp)) return;
    int64_t peer_ms = ahead_of_wall_ms(clock, stamp, now_ms);
    if (!clock->has_given && clock->set_ms - peer_ms > HLC_FAR_MS) clock->set_ms = peer_ms;
    hlc_observe(clock, stamp, now_ms);
}

bool hlc_plausible(const struct hlc *clock, uint64_t stamp, uint64_t now_ms) {
    if (!hlc_is_stamp(stamp)) return false;
    int64_t ahead = ahead_of_wall_ms(clock, stamp, now_ms);
    /* Not measured from what clients carried: else each stamp could push the next one further. */
    return stamp <= clock->last || ahead <= (int64_t)HLC_CARRIED_AHEAD_MAX_MS ||
           ahead <= greater(clock->set_ms, clock->peers_ms) + HLC_CARRIED_PUSH_MAX_MS;
}

void hlc_observe_carried(struct hlc *clock, uint64_t stamp, uint64_t now_ms) {
    if (stamp > clock->last) clock->last = stamp;
    clock->carried_ms = greater(clock->carried_ms, ahead_of_wall_ms(clock, stamp, now_ms));
}
