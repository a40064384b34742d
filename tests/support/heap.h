/* Allocators for tests of the core: plain, and one that counts, checks and fails. */
#ifndef MUSTER_TESTS_SUPPORT_HEAP_H
#define MUSTER_TESTS_SUPPORT_HEAP_H

#include "core/allocator.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* calloc and free, aligned as the contract says. */
struct allocator heap_plain(void);

/* Counts what it gives and takes back, and fails an allocation when told to. It ends the test program where memory
 * comes back with another size than it was taken with, or twice. */
struct heap {
    uint64_t allocations; /* attempts so far */
    uint64_t fail_at;     /* the attempt that fails, counted from 1; 0: none */
    bool fails_after;     /* all later ones fail too */
    size_t blocks, bytes; /* out now */
};

/* `heap` must outlive what uses the allocator. */
struct allocator heap_counting(struct heap *heap);

#endif
