/* The pace that a watcher asks for: the least time between two answers that tell of changes. */
#ifndef MUSTER_WATCH_PACE_H
#define MUSTER_WATCH_PACE_H

#include <stdint.h>

/* The earliest moment for the next answer after one that was due at paced_ms. Rounded up by at most a quarter of the
 * interval to a moment that other watchers share: they can be told the same bytes. */
uint64_t pace_due_ms(uint64_t paced_ms, uint32_t min_interval_ms);
/* What a cursor says of an answer that is given at now_ms and was due at due_ms: the pace does not drift. */
uint64_t pace_answered_ms(uint64_t due_ms, uint32_t min_interval_ms, uint64_t now_ms);

#endif
