/* A log-linear histogram of latencies, as HdrHistogram's: every power of two is cut into 128 equal buckets, so that a
 * value is stored with an error of at most 1/256, from 1 ns to 584 years, in a fixed 59 KiB. Recording costs a few
 * nanoseconds. Pure. Not thread-safe: each thread has its own, and they are merged at the end. */
#ifndef MUSTER_LOAD_HISTOGRAM_H
#define MUSTER_LOAD_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_STEP_BITS = 7, /* 128 buckets an octave */
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS,
};

/* All zero is the empty histogram. Callers read the fields and do not write them. */
struct histogram {
    uint64_t count;    /* values recorded */
    uint64_t max, min; /* exact; min is meaningless if count is 0 */
    double sum;        /* of all values, to about 15 digits */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *histogram, uint64_t value);

/* Adds all values of `from`. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The least value that at least `percent` (0..100) of the values do not exceed, to within 1/256; never more than `max`
 * nor less than `min`. 0 for an empty histogram. Cost O(buckets). */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

/* The arithmetic mean; 0 for an empty histogram. */
double histogram_mean(const struct histogram *histogram);

#endif
