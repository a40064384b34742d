/* Whether the system has room for threads and memory, tried before a start that takes them bit by bit: one sentence
 * then says what is wrong. It is no guarantee: what is free now may be taken a moment later. */
#ifndef MUSTER_COMMON_HEADROOM_H
#define MUSTER_COMMON_HEADROOM_H

#include "error.h"

#include <stddef.h>

enum { HEADROOM_THREADS_MAX = 256 };

/* Starts `threads` threads (at most HEADROOM_THREADS_MAX) that live at the same time, takes `bytes` of memory while
 * they do, and gives all of it back. RESOURCE_EXHAUSTED: there is no room, and *error says for what. */
bool headroom_check(unsigned threads, size_t bytes, struct error *error);

#endif
