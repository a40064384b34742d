/* What nodes of simulated worlds take their memory from, in place of server/rpc/heap.c: many nodes are short-lived, and
 * most of their tables is never touched, so no page is fetched ahead, and by no thread. */
#include "node/page_allocator.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HEAP_ALIGNED_BYTES = 4096, PAGES_BYTES = 128 * 1024 };

static void *allocate(void *context, size_t bytes) {
    (void)context;
    if (bytes < HEAP_ALIGNED_BYTES) return calloc(1, bytes);
    if (bytes < PAGES_BYTES) {
        void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
        return memory == NULL ? NULL : memset(memory, 0, bytes);
    }
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

static void release(void *context, void *memory, size_t bytes) {
    (void)context;
    if (memory != NULL && bytes >= PAGES_BYTES) munmap(memory, bytes);
    else free(memory);
}

struct allocator page_allocator(void) {
    return (struct allocator){allocate, release, NULL};
}
