/* The allocator that the roll of a running node lives on: the C library's for small pieces, pages of their own (huge
 * ones where the system grants them) for large ones. */
#ifndef MUSTER_NODE_PAGE_ALLOCATOR_H
#define MUSTER_NODE_PAGE_ALLOCATOR_H

#include "core/allocator.h"

/* Thread-safe; keeps core/allocator.h's contract. */
struct allocator page_allocator(void);

#endif
