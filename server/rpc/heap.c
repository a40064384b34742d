#include "heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEAP_LINE_BYTES = 64, HEAP_LINED_MIN = 4096, HEAP_PAGES_MIN = 2 * 1024 * 1024 };

/* Random access to tables of gigabytes misses the TLB on every beat where pages are small. A huge page wants its own
 * alignment, so a piece more is mapped and what is over at both ends given back. */
static void *pages_allocate(size_t bytes) {
    char *mapped = mmap(NULL, bytes + HEAP_PAGES_MIN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return NULL;
    size_t before = -(uintptr_t)mapped & (HEAP_PAGES_MIN - 1);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (bytes + page - 1) & ~(page - 1);
    if (before > 0) munmap(mapped, before);
    if (before < HEAP_PAGES_MIN) munmap(mapped + before + used, HEAP_PAGES_MIN - before);
    (void)madvise(mapped + before, bytes, MADV_HUGEPAGE);
    return mapped + before;
}

static void *heap_allocate(void *context, size_t bytes) {
    (void)context;
    if (bytes >= HEAP_PAGES_MIN) return pages_allocate(bytes);
    if (bytes < HEAP_LINED_MIN) return calloc(1, bytes);
    void *memory = NULL;
    if (posix_memalign(&memory, HEAP_LINE_BYTES, bytes) != 0) return NULL;
    return memset(memory, 0, bytes);
}

static void heap_release(void *context, void *memory, size_t bytes) {
    (void)context;
    if (memory != NULL && bytes >= HEAP_PAGES_MIN) munmap(memory, bytes);
    else free(memory);
}

struct allocator heap_allocator(void) {
    return (struct allocator){heap_allocate, heap_release, NULL};
}
