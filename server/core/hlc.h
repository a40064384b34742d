/* The hybrid logical clock that orders beats: Kulkarni et al., "Logical Physical Clocks", 2014, with two changes. It
 * takes the wall clock only at its start and then advances with the monotonic clock, so that a wall clock that jumps
 * moves nothing. And it takes stamps of other nodes whatever they say: a wall clock may be wrong by years, and what its
 * node does must still count. A stamp is milliseconds since 1970 in the upper 48 bits and a counter in the lower 16. 0
 * is no stamp. */
#ifndef MUSTER_CORE_HLC_H
#define MUSTER_CORE_HLC_H

#include <stdbool.h>
#include <stdint.h>

struct hlc {
    uint64_t wall_ms_at_zero; /* what the wall clock would have said at now_ms 0; may wrap, is only added */
    /* How far this clock runs ahead of the wall clock of its start: the greatest of three. */
    int64_t set_ms;     /* as hlc_follow set it; else 0 */
    int64_t peers_ms;   /* as stamps of other nodes ran ahead; INT64_MIN: none was seen */
    int64_t carried_ms; /* as stamps that clients carried ran ahead */
    uint64_t last;      /* the greatest stamp given or seen; 0: none */
    bool has_given;     /* hlc_next was called */
};

enum { HLC_COUNTER_BITS = 16 };
/* The greatest stamp that is taken: 34 years before the 48 bits of milliseconds end (in the year 10889), so that a
 * clock that has seen it can go on from there. */
#define HLC_STAMP_MAX ((((UINT64_C(1) << 48) - (UINT64_C(1) << 40)) << HLC_COUNTER_BITS))
/* A wall clock that says more, the year 6429, counts as saying this: no wall clock comes near HLC_STAMP_MAX. */
#define HLC_WALL_MAX_MS (UINT64_C(1) << 47)
/* A stamp that a client carries may run so far ahead of the wall clock, or a little ahead of this clock: one that
 * clients could push as they like would come to its end. */
#define HLC_CARRIED_AHEAD_MAX_MS (UINT64_C(24) * 60 * 60 * 1000)
enum { HLC_CARRIED_PUSH_MAX_MS = 10 * 1000 };
/* Clocks of machines that keep time with any time service differ by less than a second. One that differs by a minute
 * is wrong, and an order by it would surprise people. */
enum { HLC_FAR_MS = 60 * 1000 };

struct hlc hlc_start(uint64_t wall_ms, uint64_t now_ms);
/* A stamp greater than all given or seen so far. */
uint64_t hlc_next(struct hlc *clock, uint64_t now_ms);
/* Where the clock is, for peers to follow; 0 as long as it has given and seen no stamp: then it knows no more than the
 * wall clock of its node. */
uint64_t hlc_now(const struct hlc *clock, uint64_t now_ms);
/* Whether it is a stamp: not 0, and not beyond HLC_STAMP_MAX. */
bool hlc_is_stamp(uint64_t stamp);
/* Never runs behind a stamp it has seen, and goes on from there with the monotonic clock: two nodes that met once agree
 * on the order of what each does later, also while they are cut off. What is no stamp is passed over. */
void hlc_observe(struct hlc *clock, uint64_t stamp, uint64_t now_ms);
/* A peer's hlc_now. As hlc_observe; but a clock that has given no stamp yet and is further than HLC_FAR_MS ahead of the
 * peer's is set back to it, though not behind stamps that it has seen: the cluster's clock counts, not the wall clock
 * of a machine that has just started. 0 is passed over. */
void hlc_follow(struct hlc *clock, uint64_t stamp, uint64_t now_ms);

/* Whether a node may have given the stamp that a client carries: it was seen here, or is not further ahead than the two
 * limits above. */
bool hlc_plausible(const struct hlc *clock, uint64_t stamp, uint64_t now_ms);
/* As hlc_observe, of a stamp that a client carries and that is plausible. */
void hlc_observe_carried(struct hlc *clock, uint64_t stamp, uint64_t now_ms);

#endif
