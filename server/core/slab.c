#include "slab.h"

/* Doubles the list of chunks (8 bytes for each 2 MiB) and adds one chunk. */
static bool slab_grow(struct slab *slab, const struct allocator *allocator) {
    if (slab->chunk_count == slab->chunk_capacity) {
        uint32_t capacity = slab->chunk_capacity == 0 ? 16 : slab->chunk_capacity * 2;
        struct member **chunks = allocator->allocate(allocator->context, capacity * sizeof *chunks);
        if (chunks == NULL) return false;
        if (slab->chunk_count > 0) memcpy(chunks, slab->chunks, slab->chunk_count * sizeof *chunks);
        allocator->release(allocator->context, slab->chunks, slab->chunk_capacity * sizeof *chunks);
        slab->chunks = chunks;
        slab->chunk_capacity = capacity;
    }
    struct member *chunk = allocator->allocate(allocator->context, SLAB_CHUNK_BYTES);
    if (chunk == NULL) return false;
    slab->chunks[slab->chunk_count++] = chunk;
    return true;
}

uint32_t slab_take(struct slab *slab, const struct allocator *allocator) {
    uint32_t ref = slab->free_first;
    if (ref != MEMBER_NONE) {
        slab->free_first = slab_at(slab, ref)->next_session;
    } else {
        uint32_t fresh = slab->next_fresh == 0 ? 1 : slab->next_fresh;
        if (fresh >> SLAB_CHUNK_BITS >= slab->chunk_count && !slab_grow(slab, allocator)) return MEMBER_NONE;
        ref = fresh;
        slab->next_fresh = fresh + 1;
    }
    struct member *m = slab_at(slab, ref);
    memset(m, 0, sizeof *m);
    m->is_used = 1;
    slab->count++;
    return ref;
}

void slab_prepare(struct slab *slab, const struct allocator *allocator) {
    uint32_t taken = slab->next_fresh - slab->prepared_at;
    slab->prepared_at = slab->next_fresh;
    if (slab->next_fresh == 0) return;
    /* A chunk that is kept ready is wasted if no member joins: at most two. */
    uint32_t ahead = taken > SLAB_CHUNK_MEMBERS / 4 ? 2 : 1;
    uint64_t wanted = (slab->next_fresh >> SLAB_CHUNK_BITS) + 1 + ahead;
    while (slab->chunk_count < wanted && slab_grow(slab, allocator)) {
    }
}

void slab_give(struct slab *slab, uint32_t ref) {
    struct member *m = slab_at(slab, ref);
    assert(m->is_used && !m->has_extra);
    assert(slab->count > 0);
    m->is_used = 0;
    m->next_session = slab->free_first;
    slab->free_first = ref;
    slab->count--;
}

void slab_clear(struct slab *slab, const struct allocator *allocator) {
    for (uint32_t i = 0; i < slab->chunk_count; i++)
        allocator->release(allocator->context, slab->chunks[i], SLAB_CHUNK_BYTES);
    allocator->release(allocator->context, slab->chunks, slab->chunk_capacity * sizeof *slab->chunks);
    *slab = (struct slab){0};
}
