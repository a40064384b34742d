#include "histogram.h"

#include <math.h>

enum { STEPS = 1 << HISTOGRAM_STEP_BITS };

/* Values below STEPS have one bucket each. Octave o above them (values from 2^(7+o-1)) has STEPS buckets of 2^(o-1)
 * values. */
static uint32_t bucket_of(uint64_t value) {
    if (value < STEPS) return (uint32_t)value;
    const uint32_t top_bit = 63 - (uint32_t)__builtin_clzll(value);
    const uint32_t shift = top_bit - HISTOGRAM_STEP_BITS;
    return ((shift + 1) << HISTOGRAM_STEP_BITS) + (uint32_t)((value >> shift) - STEPS);
}

/* The middle of a bucket. */
static uint64_t value_of(uint32_t bucket) {
    if (bucket < STEPS) return bucket;
    const uint32_t shift = (bucket >> HISTOGRAM_STEP_BITS) - 1;
    const uint64_t lowest = (uint64_t)(STEPS + (bucket & (STEPS - 1))) << shift;
    return lowest + ((UINT64_C(1) << shift) >> 1);
}

void histogram_record(struct histogram *h, uint64_t value) {
    if (h->count == 0 || value < h->min) h->min = value;
    if (value > h->max) h->max = value;
    h->count++;
    h->sum += (double)value;
    h->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    if (from->count == 0) return;
    if (into->count == 0 || from->min < into->min) into->min = from->min;
    if (from->max > into->max) into->max = from->max;
    into->count += from->count;
    into->sum += from->sum;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) into->buckets[i] += from->buckets[i];
}

uint64_t histogram_percentile(const struct histogram *h, double percent) {
    if (h->count == 0) return 0;
    const double wanted = ceil((double)h->count * percent / 100.0);
    uint64_t seen = 0;
    uint32_t bucket = 0;
    for (; bucket < HISTOGRAM_BUCKETS - 1; bucket++) {
        seen += h->buckets[bucket];
        if (seen > 0 && (double)seen >= wanted) break;
    }
    const uint64_t value = value_of(bucket);
    return value > h->max ? h->max : value < h->min ? h->min : value;
}

double histogram_mean(const struct histogram *h) {
    return h->count == 0 ? 0 : h->sum / (double)h->count;
}
