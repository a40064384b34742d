#include "session_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    FRAME_BUFFER_MIN = 16 * 1024, /* no other block of a new session is so large */
    FRAME_BUFFER_BYTES = 20 * 1024,
    PAGE_BYTES = 4096,
};

/* ---- pages ---- */

static bool is_page(const struct session_memory *memory, const void *block) {
    const uint8_t *at = block;
    return at >= memory->pages && at < memory->pages + memory->pages_used * PAGE_BYTES;
}

/* All zero. NULL: there is none left. */
static void *take_page(struct session_memory *memory) {
    size_t number = memory->pages_used;
    if (memory->free_count > 0) number = memory->free_pages[--memory->free_count];
    else if (number < memory->pages_max) memory->pages_used++;
    else return NULL;
    return memory->opened_page = memory->pages + number * PAGE_BYTES;
}

static void drop_page(void *page) {
    if (madvise(page, PAGE_BYTES, MADV_DONTNEED) != 0) memset(page, 0, PAGE_BYTES);
}

static void give_page(struct session_memory *memory, void *page) {
    drop_page(page);
    memory->free_pages[memory->free_count++] = (uint32_t)((size_t)((uint8_t *)page - memory->pages) / PAGE_BYTES);
}

void session_memory_trim(struct session_memory *memory, void *page) {
    static const uint8_t zeros[PAGE_BYTES];
    if (page != NULL && is_page(memory, page) && memcmp(page, zeros, PAGE_BYTES) == 0) drop_page(page);
}

/* ---- what nghttp2 calls ---- */

static bool is_frame_buffer(const struct session_memory *memory, size_t size) {
    return memory->is_opening && size >= FRAME_BUFFER_MIN && size <= FRAME_BUFFER_BYTES;
}

static void *memory_malloc(size_t size, void *user_data) {
    struct session_memory *memory = user_data;
    return is_frame_buffer(memory, size) ? memory->frame_buffer : malloc(size);
}

static void *memory_calloc(size_t count, size_t size, void *user_data) {
    struct session_memory *memory = user_data;
    if (memory->is_opening && count > 1 && count <= PAGE_BYTES && count * size > PAGE_BYTES / 2 &&
        count * size <= PAGE_BYTES) {
        void *page = take_page(memory);
        if (page != NULL) return page;
    }
    return calloc(count, size);
}

static void memory_free(void *block, void *user_data) {
    struct session_memory *memory = user_data;
    if (block == memory->frame_buffer) return;
    if (is_page(memory, block)) give_page(memory, block);
    else free(block);
}

/* A block of this file's own becomes one of the system's. */
static void *leave_block(struct session_memory *memory, void *block, size_t own_bytes, size_t size) {
    void *copy = malloc(size);
    if (copy == NULL) return NULL;
    memcpy(copy, block, own_bytes < size ? own_bytes : size);
    memory_free(block, memory);
    return copy;
}

static void *memory_realloc(void *block, size_t size, void *user_data) {
    struct session_memory *memory = user_data;
    if (block == NULL) return memory_malloc(size, memory);
    if (block == memory->frame_buffer) return leave_block(memory, block, FRAME_BUFFER_BYTES, size);
    if (is_page(memory, block)) return leave_block(memory, block, PAGE_BYTES, size);
    return realloc(block, size);
}

/* ---- opening and closing ---- */

static void *reserve_space(size_t bytes) {
    void *space = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return space != MAP_FAILED ? space : NULL;
}

bool session_memory_open(struct session_memory *memory, size_t sessions_max) {
    *memory = (struct session_memory){
        .functions = {memory, memory_malloc, memory_free, memory_calloc, memory_realloc},
        .frame_buffer = malloc(FRAME_BUFFER_BYTES),
        .pages = reserve_space(sessions_max * PAGE_BYTES),
        .free_pages = reserve_space(sessions_max * sizeof(uint32_t)),
        .pages_max = sessions_max,
    };
    if (memory->frame_buffer != NULL && memory->pages != NULL && memory->free_pages != NULL) return true;
    session_memory_close(memory);
    return false;
}

void session_memory_close(struct session_memory *memory) {
    assert(memory->free_count == memory->pages_used);
    free(memory->frame_buffer);
    if (memory->pages != NULL) munmap(memory->pages, memory->pages_max * PAGE_BYTES);
    if (memory->free_pages != NULL) munmap(memory->free_pages, memory->pages_max * sizeof(uint32_t));
    *memory = (struct session_memory){.pages = NULL};
}
