/* The allocator that the roll of a running node lives on: the C library's for small pieces, a reserved region
 * (page_region.h) for large ones, or pages of their own where that has no room. */
#ifndef MUSTER_NODE_PAGE_ALLOCATOR_H
#define MUSTER_NODE_PAGE_ALLOCATOR_H

#include "core/allocator.h"

/* Thread-safe; keeps core/allocator.h's contract. */
struct allocator page_allocator(void);

#endif
