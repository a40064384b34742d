/* Fetching a cache line ahead of its use, so that misses overlap. */
#ifndef MUSTER_CORE_CACHE_FETCH_H
#define MUSTER_CORE_CACHE_FETCH_H

/* Any address is allowed. The empty instruction keeps functions alive that do nothing but fetch: gcc 12 takes them for
 * functions without an effect and drops their calls. */
static inline void cache_fetch(const void *line) {
    __builtin_prefetch(line);
    __asm__ volatile("" : : "r"(line));
}

#endif
