/* A hash table whose slots are sorted by hash: Robin Hood hashing (Celis, 1986) with linear probing, indexed by the
 * high bits. Walking it from the first slot to the last visits names in the order of their hashes, so a position in a
 * walk is a hash: stable while the table changes and grows, and the same in every table with the same key.
 *
 * It grows, and shrinks, step by step beside its old self, in hash order: hashes below `frontier` are in `now`, the
 * others still in `old`.
 *
 * An entry is the upper half of a name's hash (64 bits) and a reference. Entries of equal upper bits stand in the
 * order of the whole hash, which is computed again in that rare case. */
#ifndef MUSTER_CORE_INDEX_H
#define MUSTER_CORE_INDEX_H

#include "allocator.h"
#include "cache_fetch.h"

#include <stdbool.h>
#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

struct index_slot {
    uint32_t high; /* the upper half of the hash */
    uint32_t ref;  /* 0: empty */
};

struct index_table {
    struct index_slot *slots; /* `total` of them, the last always empty: probing needs no wrap and no bound */
    uint32_t capacity, total;
};

struct index {
    struct index_table now, old; /* old.slots is NULL unless entries are being moved */
    uint64_t frontier;           /* hashes below it have moved */
    uint32_t old_at;             /* slots of `old` before this one have moved */
    uint32_t rest;               /* entries that are not moved yet, since the pages of `now` are being fetched */
    uint32_t count;
};

/* Computes the whole hash of the name that `ref` stands for. */
typedef uint64_t index_hash_fn(const void *context, uint32_t ref);

static inline const struct index_table *index_table_of(const struct index *index, uint32_t high) {
    return index->old.slots != NULL && high >= index->frontier ? &index->old : &index->now;
}

static inline uint32_t index_home(const struct index_table *table, uint32_t high) {
    return (uint32_t)((uint64_t)high * table->capacity >> 32);
}

/* Which of the 8 slots from `slot` on hold an upper half: bit i for slot[i]. Without a branch that depends on the data,
 * which would be mispredicted every other time. */
static inline unsigned index_match_portable(const struct index_slot *slot, uint32_t high) {
    unsigned equal = 0;
    for (unsigned i = 0; i < 8; i++) equal |= (unsigned)(slot[i].high == high) << i;
    return equal;
}

#if defined(__SSE2__)
/* The upper halves of 4 slots, compared at once. */
static inline unsigned index_match_4(const struct index_slot *slot, __m128i high) {
    __m128 first = _mm_castsi128_ps(_mm_loadu_si128((const __m128i *)(const void *)slot));
    __m128 last = _mm_castsi128_ps(_mm_loadu_si128((const __m128i *)(const void *)(slot + 2)));
    __m128i halves = _mm_castps_si128(_mm_shuffle_ps(first, last, _MM_SHUFFLE(2, 0, 2, 0)));
    return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(halves, high)));
}

static inline unsigned index_match(const struct index_slot *slot, uint32_t high) {
    __m128i wanted = _mm_set1_epi32((int)high);
    return index_match_4(slot, wanted) | index_match_4(slot + 4, wanted) << 4;
}
#else
static inline unsigned index_match(const struct index_slot *slot, uint32_t high) {
    return index_match_portable(slot, high);
}
#endif

/* Where the search for a hash begins; NULL in an empty index. */
static inline const struct index_slot *index_begin(const struct index *index, uint64_t hash) {
    const struct index_table *table = index_table_of(index, (uint32_t)(hash >> 32));
    return table->slots == NULL ? NULL : &table->slots[index_home(table, (uint32_t)(hash >> 32))];
}

/* Fetches the slots that index_find will look at first, which mostly lie in two cache lines. */
static inline void index_fetch(const struct index *index, uint64_t hash) {
    const struct index_slot *begin = index_begin(index, hash);
    if (begin == NULL) return;
    cache_fetch(begin);
    cache_fetch(begin + 7);
}

/* The first slot with the upper half of a hash: further ones follow while `high` is the same and ref is not 0. NULL if
 * there is none. Holds until the next change. */
static inline const struct index_slot *index_find(const struct index *index, uint64_t hash) {
    uint32_t high = (uint32_t)(hash >> 32);
    const struct index_table *table = index_table_of(index, high);
    if (table->slots == NULL) return NULL;
    const struct index_slot *slot = &table->slots[index_home(table, high)];
    /* Nearly all are within a few slots of their home. A table has at least 8 slots behind its last home. */
    unsigned equal = index_match(slot, high);
    if (equal != 0 && slot[__builtin_ctz(equal)].ref != 0) return &slot[__builtin_ctz(equal)];
    while (slot->ref != 0 && slot->high < high) slot++;
    return slot->ref != 0 && slot->high == high ? slot : NULL;
}

/* Adds an entry, which must not be there, and moves a few more entries if the table is being moved. false if memory is
 * short; then the entries are as they were. */
bool index_insert(struct index *index, uint64_t hash, uint32_t ref, index_hash_fn *hash_of, const void *context,
                  const struct allocator *allocator);
/* Puts `ref` into the entry that holds `was`. */
void index_replace(struct index *index, uint64_t hash, uint32_t was, uint32_t ref);
/* Removes the entry that holds `ref`, which must be there. Never fails, never allocates. */
void index_remove(struct index *index, uint64_t hash, uint32_t ref);
/* Moves up to `entries` entries, or counts them off where a large table rests; whether there are more to move. */
bool index_move(struct index *index, uint32_t entries, const struct allocator *allocator);
/* Begins to shrink a table that is far too large. Where memory is short it stays as it is. Not while entries are being
 * removed in the order of their hashes: what is left would crowd one end of a smaller table. */
void index_tidy(struct index *index, const struct allocator *allocator);
void index_clear(struct index *index, const struct allocator *allocator);

/* Fills an index, which is empty, with slots in the order of the whole hash; as though the last had made it grow. false
 * if memory is short. */
bool index_fill(struct index *index, const struct index_slot *slots, uint32_t count, const struct allocator *allocator);

/* A walk in the order of hashes. Holds until the next change. */
struct index_walk {
    const struct index *index;
    const struct index_slot *at, *end;
    const struct index_slot *last_home; /* an empty slot from here on ends the walk: all behind it is past `until` */
    uint64_t until;
    bool in_old;
};
/* Starts at the first entry whose hash is at least `hash`. */
struct index_walk index_walk_from(const struct index *index, uint32_t high);
/* The same, and ends before the first entry whose hash is at least `until`, for a cost in proportion to the range. */
struct index_walk index_walk_range(const struct index *index, uint32_t high, uint64_t until);
/* The same over an array of slots that are in the order of the whole hash. */
struct index_walk index_walk_slots(const struct index_slot *slots, uint32_t count, uint32_t high, uint64_t until);
/* The next entry; NULL at the end. *looked grows by the slots that were looked at. */
const struct index_slot *index_walk_next(struct index_walk *walk, size_t *looked);

#endif
