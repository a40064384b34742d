/* Where the core gets memory: an argument, so that tests can count and fail every allocation. */
#ifndef MUSTER_CORE_ALLOCATOR_H
#define MUSTER_CORE_ALLOCATOR_H

#include <stddef.h>

struct allocator {
    /* `bytes` of memory, zeroed, aligned for any type and to 64 bytes where bytes ≥ 4096; NULL if there is none. */
    void *(*allocate)(void *context, size_t bytes);
    /* Takes back what allocate gave, of exactly `bytes`. `memory` may be NULL. */
    void (*release)(void *context, void *memory, size_t bytes);
    void *context;
};

#endif
