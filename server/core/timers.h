/* When to look at a member again, without relinking it at every beat.
 *
 * Leases: a hierarchical timing wheel (Varghese and Lauck, 1987) of three levels with a resolution of 1 ms. A timer is
 * lazy: a beat that extends a lease leaves it where it is, and when it comes up the member's own record says whether it
 * is due or goes to its new slot. So a member costs about one event a TTL, however often it beats.
 *
 * Tombstones: members whose lease has ended, in a ring of buckets by the instant of its end, to forget them after the
 * retention and to evict the oldest first.
 *
 * The lists run through the records (timer_prev, timer_next), so nothing here can run out of memory. */
#ifndef MUSTER_CORE_TIMERS_H
#define MUSTER_CORE_TIMERS_H

#include "slab.h"

enum {
    WHEEL_BITS = 12,
    WHEEL_SLOTS = 1 << WHEEL_BITS, /* of the levels 0 (1 ms each) and 1 (4.1 s each) */
    WHEEL_TOP_SLOTS = 64,          /* of level 2 (4.7 h each): more than MUSTER_TTL_MAX_MS */
    TOMBSTONE_BUCKETS = 4096,
    TIMER_LISTS = 2 * WHEEL_SLOTS + WHEEL_TOP_SLOTS + TOMBSTONE_BUCKETS,
};

struct timers {
    struct slab *slab;
    uint64_t cursor_ms; /* every lease that ended before it has been handled */
    uint64_t retention_ms;
    uint64_t bucket_ms;                     /* width of a bucket of tombstones */
    uint64_t forget_bucket;                 /* every tombstone in a bucket before it is forgotten */
    uint64_t oldest_bucket;                 /* no tombstone is in a bucket before it */
    uint64_t tombstones;                    /* members in the ring */
    uint64_t occupied[2][WHEEL_SLOTS / 64]; /* which slots of the levels 0 and 1 may hold a timer */
    uint32_t heads[TIMER_LISTS];
};

void timers_init(struct timers *timers, struct slab *slab, uint64_t retention_ms, uint64_t now_ms);

/* Watches the lease of a member, which is in no list. */
void timers_lease(struct timers *timers, uint32_t ref);
void timers_drop_lease(struct timers *timers, uint32_t ref);
/* Adds a member whose lease has ended, and which is in no list. */
void timers_add_tombstone(struct timers *timers, uint32_t ref);
void timers_drop_tombstone(struct timers *timers, uint32_t ref);

/* The next member whose lease ended before now_ms, still in its list: the caller drops its lease. MEMBER_NONE: there is
 * none, or *budget is used up (and then 0). */
uint32_t timers_next_ended(struct timers *timers, uint64_t now_ms, size_t *budget);
/* The next member whose retention is over, still in its list: the caller drops the tombstone. Looks at whole buckets,
 * so this is late by up to bucket_ms. MEMBER_NONE as above. */
uint32_t timers_next_forgettable(struct timers *timers, uint64_t now_ms, size_t *budget);
/* Whether there may be a member to forget. */
bool timers_has_forgettable(const struct timers *timers, uint64_t now_ms);
/* One of the oldest tombstones, to within a bucket; MEMBER_NONE if there are none. */
uint32_t timers_oldest_tombstone(struct timers *timers);

#endif
