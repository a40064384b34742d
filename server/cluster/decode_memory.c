#include "decode_memory.h"

enum { ELEMENTS_AT_FIRST = 64 };

/* Twice as much of `bytes_each`, with the old content. NULL: memory is short. */
static void *grown(const struct allocator *a, void *old, size_t *capacity, size_t bytes_each) {
    size_t more = *capacity == 0 ? ELEMENTS_AT_FIRST : 2 * *capacity;
    void *memory = a->allocate(a->context, more * bytes_each);
    if (memory == NULL) return NULL;
    if (*capacity > 0) memcpy(memory, old, *capacity * bytes_each);
    a->release(a->context, old, *capacity * bytes_each);
    *capacity = more;
    return memory;
}

bool decode_memory_fit_record(struct decode_memory *memory, size_t count) {
    if (count < memory->record_capacity) return true;
    void *records = grown(&memory->allocator, memory->records, &memory->record_capacity, sizeof memory->records[0]);
    if (records != NULL) memory->records = records;
    return records != NULL;
}

bool decode_memory_fit_refresh(struct decode_memory *memory, size_t count) {
    if (count < memory->refresh_capacity) return true;
    void *refreshes =
        grown(&memory->allocator, memory->refreshes, &memory->refresh_capacity, sizeof memory->refreshes[0]);
    if (refreshes != NULL) memory->refreshes = refreshes;
    return refreshes != NULL;
}

void decode_memory_free(struct decode_memory *memory) {
    const struct allocator *a = &memory->allocator;
    a->release(a->context, memory->records, memory->record_capacity * sizeof memory->records[0]);
    a->release(a->context, memory->refreshes, memory->refresh_capacity * sizeof memory->refreshes[0]);
    memory->records = NULL;
    memory->refreshes = NULL;
    memory->record_capacity = memory->refresh_capacity = 0;
}
