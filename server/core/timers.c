#include "timers.h"

#include "cache_fetch.h"

#include "muster/limits.h"

/* The timer_prev of the first member of a list names the list, not a member: so any member can be taken out. */
#define TIMER_IS_HEAD UINT32_C(0x80000000)
/* No timer is put further ahead than this, however far the cursor lags, or it would land in the wheel's next turn. It
 * comes up early instead, and is put back.
 */
#define TIMER_AHEAD_MAX_MS ((uint64_t)(WHEEL_TOP_SLOTS - 2) << (2 * WHEEL_BITS))

enum { LEVEL_0 = 0, LEVEL_1 = WHEEL_SLOTS, LEVEL_2 = 2 * WHEEL_SLOTS, TOMBSTONES = LEVEL_2 + WHEEL_TOP_SLOTS };
_Static_assert(MUSTER_MEMBERS_MAX < TIMER_IS_HEAD, "a member and a list are told apart");

void timers_init(struct timers *timers, struct slab *slab, uint64_t retention_ms, uint64_t now_ms) {
    timers->slab = slab;
    timers->cursor_ms = now_ms;
    timers->retention_ms = retention_ms;
    /* Tombstones span the retention; two buckets more, for the first and the last, which are partly in it. */
    timers->bucket_ms = retention_ms / (TOMBSTONE_BUCKETS - 2) + 1;
    timers->forget_bucket = now_ms > retention_ms ? (now_ms - retention_ms) / timers->bucket_ms : 0;
    timers->oldest_bucket = timers->forget_bucket;
}

static void list_push(struct timers *timers, uint32_t list, uint32_t ref) {
    struct member *m = slab_at(timers->slab, ref);
    assert(m->timer_prev == 0);
    uint32_t next = timers->heads[list];
    m->timer_prev = TIMER_IS_HEAD | list;
    m->timer_next = next;
    if (next != 0) slab_at(timers->slab, next)->timer_prev = ref;
    timers->heads[list] = ref;
}

static void list_remove(struct timers *timers, uint32_t ref) {
    struct member *m = slab_at(timers->slab, ref);
    assert(m->timer_prev != 0);
    if (m->timer_next != 0) slab_at(timers->slab, m->timer_next)->timer_prev = m->timer_prev;
    if (m->timer_prev & TIMER_IS_HEAD) timers->heads[m->timer_prev & ~TIMER_IS_HEAD] = m->timer_next;
    else slab_at(timers->slab, m->timer_prev)->timer_next = m->timer_next;
    m->timer_prev = m->timer_next = 0;
}

/* ---- leases ---------------------------------------------------------------------------------------------------- */

static uint64_t lease_due_ms(const struct member *m) {
    return member_lease_end_ms(m) + 1;
}

void timers_lease(struct timers *timers, uint32_t ref) {
    uint64_t due = lease_due_ms(slab_at(timers->slab, ref)), cursor = timers->cursor_ms;
    if (due < cursor) due = cursor;
    if (due - cursor > TIMER_AHEAD_MAX_MS) due = cursor + TIMER_AHEAD_MAX_MS;
    uint32_t slot = due & (WHEEL_SLOTS - 1);
    if (due >> WHEEL_BITS == cursor >> WHEEL_BITS) {
        timers->occupied[0][slot / 64] |= UINT64_C(1) << slot % 64;
        list_push(timers, LEVEL_0 + slot, ref);
        return;
    }
    slot = due >> WHEEL_BITS & (WHEEL_SLOTS - 1);
    if (due >> 2 * WHEEL_BITS == cursor >> 2 * WHEEL_BITS) {
        timers->occupied[1][slot / 64] |= UINT64_C(1) << slot % 64;
        list_push(timers, LEVEL_1 + slot, ref);
        return;
    }
    list_push(timers, LEVEL_2 + (due >> 2 * WHEEL_BITS & (WHEEL_TOP_SLOTS - 1)), ref);
}

void timers_drop_lease(struct timers *timers, uint32_t ref) {
    list_remove(timers, ref);
}

/* The first occupied slot of a level at or after `slot`; WHEEL_SLOTS if there is none. */
static uint32_t level_next(struct timers *timers, int level, uint32_t slot) {
    while (slot < WHEEL_SLOTS) {
        uint64_t word = timers->occupied[level][slot / 64] >> slot % 64;
        if (word == 0) {
            slot = (slot | 63) + 1;
            continue;
        }
        slot += (uint32_t)__builtin_ctzll(word);
        if (timers->heads[level * WHEEL_SLOTS + slot] != 0) return slot;
        timers->occupied[level][slot / 64] &= ~(UINT64_C(1) << slot % 64);
    }
    return WHEEL_SLOTS;
}

/* Puts the members of a list where they now belong, each a unit of budget. Whether the list is empty. */
static bool lease_cascade(struct timers *timers, uint32_t list, size_t *budget) {
    uint32_t ref;
    while ((ref = timers->heads[list]) != 0) {
        if (*budget == 0) return false;
        --*budget;
        const struct member *m = slab_at(timers->slab, ref);
        if (m->timer_next != 0) cache_fetch(slab_at(timers->slab, m->timer_next));
        list_remove(timers, ref);
        timers_lease(timers, ref);
    }
    return true;
}

/* Steps the cursor to the next instant that may have something to do: a timer of level 0, or a slot of a higher level
 * that is to be spread over the lower one. */
static void lease_step(struct timers *timers, uint64_t now_ms) {
    uint64_t next = timers->cursor_ms + 1;
    uint32_t slot = next & (WHEEL_SLOTS - 1);
    if (slot != 0) {
        slot = level_next(timers, 0, slot);
        next = (timers->cursor_ms & ~(uint64_t)(WHEEL_SLOTS - 1)) + slot;
    }
    if (slot == 0 || slot == WHEEL_SLOTS) {
        uint32_t window = next >> WHEEL_BITS & (WHEEL_SLOTS - 1);
        if (window != 0) next = ((next >> 2 * WHEEL_BITS << WHEEL_BITS) + level_next(timers, 1, window)) << WHEEL_BITS;
    }
    timers->cursor_ms = next <= now_ms ? next : now_ms + 1;
}

uint32_t timers_next_ended(struct timers *timers, uint64_t now_ms, size_t *budget) {
    while (timers->cursor_ms <= now_ms) {
        uint64_t cursor = timers->cursor_ms;
        if (!lease_cascade(timers, LEVEL_2 + (cursor >> 2 * WHEEL_BITS & (WHEEL_TOP_SLOTS - 1)), budget) ||
            !lease_cascade(timers, LEVEL_1 + (cursor >> WHEEL_BITS & (WHEEL_SLOTS - 1)), budget))
            return MEMBER_NONE;
        uint32_t ref = timers->heads[LEVEL_0 + (cursor & (WHEEL_SLOTS - 1))];
        if (ref == 0) {
            lease_step(timers, now_ms);
            continue;
        }
        if (*budget == 0) return MEMBER_NONE;
        --*budget;
        const struct member *m = slab_at(timers->slab, ref);
        if (m->timer_next != 0) cache_fetch(slab_at(timers->slab, m->timer_next));
        if (lease_due_ms(m) <= cursor) return ref;
        list_remove(timers, ref);
        timers_lease(timers, ref);
    }
    return MEMBER_NONE;
}

/* ---- tombstones ------------------------------------------------------------------------------------------------ */

static uint32_t tombstone_list(uint64_t bucket) {
    return TOMBSTONES + (uint32_t)(bucket & (TOMBSTONE_BUCKETS - 1));
}

void timers_add_tombstone(struct timers *timers, uint32_t ref) {
    uint64_t bucket = member_lease_end_ms(slab_at(timers->slab, ref)) / timers->bucket_ms;
    uint64_t last = timers->forget_bucket + TOMBSTONE_BUCKETS - 1;
    /* A tombstone beyond the ring's end (no tick came for long) comes up early and goes to its own bucket then. */
    if (bucket > last) bucket = last;
    if (bucket < timers->forget_bucket) bucket = timers->forget_bucket;
    if (bucket < timers->oldest_bucket || timers->tombstones == 0) timers->oldest_bucket = bucket;
    timers->tombstones++;
    list_push(timers, tombstone_list(bucket), ref);
}

void timers_drop_tombstone(struct timers *timers, uint32_t ref) {
    list_remove(timers, ref);
    assert(timers->tombstones > 0);
    timers->tombstones--;
}

/* The buckets before it are over. */
static uint64_t forget_due(const struct timers *timers, uint64_t now_ms) {
    return now_ms < timers->retention_ms ? 0 : (now_ms - timers->retention_ms) / timers->bucket_ms;
}

bool timers_has_forgettable(const struct timers *timers, uint64_t now_ms) {
    return timers->tombstones > 0 && timers->forget_bucket < forget_due(timers, now_ms);
}

uint32_t timers_next_forgettable(struct timers *timers, uint64_t now_ms, size_t *budget) {
    uint64_t due = forget_due(timers, now_ms);
    while (timers->forget_bucket < due) {
        if (timers->tombstones == 0) {
            timers->forget_bucket = due;
            break;
        }
        uint32_t ref = timers->heads[tombstone_list(timers->forget_bucket)];
        if (ref == 0) {
            timers->forget_bucket++;
            continue;
        }
        if (*budget == 0) return MEMBER_NONE;
        --*budget;
        const struct member *m = slab_at(timers->slab, ref);
        if (m->timer_next != 0) cache_fetch(slab_at(timers->slab, m->timer_next));
        if (member_lease_end_ms(m) / timers->bucket_ms < due) return ref;
        /* It was beyond the ring's end. Its bucket is a later one, so it does not come back to this list. */
        timers_drop_tombstone(timers, ref);
        timers_add_tombstone(timers, ref);
    }
    return MEMBER_NONE;
}

uint32_t timers_oldest_tombstone(struct timers *timers) {
    if (timers->tombstones == 0) return MEMBER_NONE;
    if (timers->oldest_bucket < timers->forget_bucket) timers->oldest_bucket = timers->forget_bucket;
    uint32_t ref;
    while ((ref = timers->heads[tombstone_list(timers->oldest_bucket)]) == 0) timers->oldest_bucket++;
    return ref;
}
