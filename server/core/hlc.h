/* The hybrid logical clock that orders beats: Kulkarni et al., "Logical Physical Clocks", 2014, with one change: it
 * takes the wall clock only at its start and then advances with the monotonic clock, so that a wall clock that jumps
 * moves nothing. A stamp is milliseconds since 1970 in the upper 48 bits and a counter in the lower 16. 0 is no stamp.
 */
#ifndef MUSTER_CORE_HLC_H
#define MUSTER_CORE_HLC_H

#include <stdbool.h>
#include <stdint.h>

struct hlc {
    uint64_t wall_ms_at_zero; /* what the wall clock would have said at now_ms 0; may wrap, is only added */
    uint64_t ahead_ms;        /* how far stamps that were seen ran ahead of that clock; it goes on from there */
    uint64_t last;            /* the greatest stamp given or seen */
};

enum { HLC_COUNTER_BITS = 16 };
/* A stamp that runs further ahead than this is nobody's: two clocks wrong by an hour, and much room. */
#define HLC_AHEAD_MAX_MS (UINT64_C(24) * 60 * 60 * 1000)

struct hlc hlc_start(uint64_t wall_ms, uint64_t now_ms);
/* A stamp greater than all given or seen so far. */
uint64_t hlc_next(struct hlc *clock, uint64_t now_ms);
/* Whether a stamp from outside is plausible: not more than HLC_AHEAD_MAX_MS ahead. */
bool hlc_plausible(const struct hlc *clock, uint64_t stamp, uint64_t now_ms);
/* Never runs behind a stamp it has seen, and goes on from there with the monotonic clock: two nodes that met once agree
 * on the order of what each does later, also while they are cut off. The caller has checked that it is plausible. */
void hlc_observe(struct hlc *clock, uint64_t stamp, uint64_t now_ms);

#endif
