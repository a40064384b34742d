/* The table of a mirror: by fingerprint, who is live and who was. One thread writes; any number read at the same time,
 * without a lock.
 *
 * A slot's word of 8 bytes is all that tells whether a user is live: a tag of 61 bits of the fingerprint, the status,
 * and one bit for a slot in use; 0 is a free one. A million users take 16 MiB of words, so that a processor with that
 * much cache answers from it, and one without has one miss. With the place in the table, which the other half of the
 * fingerprint decides, some 80 bits must agree for one user to be taken for another.
 *
 * Readers and the writer. A word changes in one piece. Where one is taken out, those behind it move back over the gap,
 * each copied before its old place is overwritten: a reader that comes by meanwhile may miss it, but never reads what
 * was not so. `moves` is odd while that happens, so that a reader that found nothing knows whether to look again. When
 * the table grows, a new one is filled and then published; readers of the old one read what was true when they began.
 * Old ones are kept until the end, since nobody knows who still reads them; together they are smaller than the new one.
 */
#ifndef MUSTER_CLIENT_MIRROR_TABLE_H
#define MUSTER_CLIENT_MIRROR_TABLE_H

#include "fingerprint.h"
#include "muster/muster.h"

#include <stdatomic.h>

enum { MIRROR_STATUS_BITS = 2, MIRROR_TAG_SHIFT = MIRROR_STATUS_BITS + 1 };

/* Beside each word. */
struct mirror_side {
    _Atomic(int64_t) last_seen_ms;
    uint32_t home;     /* the writer's: the fingerprint's low bits */
    uint32_t departed; /* the writer's: 0, or 1 + where it stands among those who left */
};

struct mirror_slots {
    struct mirror_slots *older;
    size_t mask;
    _Atomic(uint64_t) moves; /* odd while users change places */
    _Atomic(uint64_t) *words;
    struct mirror_side *sides;
};

/* A user who left and whose last_seen is kept; in a list from the latest to the oldest. */
struct mirror_departed {
    struct fingerprint fingerprint;
    uint32_t newer, older; /* 1 + index; 0: none */
};

struct mirror_table {
    _Atomic(struct mirror_slots *) slots;
    _Atomic(size_t) live;
    /* The writer's. */
    size_t used; /* slots, of the live and the remembered */
    size_t remember_max;
    struct mirror_departed *departed;
    size_t departed_capacity, departed_count;
    uint32_t newest, oldest, unused; /* 1 + index; `unused` through `older` */
};

/* false: memory is short, and nothing is to be freed. */
bool mirror_table_init(struct mirror_table *table, size_t remember_max);
void mirror_table_free(struct mirror_table *table);

/* Makes a user live, with this status (not MUSTER_STATUS_UNSPECIFIED: that is taken as online). false: memory is
 * short. */
bool mirror_table_put(struct mirror_table *table, struct fingerprint fingerprint, enum muster_status status,
                      int64_t last_seen_ms);
/* A user who is live is so no longer; its last_seen is kept if there is room and memory. */
void mirror_table_drop(struct mirror_table *table, struct fingerprint fingerprint, int64_t last_seen_ms);

static inline uint64_t mirror_tag(struct fingerprint fingerprint) {
    return fingerprint.high >> MIRROR_TAG_SHIFT;
}

static inline size_t mirror_live(const struct mirror_table *table) {
    return atomic_load_explicit(&table->live, memory_order_relaxed);
}

/* The slot of a fingerprint and its word; false: it is not there. Loads are acquiring, so that what is read later, the
 * number of moves above all, is not read before. */
static inline bool mirror_seek(const struct mirror_slots *slots, struct fingerprint fingerprint, size_t *at,
                               uint64_t *word) {
    for (*at = fingerprint.low & slots->mask;; *at = (*at + 1) & slots->mask) {
        *word = atomic_load_explicit(&slots->words[*at], memory_order_acquire);
        if (*word == 0) return false;
        if (*word >> MIRROR_TAG_SHIFT == mirror_tag(fingerprint)) return true;
    }
}

static inline bool mirror_is_at_rest(const struct mirror_slots *slots, uint64_t moves) {
    return (moves & 1) == 0 && atomic_load_explicit(&slots->moves, memory_order_relaxed) == moves;
}

/* The status of a user; MUSTER_STATUS_UNSPECIFIED where it is not live. Any thread. */
static inline enum muster_status mirror_status(const struct mirror_table *table, struct fingerprint fingerprint) {
    const struct mirror_slots *slots = atomic_load_explicit(&table->slots, memory_order_acquire);
    for (;;) {
        size_t at;
        uint64_t word, moves = atomic_load_explicit(&slots->moves, memory_order_acquire);
        if (mirror_seek(slots, fingerprint, &at, &word))
            return (enum muster_status)(word >> 1 & ((1u << MIRROR_STATUS_BITS) - 1));
        if (mirror_is_at_rest(slots, moves)) return MUSTER_STATUS_UNSPECIFIED;
    }
}

/* When a user was last seen; 0 where nothing is known of it. Any thread. */
static inline int64_t mirror_last_seen(const struct mirror_table *table, struct fingerprint fingerprint) {
    const struct mirror_slots *slots = atomic_load_explicit(&table->slots, memory_order_acquire);
    for (;;) {
        size_t at;
        uint64_t word, moves = atomic_load_explicit(&slots->moves, memory_order_acquire);
        bool is_there = mirror_seek(slots, fingerprint, &at, &word);
        int64_t seen_ms = is_there ? atomic_load_explicit(&slots->sides[at].last_seen_ms, memory_order_acquire) : 0;
        /* Not only where nothing was found: the slot may have become another's in between. */
        if (mirror_is_at_rest(slots, moves)) return seen_ms;
    }
}

#endif
