/* Whether the system has room for threads and memory, tried before a library that cannot cope without.
 *
 * libnng 1.5 starts its threads at its first use; where one of them, or memory, cannot be had it crashes or hangs
 * (nng's own start has no error that its callers see). Trying first turns that into a sentence. It is no guarantee:
 * what is free now may be taken a moment later. */
#ifndef MUSTER_COMMON_HEADROOM_H
#define MUSTER_COMMON_HEADROOM_H

#include "error.h"

#include <stddef.h>

/* The threads that libnng starts on this machine, at most. */
unsigned headroom_nng_threads(void);

enum { HEADROOM_THREADS_MAX = 256, HEADROOM_NNG_BYTES = 16 << 20 };

/* Starts `threads` threads (at most HEADROOM_THREADS_MAX) that live at the same time, takes `bytes` of memory while
 * they do, and gives all of it back. RESOURCE_EXHAUSTED: there is no room, and *error says for what. */
bool headroom_check(unsigned threads, size_t bytes, struct error *error);

#endif
