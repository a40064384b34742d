/* Records of 64 bytes, a cache line each, in chunks that never move: a slab grows without copying, and a record's
 * number is its name. One slab holds the members, another one, of smaller chunks, the scopes: many a roll has but one
 * scope. */
#ifndef MUSTER_CORE_SLAB_H
#define MUSTER_CORE_SLAB_H

#include "allocator.h"
#include "member.h"

enum {
    SLAB_RECORD_BYTES = 64,
    SLAB_NONE = 0,       /* no record's number */
    SLAB_BITS = 15,      /* a chunk has 2^15 members, or */
    SLAB_SCOPE_BITS = 10 /* 2^10 scopes */
};

/* A record that is not given out. What its owner left in `rest` stays. */
struct slab_free {
    char rest[SLAB_RECORD_BYTES - 4];
    uint32_t next;
};

struct slab {
    struct slab_free **chunks;
    uint32_t chunk_bits; /* a chunk has 2^chunk_bits records; set before the first is taken */
    uint32_t chunk_count, chunk_capacity;
    uint32_t next_fresh; /* the first record that was never given out, 0 before the first was */
    uint32_t free_first;
    uint32_t count;       /* records given out */
    uint32_t prepared_at; /* next_fresh when slab_prepare was called last */
};

/* chunk_bits: those of the slab, which are known where it is compiled. */
static inline void *slab_record(const struct slab *slab, uint32_t ref, uint32_t chunk_bits) {
    return &slab->chunks[ref >> chunk_bits][ref & ((UINT32_C(1) << chunk_bits) - 1)];
}

/* Of a slab of members. */
static inline struct member *slab_at(const struct slab *slab, uint32_t ref) {
    return slab_record(slab, ref, SLAB_BITS);
}

/* Keeps a chunk ready, two where many records were taken since the last call, so that memory is asked for (and an
 * allocator may fetch it) before it is needed. Without memory it does nothing. */
void slab_prepare(struct slab *slab, const struct allocator *allocator);
/* A zeroed record; SLAB_NONE if memory is short. */
uint32_t slab_take(struct slab *slab, const struct allocator *allocator);
/* Gives a record back. What it refers to must be gone, and it must not look used any more. */
void slab_give(struct slab *slab, uint32_t ref);
/* Frees every chunk; what records refer to must be gone. */
void slab_clear(struct slab *slab, const struct allocator *allocator);

#endif
