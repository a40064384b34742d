/* The members' records, in chunks that never move: a slab grows without copying, and a record's number is its name. */
#ifndef MUSTER_CORE_SLAB_H
#define MUSTER_CORE_SLAB_H

#include "allocator.h"
#include "member.h"

enum { SLAB_CHUNK_BITS = 15, SLAB_CHUNK_MEMBERS = 1 << SLAB_CHUNK_BITS, SLAB_CHUNK_BYTES = SLAB_CHUNK_MEMBERS * 64 };

struct slab {
    struct member **chunks;
    uint32_t chunk_count, chunk_capacity;
    uint32_t next_fresh; /* the first record that was never given out; record 0 is MEMBER_NONE */
    uint32_t free_first;
    uint32_t count;       /* records given out */
    uint32_t prepared_at; /* next_fresh when slab_prepare was called last */
};

static inline struct member *slab_at(const struct slab *slab, uint32_t ref) {
    return &slab->chunks[ref >> SLAB_CHUNK_BITS][ref & (SLAB_CHUNK_MEMBERS - 1)];
}

/* Keeps a chunk ready, two where many records were taken since the last call, so that memory is asked for (and an
 * allocator may fetch it) before it is needed. Without memory it does nothing. */
void slab_prepare(struct slab *slab, const struct allocator *allocator);
/* A zeroed record, marked used; MEMBER_NONE if memory is short. */
uint32_t slab_take(struct slab *slab, const struct allocator *allocator);
/* Gives a record back. Its extra must be gone. */
void slab_give(struct slab *slab, uint32_t ref);
/* Frees every chunk; the extras must be gone. */
void slab_clear(struct slab *slab, const struct allocator *allocator);

#endif
