#include "slab.h"

_Static_assert(sizeof(struct slab_free) == SLAB_RECORD_BYTES && sizeof(struct member) == SLAB_RECORD_BYTES,
               "a record fills one cache line");

static uint32_t chunk_records(const struct slab *slab) {
    return UINT32_C(1) << slab->chunk_bits;
}

static size_t chunk_bytes(const struct slab *slab) {
    return (size_t)SLAB_RECORD_BYTES << slab->chunk_bits;
}

/* Doubles the list of chunks (8 bytes a chunk) and adds one chunk. */
static bool slab_grow(struct slab *slab, const struct allocator *allocator) {
    if (slab->chunk_count == slab->chunk_capacity) {
        uint32_t capacity = slab->chunk_capacity == 0 ? 16 : slab->chunk_capacity * 2;
        struct slab_free **chunks = allocator->allocate(allocator->context, capacity * sizeof *chunks);
        if (chunks == NULL) return false;
        if (slab->chunk_count > 0) memcpy(chunks, slab->chunks, slab->chunk_count * sizeof *chunks);
        allocator->release(allocator->context, slab->chunks, slab->chunk_capacity * sizeof *chunks);
        slab->chunks = chunks;
        slab->chunk_capacity = capacity;
    }
    struct slab_free *chunk = allocator->allocate(allocator->context, chunk_bytes(slab));
    if (chunk == NULL) return false;
    slab->chunks[slab->chunk_count++] = chunk;
    return true;
}

uint32_t slab_take(struct slab *slab, const struct allocator *allocator) {
    assert(slab->chunk_bits > 0);
    uint32_t ref = slab->free_first;
    if (ref != SLAB_NONE) {
        slab->free_first = ((struct slab_free *)slab_record(slab, ref, slab->chunk_bits))->next;
    } else {
        uint32_t fresh = slab->next_fresh == 0 ? 1 : slab->next_fresh;
        if (fresh >> slab->chunk_bits >= slab->chunk_count && !slab_grow(slab, allocator)) return SLAB_NONE;
        ref = fresh;
        slab->next_fresh = fresh + 1;
    }
    memset(slab_record(slab, ref, slab->chunk_bits), 0, SLAB_RECORD_BYTES);
    slab->count++;
    return ref;
}

void slab_prepare(struct slab *slab, const struct allocator *allocator) {
    uint32_t taken = slab->next_fresh - slab->prepared_at;
    slab->prepared_at = slab->next_fresh;
    if (slab->next_fresh == 0) return;
    /* A chunk that is kept ready is wasted if no record is taken: at most two. */
    uint32_t ahead = taken > chunk_records(slab) / 4 ? 2 : 1;
    uint64_t wanted = (slab->next_fresh >> slab->chunk_bits) + 1 + ahead;
    while (slab->chunk_count < wanted && slab_grow(slab, allocator)) {
    }
}

void slab_give(struct slab *slab, uint32_t ref) {
    assert(ref != SLAB_NONE && ref < slab->next_fresh && slab->count > 0);
    ((struct slab_free *)slab_record(slab, ref, slab->chunk_bits))->next = slab->free_first;
    slab->free_first = ref;
    slab->count--;
}

void slab_clear(struct slab *slab, const struct allocator *allocator) {
    for (uint32_t i = 0; i < slab->chunk_count; i++)
        allocator->release(allocator->context, slab->chunks[i], chunk_bytes(slab));
    allocator->release(allocator->context, slab->chunks, slab->chunk_capacity * sizeof *slab->chunks);
    *slab = (struct slab){.chunk_bits = slab->chunk_bits};
}
