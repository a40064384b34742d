/* A region of address space that is reserved once, for the large pieces of a roll: taking and giving back a piece makes
 * no system call.
 *
 * A system call that maps or unmaps waits for every page fault of the process, and the first touch of fresh pages takes
 * the kernel milliseconds: under the node's lock either of them is a stall for all. So a thread of its own populates
 * what was taken, ahead of who uses it, and gives the pages of what came back to the system, in steps of one unit.
 *
 * All functions are thread-safe; they may be called after a fork, in the child too. */
#ifndef MUSTER_NODE_PAGE_REGION_H
#define MUSTER_NODE_PAGE_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_UNIT_BYTES = 2 * 1024 * 1024 }; /* a huge page of x86-64 */

/* Reserves the region for pieces of `bytes` in all, and starts the thread; where address space is limited, a part of it
 * only, or none. The first call counts. */
void page_region_reserve(uint64_t bytes);

/* `bytes` of zeroed memory, aligned to PAGE_UNIT_BYTES, which are being populated. NULL if there is
 * no region, or no room in it. */
void *page_region_take(size_t bytes);
/* Takes back what page_region_take gave, of exactly `bytes`. false: it is not of the region. */
bool page_region_give(void *memory, size_t bytes);

/* Populates other memory of the caller's ahead of its use, on the same thread. */
void page_region_populate(char *memory, size_t bytes);
/* Populates no more of it. A step that is under way goes on: of memory that is unmapped meanwhile it fails, and what is
 * mapped there again gets its pages early. */
void page_region_forget(const char *memory, size_t bytes);

struct page_region_figures {
    size_t reserved_bytes, taken_bytes;
    size_t leaving_bytes; /* given back, and not yet with the system */
    size_t waiting;       /* pieces to be populated */
};
void page_region_figures(struct page_region_figures *out);

#endif
