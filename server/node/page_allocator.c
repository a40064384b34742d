#include "page_allocator.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEAP_LINE_BYTES = 64, HEAP_LINED_MIN = 4096, HEAP_PAGES_MIN = 2 * 1024 * 1024, HEAP_PENDING_MAX = 64 };

/* Pieces whose pages are to be fetched. The first touch of a huge page takes the kernel milliseconds on some machines,
 * and the roll would make it under the node's lock: a thread of its own runs ahead of it. A piece that is given back
 * meanwhile does no harm: fetching what is not mapped fails, and what is mapped there again gets its pages early. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct {
        char *memory;
        size_t bytes;
    } pending[HEAP_PENDING_MAX];
    size_t count;
    bool is_running;
} fetcher = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static void *fetch(void *context) {
    (void)context;
    pthread_mutex_lock(&fetcher.lock);
    for (;;) {
        while (fetcher.count == 0) pthread_cond_wait(&fetcher.filled, &fetcher.lock);
        char *memory = fetcher.pending[0].memory;
        size_t bytes = fetcher.pending[0].bytes;
        memmove(&fetcher.pending[0], &fetcher.pending[1], --fetcher.count * sizeof fetcher.pending[0]);
        pthread_mutex_unlock(&fetcher.lock);
        for (size_t at = 0; at < bytes; at += HEAP_PAGES_MIN)
            if (madvise(memory + at, bytes - at < HEAP_PAGES_MIN ? bytes - at : HEAP_PAGES_MIN, MADV_POPULATE_WRITE) !=
                0)
                break;
        pthread_mutex_lock(&fetcher.lock);
    }
    return NULL;
}

/* Detached, for the life of the process. Without it, or when it has too much to do, pages come as they are touched. */
static void fetch_ahead(char *memory, size_t bytes) {
    pthread_mutex_lock(&fetcher.lock);
    if (!fetcher.is_running) {
        pthread_t thread;
        fetcher.is_running = pthread_create(&thread, NULL, fetch, NULL) == 0;
        if (fetcher.is_running) pthread_detach(thread);
    }
    if (fetcher.is_running && fetcher.count < HEAP_PENDING_MAX) {
        fetcher.pending[fetcher.count].memory = memory;
        fetcher.pending[fetcher.count++].bytes = bytes;
        pthread_cond_signal(&fetcher.filled);
    }
    pthread_mutex_unlock(&fetcher.lock);
}

/* Random access to tables of gigabytes misses the TLB on every beat where pages are small. A huge page wants its own
 * alignment, so a piece more is mapped and what is over at both ends given back. */
static void *pages_allocate(size_t bytes) {
    char *mapped = mmap(NULL, bytes + HEAP_PAGES_MIN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return NULL;
    size_t before = -(uintptr_t)mapped & (HEAP_PAGES_MIN - 1);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (bytes + page - 1) & ~(page - 1);
    if (before > 0) munmap(mapped, before);
    if (before < HEAP_PAGES_MIN) munmap(mapped + before + used, HEAP_PAGES_MIN - before);
    (void)madvise(mapped + before, used, MADV_HUGEPAGE);
    fetch_ahead(mapped + before, used);
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

struct allocator page_allocator(void) {
    return (struct allocator){heap_allocate, heap_release, NULL};
}
