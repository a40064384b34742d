#include "page_allocator.h"

#include "page_region.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LINE_BYTES = 64, LINED_BYTES_MIN = 4096 };

/* A piece with pages of its own, where the region has no room. A huge page wants its own alignment, so a unit more is
 * mapped and what is over at both ends given back. */
static void *pages_map(size_t bytes) {
    if (bytes > SIZE_MAX - PAGE_UNIT_BYTES) return NULL;
    char *mapped = mmap(NULL, bytes + PAGE_UNIT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return NULL;
    size_t before = -(uintptr_t)mapped & (PAGE_UNIT_BYTES - 1);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (bytes + page - 1) & ~(page - 1);
    if (before > 0) munmap(mapped, before);
    if (before + used < bytes + PAGE_UNIT_BYTES)
        munmap(mapped + before + used, ((bytes + PAGE_UNIT_BYTES - before + page - 1) & ~(page - 1)) - used);
    (void)madvise(mapped + before, used, MADV_HUGEPAGE);
    page_region_populate(mapped + before, used);
    return mapped + before;
}

static void pages_unmap(void *memory, size_t bytes) {
    page_region_forget(memory, bytes);
    munmap(memory, bytes);
}

static void *piece_allocate(void *context, size_t bytes) {
    (void)context;
    if (bytes >= PAGE_UNIT_BYTES) {
        void *pages = page_region_take(bytes);
        return pages != NULL ? pages : pages_map(bytes);
    }
    if (bytes < LINED_BYTES_MIN) return calloc(1, bytes);
    void *memory = NULL;
    if (posix_memalign(&memory, LINE_BYTES, bytes) != 0) return NULL;
    return memset(memory, 0, bytes);
}

static void piece_release(void *context, void *memory, size_t bytes) {
    (void)context;
    if (memory == NULL || bytes < PAGE_UNIT_BYTES) free(memory);
    else if (!page_region_give(memory, bytes)) pages_unmap(memory, bytes);
}

struct allocator page_allocator(void) {
    return (struct allocator){piece_allocate, piece_release, NULL};
}
