/* The pace that a watcher asks for: the least time between two answers with changes. */
#ifndef MUSTER_WATCH_PACE_H
#define MUSTER_WATCH_PACE_H

#include <stdint.h>

/* The earliest time of the next answer, after one that was due at paced_ms. It is rounded up, by at most a quarter of
 * the interval, to a time that other watchers share, who then get the same bytes. */
uint64_t pace_due_ms(uint64_t paced_ms, uint32_t min_interval_ms);
/* The paced_ms of an answer that is given at now_ms and was due at due_ms: being a little late does not add up. */
uint64_t pace_answered_ms(uint64_t due_ms, uint32_t min_interval_ms, uint64_t now_ms);

#endif
