/* Latencies, kept to within 1/128 of their value (Tene's HdrHistogram, the idea of it): 128 buckets a power of two. */
#ifndef MUSTER_BENCH_HISTOGRAM_H
#define MUSTER_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BITS = 7, HISTOGRAM_BUCKETS = (64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS };

struct histogram {
    uint64_t count, max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline uint32_t histogram_bucket(uint64_t ns) {
    if (ns < 1u << HISTOGRAM_BITS) return (uint32_t)ns;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(ns) - HISTOGRAM_BITS;
    return (shift << HISTOGRAM_BITS) + (uint32_t)(ns >> shift);
}

static inline void histogram_add(struct histogram *histogram, uint64_t ns) {
    histogram->count++;
    if (ns > histogram->max_ns) histogram->max_ns = ns;
    histogram->buckets[histogram_bucket(ns)]++;
}

/* The least value that `share` (0..1) of all values do not exceed, to within a bucket; 0 if there are none. */
static inline uint64_t histogram_at(const struct histogram *histogram, double share) {
    uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.999999), seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen == 0 || seen < wanted) continue;
        uint32_t shift = i < 1u << HISTOGRAM_BITS ? 0 : (i >> HISTOGRAM_BITS) - 1;
        return (i < 1u << HISTOGRAM_BITS ? i : (uint64_t)(i - (shift << HISTOGRAM_BITS))) << shift;
    }
    return 0;
}

#endif
