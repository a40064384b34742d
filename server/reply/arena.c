#include "arena.h"

#include <stdint.h>
#include <sys/mman.h>

enum { ARENA_ALIGN = 16 };

bool arena_open(struct arena *arena, size_t capacity) {
    *arena = (struct arena){0};
    void *base = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return false;
    arena->base = base;
    arena->capacity = capacity;
    return true;
}

void arena_close(struct arena *arena) {
    if (arena->base != NULL) munmap(arena->base, arena->capacity);
    *arena = (struct arena){0};
}

void arena_reset(struct arena *arena, size_t keep_bytes) {
    if (arena->used > keep_bytes) madvise(arena->base + keep_bytes, arena->capacity - keep_bytes, MADV_DONTNEED);
    arena->used = 0;
    arena->is_exhausted = false;
}

static void *take_aligned(struct arena *arena, size_t bytes, size_t align) {
    size_t start = (arena->used + align - 1) & ~(align - 1);
    if (start > arena->capacity || bytes > arena->capacity - start) {
        arena->is_exhausted = true;
        return NULL;
    }
    arena->used = start + bytes;
    return arena->base + start;
}

void *arena_take(struct arena *arena, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        arena->is_exhausted = true;
        return NULL;
    }
    return take_aligned(arena, count * size, ARENA_ALIGN);
}

bool arena_copy(struct arena *arena, struct text text, struct text *copy) {
    *copy = (struct text){0};
    if (text.len == 0) return true;
    char *data = take_aligned(arena, text.len, 1);
    if (data == NULL) return false;
    memcpy(data, text.data, text.len);
    *copy = (struct text){data, text.len};
    return true;
}

static void *protobuf_allocate(void *context, size_t bytes) {
    return arena_take(context, 1, bytes);
}

static void protobuf_release(void *context, void *memory) {
    (void)context, (void)memory;
}

ProtobufCAllocator arena_protobuf(struct arena *arena) {
    return (ProtobufCAllocator){protobuf_allocate, protobuf_release, arena};
}
