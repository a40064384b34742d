#include "heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 64, LARGE_BYTES = 4096 };

static void *take(size_t bytes) {
    if (bytes < LARGE_BYTES) return calloc(1, bytes);
    void *memory = aligned_alloc(LINE_BYTES, (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES);
    if (memory != NULL) memset(memory, 0, bytes);
    return memory;
}

static void *plain_allocate(void *context, size_t bytes) {
    (void)context;
    return take(bytes);
}

static void plain_release(void *context, void *memory, size_t bytes) {
    (void)context, (void)bytes;
    free(memory);
}

struct allocator heap_plain(void) {
    return (struct allocator){plain_allocate, plain_release, NULL};
}

/* Before each block, a cache line that says what it is. */
struct header {
    size_t bytes;
    uint64_t mark;
};
static const uint64_t is_out = UINT64_C(0x6d75737465722121), is_back = UINT64_C(0x6672656564212121);

static void *counting_allocate(void *context, size_t bytes) {
    struct heap *heap = context;
    uint64_t attempt = ++heap->allocations;
    if (heap->fail_at != 0 && (attempt == heap->fail_at || (heap->fails_after && attempt > heap->fail_at))) return NULL;
    char *block = take(LARGE_BYTES + bytes); /* large enough to be aligned */
    if (block == NULL) return NULL;
    memcpy(block, &(struct header){bytes, is_out}, sizeof(struct header));
    heap->blocks++;
    heap->bytes += bytes;
    return block + LINE_BYTES;
}

static void counting_release(void *context, void *memory, size_t bytes) {
    struct heap *heap = context;
    if (memory == NULL) return;
    char *block = (char *)memory - LINE_BYTES;
    struct header header;
    memcpy(&header, block, sizeof header);
    if (header.mark != is_out || header.bytes != bytes) {
        fprintf(stderr, "release of %zu bytes: taken with %zu, mark %llx\n", bytes, header.bytes,
                (unsigned long long)header.mark);
        abort();
    }
    memcpy(block, &(struct header){bytes, is_back}, sizeof header);
    heap->blocks--;
    heap->bytes -= bytes;
    free(block);
}

struct allocator heap_counting(struct heap *heap) {
    return (struct allocator){counting_allocate, counting_release, heap};
}
